"""How long to wait: from look to look, for a home in use, for work that is only tried again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from api.commands.common import note
from rag.errors import HomeBusy

_T = TypeVar("_T")

_PATIENCE_S = 15.0
"""Some attempts, with the pauses between them."""
_FIRST_S = 0.02
_IN_USE_S = 30.0
"""Most that a command or a service waits for others that are using the home."""
_LOOK_S = 0.2


def pauses(longest_s: float) -> Iterator[float]:
    """Seconds between looks at work: short ones first, since most of it ends soon."""
    pause_s = min(_FIRST_S, longest_s)
    while True:
        yield pause_s
        pause_s = min(1.5 * pause_s, longest_s)


def when_free(enter: Callable[[], _T], user: Callable[[], str | None]) -> _T:
    """What comes of entering a home, once those who are using it have left, or serve it.

    Args:
        enter: Tries it.
        user: Who is using the home, for a person to read; ``None`` when it is no use to wait.

    Raises:
        HomeBusy: They took too long.
    """
    since, told = time.monotonic(), False
    for pause_s in pauses(_LOOK_S):
        try:
            return enter()
        except HomeBusy:
            who = user()
            if who is None or time.monotonic() - since > _IN_USE_S:
                raise
        if not told:
            note(f"Waiting for {who}, which is using the home, at most {_IN_USE_S:.0f} s.")
            told = True
        time.sleep(pause_s)
    raise AssertionError("pauses have no end")


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
