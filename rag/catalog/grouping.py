"""Writes of many threads in one transaction: they wait for the disk together, and once.

SQLite has one writer at a time. Where each of many threads takes its turn, and waits for the disk
in it, that is what they all wait for; here what comes while a transaction is under way goes into
the next one, however much it is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Generic, Protocol, TypeVar

import sqlalchemy as sa

from rag.errors import StorageError

_Result = TypeVar("_Result")


class Writing(Protocol):
    """Begins write transactions; see `rag.catalog.database.Database.write`."""

    def __call__(self, *, durable: bool) -> AbstractContextManager[sa.Connection]:
        """A write transaction, committed on leaving."""
        ...


class Groups:
    """Carries out what threads ask for, in groups. Thread-safe."""

    def __init__(self, write: Writing) -> None:
        self._write = write
        self._asked: list[_Asked[Any]] = []
        self._adding = threading.Lock()
        self._leading = threading.Lock()

    def carry_out(self, do: Callable[[sa.Connection], _Result], *, durable: bool) -> _Result:
        """What ``do`` returns, once all that it wrote is committed.

        It may be called by another thread. What it raises undoes what it wrote, and nothing else.

        Raises:
            OperationalError: the database failed, and nothing of the group was stored.
        """
        mine = _Asked(do, durable=durable)
        with self._adding:
            self._asked.append(mine)
        with self._leading:
            if not mine.has_ended:
                self._lead()
        return mine.result()

    def _lead(self) -> None:
        with self._adding:
            group, self._asked = self._asked, []
        failed: Exception | None = StorageError("The change was not stored; try again.")
        try:
            with self._write(durable=any(one.durable for one in group)) as connection:
                for one in group:
                    one.carry_out(connection, alone=len(group) == 1)
            failed = None
        except Exception as error:
            failed = error
        finally:
            for one in group:
                one.end(failed)


class _Asked(Generic[_Result]):
    """What a thread asks for, and what came of it."""

    def __init__(self, do: Callable[[sa.Connection], _Result], *, durable: bool) -> None:
        self._do = do
        self.durable = durable
        self.has_ended = False
        self._error: Exception | None = None
        self._found: list[_Result] = []

    def carry_out(self, connection: sa.Connection, *, alone: bool) -> None:
        if alone:
            self._found = [self._do(connection)]
            return
        connection.exec_driver_sql("SAVEPOINT one")
        try:
            self._found = [self._do(connection)]
        except sa.exc.OperationalError:  # as on a full disk: it may have undone all by itself
            raise
        except Exception as error:
            self._error = error
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT one")
        connection.exec_driver_sql("RELEASE SAVEPOINT one")

    def end(self, failed: Exception | None) -> None:
        self._error = failed or self._error
        self.has_ended = True

    def result(self) -> _Result:
        if self._error is not None:
            raise self._error
        [found] = self._found
        return found
