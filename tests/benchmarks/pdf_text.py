"""``python -m tests.benchmarks.pdf_text``: the text and the tables of PDFs.

- Tables: F1 over (row, column, exact text) of the cells of our own reports. Gold is what the
  generator printed (data/eval/tables.jsonl); each gold table is compared with the table of the
  document that shares most cells with it. Tables that no gold table chose are counted apart.
- Text: ``similarity`` (see similarity.py) with the text layer as poppler's pdftotext reads it,
  over the public PDFs when they and that program are at hand. It is another reading, not the
  truth. Files without a text layer and texts longer than 100,000 code points are left out.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from ingest.parse import detect, parse
from rag.errors import IbidemError
from rag.types import BlockKind, ParsedDocument
from tests.benchmarks.similarity import similarity
from tests.realdata import REAL_DATA

_DATA = Path(__file__).resolve().parents[2] / "data"
_MOST = 100_000
Cells = frozenset[tuple[int, int, str]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print both."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.pdf_text")
    parser.add_argument("--json", type=Path, help="write the figures as JSON")
    parser.add_argument("--tables", action="store_true", help="tables only")
    options = parser.parse_args(arguments)
    report: dict[str, Any] = {"tables": list(_tables())}
    for row in report["tables"]:
        _say(
            f"{row['document']:36} {row['tables']:3} tables  precision {row['precision']:.3f}  "
            f"recall {row['recall']:.3f}  F1 {row['f1']:.3f}  others {row['others']}"
        )
    if not options.tables:
        report["text"] = {}
        for name, alike in _texts():
            report["text"][name] = alike
            _say(f"{alike:.3f} {name}")
        if report["text"]:
            _say(f"{median(report['text'].values()):.3f} median")
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    return 0


def _tables() -> Iterator[dict[str, Any]]:
    gold: dict[str, list[Cells]] = {}
    for line in (_DATA / "eval" / "tables.jsonl").read_text("utf-8").splitlines():
        entry = json.loads(line)
        cells = frozenset((row, column, text) for row, column, text in entry["cells"])
        gold.setdefault(entry["document"], []).append(cells)
    totals = [0, 0, 0, 0, 0]
    for name, tables in gold.items():
        found = list(_found(parse(_DATA / "samples" / name, "application/pdf")))
        chosen = [max(found, key=lambda one: len(one & cells), default=Cells()) for cells in tables]
        counts = [
            sum(len(one & cells) for one, cells in zip(chosen, tables, strict=True)),
            sum(map(len, chosen)),
            sum(map(len, tables)),
            len(tables),
            len(set(found) - set(chosen)),
        ]
        totals = [a + b for a, b in zip(totals, counts, strict=True)]
        yield _row(name, counts)
    yield _row("all", totals)


def _row(name: str, counts: Sequence[int]) -> dict[str, Any]:
    right, told, wanted, tables, others = counts
    return {
        "document": name,
        "tables": tables,
        "precision": right / max(1, told),
        "recall": right / max(1, wanted),
        "f1": 2 * right / max(1, told + wanted),
        "others": others,
    }


def _found(document: ParsedDocument) -> Iterator[Cells]:
    for block in document.blocks:
        if block.kind is BlockKind.TABLE:
            yield frozenset((c.row, c.column, document.text[c.start : c.end]) for c in block.cells)


def _texts() -> Iterator[tuple[str, float]]:
    program = shutil.which("pdftotext")
    if REAL_DATA is None or program is None:
        _say("Text is not compared: it needs pdftotext and the public data sets (../shared/data).")
        return
    for path in sorted((REAL_DATA / "pdfs").glob("*.pdf")):
        layer = subprocess.run([program, path, "-"], capture_output=True, check=False)
        other = layer.stdout.decode("utf-8", "replace").replace("\f", "\n")
        if not other.strip() or len(other) > _MOST:
            continue
        try:
            alike = similarity(parse(path, detect(path, path.name, None)).text, other)
        except IbidemError as error:
            _say(f"Refused {path.name}: {error}")
            continue
        if alike is not None:
            yield path.name, alike


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
