"""How many calls and tokens a provider takes, shared by all who call it with the same key."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rag.errors import RateLimited

_MINUTE = 60.0


class Limits:
    """At most so many calls at once, and calls and tokens a minute. Thread-safe.

    A minute's allowance refills steadily (a token bucket), so that the first call after a
    pause does not have to wait.
    """

    def __init__(
        self,
        *,
        concurrent: int = 16,
        calls_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
    ) -> None:
        self._places = threading.BoundedSemaphore(concurrent)
        self._calls = _Bucket(calls_per_minute)
        self._tokens = _Bucket(tokens_per_minute)

    @contextmanager
    def place(self, tokens: int, *, deadline: float) -> Iterator[None]:
        """Wait for a place for a call of about so many tokens, and keep it meanwhile.

        Args:
            tokens: An estimate of input and output.
            deadline: By ``time.monotonic()``, until when to wait.

        Raises:
            RateLimited: No place came free in time.
        """
        if not self._places.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise RateLimited("Too many calls of this model are under way.")
        try:
            self._calls.take(1, deadline)
            self._tokens.take(tokens, deadline)
            yield
        finally:
            self._places.release()


class _Bucket:
    def __init__(self, per_minute: float | None) -> None:
        self._rate = None if per_minute is None else per_minute / _MINUTE
        self._most = per_minute or 0.0
        self._left = self._most
        self._at = time.monotonic()
        self._lock = threading.Lock()

    def take(
        self, amount: float, deadline: float, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Wait until the bucket holds the amount; of one larger than it ever holds, all of it."""
        if self._rate is None:
            return
        with self._lock:
            now = time.monotonic()
            self._left = min(self._most, self._left + (now - self._at) * self._rate)
            self._at = now
            # Taken at once, on credit: those who come later wait longer.
            wait = max(0.0, (min(amount, self._most) - self._left) / self._rate)
            if now + wait > deadline:
                raise RateLimited("The limit of calls or tokens a minute is reached.")
            self._left -= min(amount, self._most)
        if wait:
            sleep(wait)
