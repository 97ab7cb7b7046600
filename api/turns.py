"""Whose turn it is: long documents take turns, batch by batch, and short ones overtake."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

ELDEST_EVERY = 4
"""Each fourth turn goes to who has waited longest, so that nobody waits for ever."""


class Turns:
    """Gives some places at a time to who has had the fewest turns so far.

    What is nearly new is soon done or soon has had its share: a document of three batches is
    through after three turns, however many long ones are under way (least attained service).
    """

    def __init__(self, *, places: int, leave: Callable[[], None] = lambda: None) -> None:
        """Give so many places at once; ``leave`` may raise to end a wait, see ``wake``."""
        self._free = places
        self._leave = leave
        self._lock = threading.Lock()
        self._had: Counter[str] = Counter()
        # Each is called by itself: to wake all of many for every turn takes them longer than it.
        self._waiting: dict[str, tuple[int, threading.Condition]] = {}
        self._numbers = count()
        self._given = 0

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @contextmanager
    def turn(self, who: str) -> Iterator[None]:
        """Wait for a turn, and have it."""
        called = threading.Condition(self._lock)
        with self._lock:
            self._waiting[who] = next(self._numbers), called
            try:
                while not self._free or self._next() != who:
                    self._leave()
                    called.wait()
                self._free -= 1
                self._had[who] += 1
                self._given += 1
            finally:
                del self._waiting[who]
                self._call()
        try:
            yield
        finally:
            with self._lock:
                self._free += 1
                self._call()

    def forget(self, who: str) -> None:
        """Count its turns no longer: it takes no more."""
        with self._lock:
            self._had.pop(who, None)

    def wake(self) -> None:
        """Let those who wait look whether to leave."""
        with self._lock:
            for _, called in self._waiting.values():
                called.notify()

    def _call(self) -> None:
        if self._free and self._waiting:
            self._waiting[self._next()][1].notify()

    def _next(self) -> str:
        eldest = self._given % ELDEST_EVERY == ELDEST_EVERY - 1
        return min(
            self._waiting, key=lambda who: (0 if eldest else self._had[who], self._waiting[who][0])
        )
