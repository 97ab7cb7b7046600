"""Questions before documents on busy cores: Linux gives each thread a priority of its own."""

from __future__ import annotations

import os
import sys
import threading

_NICENESS = 10
_THREADS_HAVE_PRIORITIES = sys.platform == "linux"
_thread = threading.local()


def give_way() -> None:
    """Let this thread work on documents, on Linux only where no question wants the core."""
    _thread.gives_way = True
    if _THREADS_HAVE_PRIORITIES:
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(_NICENESS, _niceness()))


def gives_way() -> bool:
    """Whether this thread works on documents, behind questions.

    Its niceness does not tell: the whole service may have been started with one.
    """
    return getattr(_thread, "gives_way", False)


def _niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
