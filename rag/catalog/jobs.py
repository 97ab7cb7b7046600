"""Jobs: the work that the catalog wants done. The job store only carries it out."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.database import Database
from rag.catalog.statements import changing
from rag.errors import NotFound
from rag.types import Job, JobStatus

_COLUMNS = [column for column in t.jobs.c if column.name != "begun"]
_BY_ID = sa.select(*_COLUMNS).where(t.jobs.c.id == sa.bindparam("job"))
UNFINISHED = (JobStatus.QUEUED, JobStatus.IN_PROGRESS, JobStatus.CANCELLING)
_UNFINISHED = t.jobs.c.status.in_(UNFINISHED)
_COUNT_BEGINNING = (
    sa.update(t.jobs)
    .where(t.jobs.c.number == sa.bindparam("job"))
    .values(begun=t.jobs.c.begun + sa.bindparam("by"))
    .returning(t.jobs.c.begun)
)
_INSERT = sa.insert(t.jobs)
INGEST = "ingest"
"""The kind of jobs that read a document; all others are made of items, see `rag.work`."""


class Jobs:
    """Find jobs and record their progress."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def get(self, tenant: str, job_id: str) -> Job:
        """The job with this id.

        Raises:
            NotFound: the tenant has none.
        """
        found = self._select((t.jobs.c.tenant == tenant) & (t.jobs.c.id == job_id))
        if not found:
            raise NotFound(f"No job {job_id!r}.", param="job")
        return found[0]

    def find(self, job_id: str) -> Job | None:
        """The job with this id of any tenant, for the worker; ``None`` when it is gone."""
        with self._db.read() as connection:
            row = connection.execute(_BY_ID, {"job": job_id}).mappings().first()
        return None if row is None else _job(row)

    def page(
        self,
        tenant: str,
        *,
        kind: str | None = None,
        status: JobStatus | None = None,
        after: str | None = None,
        limit: int = 20,
        newest_first: bool = True,
    ) -> Sequence[Job]:
        """One page of the tenant's jobs, starting behind the job named by ``after``."""
        where = t.jobs.c.tenant == tenant
        if kind is not None:
            where &= t.jobs.c.kind == kind
        if status is not None:
            where &= t.jobs.c.status == status
        if after is not None:
            number = self.get(tenant, after).number
            where &= t.jobs.c.number < number if newest_first else t.jobs.c.number > number
        order = t.jobs.c.number.desc() if newest_first else t.jobs.c.number
        return self._select(where, order=order, limit=limit)

    def unfinished(self) -> Sequence[Job]:
        """Every tenant's documents that are still to be read, oldest first."""
        return self._select(_UNFINISHED & (t.jobs.c.kind == INGEST))

    def count_unfinished(self) -> int:
        """How many jobs are still wanted."""
        query = sa.select(sa.func.count()).where(_UNFINISHED)
        with self._db.read() as connection:
            return int(connection.execute(query).scalar_one())

    def cancel(self, job_id: str) -> None:
        """Give up a job whose document is gone; finished jobs stay as they are."""
        with self._db.write() as connection:
            cancel_job(connection, job_id)

    def blame(self, job_id: str, error: Mapping[str, Any]) -> None:
        """Count a fault that nobody foresaw against the document; ``error`` says what happened."""
        with self._db.write() as connection:
            _update(connection, t.jobs.c.id, job_id, {"error": dict(error)})
            connection.execute(
                sa.update(t.jobs).where(t.jobs.c.id == job_id).values(begun=t.jobs.c.begun + 1)
            )

    def forgive(self, job_id: str, error: Mapping[str, Any]) -> None:
        """Do not count the last beginning: that it failed was not the document's fault."""
        with self._db.write() as connection:
            _update(connection, t.jobs.c.id, job_id, {"begun": 0, "error": dict(error)})

    def next_attempt(self, job_id: str) -> int:
        """Count another attempt, so that its workflow gets an id of its own."""
        query = (
            sa.update(t.jobs)
            .where(t.jobs.c.id == job_id)
            .values(attempt=t.jobs.c.attempt + 1, updated_at=time.time())
            .returning(t.jobs.c.attempt)
        )
        with self._db.write() as connection:
            return int(connection.execute(query).scalar_one())

    def _select(
        self,
        where: sa.ColumnElement[bool],
        *,
        order: sa.ColumnElement[Any] | None = None,
        limit: int | None = None,
    ) -> list[Job]:
        query = (
            sa.select(*_COLUMNS)
            .where(where)
            .order_by(t.jobs.c.number if order is None else order)
            .limit(limit)
        )
        with self._db.read() as connection:
            return [_job(row) for row in connection.execute(query).mappings()]


def new_job_id() -> str:
    """An id that no job has."""
    return f"job_{uuid.uuid4().hex[:24]}"


def insert_job(
    connection: sa.Connection, *, tenant: str, kind: str, document_id: str, collection_id: str
) -> str:
    """Add a queued job within the caller's write transaction; returns its id."""
    now = time.time()
    job_id = new_job_id()
    row = {
        "id": job_id,
        "tenant": tenant,
        "kind": kind,
        "document_id": document_id,
        "collection_id": collection_id,
        "status": JobStatus.QUEUED,
        "attempt": 1,
        "begun": 0,
        "done": 0,
        "created_at": now,
        "updated_at": now,
    }
    connection.execute(_INSERT, row)
    return job_id


def count_beginning(connection: sa.Connection, number: int, by: int = 1) -> int:
    """Count that the job was begun, or take one back; returns how often it now was."""
    return int(connection.execute(_COUNT_BEGINNING, {"job": number, "by": by}).scalar_one())


def update_job(connection: sa.Connection, number: int, **values: Any) -> None:
    """Change an unfinished job within the caller's write transaction."""
    _update(connection, t.jobs.c.number, number, values)


def cancel_job(connection: sa.Connection, job_id: str) -> None:
    """Give an unfinished job up within the caller's write transaction."""
    _update(connection, t.jobs.c.id, job_id, {"status": JobStatus.CANCELLED})


def _update(
    connection: sa.Connection, column: sa.Column[Any], key: Any, values: Mapping[str, Any]
) -> None:
    statement = _changing_unfinished(column, "updated_at", *values)
    connection.execute(statement, {"key_": key, "updated_at": time.time(), **values})


@cache
def _changing_unfinished(column: sa.Column[Any], *names: str) -> sa.Update:
    return changing(column, *names).where(_UNFINISHED)


def _job(row: Mapping[Any, Any]) -> Job:
    return Job(**{**row, "status": JobStatus(row["status"])})
