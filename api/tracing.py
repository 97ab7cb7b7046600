"""Spans for OpenTelemetry, sent to a collector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Status, StatusCode

from rag.errors import MissingExtra
from rag.trace import Attribute, NoTracer, Span, Tracer

_NAMES = {
    "model": "gen_ai.request.model",
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
}
"""Attributes that OpenTelemetry has a name for; all others get ours."""


class OpenTelemetryTracer:
    """Hands spans on to a provider of OpenTelemetry's."""

    def __init__(self, provider: trace.TracerProvider) -> None:
        self._tracer = provider.get_tracer("ibidem")

    def begin(self, name: str, **attributes: Attribute) -> Span:
        """Begin a part of the span that this thread is within."""
        return _Span(self._tracer.start_span(name, attributes=_named(attributes)))


class _Span:
    def __init__(self, inner: trace.Span) -> None:
        self._inner = inner

    def within(self) -> AbstractContextManager[None]:
        return _within(self._inner)

    def tell(self, **attributes: Attribute) -> None:
        self._inner.set_attributes(_named(attributes))

    def end(self, error: str | None = None) -> None:
        if error is not None:
            # Without a description: messages may quote what was asked.
            self._inner.set_status(Status(StatusCode.ERROR))
            self._inner.set_attribute("error.type", error)
        self._inner.end()


@contextmanager
def _within(inner: trace.Span) -> Iterator[None]:
    # Messages and places of exceptions stay here; `_Span.end` tells their code.
    with trace.use_span(inner, record_exception=False, set_status_on_exception=False):
        yield


def _named(attributes: Mapping[str, Attribute]) -> dict[str, str | int | float]:
    return {
        _NAMES.get(name, f"ibidem.{name}"): value
        for name, value in attributes.items()
        if value is not None
    }


@contextmanager
def open_tracer(endpoint: str | None) -> Iterator[Tracer]:
    """A tracer that sends to a collector over HTTP; what waits is sent on leaving.

    Without an endpoint nothing is traced. Headers, name of the service and the like are
    OpenTelemetry's own settings (``OTEL_EXPORTER_OTLP_HEADERS``, ``OTEL_SERVICE_NAME``).

    Raises:
        MissingExtra: OpenTelemetry's packages are not installed.
    """
    if endpoint is None:
        yield NoTracer()
        return
    provider = _provider(endpoint)
    try:
        yield OpenTelemetryTracer(provider)
    finally:
        provider.shutdown()


def _provider(endpoint: str) -> Any:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise MissingExtra(
            "IBIDEM_OTLP_ENDPOINT needs packages that are not installed: "
            "pip install 'ibidem[otel]'."
        ) from error
    resource = Resource.create({"service.name": "ibidem"})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider
