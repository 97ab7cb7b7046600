"""Parsing in killable child processes: a hostile file harms nobody but its own child.

A child has limits on memory, processor time, wall-clock time and output, opens no sockets,
writes no files and reads only one folder of documents (see ``confine``), dumps no core, gets
an empty environment and no open files but its pipes, yields the processor to whoever
answers queries, and leads its own process group, which is killed as a whole. It serves one
document at a time and is kept for the next one, because starting takes longer than most
documents do; after any fault it is thrown away. A fault in a child that had served others
before is tried once more in a fresh one, so that no document fails for what an earlier one
left behind.
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import rag.errors
from ingest.parse.parts import FrameError, read_frame, write_frame
from ingest.parse.watch import Watch, descendants
from rag.cores import cores
from rag.errors import (
    ConfigurationError,
    CorruptDocument,
    DocumentError,
    IbidemError,
    NotFound,
    ParserLimit,
)

_DOCUMENTS_PER_CHILD = 200
_MOST_HEADER = 32 << 20  # a million cells of a table
_GROWTH_OF_JSON = 3
_BYTES_PER_FRAME = 256
_COMMAND = (sys.executable, "-I", "-B", "-m", "ingest.parse.child")
# One thread per numeric library: each further one reserves address space against the limit.
_ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "HOME": "/",  # else starting Python asks the system's database of users, over a socket
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
}
# PDFium ends its process with one of the first three when it cannot get memory; the kernel
# uses the last when the whole machine runs out.
_OUT_OF_MEMORY = (signal.SIGABRT, signal.SIGTRAP, signal.SIGILL, signal.SIGKILL)
Frame = tuple[dict[str, Any], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request may cost, programs that the child starts included.

    ``cpu_s`` counts per part (some pages; a whole document of the formats without pages),
    ``wall_s`` for the whole request. A document with pages that is not at its end after
    ``batch_s`` goes on with another request. ``output_bytes`` bounds all that a request's
    reply takes in the service, and ``text_characters`` the text alone, of the whole document:
    chunking it in the service takes several bytes each.
    """

    memory_bytes: int = 1 << 30
    cpu_s: int = 60
    wall_s: float = 300.0
    batch_s: float = 20.0
    output_bytes: int = 256 << 20
    text_characters: int = 20_000_000


class _Fault(Exception):
    """The child cannot be used again; ``retry`` when an earlier document may be the cause."""

    def __init__(self, error: IbidemError, *, retry: bool) -> None:
        self.error = error
        self.retry = retry
        super().__init__(error.message)


class _Child:
    """One child process and the pipes to it."""

    def __init__(self, command: Sequence[str], folder: str) -> None:
        self.served = 0
        self.folder = folder
        self._verdict: str | None = None
        self._process = subprocess.Popen(  # noqa: S603 - no part of it comes from outside
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # A group, to be killed with its programs; but in our session: Linux may share the
            # cores between sessions first, and in one of its own a child's niceness is for nothing.
            process_group=0,
            env=_ENVIRONMENT,
            cwd="/",
        )

    def ask(self, request: Frame, limits: Limits) -> list[Frame]:
        """All frames of the reply.

        Raises:
            IbidemError: What the parser said of the document.
            _Fault: The child died or had to be killed.
        """
        self.served += 1
        watch = Watch(
            self._process.pid,
            wall_s=limits.wall_s,
            cpu_s=limits.cpu_s,
            memory_bytes=limits.memory_bytes,
            end=self._kill_group,
        )
        watch.start()
        try:
            return self._exchange(request, limits, watch)
        except (OSError, EOFError):
            # Wait without reaping, so that the process group still exists when it is killed.
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
            watch.stop()
            raise self._explain(limits, watch.verdict) from None
        except FrameError:
            limit = ParserLimit("its text is larger than this server accepts")
            raise _Fault(limit, retry=False) from None
        except ParserLimit as error:
            raise _Fault(error, retry=True) from None
        finally:
            watch.stop()
            self._verdict = watch.verdict

    def _exchange(self, request: Frame, limits: Limits, watch: Watch) -> list[Frame]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None  # noqa: S101 - both pipes were asked for
        assert stdout is not None  # noqa: S101
        write_frame(stdin, *request)
        frames: list[Frame] = []
        admit = _budget(limits.output_bytes)
        while True:
            frame = read_frame(stdout, limits.output_bytes, admit)
            if frame is None:
                raise EOFError
            header = frame[0]
            if "error" in header:
                raise _error(header["error"], request[0].get("do"))
            if "done" in header:
                return frames
            watch.begin_part()
            frames.append(frame)

    def _explain(self, limits: Limits, verdict: str | None) -> _Fault:
        self.kill()
        if verdict is not None:
            return _Fault(ParserLimit(verdict), retry=False)
        code = -self._process.returncode
        if code == signal.SIGXCPU:
            limit = ParserLimit(f"reading it took more than {limits.cpu_s} s of processor time")
            return _Fault(limit, retry=False)
        if code in _OUT_OF_MEMORY:
            size = f"{limits.memory_bytes >> 20} MB"
            return _Fault(ParserLimit(f"reading it took more than {size} of memory"), retry=True)
        crash = CorruptDocument("reading it crashed the parser; the file is probably damaged")
        return _Fault(crash, retry=True)

    @property
    def usable(self) -> bool:
        """Whether it may serve another document: it is alive, and alone."""
        if self._verdict is not None or self.served >= _DOCUMENTS_PER_CHILD:
            return False
        return next(descendants(self._process.pid), None) is None

    def kill(self) -> None:
        """End the whole process group, reap the child, close the pipes."""
        self._kill_group()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # a request that nobody read cannot be flushed
                pipe.close()  # type: ignore[union-attr]

    def _kill_group(self) -> None:
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


