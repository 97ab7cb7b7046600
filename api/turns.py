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
        self._changed = threading.Condition()
        self._had: Counter[str] = Counter()
        self._waiting: dict[str, int] = {}
        self._numbers = count()
        self._given = 0

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @contextmanager
    def turn(self, who: str) -> Iterator[None]:
        """Wait for a turn, and have it."""
        with self._changed:
            self._waiting[who] = next(self._numbers)
            try:
                while not self._free or self._next() != who:
                    self._leave()
                    self._changed.wait()
            finally:
                del self._waiting[who]
                self._changed.notify_all()
            self._free -= 1
            self._had[who] += 1
            self._given += 1
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()

    def forget(self, who: str) -> None:
        """Count its turns no longer: it takes no more."""
        with self._changed:
            self._had.pop(who, None)

    def wake(self) -> None:
        """Let those who wait look whether to leave."""
        with self._changed:
            self._changed.notify_all()

    def _next(self) -> str:
        eldest = self._given % ELDEST_EVERY == ELDEST_EVERY - 1
        return min(
            self._waiting, key=lambda who: (0 if eldest else self._had[who], self._waiting[who])
        )
