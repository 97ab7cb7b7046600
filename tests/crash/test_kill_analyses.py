"""Processes that die or stall while analyses are read and merged: these say what they always say.

All 50 kills: `python -m tests.benchmarks.kills --analyses`.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import Popen

import pytest

from tests.conftest import make_home, on_postgresql, on_sqlite
from tests.crash.analysis_kills import (
    Undisturbed,
    check_analyses,
    order,
    readied,
    undisturbed,
)
from tests.crash.batch_kills import (
    AT_ONCE,
    Tally,
    kill_again_and_again,
    name_run,
    taken_over_s,
    wait,
)
from tests.crash.service import Service
from tests.ledger_server import LedgerServer
from tests.thorough import THOROUGH

pytest.importorskip("openai", reason="needs the extra `openai`; `make test` installs it")

pytestmark = [
    pytest.mark.timeout(600),
    # Killing the service breaks connections in ways that the HTTP client does not clean up.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
VALVES = 40
KILLS = 3 if THOROUGH else 2
TAKEN_OVER_S = 30


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Undisturbed:
    return undisturbed(make_home(tmp_path_factory.mktemp("quiet") / "home", models), VALVES)


def assert_nothing_lost(tally: Tally, provider: LedgerServer, expected: Undisturbed) -> None:
    assert (tally.lost, tally.duplicated, tally.wrong, tally.bought_again) == ([], [], [], 0)
    assert {call.asked for call in provider.ledger} == expected.asked
    assert tally.items <= tally.calls <= tally.allowed, tally


@on_sqlite
def test_killed_analyses_lose_nothing_and_buy_nothing_twice(
    home: Path, database_url: str | None, expected: Undisturbed
) -> None:
    tally = Tally(items=len(expected.asked))
    with readied(home, VALVES, delay_s=0.3) as (service, provider):
        analyses = order(service)
        killed = kill_again_and_again(service, provider, tally, random.Random(5), KILLS)
        check_analyses(service, analyses, VALVES, expected, tally)
        tally.settle(provider, killed)
    assert tally.kills == KILLS
    assert_nothing_lost(tally, provider, expected)


@on_postgresql
def test_a_killed_workers_part_is_taken_over(
    home: Path, database_url: str, expected: Undisturbed
) -> None:
    tally = Tally(items=len(expected.asked))
    with (
        readied(home, VALVES, delay_s=1.0, database_url=database_url) as (service, provider),
        working(service, 2) as workers,
    ):
        analyses = order(service)
        by, worker = busy_one(provider, workers)
        os.killpg(worker.pid, signal.SIGKILL)
        at = tally.kill()
        check_analyses(service, analyses, VALVES, expected, tally)
        assert taken_over_s(provider, by, at) < TAKEN_OVER_S
        tally.settle(provider, {by: at})
        assert provider.most_in_flight() <= AT_ONCE  # of all processes together
    assert_nothing_lost(tally, provider, expected)


@on_postgresql
def test_a_worker_that_was_stopped_past_its_lease_changes_nothing(
    home: Path, database_url: str, expected: Undisturbed
) -> None:
    tally = Tally(items=len(expected.asked))
    with (
        readied(home, VALVES, delay_s=1.0, database_url=database_url) as (service, provider),
        working(service, 1) as workers,
    ):
        analyses = order(service)
        by, worker = busy_one(provider, workers)
        os.killpg(worker.pid, signal.SIGSTOP)
        at = tally.kill()
        jobs = [wait(service, one["job_id"]) for one in analyses]  # without it
        assert taken_over_s(provider, by, at) < TAKEN_OVER_S
        os.killpg(worker.pid, signal.SIGCONT)
        wait_for_line(service, "taken for dead")  # it comes back late, with what it was told
        time.sleep(2)
        assert worker.poll() is None
        for job in jobs:
            assert wait(service, job["id"])["progress"] == job["progress"]
        check_analyses(service, analyses, VALVES, expected, tally)
        tally.settle(provider, {by: at})
    assert_nothing_lost(tally, provider, expected)


@contextmanager
def working(service: Service, count: int) -> Iterator[dict[str, Popen[bytes]]]:
    """Workers beside the service, by their keys."""
    with ExitStack() as stack:
        workers = {}
        for number in range(1, count + 1):
            by = name_run(service)
            workers[by] = worker = service.start("worker")
            stack.callback(worker.wait)
            stack.callback(os.killpg, worker.pid, signal.SIGKILL)
            wait_for_line(service, "Working;", number)
        yield workers


def busy_one(provider: LedgerServer, workers: dict[str, Popen[bytes]]) -> tuple[str, Popen[bytes]]:
    """A worker that waits for several replies, with its key."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for by, worker in workers.items():
            if len(provider.in_flight(by)) >= 2:
                return by, worker
        time.sleep(0.01)
    raise AssertionError("no worker came to any work")


def wait_for_line(service: Service, words: str, times: int = 1) -> None:
    """Wait until the log of the service and its workers says something."""
    deadline = time.monotonic() + 120
    log = service.home.parent / "service.log"
    while log.read_text().count(words) < times:
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.1)
