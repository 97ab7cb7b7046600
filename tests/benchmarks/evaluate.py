"""``python -m tests.benchmarks.evaluate``: how good answers and retrieval are.

The questions on the sample documents are always asked. Beside a folder of public data sets,
those are measured too, questions on real quarterly reports asked, and texts summarized,
classified and extracted from; and the reader that comes with Ibidem, if one does.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from rag.embedding.registry import open_embedder
from rag.models.offline.folder import CARD, SHIPPED
from rag.models.offline.reader import Reader
from rag.models.offline.reranking import USE as RERANK
from tests.benchmarks.cached import CachedEmbedder
from tests.benchmarks.filings import load_filings, run_filings
from tests.benchmarks.library import open_library
from tests.benchmarks.questions import judge, load_questions, readable, summarize
from tests.benchmarks.reader import run_reader
from tests.benchmarks.rerank import run_rerank
from tests.benchmarks.retrieval import run_retrieval_eval
from tests.benchmarks.support import run_support
from tests.benchmarks.tasks import run_tasks

_ROOT = Path(__file__).resolve().parents[2]
_WIDTH = 100
PARTS = ("samples", "filings", "passages", "spans", "tasks", "reader")
# Questions and pairs of each set on which the reader is measured.
_READ = 300


def main(arguments: list[str] | None = None) -> int:
    """Run all parts, or those that are named, as far as their data is at hand.

    Returns 1 when retrieval is not as much better than what it is made of as it should be.
    """
    options = _options(arguments)
    wanted = set(options.parts or PARTS)
    report: dict[str, Any] = {}
    if "samples" in wanted:
        report["samples"] = run_samples(options.cache / "models", options.embedder, options.reader)
    report |= _run_public(options, wanted)
    if "reader" in wanted:
        report["reader"] = _run_reader(options)
    if options.out is not None:
        options.out.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return 0 if report.get("gate", {}).get("passed", True) else 1


def _run_public(options: argparse.Namespace, wanted: set[str]) -> dict[str, Any]:
    """The parts that need public data sets, and a line on those that are left out."""
    report: dict[str, Any] = {}
    left_out = []
    filings = options.data / "qa" / "sec-10-q"
    if "filings" in wanted and filings.is_dir():
        report["filings"] = _run_filings(filings, options)
    elif "filings" in wanted:
        left_out.append("questions on quarterly reports (qa/sec-10-q)")
    if wanted & {"passages", "spans"} and (options.data / "retrieval").is_dir():
        report |= _run_retrieval(options, wanted)
    elif wanted & {"passages", "spans"}:
        left_out.append("the public retrieval sets (retrieval)")
    if "tasks" in wanted and (options.data / "classification").is_dir():
        report["tasks"] = _run_tasks(options)
    elif "tasks" in wanted:
        left_out.append("texts to summarize, classify and extract from")
    if left_out:
        _say(f"Left out, not in {options.data}: {'; '.join(left_out)}.")
    return report


def run_samples(models: Path, embedder: str = "onnx", reader: str = "none") -> dict[str, Any]:
    """Ask the questions on the sample documents, ingested into a home of their own."""
    with tempfile.TemporaryDirectory() as folder:
        files = sorted((_ROOT / "data" / "samples").iterdir())
        with open_library(
            Path(folder), files, models=models, embedder=embedder, reader=reader
        ) as library:
            questions = load_questions(_ROOT / "data" / "eval" / "questions.jsonl")
            kept, skipped = readable(questions, library)
            summary = summarize([judge(question, library) for question in kept])
            report = summary | {"skipped": skipped, "unread": dict(library.unread)}
    _print_samples(report)
    return report


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.evaluate")
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; default: all"
    )
    parser.add_argument("--data", type=Path, default=_ROOT.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, help="write the report as JSON")
    parser.add_argument("--embedder", default="onnx")
    parser.add_argument("--reader", default="shipped", help="shipped, none, or a folder")
    parser.add_argument(
        "--cache",
        type=Path,
        default=_ROOT / "build" / "eval",
        help="models, vectors and ingested reports, kept between runs",
    )
    parser.add_argument(
        "--languages", nargs="*", default=[], help="of XQuAD's passages, such as ar de zh"
    )
    parser.add_argument(
        "--contracts", type=int, default=20, help="how many contracts to chunk (-1: all)"
    )
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.parts) - set(PARTS)):
        parser.error(f"no such part: {', '.join(unknown)}; known are {', '.join(PARTS)}")
    return options


def _run_filings(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    home = options.cache / "filings"
    files = sorted((folder / "docs").iterdir())
    models = options.cache / "models"
    with open_library(
        home, files, models=models, embedder=options.embedder, reader=options.reader
    ) as library:
        report = run_filings(load_filings(folder), library)
    _print_table(f"quarterly reports ({len(files)} files)", report)
    return report


def _run_tasks(options: argparse.Namespace) -> list[dict[str, Any]]:
    embedder = _cached_embedder(options)
    try:
        report = run_tasks(options.data, embedder)
    finally:
        embedder.close()
    table = Table(
        title="tasks, offline", title_justify="left", box=box.SIMPLE, padding=(0, 0, 0, 1)
    )
    for column in ("", "measure", "n", "offline", "95 %", "baseline"):
        table.add_column(column, justify="left" if not column else "right")
    for row in report:
        mean, interval = _shown(row["offline"])
        base, _ = _shown(row["baseline"])
        table.add_row(row["set"], row["measure"], str(row["n"]), mean, interval, base)
    Console(width=_WIDTH).print(table)
    for row in report:
        if row["published"]:
            _say(f"{row['set']}: published {row['published']}")
    return report


def _run_reader(options: argparse.Namespace) -> dict[str, Any] | None:
    if not (SHIPPED / CARD).is_file() or not (options.data / "qa").is_dir():
        _say(f"Left out: a reader ({SHIPPED}), or the public sets to measure it on.")
        return None
    embedder = _cached_embedder(options)
    reader = Reader(SHIPPED)
    try:
        support, _ = run_support(options.data, reader, embedder, _READ)
        reranked, _ = run_rerank(
            options.data, reader, embedder, _READ, reader.card.fitted.get(RERANK)
        )
        spans = run_reader(options.data, [SHIPPED], embedder, _READ)
    finally:
        embedder.close()
    return {
        "spans": spans,
        "support": support,
        "rerank": reranked,
    }


def _cached_embedder(options: argparse.Namespace) -> CachedEmbedder:
    return CachedEmbedder(
        open_embedder(options.embedder, cache=options.cache / "models"),
        options.cache / "vectors.sqlite",
    )


def _run_retrieval(options: argparse.Namespace, wanted: set[str]) -> dict[str, Any]:
    embedder = _cached_embedder(options)
    try:
        contracts = None if options.contracts < 0 else options.contracts
        return run_retrieval_eval(
            options.data,
            embedder,
            passages="passages" in wanted,
            languages=options.languages,
            contracts=contracts if "spans" in wanted else 0,
        )
    finally:
        embedder.close()


def _print_samples(report: Mapping[str, Any]) -> None:
    _print_table("sample documents", report["all"])
    for group in ("format", "language", "type"):
        columns = ("document@8", "quote@8", "answer", "cited", "on quote", "found")
        _print_table(f"by {group}", report[group], columns)
    lines = [f"{q['id']} {q['cause']}: {q['question']}" for q in report["questions"] if q["cause"]]
    if report["skipped"]:
        lines.append(f"\nNot asked, {len(report['skipped'])}: {', '.join(report['skipped'])}")
    lines += [f"Not read: {name}: {reason}" for name, reason in report["unread"].items()]
    for line in lines:
        _say(line)


def _print_table(
    title: str, groups: Mapping[str, Mapping[str, Any]], columns: Sequence[str] = ()
) -> None:
    """One row a group; a single group is turned, one row a score, with intervals."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE, padding=(0, 0, 0, 1))
    console = Console(width=_WIDTH)
    if len(groups) == 1:
        (scores,) = groups.values()
        for column in ("", "mean", "95 %"):
            table.add_column(column, justify="right")
        for name in (name for name in scores if name != "questions"):
            table.add_row(name, *_shown(scores[name]))
    else:
        names = columns or [name for name in next(iter(groups.values())) if name != "questions"]
        for column in ("", "n", *names):
            table.add_column(column, justify="right")
        for group, scores in groups.items():
            cells = [f"{scores[name]['mean']:.2f}" if name in scores else "-" for name in names]
            table.add_row(group, str(scores["questions"]), *cells)
    console.print(table)


def _say(line: str) -> None:
    Console(width=_WIDTH).print(line, markup=False, highlight=False)


def _shown(value: Mapping[str, float]) -> tuple[str, str]:
    return f"{value['mean']:.3f}", f"{value['low']:.3f}-{value['high']:.3f}"


if __name__ == "__main__":
    sys.exit(main())
