"""Medians over rounds, ratios, and the two tables that are printed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

OURS = ("Ibidem int8", "Ibidem fp32")
ENCODERS = ("encoder int8", "encoder fp32")
PEER_ENCODER = "encoder sentence-transformers"

Medians = Mapping[str, Mapping[str, float]]
"""Figure by name, by system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Figures of one process: ``measure`` is the corpus it ingested, or ``query``."""

    round: int
    system: str
    measure: str
    figures: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A ratio with the bound it should keep; ``None`` where it is only reported."""

    name: str
    value: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def met(self) -> bool | None:
        if self.at_least is None and self.at_most is None:
            return None
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )


def medians(records: Iterable[Record], chunks: Mapping[str, int]) -> Medians:
    """Median over rounds. Rates count the corpus's chunks, however a system cut them.

    ``peak_mb`` is the larger of the medians of ingesting and of querying.
    """
    samples: dict[str, dict[str, list[float]]] = {}
    for record in records:
        figures = dict(record.figures)
        peak = figures.pop("peak_mb")
        if "seconds" in figures:
            rate = chunks[record.measure] / figures.pop("seconds")
            own = figures.pop("chunks")
            figures |= {record.measure: rate, f"{record.measure}_chunks": own}
        figures[f"peak_{record.measure}_mb"] = peak
        for name, value in figures.items():
            samples.setdefault(record.system, {}).setdefault(name, []).append(value)
    result = {
        # A disturbed round can only lower what is measured of the machine's ceiling.
        system: {
            name: max(values) if name == "fp32_ceiling" else median(values)
            for name, values in by_name.items()
        }
        for system, by_name in samples.items()
    }
    for figures in result.values():
        figures["peak_mb"] = max(figures[key] for key in list(figures) if key.startswith("peak_"))
    return result


def checks(found: Medians) -> list[Check]:
    """What this project promises of its speed, as far as the systems that ran can tell."""
    result: list[Check] = []
    peers = [f for name, f in found.items() if name not in (*OURS, *ENCODERS, PEER_ENCODER)]
    bounds = {OURS[0]: {"uniform": 1.5, "mixed": 2.0}, OURS[1]: {"uniform": 1.1, "mixed": 1.45}}
    for system, encoder in zip(OURS, ENCODERS, strict=True):
        ours, bare = found.get(system), found.get(encoder)
        for corpus, bound in bounds[system].items():
            if ours and bare:
                name = f"{system}: whole pipeline / bare encoder, {corpus}"
                result.append(Check(name=name, value=ours[corpus] / bare[corpus], at_least=0.9))
            if ours and peers:
                name = f"{system}: ingest / fastest peer, {corpus}"
                value = ours[corpus] / max(peer[corpus] for peer in peers)
                result.append(Check(name=name, value=value, at_least=bound))
        if ours:
            result.extend(_reading(system, ours, peers))
    return result + _ceiling(found)


def _reading(
    system: str, ours: Mapping[str, float], peers: Sequence[Mapping[str, float]]
) -> list[Check]:
    cold = Check(name=f"{system}: cold start, s", value=ours["cold_seconds"], at_most=2.0)
    if not peers:
        return [cold]
    fastest = min(peer["p50_dense_ms"] for peer in peers)
    hybrid, dense = ours["p50_ms"] / fastest, ours["p50_dense_ms"] / fastest
    memory = ours["peak_mb"] / min(peer["peak_mb"] for peer in peers)
    return [
        Check(name=f"{system}: query p50, hybrid / fastest peer", value=hybrid, at_most=1 / 3),
        Check(name=f"{system}: query p50, dense / fastest peer", value=dense, at_most=1 / 3),
        cold,
        Check(name=f"{system}: peak memory / smallest peer", value=memory, at_most=0.5),
    ]


def _ceiling(found: Medians) -> list[Check]:
    ceiling = found.get(PEER_ENCODER, {}).get("fp32_ceiling")
    if not ceiling:
        return []
    return [
        Check(name=f"{system}: share of the fp32 ceiling", value=found[system]["uniform"] / ceiling)
        for system in (OURS[1], ENCODERS[1], PEER_ENCODER)
        if system in found
    ]


_COLUMNS = (
    ("uniform", "uniform ch/s", "{:.1f}"),
    ("mixed", "mixed ch/s", "{:.1f}"),
    ("p50_ms", "query p50 ms", "{:.1f}"),
    ("p95_ms", "p95 ms", "{:.1f}"),
    ("p50_dense_ms", "dense p50 ms", "{:.1f}"),
    ("cold_seconds", "cold start s", "{:.2f}"),
    ("peak_mb", "peak MB", "{:.0f}"),
    ("recall", "recall@10", "{:.2f}"),
)


def table(found: Medians) -> str:
    """One row per system; in brackets, the figure as a multiple of ours at int8."""
    reference = found.get(OURS[0], {})
    rows = [["", *(title for _, title, _ in _COLUMNS)]]
    for system, figures in found.items():
        row = [system]
        for key, _, form in _COLUMNS:
            if key not in figures:
                row.append("-")
                continue
            against = f" ({figures[key] / reference[key]:.2f}x)" if reference.get(key) else ""
            row.append(form.format(figures[key]) + against)
        rows.append(row)
    return _align(rows)


def check_table(results: Sequence[Check]) -> str:
    """One row per ratio, with its bound and whether it was kept."""
    rows = [["", "measured", "wanted", "kept"]]
    for check in results:
        bound = f">= {check.at_least:.2f}" if check.at_least is not None else "-"
        bound = f"<= {check.at_most:.2f}" if check.at_most is not None else bound
        kept = {True: "yes", False: "NO", None: "-"}[check.met]
        rows.append([check.name, f"{check.value:.2f}", bound, kept])
    return _align(rows)


def _align(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
