"""Of threads that mostly wait for others, one computes at a time.

Python runs one thread at a time. Where many want to run, they take the interpreter over from one
another, on another core, whenever one reads from a database or a socket, and that takes as much
of the processors as a third of the work itself.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Mine(threading.local):
    turns: threading.Lock | None = None


_mine = _Mine()


class Computing:
    """Lets threads compute by turns. Thread-safe."""

    def __init__(self) -> None:
        self._turns = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for this thread's turn, and have it, but for what is done within `waiting`."""
        with self._turns:
            _mine.turns = self._turns
            try:
                yield
            finally:
                _mine.turns = None


@contextmanager
def waiting() -> Iterator[None]:
    """Give this thread's turn up, if it has one: for what waits, or computes without Python.

    What waits for another thread has to be in here, for that may wait for its turn.
    """
    turns = _mine.turns
    if turns is None:
        yield
        return
    _mine.turns = None
    turns.release()
    try:
        yield
    finally:
        turns.acquire()
        _mine.turns = turns
