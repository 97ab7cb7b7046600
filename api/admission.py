"""How many requests work at once, and how many may wait for their turn."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rag.errors import Overloaded


class Admission:
    """A bounded number of places to work and a bounded queue before them."""

    def __init__(self, name: str, *, running: int, waiting: int, patience_s: float = 30.0) -> None:
        self.name = name
        self.capacity = running + waiting
        self._patience_s = patience_s
        self._places = threading.Semaphore(running)
        self._entrances = threading.Semaphore(self.capacity)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place to work, after waiting for one.

        Raises:
            Overloaded: the queue is full, or waiting took too long.
        """
        self.enter()
        try:
            yield
        finally:
            self.leave()

    def enter(self) -> None:
        """Take a place that `leave` gives back, where a ``with`` block cannot span the work.

        Raises:
            Overloaded: the queue is full, or waiting took too long.
        """
        if not self._entrances.acquire(blocking=False):
            raise Overloaded(f"Too many requests wait for {self.name}; try again shortly.")
        if not self._places.acquire(timeout=self._patience_s):
            self._entrances.release()
            raise Overloaded(
                f"No turn for {self.name} within {self._patience_s:.0f} s; try again shortly."
            )

    def leave(self) -> None:
        """Give a place back."""
        self._places.release()
        self._entrances.release()
