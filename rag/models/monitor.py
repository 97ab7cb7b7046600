"""How engines do, by prompt: what is told of their calls, counted since the process started."""

from __future__ import annotations

import math
import threading
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rag.models.chat import Finish
from rag.models.observe import Attempt, Checked, Event, Unusable
from rag.types import PromptUsed

LATEST = 1_000
"""How many values quantiles are taken of."""

SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0)
TOKENS = (16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0)
SUPPORT = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_REFUSED = (Finish.REFUSED, Finish.FILTERED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How often values fell into intervals.

    ``counts[i]`` is of values up to ``bounds[i]`` and above the bound before; the last count,
    which has no bound, is of those above all bounds. ``latest`` are the last values, at most
    `LATEST`.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float
    latest: tuple[float, ...] = ()

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts)

    @property
    def mean(self) -> float | None:
        """Their mean; ``None`` of none."""
        return self.total / self.count if self.count else None

    def quantile(self, q: float) -> float | None:
        """The smallest of the latest values that a part ``q`` of them does not exceed."""
        if not self.latest:
            return None
        place = max(0, math.ceil(q * len(self.latest)) - 1)
        return sorted(self.latest)[place]


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """What came of the calls of one engine with one prompt; of all its others without one.

    ``failures`` are by error code; refusals and outputs that were cut off are replies, and
    counted apart. ``seconds`` are of calls that brought a reply.
    """

    engine: str
    prompt: str | None
    version: int | None
    calls: int
    failures: Mapping[str, int]
    refusals: int
    truncations: int
    repairs: int
    input_tokens: Histogram
    output_tokens: Histogram
    seconds: Histogram
    located: int
    dropped: int
    support: Histogram

    @property
    def locate_rate(self) -> float | None:
        """The part of all quotes that was found in the documents; ``None`` of none."""
        quotes = self.located + self.dropped
        return self.located / quotes if quotes else None


class Monitor:
    """Counts what it is told, by engine and version of the prompt. Thread-safe."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, int], _Counts] = {}
        self._lock = threading.Lock()

    def tell(self, event: Event) -> None:
        """Count what happened."""
        with self._lock:
            match event:
                case Attempt():
                    self._of(event.model, event.purpose.prompt).attempt(event)
                case Unusable():
                    self._of(event.model, event.purpose.prompt).failures[event.error] += 1
                case Checked():
                    self._of(event.engine, event.prompt).checked(event)

    def _of(self, engine: str, prompt: PromptUsed | None) -> _Counts:
        name, version = (prompt.name, prompt.version) if prompt else ("", 0)
        return self._counts.setdefault((engine, name, version), _Counts())

    def read(self) -> Sequence[Performance]:
        """The counts as they are now, in the order of their names."""
        with self._lock:
            return [
                counts.read(engine, prompt or None, version or None)
                for (engine, prompt, version), counts in sorted(self._counts.items())
            ]


class _Values:
    """A histogram that grows."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0
        self._latest: deque[float] = deque(maxlen=LATEST)

    def add(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value
        self._latest.append(value)

    def read(self) -> Histogram:
        return Histogram(
            bounds=self._bounds,
            counts=tuple(self._counts),
            total=self._total,
            latest=tuple(self._latest),
        )


class _Counts:
    """What grows behind a `Performance`."""

    def __init__(self) -> None:
        self.failures: Counter[str] = Counter()
        self._calls = self._repairs = self._located = self._dropped = 0
        self._finished: Counter[Finish] = Counter()
        self._input, self._output = _Values(TOKENS), _Values(TOKENS)
        self._seconds, self._support = _Values(SECONDS), _Values(SUPPORT)

    def attempt(self, event: Attempt) -> None:
        self._calls += 1
        self._repairs += event.purpose.repair
        if event.error is not None:
            self.failures[event.error] += 1
        if event.finish is not None:
            self._finished[event.finish] += 1
            self._input.add(event.tokens.input)
            self._output.add(event.tokens.output)
            self._seconds.add(event.seconds)

    def checked(self, event: Checked) -> None:
        self._located += event.located
        self._dropped += event.dropped
        for one in event.support:
            self._support.add(one)

    def read(self, engine: str, prompt: str | None, version: int | None) -> Performance:
        return Performance(
            engine=engine,
            prompt=prompt,
            version=version,
            calls=self._calls,
            failures=dict(self.failures),
            refusals=sum(self._finished[one] for one in _REFUSED),
            truncations=self._finished[Finish.LENGTH],
            repairs=self._repairs,
            input_tokens=self._input.read(),
            output_tokens=self._output.read(),
            seconds=self._seconds.read(),
            located=self._located,
            dropped=self._dropped,
            support=self._support.read(),
        )
