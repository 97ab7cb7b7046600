"""One SQL database: how to read from it and write to it."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import sqlalchemy as sa

from rag.catalog.grouping import Groups
from rag.errors import HomeBusy, StorageFull
from rag.redact import masked_url

BUSY_TIMEOUT_S = 30
_ADVISORY = 0x1B1DE
"""The first half of the keys of our advisory locks on PostgreSQL; the second says which."""
_OWNER_LOCK = 0
_DISK_FULL = "53100"
_LEVEL = "synchronous"
_MOST_AT_REST = 8
_STANDSTILL_S = 10
"""A process that was stopped within a transaction would hold up all other writers."""
_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")


class _Mine(threading.local):
    """The write transaction that a thread is in."""

    connection: sa.Connection | None = None
    durable = False


class Database:
    """Read transactions on a snapshot; write transactions one at a time.

    SQLite gets WAL and ``synchronous=FULL``: a commit that returned survives power loss. It has
    one writer at a time. On PostgreSQL writers take an advisory lock until they commit, so that
    both are the same to the code above: what a write transaction finds absent stays absent,
    which no lock on rows would say, and the numbers it gives out become visible in order.
    """

    def __init__(self, engine: sa.Engine, *, writers_lock: int = 1) -> None:
        """Over an engine; databases that share a server's differ in ``writers_lock``."""
        self.engine = engine
        self._writing = threading.Lock()
        self._groups = Groups(self.write)
        self._mine = _Mine()
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._reader = engine
        if not self._is_sqlite:
            self._reader = engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        self._writers_lock = writers_lock
        self._log_has_residue = False
        self._at_rest: deque[sa.Connection] = deque()

    @property
    def is_shared(self) -> bool:
        """Whether other processes may write, too: a SQLite file is its owner's alone."""
        return not self._is_sqlite

    def beside(self, writers_lock: int) -> Database:
        """The same database with another lock for writers, who wait only for one another."""
        return Database(self.engine, writers_lock=writers_lock)

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Be the only process that works on this database, wherever it runs.

        A SQLite file lies in a folder that is owned already; a server is reached from anywhere.

        Raises:
            HomeBusy: another process works on it.
        """
        if self._is_sqlite:
            yield
            return
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.detach()  # the pool may be closed before this is
            key = (_ADVISORY, _OWNER_LOCK)
            lock = sa.select(sa.func.pg_try_advisory_lock(*key))
            if not connection.execute(lock).scalar():
                raise HomeBusy(
                    f"Another process is using {masked_url(str(self.engine.url))}. "
                    "Stop it, or set IBIDEM_DATABASE_URL to another database."
                )
            try:
                yield
            finally:
                connection.execute(sa.select(sa.func.pg_advisory_unlock(*key)))

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A read transaction: everything in it sees one moment."""
        with self._reader.connect() as connection:
            if self._is_sqlite:
                connection.exec_driver_sql("BEGIN")
            yield connection
        self._empty_log()

    def value(self, query: sa.Select[Any], parameters: Mapping[str, Any]) -> Any:
        """The first value that a query brings, or ``None``."""
        rows = self.rows(query, parameters)
        return rows[0][0] if rows else None

    def rows(self, query: sa.Select[Any], parameters: Mapping[str, Any]) -> Sequence[sa.Row[Any]]:
        """All that a query brings: one statement sees one moment without a transaction."""
        with self._reading() as connection:
            found = connection.execute(query, parameters).all()
        self._empty_log()
        return found

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        """A connection for one statement; of SQLite's, some are kept for the next.

        To have one of the pool and give it back takes as long as a short statement.
        """
        if not self._is_sqlite:
            with self._reader.connect() as connection:
                yield connection
            return
        try:
            connection = self._at_rest.pop()
        except IndexError:
            connection = self._reader.connect()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        if len(self._at_rest) < _MOST_AT_REST:
            self._at_rest.append(connection)
        else:
            connection.close()

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[sa.Connection]:
        """A write transaction, committed on leaving, rolled back on an exception.

        A commit that is not ``durable`` survives the death of the process, but not a power
        failure until a later durable commit: commits reach the disk in their order.

        What the same thread writes meanwhile is a part of it: both are stored, or neither.

        Raises:
            StorageFull: the disk is full; nothing of the transaction was stored.
        """
        mine = self._mine
        if mine.connection is not None:
            assert mine.durable or not durable  # noqa: S101 - it would not survive what is said
            yield mine.connection
            return
        # Within the process writers queue on the lock, because SQLite's own waiting polls.
        with self._writing, self.engine.connect() as connection:
            mine.connection, mine.durable = connection, durable
            try:
                self._begin_write(connection, durable)
                yield connection
                connection.commit()
            except sa.exc.OperationalError as error:
                connection.rollback()
                if _is_disk_full(error.orig):
                    raise StorageFull(
                        "The disk is full; the change was not stored. Free some space and retry."
                    ) from error
                raise
            except BaseException:
                connection.rollback()
                raise
            finally:
                mine.connection = None
        self._empty_log()

    def together(self, do: Callable[[sa.Connection], _Result], *, durable: bool = True) -> _Result:
        """What ``do`` writes, in one transaction with what other threads ask for meanwhile.

        For what many threads do often; see `Groups.carry_out`. ``durable`` as for `write`.
        """
        if self._mine.connection is not None:
            with self.write(durable=durable) as connection:
                return do(connection)
        return self._groups.carry_out(do, durable=durable)

    def _begin_write(self, connection: sa.Connection, durable: bool) -> None:
        if self._is_sqlite:
            level = "FULL" if durable else "NORMAL"
            if connection.info.get(_LEVEL, "FULL") != level:
                connection.exec_driver_sql(f"PRAGMA synchronous={level}")
                connection.info[_LEVEL] = level
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            return
        if not durable:
            connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")
        connection.exec_driver_sql(
            f"SET LOCAL idle_in_transaction_session_timeout = '{_STANDSTILL_S}s'"
        )
        connection.exec_driver_sql(
            f"SELECT pg_advisory_xact_lock({_ADVISORY}, {self._writers_lock})"
        )

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
                    connection.exec_driver_sql(f"PRAGMA busy_timeout={BUSY_TIMEOUT_S * 1000}")
            self._log_has_residue = bool(busy)
        except sa.exc.DBAPIError as error:  # what was asked for is done; this is tried again
            _log.warning("the write-ahead log was not emptied: %s", error.orig)
        finally:
            self._writing.release()

    def close(self) -> None:
        """Close every pooled connection."""
        while self._at_rest:
            self._at_rest.pop().close()
        self.engine.dispose()


def _is_disk_full(error: BaseException | None) -> bool:
    return getattr(error, "sqlstate", None) == _DISK_FULL or (
        isinstance(error, sqlite3.Error) and "full" in str(error)
    )
