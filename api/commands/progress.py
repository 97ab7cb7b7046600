"""How far an ingestion is: bars for a person, lines for a log."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from api.commands.common import note, plain

if TYPE_CHECKING:
    from api.commands.outcomes import Outcome


class Display(Protocol):
    """Where progress is told."""

    def found(self, count: int) -> None:
        """So many more files were found inside others."""

    def finished(self, outcome: Outcome) -> None:
        """A file has come to its end."""

    def chunks(self, outcomes: Sequence[Outcome]) -> None:
        """How far all of them are."""


class _Lines:
    """Progress for a log: a line for each file."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0

    def found(self, count: int) -> None:
        self._total += count

    def finished(self, outcome: Outcome) -> None:
        self._done += 1
        chunks = f"{outcome.chunks} {'chunk' if outcome.chunks == 1 else 'chunks'}"
        what = f"ready, {chunks}" if outcome.status == "ready" else outcome.status
        note(f"[{self._done}/{self._total}] {plain(outcome.path)}: {what}")

    def chunks(self, outcomes: Sequence[Outcome]) -> None:
        """Lines tell of whole files only."""


class _Bars:
    """Progress for a person: bars of documents and of chunks."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeElapsedColumn as Elapsed

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Elapsed())
        self.progress = Progress(*columns, console=Console(stderr=True))
        self._documents = self.progress.add_task("documents", total=total)
        self._chunks = self.progress.add_task("chunks", total=None)
        self._total = total

    def found(self, count: int) -> None:
        self._total += count
        self.progress.update(self._documents, total=self._total)

    def finished(self, outcome: Outcome) -> None:
        self.progress.advance(self._documents)

    def chunks(self, outcomes: Sequence[Outcome]) -> None:
        done = sum(one.chunks for one in outcomes if one.status != "unchanged")
        total = sum(one.chunks_total or 0 for one in outcomes)
        self.progress.update(self._chunks, completed=done, total=total or None)


@contextmanager
def display_of(total: int) -> Iterator[Display]:
    """Bars at a terminal, lines elsewhere, both on stderr."""
    if not sys.stderr.isatty():
        yield _Lines(total)
        return
    bars = _Bars(total)
    with bars.progress:
        yield bars
