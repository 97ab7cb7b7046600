"""How many requests work at once, and how many may wait for their turn."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rag.errors import Overloaded


class Admission:
    """A bounded number of places to work and a bounded queue before them."""

    def __init__(self, name: str, *, running: int, waiting: int, patience_s: float = 30.0) -> None:
        self.capacity = running + waiting
        self._name = name
        self._patience_s = patience_s
        self._places = threading.Semaphore(running)
        self._lock = threading.Lock()
        self._inside = 0

    @property
    def inside(self) -> int:
        """How many work or wait at this moment."""
        return self._inside

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place to work, after waiting for one.

        Raises:
            Overloaded: the queue is full, or waiting took too long.
        """
        with self._lock:
            if self._inside >= self.capacity:
                raise Overloaded(f"Too many requests wait for {self._name}; try again shortly.")
            self._inside += 1
        try:
            if not self._places.acquire(timeout=self._patience_s):
                raise Overloaded(
                    f"No turn for {self._name} within {self._patience_s:.0f} s; try again shortly."
                )
            try:
                yield
            finally:
                self._places.release()
        finally:
            with self._lock:
                self._inside -= 1
