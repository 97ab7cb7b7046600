"""A watch over a parser child and the programs that it starts, while it works.

The limits of the kernel hold for each process by itself. Here they are held for a child and
its helpers together, from what /proc says of them; where there is no /proc, only the time on
the clock is watched.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

MOST_TASKS = 64
"""Processes and threads at a time; reading a page takes two."""

_EVERY_S = 0.5
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_USER_TIME, _CHILDREN_SYSTEM_TIME, _THREADS, _RESIDENT = 11, 14, 17, 21  # behind the name


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a process and its descendants use; zero where there is no /proc."""

    tasks: int = 0
    cpu_s: float = 0.0
    memory_bytes: int = 0


def usage(pid: int) -> Usage:
    """Threads, processor time (that of ended descendants included) and resident memory."""
    tasks, ticks, pages = 0, 0, 0
    for process in (pid, *descendants(pid)):
        try:
            stat = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # just ended
        tasks += int(stat[_THREADS])
        ticks += sum(map(int, stat[_USER_TIME : _CHILDREN_SYSTEM_TIME + 1]))
        pages += int(stat[_RESIDENT])
    return Usage(tasks=tasks, cpu_s=ticks / _TICKS, memory_bytes=pages * _PAGE)


def descendants(pid: int) -> Iterator[int]:
    """Living children of a process, their children, and so on."""
    for threads in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(word) for word in threads.read_text().split()]
        except OSError:
            continue
        for child in children:
            yield child
            yield from descendants(child)


class Watch(threading.Thread):
    """Calls ``end`` once when a child takes too much; ``verdict`` then says of what."""

    def __init__(
        self, pid: int, *, wall_s: float, cpu_s: float, memory_bytes: int, end: Callable[[], None]
    ) -> None:
        super().__init__(name="parser-watch", daemon=True)
        self.verdict: str | None = None
        self._pid = pid
        self._deadline = time.monotonic() + wall_s
        self._wall_s, self._cpu_s, self._memory_bytes = wall_s, cpu_s, memory_bytes
        self._end = end
        self._spent: float | None = None
        self._over = threading.Event()

    def begin_part(self) -> None:
        """The processor's time is counted from here; the clock runs on."""
        self._spent = None

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self.join()

    def run(self) -> None:
        """Look until stopped or until there is a verdict."""
        while not self._over.wait(max(0.0, min(_EVERY_S, self._deadline - time.monotonic()))):
            self.verdict = self._judge()
            if self.verdict is not None:
                self._end()
                return

    def _judge(self) -> str | None:
        if time.monotonic() >= self._deadline:
            return f"reading it took longer than {self._wall_s:g} s"
        now = usage(self._pid)
        if self._spent is None:  # what was used between beginning and first look goes free
            self._spent = now.cpu_s
        if now.cpu_s - self._spent > self._cpu_s:
            return f"reading it took more than {self._cpu_s:g} s of processor time"
        if now.memory_bytes > self._memory_bytes:
            return f"reading it took more than {self._memory_bytes >> 20} MB of memory"
        if now.tasks > MOST_TASKS:
            return f"reading it started more than {MOST_TASKS} processes"
        return None
