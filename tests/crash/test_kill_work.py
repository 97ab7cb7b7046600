"""`kill -9` while a batch is under way: no answer is lost or there twice, few are bought again.

All 50 kills: `python -m tests.benchmarks.kills`.
"""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.conftest import on_postgresql, on_sqlite
from tests.crash.batch_kills import Tally, check, kill_again_and_again, prepared, send, wait
from tests.crash.service import Service
from tests.ledger_server import LedgerServer

pytest.importorskip("openai", reason="needs the extra `openai`; `make test` installs it")

TAKEN_OVER_S = 30
pytestmark = [
    pytest.mark.timeout(600),
    # Killing the service breaks connections in ways that the HTTP client does not clean up.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def assert_nothing_lost(tally: Tally) -> None:
    assert (tally.lost, tally.duplicated, tally.wrong) == ([], [], [])
    assert tally.items <= tally.calls <= tally.allowed


@on_sqlite
def test_a_service_killed_again_and_again_answers_each_line_once(
    home: Path, database_url: str | None
) -> None:
    tally = Tally(items=60)
    with prepared(home, tally.items, delay_s=0.3) as (service, provider):
        batch = send(service, tally.items)
        kill_again_and_again(service, provider, tally, random.Random(5), 5)
        wait(service, batch["job_id"])
        check(service, provider, batch, tally)
    assert tally.kills == 5
    assert_nothing_lost(tally)


@on_postgresql
def test_a_killed_workers_items_are_taken_over(home: Path, database_url: str) -> None:
    tally = Tally(items=80)
    with prepared(home, tally.items, delay_s=1.0, database_url=database_url) as (service, provider):
        workers = [service.start("worker") for _ in range(2)]
        try:
            wait_until_working(service, provider, 3)
            batch = send(service, tally.items)
            while provider.in_flight() < 20:  # more than one process may ask for at once
                time.sleep(0.01)
            os.killpg(workers[0].pid, signal.SIGKILL)
            killed = time.monotonic()
            tally.in_flight += 8
            wait(service, batch["job_id"])
            assert time.monotonic() - killed < TAKEN_OVER_S + 15
        finally:
            for worker in workers:
                os.killpg(worker.pid, signal.SIGKILL)
                worker.wait()
        check(service, provider, batch, tally)
    assert_nothing_lost(tally)


@on_postgresql
def test_a_worker_that_was_stopped_past_its_lease_changes_nothing(
    home: Path, database_url: str
) -> None:
    tally = Tally(items=40)
    with prepared(home, tally.items, delay_s=1.0, database_url=database_url) as (service, provider):
        worker = service.start("worker")
        try:
            wait_until_working(service, provider, 2)
            batch = send(service, tally.items)
            while provider.in_flight() < 12:
                time.sleep(0.01)
            os.killpg(worker.pid, signal.SIGSTOP)
            tally.in_flight += 8
            job = wait(service, batch["job_id"])  # without it
            os.killpg(worker.pid, signal.SIGCONT)
            again = send(service, 8)  # it notices, and works on
            wait(service, again["job_id"])
            time.sleep(2)
            assert worker.poll() is None
            assert wait(service, batch["job_id"])["progress"] == job["progress"]
        finally:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
        check(service, provider, batch, tally)
    assert_nothing_lost(tally)
    assert "taken for dead" in (home.parent / "service.log").read_text()


def wait_until_working(service: Service, provider: LedgerServer, workers: int) -> None:
    """Wait until so many processes have signed on."""
    deadline = time.monotonic() + 120
    log = service.home.parent / "service.log"
    while log.read_text().count("Working;") < workers - 1:
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.1)
