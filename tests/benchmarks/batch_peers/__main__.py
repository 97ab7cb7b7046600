"""Ibidem, DocETL and LangChain put 500 questions to a provider that takes a second, 64 at once.

    python -m tests.benchmarks.batch_peers [--items 500] [--only NAME] [--json FILE]

Each does it once undisturbed and once with a ``kill -9`` when half of the calls were made, after
which the same is started again. The peers are handed the passage that has the answer; Ibidem finds
it among all of them, checks the quote and keeps the reply on disk before it uses it. Time counts
from when a system is ready. The peers are installed into an environment of their own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.crash.batch_kills import JUST_NOW_S, Tally, check, prepared, send, wait
from tests.ledger_server import LedgerServer, question, serving, text_of

ROOT = Path(__file__).resolve().parents[3]
_REQUIREMENTS = Path(__file__).with_name("requirements.txt")
_ENOUGH_S = 600
PEERS = ("docetl", "langchain")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What everybody is asked to do."""

    items: int
    limit: int
    delay_s: float
    python: Path

    def ours(self, *, killed: bool) -> dict[str, Any]:
        """By a service on SQLite."""
        tally = Tally(items=self.items)
        with tempfile.TemporaryDirectory(prefix="peers") as folder:
            home = Path(folder) / "home"
            home.mkdir()
            with prepared(home, self.items, delay_s=self.delay_s, at_once=self.limit) as (
                service,
                provider,
            ):
                begun = time.monotonic()
                batch = send(service, self.items)
                in_flight, pause_s = 0, 0.0
                if killed:
                    self._until_half(provider)
                    service.kill()
                    in_flight, stopped = _in_flight(provider), time.monotonic()
                    service.spawn()
                    service.wait_ready()
                    pause_s = time.monotonic() - stopped
                wait(service, batch["job_id"], look_s=0.2)
                seconds = time.monotonic() - begun - pause_s
                check(service, provider, batch, tally)
                right = self.items - len(tally.lost) - len(tally.wrong)
                return self._figures(seconds, provider, right, in_flight)

    def peer(self, name: str, *, killed: bool) -> dict[str, Any]:
        """By a peer, in processes of its own."""
        lines = [line for line in text_of(self.items).splitlines() if line]
        asked = [{"id": n, "question": question(n), "passage": lines[n]} for n in range(self.items)]
        with (
            tempfile.TemporaryDirectory(prefix="peers") as folder,
            serving(self.delay_s) as provider,
        ):
            items = Path(folder) / "items.json"
            items.write_text(json.dumps(asked), "utf-8")
            module = f"{__package__}.{name}"
            command = [str(self.python), "-m", module, str(items), provider.url]
            run = [*command, str(self.limit), folder]
            seconds, in_flight = 0.0, 0
            if killed:
                with _started(run) as hear:
                    hear("ready")
                    begun = time.monotonic()
                    self._until_half(provider)
                seconds, in_flight = time.monotonic() - begun, _in_flight(provider)
            with _started(run) as hear:
                hear("ready")
                begun = time.monotonic()
                answered = hear("ended")["results"]
                seconds += time.monotonic() - begun
            return self._figures(seconds, provider, answered, in_flight)

    def _until_half(self, provider: LedgerServer) -> None:
        deadline = time.monotonic() + _ENOUGH_S
        while provider.total < self.items // 2:
            assert time.monotonic() < deadline, "no more calls are made"
            time.sleep(0.005)

    def _figures(
        self, seconds: float, provider: LedgerServer, answered: int, in_flight: int
    ) -> dict[str, Any]:
        again = provider.total - self.items
        return {
            "seconds": round(seconds, 1),
            "calls": provider.total,
            "answers": answered,
            "in flight at the kill": in_flight,
            "replies bought again": max(0, again - in_flight),
        }


def _in_flight(provider: LedgerServer) -> int:
    """Calls without a reply, or with one sent so shortly ago that it cannot be stored yet."""
    latest = time.monotonic() - JUST_NOW_S
    return sum(one.replied is None or one.replied > latest for one in provider.ledger)


@contextmanager
def _started(command: list[str]) -> Iterator[Callable[[str], Any]]:
    """A process, killed on leaving, and what waits for an event that it tells of."""
    with tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )

        def hear(event: str) -> Any:
            assert child.stdout is not None
            for line in child.stdout:  # they say other things, too
                if line.startswith("{") and (told := json.loads(line))["event"] == event:
                    return told
            errors.seek(0)
            raise SystemExit(f"{' '.join(command)} ended early:\n{errors.read()[-3000:]}")

        try:
            yield hear
        finally:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _environment(folder: Path) -> Path:
    """The interpreter of the peers' environment; made when missing, or when its pins changed."""
    python, stamp = folder / "bin" / "python", folder / "requirements.sha256"
    wanted = hashlib.sha256(_REQUIREMENTS.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text("utf-8") == wanted:
        return python
    print(f"installing the peers into {folder} (once)", file=sys.stderr)
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "-r", str(_REQUIREMENTS)]
    subprocess.run(pip, check=True)
    stamp.write_text(wanted, encoding="utf-8")
    return python


def main() -> None:
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description=__doc__)
    parser.add_argument("--items", type=int, default=500)
    parser.add_argument("--limit", type=int, default=64)
    parser.add_argument("--delay", type=float, default=1.0, help="Seconds that a call takes.")
    parser.add_argument("--only", choices=("ibidem", *PEERS))
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv-bench-batches")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    names = [name for name in ("ibidem", *PEERS) if given.only in (None, name)]
    python = _environment(given.venv) if set(names) & set(PEERS) else Path()
    bench = Bench(items=given.items, limit=given.limit, delay_s=given.delay, python=python)
    rows = []
    for name in names:
        for killed in (False, True):
            run = bench.ours if name == "ibidem" else partial(bench.peer, name)
            row = {"system": name, "killed": killed, **run(killed=killed)}
            rows.append(row)
            print("  ".join(f"{key}: {value}" for key, value in row.items()), flush=True)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
