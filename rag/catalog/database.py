"""One SQL database: how to open it, read from it, write to it and migrate it."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from rag.errors import StorageError, StorageFull

_BUSY_TIMEOUT_S = 30
_log = logging.getLogger(__name__)


class Database:
    """Read transactions on a snapshot; write transactions one at a time.

    SQLite gets WAL and ``synchronous=FULL``: a commit that returned survives power loss.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self._writing = threading.Lock()
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._log_has_residue = False

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A read transaction: everything in it sees one moment."""
        with self.engine.connect() as connection:
            if self._is_sqlite:
                connection.exec_driver_sql("BEGIN")
            yield connection
        self._empty_log()

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[sa.Connection]:
        """A write transaction, committed on leaving, rolled back on an exception.

        A commit that is not ``durable`` survives the death of the process, but not a power
        failure until a later durable commit: commits reach the disk in their order.

        Raises:
            StorageFull: the disk is full; nothing of the transaction was stored.
        """
        # Within the process writers queue on the lock, because SQLite's own waiting polls.
        with self._writing, self.engine.connect() as connection:
            try:
                if self._is_sqlite:
                    level = "FULL" if durable else "NORMAL"
                    connection.exec_driver_sql(f"PRAGMA synchronous={level}")
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                yield connection
                connection.commit()
            except sa.exc.OperationalError as error:
                connection.rollback()
                if "full" in str(error.orig):
                    raise StorageFull(
                        "The disk is full; the change was not stored. Free some space and retry."
                    ) from error
                raise
            except BaseException:
                connection.rollback()
                raise
        self._empty_log()

    def scrub(self) -> None:
        """See to it that deleted rows can no longer be read in SQLite's write-ahead log.

        The log is emptied now, or, while somebody still reads an older moment from it, after
        the first transaction that finds it free.
        """
        self._log_has_residue = self._is_sqlite
        self._empty_log()

    def _empty_log(self) -> None:
        if not self._log_has_residue or not self._writing.acquire(blocking=False):
            return
        try:
            with self.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA busy_timeout=0")
                try:
                    busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar()
                finally:
                    connection.exec_driver_sql(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_S * 1000}")
            self._log_has_residue = bool(busy)
        except sa.exc.DBAPIError as error:  # what was asked for is done; this is tried again
            _log.warning("the write-ahead log was not emptied: %s", error.orig)
        finally:
            self._writing.release()

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def open_sqlite(path: Path) -> Database:
    """Open or create a SQLite file with the durability that the promises need."""
    engine = sa.create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": _BUSY_TIMEOUT_S, "check_same_thread": False},
        # SQLite's JSON paths find a key only as it is written, not through its escapes.
        json_serializer=partial(json.dumps, ensure_ascii=False),
        hide_parameters=True,  # error messages get logged, and documents do not belong in logs
    )

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun by hand, above
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA cache_size=-32000")
        # Deleted documents leave no readable residue in the file's free pages.
        connection.execute("PRAGMA secure_delete=ON")

    return Database(engine)


def open_database(url: str) -> Database:
    """Open the database that a URL names (``sqlite:///PATH`` or ``postgresql+psycopg://…``)."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return open_sqlite(Path(parsed.database or "catalog.db"))
    return Database(sa.create_engine(parsed, pool_pre_ping=True, hide_parameters=True))


HEAD = "0001"
"""The newest revision under ``migrations/versions``; a test keeps the two equal."""


def migrate(database: Database) -> None:
    """Bring the tables to the present revision.

    Raises:
        StorageError: the database was written by a newer version of Ibidem.
    """
    present = _revision(database)
    if present == HEAD:
        return
    # Alembic takes a fifth of a second to import; a start on a migrated store skips it.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    folder = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes["database"] = database
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StorageError(
            f"The catalog is at revision {present}, which this version does not know; "
            "upgrade Ibidem, or point IBIDEM_HOME at another folder."
        ) from error


def _revision(database: Database) -> str | None:
    with database.read() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