def _budget(output_bytes: int) -> Callable[[int, int], None]:
    """What refuses frames whose headers, grown from JSON, and blobs are more than this."""
    left = output_bytes

    def admit(header: int, blob: int) -> None:
        nonlocal left
        left -= _BYTES_PER_FRAME + _GROWTH_OF_JSON * header + blob
        if header > _MOST_HEADER or left < 0:
            raise FrameError("too large")

    return admit


def _error(fields: Any, request: Any) -> IbidemError:
    """The error that a child reports, if it is one that such a request may end in.

    Any other would be taken for the service's own, and end or repeat a job.
    """
    kind = getattr(rag.errors, str(fields.get("class")), None) if isinstance(fields, dict) else None
    expected: tuple[type[IbidemError], ...] = (DocumentError, ConfigurationError)
    if request == "render":
        expected += (NotFound,)  # a page
    if not (isinstance(kind, type) and issubclass(kind, expected)):
        return CorruptDocument("the parser sent a reply that makes no sense")
    return kind(str(fields.get("message"))[:1000])


class ChildPool:
    """Idle children, kept warm; safe to use from many threads."""

    def __init__(self, idle: int, command: Sequence[str] = _COMMAND) -> None:
        self._command = command
        self._idle_limit = idle
        self._idle: list[_Child] = []
        self._lock = threading.Lock()

    def run(self, request: Mapping[str, Any], limits: Limits, blob: bytes = b"") -> list[Frame]:
        """Do one request in a child; blocks until it is done or killed.

        Raises:
            DocumentError: What the parser said of the document, or which limit it broke.
        """
        message = {**request, **asdict(limits)}
        folder = str(request.get("folder", ""))
        while True:
            child = self._take(folder)
            fresh = child.served == 0
            try:
                frames = child.ask((message, blob), limits)
            except _Fault as fault:
                child.kill()
                if fresh or not fault.retry:
                    raise fault.error from None
            except IbidemError:
                self._give_back(child)
                raise
            except BaseException:
                child.kill()
                raise
            else:
                self._give_back(child)
                return frames

    def close(self) -> None:
        """End the idle children."""
        with self._lock:
            children, self._idle = self._idle, []
        for child in children:
            child.kill()

    def forget(self) -> None:
        """After a fork: the children belong to the parent process."""
        self._lock = threading.Lock()
        self._idle = []

    def _take(self, folder: str) -> _Child:
        with self._lock:
            for child in reversed(self._idle):
                if child.folder == folder:
                    self._idle.remove(child)
                    return child
        return _Child(self._command, folder)

    def _give_back(self, child: _Child) -> None:
        surplus = child
        if child.usable:
            with self._lock:
                self._idle.append(child)
                if len(self._idle) <= self._idle_limit:
                    return
                surplus = self._idle.pop(0)
        surplus.kill()


POOL = ChildPool(idle=max(2, cores()))
atexit.register(POOL.close)
os.register_at_fork(after_in_child=POOL.forget)


_one_asks = threading.Lock()


def protection() -> str:
    """`ok`, or what this system does not shut its parsers off from, and why."""
    with _one_asks:  # a child for each of those who ask meanwhile would slow all of them
        return _protection()


@cache
def _protection() -> str:
    [(header, _)] = POOL.run({"do": "confine"}, Limits(wall_s=60.0))
    reasons: dict[str, list[str]] = {}
    for what, why in header["unprotected"].items():
        reasons.setdefault(str(why), []).append(str(what))
    said = "; ".join(f"not shut off from {' and '.join(w)}: {why}" for why, w in reasons.items())
    return said or "ok"
