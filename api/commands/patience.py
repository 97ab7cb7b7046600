"""How long to wait from look to look, and when no longer for work that is only tried again."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

_PATIENCE_S = 15.0
"""Some attempts, with the pauses between them."""
_FIRST_S = 0.02


def pauses(longest_s: float) -> Iterator[float]:
    """Seconds between looks at work: short ones first, since most of it ends soon."""
    pause_s = min(_FIRST_S, longest_s)
    while True:
        yield pause_s
        pause_s = min(1.5 * pause_s, longest_s)


class Patience:
    """Looks at jobs again and again, until they have ended or there is no use in waiting."""

    def __init__(self) -> None:
        self._last: list[Any] = []
        self._since = time.monotonic()

    def is_over(self, jobs: Sequence[dict[str, Any]]) -> bool:
        """Whether each of these failed at its last attempt, and none has come on for a while."""
        now = [(job["id"], job["status"], job["progress"]) for job in jobs]
        if now != self._last or not all(job["error"] for job in jobs):
            self._last, self._since = now, time.monotonic()
        return time.monotonic() - self._since > _PATIENCE_S
