"""How many calls and tokens a provider takes, shared by all who call it with the same key."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rag.errors import ConfigurationError, RateLimited

_MINUTE = 60.0
_LIMITS = re.compile(
    r"(?P<provider>[^=;\s]+)=(?P<concurrent>[1-9]\d{0,3})"
    r"(?:,(?P<calls>[1-9]\d{0,8})/min)?(?:,(?P<tokens>[1-9]\d{0,11})tok/min)?",
    re.ASCII,
)


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


def read_limits(text: str) -> dict[str, Limits]:
    """Limits by provider, from ``openai=200,500/min,100000tok/min;anthropic=50``.

    Raises:
        ConfigurationError: It has another form.
    """
    limits: dict[str, Limits] = {}
    for one in text.split(";"):
        match = _LIMITS.fullmatch(one.strip())
        if match is None:
            raise ConfigurationError(
                "IBIDEM_LIMITS names for each provider how many calls it takes at once, and a "
                "minute's calls and tokens if need be, parted by semicolons, such as "
                "openai=200,500/min,100000tok/min;http://localhost:8000/v1=8."
            )
        calls, tokens = match["calls"], match["tokens"]
        limits[match["provider"]] = Limits(
            concurrent=int(match["concurrent"]),
            calls_per_minute=float(calls) if calls else None,
            tokens_per_minute=float(tokens) if tokens else None,
        )
    return limits


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
