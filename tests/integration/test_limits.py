"""Limits of providers: what one process may ask for, and what several together."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
import sqlalchemy as sa

from rag.catalog import places, schema
from rag.catalog.database import Database
from rag.catalog.opening import open_database
from rag.catalog.places import SharedPlaces
from rag.errors import RateLimited
from rag.models.limits import Allowance, Limits, ProviderLimits, read_limits
from tests.conftest import on_postgresql

pytestmark = on_postgresql
SERVER = "http://models:8000/v1"


@pytest.fixture
def databases(database_url: str) -> Iterator[list[Database]]:
    """The same database as two processes have it."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(closing(open_database(database_url, writers_lock=3)))
            for _ in range(2)
        ]


@pytest.fixture
def processes(databases: list[Database]) -> Iterator[list[SharedPlaces]]:
    with ExitStack() as stack:
        yield [stack.enter_context(closing(SharedPlaces(one))) for one in databases]


def limits(places: SharedPlaces, told: str) -> Limits:
    return ProviderLimits(read_limits(told), places).of(SERVER)


def soon(seconds: float = 30.0) -> float:
    return time.monotonic() + seconds


def test_two_processes_make_no_more_calls_at_once_than_one_may(
    processes: list[SharedPlaces],
) -> None:
    under_way, most, done = 0, 0, []
    lock = threading.Lock()

    def call(mine: Limits, number: int) -> None:
        nonlocal under_way, most
        with mine.place(10, deadline=soon()):
            with lock:
                under_way += 1
                most = max(most, under_way)
            time.sleep(0.02)
            with lock:
                under_way -= 1
                done.append(number)

    both = [limits(one, f"{SERVER}=3") for one in processes]
    threads = [threading.Thread(target=call, args=(both[n % 2], n)) for n in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, sorted(done)) == (3, list(range(24)))


@pytest.mark.parametrize(("told", "tokens"), [("2/min", 1), ("300tok/min", 150)])
def test_two_processes_share_a_minutes_calls_and_tokens(
    processes: list[SharedPlaces], told: str, tokens: int
) -> None:
    one, other = (limits(each, f"{SERVER}=3,{told}") for each in processes)
    for mine in (one, other):
        with mine.place(tokens, deadline=soon(1)):
            pass
    started = time.monotonic()
    for mine in (one, other):
        with pytest.raises(RateLimited, match="a minute"), mine.place(tokens, deadline=soon(1)):
            pass
    assert time.monotonic() - started < 1  # it is no use to wait
    unbounded = processes[1].enter("another", Allowance(calls_per_minute=1), 1, patience_s=0)
    assert (unbounded.place is not None, unbounded.wait_s) == (True, 0)


def test_a_minutes_calls_come_back_steadily(processes: list[SharedPlaces]) -> None:
    one, other = (limits(each, f"{SERVER}=9,600/min") for each in processes)
    for _ in range(600):
        processes[0].leave(_place(processes[0]))
    started = time.monotonic()
    for mine in (one, other, one):
        with mine.place(1, deadline=soon()):
            pass
    assert time.monotonic() - started < 3


def _place(places: SharedPlaces) -> str:
    entry = places.enter(SERVER, Allowance(calls_per_minute=600), 1, patience_s=60)
    assert entry.place is not None
    return entry.place


def test_places_of_a_process_that_died_are_free_again(
    processes: list[SharedPlaces], databases: list[Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "_BEAT_S", 0.02)
    dead, alive = processes
    allowance = Allowance(concurrent=2)
    assert dead.enter(SERVER, allowance, 1, patience_s=0).place
    dead._stopping.set()  # as if it had died
    kept = alive.enter(SERVER, allowance, 1, patience_s=0).place
    assert kept is not None
    assert alive.enter(SERVER, allowance, 1, patience_s=0).place is None
    with databases[0].write() as connection:
        connection.execute(sa.update(schema.model_places).values(until=0.0))
    deadline = soon()
    while not _until(databases[0], kept):  # the living one shows that it lives
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert alive.enter(SERVER, allowance, 1, patience_s=0).place
    assert alive.enter(SERVER, allowance, 1, patience_s=0).place is None
    alive.leave(kept)
    assert dead.enter(SERVER, allowance, 1, patience_s=0).place


def _until(database: Database, place: str) -> float:
    c = schema.model_places.c
    return float(database.value(sa.select(c.until).where(c.id == place), {}))


def _taken(database: Database) -> int:
    """Places that are not free, given back or not."""
    held = schema.model_places.c.until > time.time()
    return int(database.value(sa.select(sa.func.count()).where(held), {}))


def test_a_place_that_was_not_given_back_is_free_again_though_its_process_lives(
    processes: list[SharedPlaces], databases: list[Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "_BEAT_S", 0.02)
    monkeypatch.setattr(places, "LEASE_S", 0.5)
    mine = limits(processes[0], f"{SERVER}=2")
    with mine.place(1, deadline=soon()):  # it has calls under way all the time
        with mine.place(1, deadline=soon()), databases[1].write() as connection:
            connection.execute(sa.text("ALTER TABLE model_places RENAME TO elsewhere"))
        with databases[1].write() as connection:
            connection.execute(sa.text("ALTER TABLE elsewhere RENAME TO model_places"))
        assert _taken(databases[1]) == 2
        with mine.place(1, deadline=soon(5)):
            assert _taken(databases[1]) == 2


def test_a_call_ends_well_though_its_place_cannot_be_given_back(
    processes: list[SharedPlaces], databases: list[Database]
) -> None:
    mine = limits(processes[0], f"{SERVER}=2")
    with mine.place(1, deadline=soon()), databases[1].write() as connection:
        connection.execute(sa.text("ALTER TABLE model_places RENAME TO elsewhere"))
    with databases[1].write() as connection:
        connection.execute(sa.text("ALTER TABLE elsewhere RENAME TO model_places"))
    assert _taken(databases[1]) == 1
