"""When jobs that failed may be tried again: later each time, and never given up here."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pause:
    until: float
    length: float


class Pauses:
    """The pauses of one process, by job; doubled each time, up to a longest. In seconds."""

    def __init__(self, *, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._pauses: dict[str, _Pause] = {}
        self._lock = threading.Lock()

    def add(self, job_id: str) -> None:
        """Pause a job, twice as long as the last time."""
        with self._lock:
            before = self._pauses.get(job_id)
            length = min(self._longest, before.length * 2 if before else self._first)
            self._pauses[job_id] = _Pause(until=time.monotonic() + length, length=length)

    def current(self, wanted: Collection[str]) -> set[str]:
        """The jobs that have to wait still; those not ``wanted`` any more are forgotten."""
        now = time.monotonic()
        with self._lock:
            self._pauses = {job: pause for job, pause in self._pauses.items() if job in wanted}
            return {job for job, pause in self._pauses.items() if pause.until > now}
