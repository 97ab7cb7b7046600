"""What differs by the kind of database, and how a wrong one is refused."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import sqlalchemy as sa

from rag.catalog import Catalog
from rag.catalog import schema as t
from rag.catalog.opening import open_database
from rag.errors import ConfigurationError, HomeBusy, StorageFull
from tests import postgres
from tests.conftest import on_postgresql
from tests.unit.test_catalog import TENANT, add, make_collection


@on_postgresql
def test_a_server_has_one_owner(database_url: str) -> None:
    first, second = open_database(database_url), open_database(database_url)
    with first.owned(), pytest.raises(HomeBusy, match="Another process is using"), second.owned():
        pass
    with second.owned():
        pass
    first.close()
    second.close()


@on_postgresql
def test_a_restarted_server_is_met_again(catalog: Catalog, database_url: str) -> None:
    document = add(catalog, make_collection(catalog), "a")
    other = open_database(database_url)
    with other.engine.connect() as connection:
        everybody = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> "
        connection.exec_driver_sql(f"{everybody}pg_backend_pid() AND datname = current_database()")
    assert catalog.documents.get(TENANT, document.id) == document
    other.close()


@on_postgresql
def test_reading_changes_nothing(catalog: Catalog) -> None:
    with (
        catalog._database.read() as connection,
        pytest.raises(sa.exc.DBAPIError, match="read-only"),
    ):
        connection.exec_driver_sql("DELETE FROM documents")


def test_a_database_of_another_encoding_is_refused(postgresql: sa.URL) -> None:
    with ExitStack() as stack:
        latin = postgres.database(
            postgresql, template="template0", locale="ENCODING LATIN1 LOCALE 'C'"
        )
        url = stack.enter_context(latin)
        with pytest.raises(ConfigurationError, match="stores text as LATIN1; Ibidem needs UTF8"):
            open_database(url.render_as_string())


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://ada:secret@host/x", "known are sqlite:///FILE and postgresql"),
        ("no url", "known are sqlite:///FILE and postgresql"),
        ("postgresql://ada:secret@127.0.0.1:1/x", "cannot be reached: .*Check IBIDEM_DATABASE_URL"),
    ],
)
def test_an_unknown_or_unreachable_database_is_refused(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        open_database(url)
    assert "secret" not in str(caught.value)


def _count(catalog: Catalog) -> int:
    return int(catalog._database.value(sa.select(sa.func.count()).select_from(t.workers), {}))


def test_what_comes_while_a_group_is_written_goes_into_the_next_one(catalog: Catalog) -> None:
    database = catalog._database
    begun, go_on = threading.Event(), threading.Event()
    transactions: list[object] = []

    def add(number: int) -> Callable[[sa.Connection], int]:
        def do(connection: sa.Connection) -> int:
            if number == 0:
                begun.set()
                assert go_on.wait(30)
            connection.execute(sa.insert(t.workers).values(id=f"w{number}", until=0.0))
            transactions.append(connection.get_transaction())
            if number % 5 == 4:
                raise ValueError(number)
            return number

        return do

    with ThreadPoolExecutor(20) as pool:
        first = pool.submit(database.together, add(0))
        assert begun.wait(30)
        others = [pool.submit(database.together, add(number)) for number in range(1, 20)]
        while len(database._groups._asked) < len(others):
            time.sleep(0.001)
        go_on.set()
        assert first.result() == 0
        for number, other in enumerate(others, start=1):
            if number % 5 == 4:
                with pytest.raises(ValueError, match=str(number)):
                    other.result()
            else:
                assert other.result() == number
    assert sorted(Counter(map(id, transactions)).values()) == [1, 19]
    assert _count(catalog) == 16


def test_what_the_database_refuses_of_a_group_is_stored_of_none(catalog: Catalog) -> None:
    database = catalog._database
    begun, go_on = threading.Event(), threading.Event()

    def wait(_: sa.Connection) -> None:
        begun.set()
        assert go_on.wait(30)

    def add(connection: sa.Connection) -> None:
        name = threading.current_thread().name
        connection.execute(sa.insert(t.workers).values(id=name, until=0.0))

    def fail(connection: sa.Connection) -> None:
        raise sa.exc.OperationalError("", {}, sqlite3.OperationalError("database or disk is full"))

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(database.together, wait)
        assert begun.wait(30)
        others = [pool.submit(database.together, do) for do in (add, fail)]
        while len(database._groups._asked) < len(others):
            time.sleep(0.001)
        go_on.set()
        first.result()
        for other in others:
            with pytest.raises(StorageFull):
                other.result()
    assert _count(catalog) == 0
    database.together(add)
    assert _count(catalog) == 1
