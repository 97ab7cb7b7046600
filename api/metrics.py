"""What this process counts, for Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import prometheus_client as prometheus
from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from api.metrics_models import ModelCollector
from rag.catalog import Catalog
from rag.indexes import Indexes
from rag.models.monitor import Monitor
from rag.types import DocumentStatus

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Counters of one app, in a registry of its own."""

    def __init__(self, catalog: Catalog, monitor: Monitor, indexes: Indexes) -> None:
        self._registry = CollectorRegistry()
        prometheus.ProcessCollector(registry=self._registry)
        self.requests = prometheus.Counter(
            "ibidem_http_requests",
            "Requests answered, by route and status.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self.seconds = Histogram(
            "ibidem_http_request_duration_seconds",
            "Seconds until a request was answered in full, by route.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.in_flight = Gauge(
            "ibidem_http_requests_in_flight",
            "Requests being answered.",
            registry=self._registry,
        )
        self.uploads = prometheus.Counter(
            "ibidem_uploads",
            "Uploads acknowledged, by outcome: new work, or bytes known before.",
            ("outcome",),
            registry=self._registry,
        )
        self.upload_bytes = prometheus.Counter(
            "ibidem_upload_bytes", "Bytes of acknowledged uploads.", registry=self._registry
        )
        self.answers = prometheus.Counter(
            "ibidem_answers",
            "Questions answered, by whether the documents said it.",
            ("found",),
            registry=self._registry,
        )
        self._registry.register(_Stored(catalog))
        self._registry.register(_Opened(indexes))
        self._registry.register(ModelCollector(monitor))

    def render(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)


class _Stored(Collector):
    """What the catalog holds, read when asked."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def collect(self) -> Iterator[GaugeMetricFamily]:
        counts = self._counts()
        documents = GaugeMetricFamily(
            "ibidem_documents", "Documents stored, by status.", labels=("status",)
        )
        for status in DocumentStatus:
            documents.add_metric((status.value,), counts.get(status.value, 0))
        yield documents
        yield GaugeMetricFamily("ibidem_chunks", "Searchable chunks.", value=counts["chunks"])
        yield GaugeMetricFamily(
            "ibidem_jobs_unfinished",
            "Jobs queued or in progress.",
            value=self._catalog.jobs.count_unfinished(),
        )

    def _counts(self) -> Counter[str]:
        counts: Counter[str] = Counter(chunks=0)
        for collection in self._catalog.collections.all(None):
            counts.update(self._catalog.documents.counts(collection.id))
        return counts

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing: the registry would otherwise read the catalog on registering."""
        return iter(())


class _Opened(Collector):
    """The vector indexes of this process."""

    def __init__(self, indexes: Indexes) -> None:
        self._indexes = indexes

    def collect(self) -> Iterator[GaugeMetricFamily]:
        vectors = GaugeMetricFamily(
            "ibidem_vector_index",
            "Vectors of collections searched since the start, by how they are searched.",
            labels=("collection", "form"),
        )
        for collection, (form, count) in self._indexes.forms().items():
            vectors.add_metric((collection, form), count)
        yield vectors

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing, as above."""
        return iter(())
