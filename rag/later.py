"""What has time: work that is done a while after it was asked for, one thing after the other."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import TypeAlias

_log = logging.getLogger(__name__)
_NICENESS = 10
Work: TypeAlias = Callable[[], None]


class Later:
    """Carries out what was asked for in a thread of its own, if it ever is asked."""

    def __init__(self, *, gives_way: bool = True) -> None:
        """``gives_way``: whether other threads go before."""
        self._gives_way = gives_way
        self._changed = threading.Condition()
        self._due: dict[str, tuple[float, Work]] = {}
        self._thread: threading.Thread | None = None
        self._closing = False

    @property
    def closing(self) -> bool:
        """Whether the work in hand should end as soon as it can."""
        return self._closing

    def ask(self, key: str, after_s: float, work: Work) -> None:
        """Have it done so much later, unless something of the same key is waiting already."""
        with self._changed:
            if self._closing or key in self._due:
                return
            self._due[key] = (time.monotonic() + after_s, work)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="later", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """Forget what is waiting; return when nothing is in hand any more."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        if self._gives_way:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        while (work := self._next()) is not None:
            try:
                work()
            except Exception:  # it was not urgent, and whoever needs it asks again
                _log.exception("work in the background failed")

    def _next(self) -> Work | None:
        with self._changed:
            while not self._closing:
                now = time.monotonic()
                key = min(self._due, key=lambda one: self._due[one][0], default=None)
                if key is not None and self._due[key][0] <= now:
                    return self._due.pop(key)[1]
                self._changed.wait(None if key is None else self._due[key][0] - now)
            return None
