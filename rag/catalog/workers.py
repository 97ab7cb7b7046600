"""Who is at work, on whatever machine: leases, and what the dead leave behind.

A worker gives signs of life; one that gives none for the length of a lease is taken for dead,
and its items go to others.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from rag.catalog import schema as t
from rag.catalog.database import Database
from rag.catalog.rounds import WAITING, close_round

LEASE_S = 15.0
"""A worker's items are given away so long after its last sign of life."""


class database_clock(GenericFunction[float]):
    """Unix seconds by the clock of the database, which all workers share."""

    type = sa.Double()
    inherit_cache = True


@compiles(database_clock, "sqlite")
def _sqlite_clock(element: Any, compiler: Any, **kw: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(database_clock, "postgresql")
def _postgresql_clock(element: Any, compiler: Any, **kw: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)"


class Workers:
    """Signs workers on and off, and gives away what the dead were at. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def sign_on(self) -> str:
        """Begin to work; returns the worker's id."""
        worker = f"worker_{uuid.uuid4().hex[:24]}"
        with self._db.write() as connection:
            until = database_clock() + LEASE_S
            connection.execute(sa.insert(t.workers).values(id=worker, until=until))
        return worker

    def stay(self, worker: str) -> bool:
        """Give a sign of life; false when it came too late, and nothing is this worker's now."""
        with self._db.write(durable=False) as connection:
            mine = t.workers.c.id == worker
            until = database_clock() + LEASE_S
            staying = sa.update(t.workers).where(mine).values(until=until)
            return connection.execute(staying).rowcount == 1

    def sign_off(self, worker: str) -> None:
        """Leave; others take what was begun up at once."""
        with self._db.write() as connection:
            c = t.work_items.c
            _forgive(connection, c.worker == worker)
            _bury(connection, [worker])

    def bury_dead(self, *, all_of_them: bool = False) -> int:
        """Give away what dead workers were at; returns how many there were.

        ``all_of_them`` is for who knows that nobody else is alive.
        """
        query = sa.select(t.workers.c.id)
        if not all_of_them:
            query = query.where(t.workers.c.until < database_clock())
        with self._db.read() as connection:
            if connection.execute(query.limit(1)).first() is None:
                return 0
        with self._db.write() as connection:
            dead = connection.execute(query).scalars().all()
            theirs = t.work_items.c.worker.in_(dead)
            for job_id in _jobs_of(connection, theirs):
                if _has_come_on(connection, job_id):  # they need not have ended of these
                    _forgive(connection, theirs & (t.work_items.c.job_id == job_id))
            _bury(connection, dead)
        return len(dead)


def _bury(connection: sa.Connection, workers: Sequence[str]) -> None:
    c = t.work_items.c
    theirs = c.worker.in_(workers)
    jobs = _jobs_of(connection, theirs)
    values = {"status": WAITING, "worker": None}
    connection.execute(sa.update(t.work_items).where(theirs).values(values))
    connection.execute(sa.delete(t.workers).where(t.workers.c.id.in_(workers)))
    for job_id in jobs:
        close_round(connection, job_id)


def _forgive(connection: sa.Connection, which: sa.ColumnElement[bool]) -> None:
    """Count the last attempt at items as none."""
    attempts = t.work_items.c.attempts
    connection.execute(sa.update(t.work_items).where(which).values(attempts=attempts - 1))


def _jobs_of(connection: sa.Connection, which: sa.ColumnElement[bool]) -> Sequence[str]:
    query = sa.select(t.work_items.c.job_id).where(which).distinct()
    return connection.execute(query).scalars().all()


def _has_come_on(connection: sa.Connection, job_id: str) -> bool:
    """Whether anything was done or bought for a job since this was last asked."""
    calls = sa.select(sa.func.coalesce(sa.func.sum(t.usage.c.calls), 0))
    bought = calls.where(t.usage.c.job == job_id).scalar_subquery()
    done = sa.select(t.jobs.c.done + bought).where(t.jobs.c.id == job_id)
    progress = int(connection.execute(done).scalar_one())
    moved = sa.update(t.work).where(t.work.c.job_id == job_id, t.work.c.progress != progress)
    return connection.execute(moved.values(progress=progress)).rowcount == 1
