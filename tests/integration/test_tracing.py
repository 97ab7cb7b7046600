"""What OpenTelemetry is told of an answer: names, numbers and times, and no word of any text."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.integration.conftest import LEASE, Opened
from tests.integration.test_rest_engines import reply, serving

pytest.importorskip("openai")
trace_sdk = pytest.importorskip("opentelemetry.sdk.trace")
collector_v1 = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")

QUESTION = "How long is the notice to end the lease?"
SECRETS = ("notice", "Ninety", "ninety", "lease", "secret thoughts", "user:pass", "slipway")


class Collector(ThreadingHTTPServer):
    """Takes spans as a collector does, over HTTP on loopback."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: list[Any] = []
        self.raw = b""


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            raise AssertionError("sent packed")
        self.server.raw += body
        request = collector_v1.ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.server.spans.extend(scope.spans)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@contextmanager
def collecting() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def attributes(span: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_is_a_tree_of_spans_without_text(
    open_rest: Callable[..., Opened], stream: bool
) -> None:
    with collecting() as collector, serving() as server:
        endpoint = f"http://127.0.0.1:{collector.server_port}"
        with open_rest(work=True, engine=server.engine, otlp_endpoint=endpoint) as rest:
            rest.ready("lease.txt", LEASE.encode())
            server.text = reply("a notice of ninety days in writing")
            body = {"question": QUESTION, "stream": stream}
            rest.client.post("/v1/ask", json=body).raise_for_status()
    spans = {one.name: one for one in collector.spans}
    assert len(collector.spans) == len(spans)
    ask, retrieve, task, call = (spans[name] for name in ("ask", "retrieve", "task", "call"))
    assert ask.parent_span_id == b""
    assert retrieve.parent_span_id == task.parent_span_id == ask.span_id
    assert call.parent_span_id == task.span_id
    assert {one.trace_id for one in collector.spans} == {ask.trace_id}
    told = attributes(call)
    assert told["gen_ai.request.model"].startswith("compatible:tiny@http://127.0.0.1")
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (10, 5)
    assert (told["ibidem.attempts"], told["ibidem.prompt"]) == (1, "answer/chain-of-thought")
    assert told["ibidem.prompt_version"] >= 1
    assert attributes(task)["ibidem.task"] == "answer"
    for text in SECRETS:
        assert text.encode() not in collector.raw, text


def test_a_failed_answer_is_traced_without_its_message(open_rest: Callable[..., Opened]) -> None:
    with collecting() as collector, serving() as server:
        endpoint = f"http://127.0.0.1:{collector.server_port}"
        with open_rest(work=True, engine=server.engine, otlp_endpoint=endpoint) as rest:
            rest.ready("lease.txt", LEASE.encode())
            body = {"question": QUESTION, "budget_usd": 0.01}
            assert rest.client.post("/v1/ask", json=body).status_code == 402
    call = next(one for one in collector.spans if one.name == "call")
    assert attributes(call)["error.type"] == "budget_exceeded"
    assert b"IBIDEM_PRICING" not in collector.raw
    assert not call.events
