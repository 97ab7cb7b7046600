"""One measurement in one fresh process, watched from outside."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

_LIMIT_SECONDS = 900
_SAMPLE_SECONDS = 0.05
_ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "ANONYMIZED_TELEMETRY": "False"}


class ChildFailed(RuntimeError):
    """A measured process ended without its figures."""


def run(command: Sequence[str], root: Path) -> dict[str, Any]:
    """The child's figures, with ``cold_seconds`` where it reports a first answer.

    ``peak_mb`` is the child's own high-water mark plus the most its children held at once.
    """
    with tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        child = subprocess.Popen(
            command,
            cwd=root,
            env={**os.environ, **_ENVIRONMENT},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        deadline = threading.Timer(_LIMIT_SECONDS, child.kill)
        deadline.start()
        watch = _ChildrenMemory(child.pid)
        watch.start()
        figures: dict[str, Any] = {}
        assert child.stdout is not None
        for line in child.stdout:
            event = json.loads(line)
            if event.pop("event") == "first_answer":
                figures["cold_seconds"] = time.perf_counter() - start
            else:
                figures.update(event)
        code = child.wait()
        deadline.cancel()
        watch.stop()
        if code or "peak_mb" not in figures:
            errors.seek(0)
            raise ChildFailed(f"exit {code}: {' '.join(command)}\n{errors.read()[-1500:]}")
    figures["peak_mb"] += watch.peak_mb
    return figures


class _ChildrenMemory(threading.Thread):
    """Samples the memory of a process's descendants (Linux ``Pss``: shared pages in parts).

    ``getrusage`` cannot be used: a forked child reports its parent's peak until it runs
    another program. For the same reason, only processes seen twice are counted.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak_mb = 0.0
        self._pid = pid
        self._ended = threading.Event()

    def run(self) -> None:
        before: set[int] = set()
        while not self._ended.wait(_SAMPLE_SECONDS):
            now = set(_descendants(self._pid))
            self.peak_mb = max(self.peak_mb, sum(map(_pss_mb, now & before)))
            before = now

    def stop(self) -> None:
        self._ended.set()
        self.join()


def _descendants(pid: int) -> Iterator[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(word) for task in tasks for word in (task / "children").read_text().split()]
    except OSError:
        return
    for child in children:
        yield child
        yield from _descendants(child)


def _pss_mb(pid: int) -> float:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return int(rollup.split("\nPss:")[1].split()[0]) / 1024 if "\nPss:" in rollup else 0.0
