"""Gold for the tables of the reports, from the figures that the reports print.

``python -m make_samples tables`` writes ``eval/tables.jsonl``: a line for each table with its
document and its cells that are not empty, each as row, column and text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from . import annual, programs, quarterly, word

Rows = Sequence[Sequence[str]]


def write(samples: Path, work: Path) -> None:
    """Writes ``eval/tables.jsonl`` beside the samples."""
    lines = [
        json.dumps({"document": name, "cells": list(_cells(rows))}, ensure_ascii=False)
        for name, tables in _documents()
        for rows in tables
    ]
    (samples.parent / "eval" / "tables.jsonl").write_text("\n".join(lines) + "\n", "utf-8")


def _documents() -> Iterator[tuple[str, list[Rows]]]:
    for number in (2023, 2024):
        with mock.patch.object(annual, "tabular", lambda rows, **_: rows):
            makers: Any = annual._tables(number)
            found = [makers[name]() for name in makers]
        yield f"tarrowby-annual-report-{number}.pdf", found
    for number in (1, 2, 3):
        taken: list[Rows] = []
        table = word.table

        def keep(document: Any, rows: Rows, *args: Any, into: list[Rows] = taken, **kw: Any) -> Any:
            into.append(rows)
            return table(document, rows, *args, **kw)

        with mock.patch.object(word, "table", keep):
            quarter = quarterly._quarter(number)
            quarterly._document(quarter, programs.at(quarter.text.written))
        yield f"tarrowby-q{number}-2024.pdf", taken


def _cells(rows: Rows) -> Iterator[tuple[int, int, str]]:
    for row, texts in enumerate(rows):
        for column, text in enumerate(texts):
            if text.strip():
                yield row, column, " ".join(text.split())
