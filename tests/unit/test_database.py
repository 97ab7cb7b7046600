"""What differs by the kind of database, and how a wrong one is refused."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
import sqlalchemy as sa

from rag.catalog import Catalog
from rag.catalog.database import open_database
from rag.errors import ConfigurationError, HomeBusy
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
