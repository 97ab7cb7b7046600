"""How many calls and tokens a provider takes, shared by all who call it with the same key."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from rag.errors import ConfigurationError, RateLimited

_MINUTE = 60.0
_LOOK_S = 0.05
"""Until places of other processes are looked at again."""
_LIMITS = re.compile(
    r"(?P<provider>[^=;\s]+)=(?P<concurrent>[1-9]\d{0,3})"
    r"(?:,(?P<calls>[1-9]\d{0,8})/min)?(?:,(?P<tokens>[1-9]\d{0,11})tok/min)?",
    re.ASCII,
)
_HERE = "local"
"""The provider of what computes in this process: others have nothing to do with it."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What a provider takes: calls at once, and calls and tokens a minute if that is bounded."""

    concurrent: int = 16
    calls_per_minute: float | None = None
    tokens_per_minute: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A place for a call, to be used after so many seconds; ``None`` while there is none."""

    place: str | None
    wait_s: float = 0.0


class Places(Protocol):
    """Where the calls of all processes are counted that share a provider's limits. Thread-safe."""

    def enter(
        self, provider: str, allowance: Allowance, tokens: int, *, patience_s: float
    ) -> Entry:
        """Take a place for a call of so many tokens, if there is one within the patience.

        A minute's calls and tokens are taken at once, on credit: ``wait_s`` pays it back. Without
        a place, nothing is taken, and it says when a minute's allowance has enough again.
        """
        ...

    def leave(self, place: str) -> None:
        """Give a place back."""
        ...


class Limits:
    """At most so many calls at once, and calls and tokens a minute. Thread-safe.

    A minute's allowance refills steadily (a token bucket), so that the first call after a
    pause does not have to wait.
    """

    def __init__(
        self,
        allowance: Allowance | None = None,
        *,
        provider: str = _HERE,
        places: Places | None = None,
    ) -> None:
        """For the calls of this process, or with ``places`` for those of all that have them."""
        self._allowance = allowance = allowance or Allowance()
        self._provider = provider
        self._shared = places
        self._here = threading.BoundedSemaphore(allowance.concurrent)
        self._calls = _Bucket(allowance.calls_per_minute)
        self._tokens = _Bucket(allowance.tokens_per_minute)
        self._turn = threading.Lock()
        self._freed = threading.Event()

    @contextmanager
    def place(self, tokens: int, *, deadline: float) -> Iterator[None]:
        """Wait for a place for a call of about so many tokens, and keep it meanwhile.

        Args:
            tokens: An estimate of input and output.
            deadline: By ``time.monotonic()``, until when to wait.

        Raises:
            RateLimited: No place came free in time.
        """
        if not self._here.acquire(timeout=_left(deadline)):
            raise _full()
        try:
            if self._shared is not None:
                with self._shared_place(self._shared, tokens, deadline):
                    yield
                return
            self._calls.take(1, deadline)
            self._tokens.take(tokens, deadline)
            yield
        finally:
            self._here.release()

    @contextmanager
    def _shared_place(self, places: Places, tokens: int, deadline: float) -> Iterator[None]:
        entry = self._entered(places, tokens, deadline)
        if entry.place is None:
            raise _full() if not entry.wait_s else _spent()
        try:
            if entry.wait_s:
                time.sleep(entry.wait_s)
            yield
        finally:
            try:
                places.leave(entry.place)
            except Exception:  # what was replied is worth more; nobody renews the place
                _log.warning("a place at %s was not given back", self._provider, exc_info=True)
            self._freed.set()

    def _entered(self, places: Places, tokens: int, deadline: float) -> Entry:
        """A place, or why there was none in time. Of this process, one thread asks at a time."""
        if not self._turn.acquire(timeout=_left(deadline)):
            return Entry(place=None)
        try:
            while True:
                self._freed.clear()
                left = _left(deadline)
                entry = places.enter(self._provider, self._allowance, tokens, patience_s=left)
                if entry.place is not None or entry.wait_s or not left:
                    return entry
                self._freed.wait(min(_LOOK_S, left))
        finally:
            self._turn.release()


class ProviderLimits:
    """The limits of each provider, shared by its models. Thread-safe."""

    def __init__(
        self, allowances: Mapping[str, Allowance] | None = None, places: Places | None = None
    ) -> None:
        """What is told of some providers; with ``places``, all processes share the limits."""
        self._allowances = dict(allowances or {})
        self._places = places
        self._made: dict[str, Limits] = {}
        self._lock = threading.Lock()

    def of(self, provider: str) -> Limits:
        """Those of a provider, also of one of which nothing is told."""
        with self._lock:
            if provider not in self._made:
                self._made[provider] = Limits(
                    self._allowances.get(provider),
                    provider=provider,
                    places=None if provider == _HERE else self._places,
                )
            return self._made[provider]


def read_limits(text: str) -> dict[str, Allowance]:
    """Allowances by provider, from ``openai=200,500/min,100000tok/min;anthropic=50``.

    Raises:
        ConfigurationError: It has another form.
    """
    limits: dict[str, Allowance] = {}
    for one in text.split(";"):
        match = _LIMITS.fullmatch(one.strip())
        if match is None:
            raise ConfigurationError(
                "IBIDEM_LIMITS names for each provider how many calls it takes at once, and a "
                "minute's calls and tokens if need be, parted by semicolons, such as "
                "openai=200,500/min,100000tok/min;http://localhost:8000/v1=8."
            )
        calls, tokens = match["calls"], match["tokens"]
        limits[match["provider"]] = Allowance(
            concurrent=int(match["concurrent"]),
            calls_per_minute=float(calls) if calls else None,
            tokens_per_minute=float(tokens) if tokens else None,
        )
    return limits


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())


def _full() -> RateLimited:
    return RateLimited("Too many calls of this model are under way.")


def _spent() -> RateLimited:
    return RateLimited("The limit of calls or tokens a minute is reached.")


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
                raise _spent()
            self._left -= min(amount, self._most)
        if wait:
            sleep(wait)
