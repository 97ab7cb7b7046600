"""The command line as processes: a service, commands that go to it, signals, refusals."""

from __future__ import annotations

import json
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.conftest import make_home
from tests.pdfs import pdf, prose

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = (
    sys.executable,
    "-c",
    # Ctrl-C is ignored in whatever is started by a process that ignores it, as under nohup.
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    f"sys.path.insert(0, {str(ROOT)!r}); from api.cli import main; main()",
)
KEY = "a-key-of-sixteen-or-more"
PUMP = pdf(prose(72, 720, ["The Linnet pump moves forty litres of brine a minute."]))


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Callable[[], Path]:
    """Makes empty homes."""
    return lambda: make_home(tmp_path_factory.mktemp("homes") / "home", models)


def environment(home: Path, **settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("IBIDEM_")}
    given = {f"IBIDEM_{name}": value for name, value in settings.items()}
    return {**kept, "IBIDEM_HOME": str(home), **given}


def ibidem(home: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments],
        env=environment(home, **settings),
        cwd=home,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def read_until(process: subprocess.Popen[str], wanted: str, seconds: float = 90) -> str:
    """What the process says on stderr up to the first match."""
    assert process.stderr is not None
    told = ""
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        selector.register(process.stderr, selectors.EVENT_READ)
        while not re.search(wanted, told):
            assert selector.select(deadline - time.monotonic()), f"no {wanted!r} in {told!r}"
            piece = os.read(process.stderr.fileno(), 65536).decode()
            assert piece, f"ended without {wanted!r}: {told!r}"
            told += piece
    return told


@contextmanager
def running(home: Path, *arguments: str, **settings: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        env=environment(home, **settings),
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def serving(home: Path, **settings: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with running(home, "serve", "--port", "0", **settings) as process:
        told = read_until(process, r"listens on \S+\n")
        yield process, re.findall(r"listens on (\S+)", told)[0]


def test_commands_go_to_the_service_that_owns_the_home(
    homes: Callable[[], Path], tmp_path: Path
) -> None:
    home = homes()
    (tmp_path / "linnet.pdf").write_bytes(PUMP)
    with serving(home) as (process, address):
        assert httpx2.get(f"{address}/health").json()["status"] == "ok"

        done = ibidem(home, "ingest", str(tmp_path), "--json")
        assert (done.returncode, json.loads(done.stdout)["counts"]["ready"]) == (0, 1)

        asked = ibidem(home, "ask", "How much brine does the Linnet pump move?")
        assert asked.returncode == 0
        assert "forty litres of brine a minute. [1]" in asked.stdout
        link = asked.stdout.split()[-1]
        assert link.startswith(f"{address}/v1/documents/doc_")
        assert httpx2.get(link).headers["content-type"] == "image/png"

        second = ibidem(home, "serve", "--port", "0")
        assert second.returncode == 1
        assert second.stderr.startswith(f"error: Another process (a service on {address}) is using")

        audited = ibidem(home, "audit", "--json")
        assert (audited.returncode, json.loads(audited.stdout)["findings"]) == (0, [])
        next((home / "originals").glob("??/*")).unlink()
        audited = ibidem(home, "audit")
        assert audited.returncode == 1
        assert "The original is gone" in audited.stdout

        _stops_cleanly(process, signal.SIGTERM)
    assert ibidem(home, "docs", "list").stdout.count("doc_") == 1


def _stops_cleanly(process: subprocess.Popen[str], number: signal.Signals) -> None:
    process.send_signal(number)
    started = time.monotonic()
    _, told = process.communicate(timeout=30)
    assert process.returncode == 0, told
    assert time.monotonic() - started < 5
    assert "Traceback" not in told


def test_a_key_is_needed_when_keys_are_set(homes: Callable[[], Path]) -> None:
    home, other = homes(), homes()
    with serving(home, API_KEYS=KEY) as (process, address):
        refused = ibidem(other, "docs", "list", "--url", address)
        assert refused.returncode == 1
        assert "key is needed" in refused.stderr
        told = ibidem(other, "docs", "list", "--url", address, "--json", API_KEYS=f"{KEY},{KEY}2")
        assert json.loads(told.stdout) == {"object": "list", "data": []}
        _stops_cleanly(process, signal.SIGINT)


def test_a_taken_port_is_said_so(homes: Callable[[], Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = ibidem(homes(), "serve", "--port", port)
    assert done.returncode == 2
    assert done.stderr == (
        f"error: Cannot listen on 127.0.0.1:{port}: Address already in use. "
        "Set IBIDEM_PORT or --port to a free port.\n"
    )


def test_an_interrupted_ingest_goes_on_next_time(homes: Callable[[], Path], tmp_path: Path) -> None:
    home = homes()
    (tmp_path / "0.txt").write_text("A short one, which is ready first.")
    for number in range(1, 5):
        text = f"Report {number}, line {{}}: the pump ran {{}} hours."
        lines = [text.format(line, line) for line in range(500)]
        (tmp_path / f"report-{number}.txt").write_text("\n".join(lines))
    with running(home, "ingest", str(tmp_path)) as process:
        read_until(process, "ready")
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
        assert process.returncode == 130
        assert "Stopping. 5 of 5 files were accepted" in told
        assert "Traceback" not in told

    watched = ibidem(home, "jobs", "watch", "--json")
    assert watched.returncode == 0, watched.stderr
    again = ibidem(home, "ingest", str(tmp_path), "--json")
    counts: dict[str, Any] = json.loads(again.stdout)["counts"]
    assert counts == {"ready": 0, "unchanged": 5, "failed": 0, "skipped": 0}
    assert ibidem(home, "audit").returncode == 0
