"""What is counted of engines, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from rag.models.monitor import Histogram, Monitor, Performance

_LABELS = ("engine", "prompt", "version")
_COUNTS: tuple[tuple[str, str, Callable[[Performance], int]], ...] = (
    ("calls", "Calls of language models.", lambda one: one.calls),
    ("refusals", "Replies that a model refused or its filter held.", lambda one: one.refusals),
    ("truncations", "Replies that were cut off at their longest.", lambda one: one.truncations),
    ("repairs", "Calls that told a model what was wrong with its output.", lambda o: o.repairs),
    ("citations_located", "Quotes that were found in the documents.", lambda one: one.located),
    ("citations_dropped", "Quotes that stand nowhere in them.", lambda one: one.dropped),
)
_HISTOGRAMS: tuple[tuple[str, str, Callable[[Performance], Histogram]], ...] = (
    ("input_tokens", "Tokens that a model read.", lambda one: one.input_tokens),
    ("output_tokens", "Tokens that a model wrote.", lambda one: one.output_tokens),
    ("call_duration_seconds", "Seconds until a reply.", lambda one: one.seconds),
    ("citation_support", "How well quotes support what is said.", lambda one: one.support),
)


class ModelCollector(Collector):
    """A monitor's counts, read when asked."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    def collect(self) -> Iterator[Metric]:
        """One family for each thing that is counted."""
        performances = self._monitor.read()
        for name, text, count in _COUNTS:
            family = CounterMetricFamily(f"ibidem_model_{name}", text, labels=_LABELS)
            for one in performances:
                family.add_metric(_labels(one), count(one))
            yield family
        failures = CounterMetricFamily(
            "ibidem_model_failures", "Calls and outputs that failed.", labels=(*_LABELS, "code")
        )
        for one in performances:
            for code, number in sorted(one.failures.items()):
                failures.add_metric((*_labels(one), code), number)
        yield failures
        for name, text, histogram in _HISTOGRAMS:
            values = HistogramMetricFamily(f"ibidem_model_{name}", text, labels=_LABELS)
            for one in performances:
                read = histogram(one)
                values.add_metric(_labels(one), _buckets(read), read.total)
            yield values


def _labels(one: Performance) -> Sequence[str]:
    return one.engine, one.prompt or "", "" if one.version is None else str(one.version)


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Upper bounds, with how many values lie up to each."""
    bounds = [*map(str, histogram.bounds), "+Inf"]
    return list(zip(bounds, map(float, accumulate(histogram.counts)), strict=True))
