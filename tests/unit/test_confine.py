"""What a child that parses cannot do, each shown by a child that tries it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

from ingest.parse import Limits, sandbox
from ingest.parse.confine import confine
from ingest.parse.sandbox import ChildPool, protection
from ingest.parse.watch import MOST_TASKS, usage
from rag.errors import ParserLimit

CONFINED = """
import ctypes, json, os, signal, socket, subprocess, sys, threading
from pathlib import Path
from ingest.parse.confine import confine
assert confine([Path(sys.argv[1])]) == {}
def outcome(attempt):
    try:
        return repr(eval(attempt))
    except BaseException as error:
        return type(error).__name__
print(json.dumps([outcome(attempt) for attempt in sys.argv[2:]]))
"""
WITHOUT_LANDLOCK = """
sys.modules['ingest.parse.confine']._restrict_files = lambda *_: 'left out'
"""
IN_A_POOL = """
import os, subprocess, sys, time
from ingest.parse.parts import read_frame, write_frame
request = read_frame(sys.stdin.buffer, 1 << 20)[0]
def reply():
    write_frame(sys.stdout.buffer, {'done': True})
"""


@pytest.fixture
def enforced() -> None:
    if (said := protection()) != "ok":
        pytest.skip(f"nothing to show on this system: {said}")


def attempts(folder: Path, *tried: str, landlock: bool = True) -> list[str]:
    """What each expression comes to in a child that may read only this folder."""
    script = CONFINED
    if not landlock:
        script = script.replace("\nassert confine", WITHOUT_LANDLOCK + "\nconfine")
        script = script.replace("sys.argv[1])]) == {}", "sys.argv[1])])")
    command = [sys.executable, "-c", script, str(folder), *tried]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(eval(done.stdout))  # noqa: S307 - a list of strings from our own child


def test_what_is_enforced_is_looked_up_once_however_many_ask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    two, asked = threading.Barrier(2), []

    def run(request: object, limits: Limits) -> list[tuple[dict[str, object], bytes]]:
        asked.append(request)
        with suppress(threading.BrokenBarrierError):
            two.wait(0.2)  # for another that would come
        return [({"unprotected": {}}, b"")]

    monkeypatch.setattr(sandbox.POOL, "run", run)
    monkeypatch.setattr(sandbox, "_protection", cache(sandbox._protection.__wrapped__))
    threads = [threading.Thread(target=protection) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(asked), protection()) == (1, "ok")


@pytest.mark.usefixtures("enforced")
def test_no_sockets(tmp_path: Path) -> None:
    tried = (
        "socket.socket()",
        "socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)",
        "socket.socket(socket.AF_UNIX)",
        "socket.socketpair()",
        "socket.create_connection(('127.0.0.1', 9))",
    )
    assert attempts(tmp_path, *tried) == ["PermissionError"] * len(tried)


@pytest.mark.usefixtures("enforced")
def test_no_writing_and_no_reading_elsewhere(tmp_path: Path) -> None:
    folder, other = tmp_path / "originals", tmp_path / "catalog.db"
    folder.mkdir()
    mine = folder / "document"
    mine.write_text("text")
    other.write_text("secret")
    outside = [mine, other, tmp_path / "new", folder / "new", Path("/tmp/new")]  # noqa: S108
    tried = [f"open({str(path)!r}, {mode!r})" for path in outside for mode in ("w", "a")]
    tried += [
        f"os.mkdir({str(folder / 'd')!r})",
        f"os.unlink({str(mine)!r})",
        f"os.rename({str(mine)!r}, {str(folder / 'other')!r})",
        f"os.symlink('/etc', {str(folder / 's')!r})",
        f"os.chmod({str(mine)!r}, 0)",
        f"os.truncate({str(mine)!r}, 0)",
        f"os.utime({str(mine)!r})",
        f"open({str(other)!r}).read()",
        f"os.listdir({str(tmp_path)!r})",
        "open('/etc/passwd').read()",
        "open(f'/proc/{os.getppid()}/environ').read()",
    ]
    assert attempts(folder, *tried) == ["PermissionError"] * len(tried)
    assert attempts(folder, f"open({str(mine)!r}).read()", "open('/dev/null', 'w').write('x')") == [
        "'text'",
        "1",
    ]
    assert (mine.read_text(), other.read_text()) == ("text", "secret")
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "catalog.db",
        "document",
        "originals",
    ]


@pytest.mark.usefixtures("enforced")
def test_no_forks_and_no_reach_to_other_processes(tmp_path: Path) -> None:
    tried = (
        "os.fork()",
        "os.setsid()",
        "os.setpgid(0, 0)",
        "os.kill(os.getppid(), signal.SIGTERM)",
        "os.kill(-1, signal.SIGKILL)",
        "os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)",
        "__import__('resource').prlimit(os.getppid(), 7, (0, 0))",
    )
    assert attempts(tmp_path, *tried) == ["PermissionError"] * len(tried)


@pytest.mark.usefixtures("enforced")
def test_system_calls_alone_refuse_most_signals(tmp_path: Path) -> None:
    stranger = subprocess.Popen(["sleep", "60"])
    pid = stranger.pid
    numbers = {"x86_64": (200, 234, 129, 297), "aarch64": (130, 131, 138, 240)}
    tkill, tgkill, queue, thread_queue = numbers[os.uname().machine]
    call = "ctypes.CDLL(None, use_errno=True).syscall"
    refused = (
        f"({call}({tkill}, {pid}, 9), ctypes.get_errno())",
        f"({call}({tgkill}, {pid}, {pid}, 9), ctypes.get_errno())",
        f"({call}({queue}, {pid}, 9, bytes(128)), ctypes.get_errno())",
        f"({call}({thread_queue}, {pid}, {pid}, 9, bytes(128)), ctypes.get_errno())",
        f"({call}({tgkill}, os.getppid(), os.getppid(), 9), ctypes.get_errno())",
    )
    owner = f"__import__('fcntl').fcntl(0, 8, {pid})"  # whom the kernel signals for a file
    own = (
        "(signal.signal(signal.SIGUSR1, signal.SIG_IGN), signal.raise_signal(signal.SIGUSR1))[1]",
        "signal.pthread_kill(threading.get_ident(), 0)",
        f"{call}({tgkill}, os.getpid(), threading.get_native_id(), 0)",
    )
    try:
        found = attempts(tmp_path, *refused, owner, *own, landlock=False)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
    assert found == ["(-1, 1)"] * 5 + ["PermissionError"] + ["None", "None", "0"]


@pytest.mark.usefixtures("enforced")
def test_nothing_is_typed_into_a_terminal(tmp_path: Path) -> None:
    # Of what is no terminal the kernel asks none of these, and says so with another error.
    ioctl = "__import__('fcntl').ioctl(os.open('/dev/null', os.O_RDONLY), {}, b'x')"
    tried = [ioctl.format(request) for request in ("0x5412", "0x541C")]  # TIOCSTI, TIOCLINUX
    other = ioctl.format("__import__('termios').TIOCGWINSZ")
    found = attempts(tmp_path, *tried, other, landlock=False)
    assert found == ["PermissionError", "PermissionError", "OSError"]


@pytest.mark.usefixtures("enforced")
def test_threads_and_programs_remain_and_inherit_all_of_it(tmp_path: Path) -> None:
    tried = (
        "threading.Thread(target=int).start()",
        "subprocess.run(['/bin/sh', '-c', 'echo run'], capture_output=True).stdout",
        f"subprocess.run(['/bin/sh', '-c', 'echo x > {tmp_path}/out']).returncode != 0",
        "subprocess.run(['/bin/sh', '-c', '(true); true']).returncode != 0",  # a fork
        "ctypes.CDLL(None).prctl(39, 0, 0, 0, 0)",  # no new privileges
    )
    assert attempts(tmp_path, *tried) == ["None", r"b'run\n'", "True", "True", "1"]
    assert not list(tmp_path.iterdir())


def pool_of(script: str) -> ChildPool:
    return ChildPool(idle=1, command=(sys.executable, "-c", IN_A_POOL + script))


@pytest.mark.parametrize(
    ("script", "limits", "says"),
    [
        (
            "while True: subprocess.Popen(['sleep', '60'])",
            Limits(wall_s=30, memory_bytes=1 << 34),
            f"more than {MOST_TASKS} processes",
        ),
        (
            "subprocess.run([sys.executable, '-c', 'while True: pass'])",
            Limits(wall_s=30, cpu_s=1),
            "processor time",
        ),
        (
            "code = 'x = bytearray(80 << 20); input()'\n"
            "for _ in range(4): subprocess.Popen([sys.executable, '-c', code],"
            " stdin=subprocess.PIPE)\n"
            "time.sleep(60)",
            Limits(wall_s=30, memory_bytes=200 << 20),
            "200 MB of memory",
        ),
    ],
    ids=["processes", "processor", "memory"],
)
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="there is no /proc to watch")
def test_helpers_count_with_their_child(script: str, limits: Limits, says: str) -> None:
    before = usage(os.getpid()).tasks  # this process may have other children
    pool = pool_of(script)
    try:
        with pytest.raises(ParserLimit, match=says):
            pool.run({}, limits)
    finally:
        pool.close()
    settled = time.monotonic() + 10
    while usage(os.getpid()).tasks > before + 2:
        assert time.monotonic() < settled, "processes were left behind"


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="there is no /proc to watch")
def test_a_child_that_leaves_programs_running_serves_nobody_else() -> None:
    left = "left = subprocess.Popen(['sleep', '60'])\n"
    pool = pool_of(
        left + "write_frame(sys.stdout.buffer, {'left': left.pid}); reply(); time.sleep(60)"
    )
    [(header, _)] = pool.run({}, Limits())
    deadline = time.monotonic() + 10
    while Path(f"/proc/{header['left']}").exists():
        assert time.monotonic() < deadline, "it outlived the request"
        time.sleep(0.02)


def test_children_yield_to_queries() -> None:
    pool = ChildPool(idle=1)
    try:
        pool.run({"do": "confine"}, Limits())
        child = pool._idle[0]._process.pid
        assert os.getpriority(os.PRIO_PROCESS, child) > os.getpriority(os.PRIO_PROCESS, 0)
    finally:
        pool.close()


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoFilters:
        """A system library without prctl."""

    monkeypatch.setattr("ingest.parse.confine.ctypes.CDLL", lambda *_, **__: NoFilters())
    said = confine([])
    assert set(said) == {"network", "files", "other processes"}
    assert all("no such filters" in why for why in said.values())


@pytest.mark.parametrize("version", [1, 5, 6, 7])
def test_a_kernel_that_lets_signals_through_is_said(
    version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OldKernel:
        """A system library on a kernel with this Landlock, which grants everything."""

        def prctl(self, *_: object) -> int:
            return 0

        def syscall(self, number: int, attributes: object, *_: object) -> int:
            if number != 444:
                return 0
            return version if attributes is None else os.open(os.devnull, os.O_RDONLY)

    monkeypatch.setattr("ingest.parse.confine.ctypes.CDLL", lambda *_, **__: OldKernel())
    said = confine([])
    if version >= 6:
        assert said == {}
    else:
        assert set(said) == {"other processes"}
        assert "signal" in said["other processes"]
