"""Work made of items: kept from when it is ordered until it is looked at; see `rag.work`.

Who is at work on which item is for `rag.catalog.claims`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any

import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.database import Database
from rag.catalog.jobs import new_job_id
from rag.catalog.kept import KeptItems, as_done, as_failed
from rag.catalog.rounds import (
    DONE,
    FAILED,
    STEP,
    WAITING,
    add_items,
    close_round,
    requeue,
    set_job,
)
from rag.errors import Conflict, NotFound
from rag.types import Job, JobStatus
from rag.work import Done, Failed, NewItem

_BATCH = 500
_ENDED = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)


class Lane(StrEnum):
    """Who carries items out: as many threads as calls, or as processors, or one for very many."""

    CALLS = "calls"
    LOCAL = "local"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWork:
    """What is ordered. Of ``priority`` more goes first; ``lane`` says what it is made of."""

    kind: str
    tenant: str
    key: str
    spec: Mapping[str, Any]
    lane: Lane = Lane.CALLS
    priority: int = 0
    budget_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkState:
    """What was ordered, and how it stands.

    ``per_second`` and ``seconds_left`` are ``None`` while too little is done to tell.
    """

    spec: Mapping[str, Any]
    key: str
    priority: int
    budget_usd: float | None
    failures: Mapping[str, int]
    """How many items failed, by the code of what they failed of."""
    cost_usd: float
    per_second: float | None
    seconds_left: float | None


class WorkStore:
    """Take work in, show how it stands, and hand out what came of it."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._db = database
        self._clock = clock

    def create(
        self,
        new: NewWork,
        items: Iterable[NewItem] | None = None,
        *,
        together: Callable[[sa.Connection, str], None] = lambda _connection, _job_id: None,
    ) -> str:
        """Order work; returns the id of its job.

        Its items are written in bounded batches, and nobody sees it before all are there. Work
        without ``items`` lists them itself, once somebody is at work on it. ``together`` writes
        in the same transaction as the job what has to be there with it, or refuses it.
        """
        job_id, now = new_job_id(), self._clock()
        row = {
            "job_id": job_id,
            "tenant": new.tenant,
            "key": new.key,
            "spec": dict(new.spec),
            "lane": new.lane,
            "priority": new.priority,
            "budget_usd": new.budget_usd,
            "round": 0,
            "claims": 0,
            "progress": 0,
            "paced_from": 0,
        }
        with self._db.write() as connection:
            connection.execute(sa.insert(t.work), row)
        given = iter(items if items is not None else (NewItem(position=STEP, payload={}),))
        total = 0
        try:
            while batch := list(islice(given, _BATCH)):
                with self._db.write(durable=False) as connection:
                    add_items(connection, job_id, 0, batch)
                total += len(batch)
        except BaseException:
            self._remove([job_id])
            raise
        job = {
            "id": job_id,
            "tenant": new.tenant,
            "kind": new.kind,
            "status": JobStatus.QUEUED,
            "attempt": 1,
            "begun": 0,
            "done": 0,
            "total": total if items is not None else None,
            "unit": "items",
            "created_at": now,
            "updated_at": now,
        }
        try:
            with self._db.write() as connection:
                connection.execute(sa.insert(t.jobs), job)
                together(connection, job_id)
        except BaseException:
            self._remove([job_id])
            raise
        return job_id

    def state(self, job: Job) -> WorkState:
        """How the work of a job stands.

        Raises:
            NotFound: it is not a job made of items.
        """
        i, u = t.work_items.c, t.usage.c
        ordered = [one for one in t.work.c if one is not t.work.c.result]  # that may be long
        failures = (
            sa.select(i.code, sa.func.count())
            .where(i.job_id == job.id, i.status == FAILED)
            .group_by(i.code)
        )
        cost = sa.select(sa.func.coalesce(sa.func.sum(u.cost_usd), 0.0)).where(u.job == job.id)
        with self._db.read() as connection:
            row = connection.execute(sa.select(*ordered).where(t.work.c.job_id == job.id)).first()
            if row is None:
                raise NotFound(f"No work {job.id!r}.", param="job")
            failed = {str(code): int(count) for code, count in connection.execute(failures)}
            spent = float(connection.execute(cost).scalar_one())
        per_second = self._pace(job, row)
        left = None if job.total is None else job.total - job.done
        return WorkState(
            spec=row.spec,
            key=row.key,
            priority=row.priority,
            budget_usd=row.budget_usd,
            failures=failed,
            cost_usd=spent,
            per_second=per_second,
            seconds_left=left / per_second if per_second and left is not None else None,
        )

    def result(self, job_id: str) -> Mapping[str, Any] | None:
        """What the whole of a work came to; ``None`` before its end, and when it is gone."""
        query = sa.select(t.work.c.result).where(t.work.c.job_id == job_id)
        found: Mapping[str, Any] | None = self._db.value(query, {})
        return found

    def _pace(self, job: Job, row: sa.Row[Any]) -> float | None:
        done = job.done - row.paced_from
        if row.paced_since is None or done <= 0 or job.status is not JobStatus.IN_PROGRESS:
            return None
        return float(done / max(self._clock() - row.paced_since, 1e-3))

    def done(self, job_id: str, *, round: int | None = None) -> Iterable[Done]:
        """What its items, or those of one round, came to, by position; read anew each time."""
        return KeptItems(self._db, job_id, DONE, as_done, round)

    def failed(self, job_id: str) -> Iterable[Failed]:
        """What its items failed of, by round and position, read anew each time."""
        return KeptItems(self._db, job_id, FAILED, as_failed)

    def cancel(self, job_id: str) -> None:
        """Begin nothing more of it; items under way come to their end and are kept.

        Raises:
            Conflict: it has ended already.
        """
        with self._db.write() as connection:
            status = _status(connection, job_id)
            if status in _ENDED:
                raise Conflict(f"Job {job_id} is {status}; there is nothing left to cancel.")
            set_job(connection, job_id, status=JobStatus.CANCELLING)
            close_round(connection, job_id)

    def resume(
        self, job_id: str, *, budget_usd: float | None = None, retry_failed: bool = False
    ) -> None:
        """Go on with what was paused, cancelled or has failed.

        With ``retry_failed`` items that failed are done once more, also of work that has come
        to its end, which is then finished anew. What is at work takes another budget, too.

        Raises:
            Conflict: there is nothing to go on with.
        """
        with self._db.write() as connection:
            status = _status(connection, job_id)
            if budget_usd is not None:
                connection.execute(
                    sa.update(t.work).where(t.work.c.job_id == job_id).values(budget_usd=budget_usd)
                )
            again = requeue(connection, job_id) if retry_failed else 0
            takes = {JobStatus.PAUSED, JobStatus.CANCELLED, JobStatus.FAILED}
            if budget_usd is not None:  # what is at work need not rest for another
                takes |= {JobStatus.QUEUED, JobStatus.IN_PROGRESS}
            if status not in takes and not again:
                raise Conflict(_why_not(job_id, status, retry_failed=retry_failed))
            i = t.work_items.c
            connection.execute(
                sa.update(t.work_items)
                .where(i.job_id == job_id, i.status == WAITING)
                .values(due_at=0.0, attempts=0)
            )
            if status != JobStatus.IN_PROGRESS:
                set_job(connection, job_id, status=JobStatus.QUEUED, error=None)
            close_round(connection, job_id)

    def sweep(self, kept_s: float) -> int:
        """Remove what ended longer ago, with its items and results; returns how many jobs.

        What rests, and may be resumed with what it has bought, stays: paused work is not ended.
        """
        j = t.jobs.c
        old = (j.status.in_(_ENDED)) & (j.updated_at < self._clock() - kept_s)
        query = sa.select(j.id).join(t.work, t.work.c.job_id == j.id).where(old)
        with self._db.read() as connection:
            found = connection.execute(query).scalars().all()
        for job_id in found:
            with self._db.write() as connection:
                if connection.execute(query.where(j.id == job_id)).first():  # not resumed since
                    self._remove([job_id])
                    connection.execute(sa.delete(t.reviews).where(t.reviews.c.job_id == job_id))
                    connection.execute(sa.delete(t.jobs).where(j.id == job_id))
        return len(found)

    def forget_unfinished_orders(self) -> None:
        """Remove what a process that died was taking in: nobody was told of it."""
        jobs = sa.select(t.jobs.c.id).where(t.jobs.c.id == t.work.c.job_id)
        query = sa.select(t.work.c.job_id).where(~jobs.exists())
        with self._db.read() as connection:
            orphans = connection.execute(query).scalars().all()
        if orphans:
            self._remove(orphans)

    def _remove(self, job_ids: Sequence[str]) -> None:
        with self._db.write() as connection:
            for table in (t.work_items, t.work_documents, t.work):
                connection.execute(sa.delete(table).where(table.c.job_id.in_(job_ids)))


def _status(connection: sa.Connection, job_id: str) -> str:
    return str(
        connection.execute(sa.select(t.jobs.c.status).where(t.jobs.c.id == job_id)).scalar_one()
    )


def _why_not(job_id: str, status: str, *, retry_failed: bool) -> str:
    if retry_failed:
        return f"Job {job_id} is {status}, and none of its items has failed."
    if status == JobStatus.COMPLETED:
        return f"Job {job_id} has come to its end; `retry_failed` does failed items once more."
    return f"Job {job_id} is {status} already."
