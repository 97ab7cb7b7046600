"""Who is at work on which item: numbers that fence off the late.

Each claim has a number, greater than all before it. What is written under a claim is written
only while the item is still that claim's: a worker that comes back late, after its items were
given away (`rag.catalog.workers`), can change nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.claiming import IS_PLACE, OPEN, Claim, Taking, open_jobs, place, shares
from rag.catalog.database import Database
from rag.catalog.rounds import (
    DELETED,
    DONE,
    FAILED,
    RESULT,
    RUNNING,
    STEP,
    WAITING,
    add_documents,
    add_items,
    close_round,
    count_done,
    set_job,
)
from rag.types import JobStatus
from rag.work import NewItem, Produced


class Claims:
    """Hands out items and takes in what came of them. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._taking = Taking()

    def claim(
        self, worker: str, lane: str, room: int, *, expected: bool = False
    ) -> Sequence[Claim]:
        """As many items as there is room for, or as there are, with their numbers; durable.

        Where some are ``expected`` nobody looks first whether there are any.

        The highest priority goes first; among equals, the tenant, then the key and then the job
        with the fewest items under way.
        """
        if not (expected or self._any_waiting(lane)):
            return []
        claims: list[Claim] = []
        with self._db.write() as connection:
            alive = sa.select(t.workers.c.id).where(t.workers.c.id == worker)
            if connection.execute(alive).first() is None:
                return []
            for job_id, count in shares(open_jobs(connection, lane, room), room).items():
                claims += self._taking.take(connection, worker, job_id, count)
        return claims

    def _any_waiting(self, lane: str) -> bool:
        with self._db.read() as connection:
            return any(job.waiting for job in open_jobs(connection, lane, 1))

    def add(self, claim: Claim, items: Sequence[NewItem]) -> bool:
        """Write some items of the round that a claimed step begins; false if it was given away."""
        job_id = claim.ordered.job_id
        with self._held(claim, durable=False) as connection:
            if connection is None:
                return False
            add_items(connection, job_id, claim.item.round, items)
            total = sa.func.coalesce(t.jobs.c.total, 0) + len(items)
            set_job(connection, job_id, total=total)
        return True

    def last_added(self, claim: Claim) -> NewItem | None:
        """The last item of the round that was written."""
        c = t.work_items.c
        mine = (c.job_id == claim.ordered.job_id) & (c.round == claim.item.round)
        query = sa.select(c.position, c.payload).where(mine, c.position != STEP)
        with self._db.read() as connection:
            last = connection.execute(query.order_by(c.position.desc()).limit(1)).first()
        return None if last is None else NewItem(position=last.position, payload=last.payload)

    def listed(self, claim: Claim) -> None:
        """The round that a claimed step began is complete."""
        with self._held(claim) as connection:
            if connection is not None:
                connection.execute(_REMOVE, place(claim))
                close_round(connection, claim.ordered.job_id)

    def settle(self, claim: Claim, produced: Produced) -> bool:
        """Keep what an item came to; false if it was given away.

        A power failure may lose it, and then repeats the item: what a model replied is kept.
        """
        return self._db.together(partial(_settle, claim, produced), durable=False)

    def fail(self, claim: Claim, error: Mapping[str, Any]) -> bool:
        """Keep what an item failed of; false if it was given away."""
        with self._held(claim, durable=False) as connection:
            if connection is not None:
                _end(connection, claim, status=FAILED, code=error["code"], error=dict(error))
        return connection is not None

    def postpone(self, claim: Claim, pause_s: float) -> None:
        """Give an item back, to be tried again after so many seconds."""
        with self._held(claim, durable=False) as connection:
            if connection is not None:
                _give_back(connection, claim, due_at=time.time() + pause_s)

    def pause(self, claim: Claim, error: Mapping[str, Any]) -> None:
        """Give an item back, and begin nothing more of its job until somebody resumes it.

        Unless somebody did so already, with another budget than the one that was spent.
        """
        with self._held(claim) as connection:
            if connection is None:
                return
            _give_back(connection, claim, due_at=0.0)
            job_id = claim.ordered.job_id
            mine = t.work.c.job_id == job_id
            budget = connection.execute(sa.select(t.work.c.budget_usd).where(mine)).scalar()
            if _status(connection, claim) in OPEN and budget == claim.ordered.budget_usd:
                set_job(connection, job_id, status=JobStatus.PAUSED, error=dict(error))

    def finish(self, claim: Claim, produced: Produced) -> None:
        """Keep what the whole work came to, at the claimed step after its last round; durable."""
        job_id = claim.ordered.job_id
        with self._held(claim) as connection:
            if connection is None:
                return
            connection.execute(_REMOVE, place(claim))
            error = None
            if _present(connection, claim.ordered.tenant, produced.documents):
                result = dict(produced.value)
                add_documents(connection, job_id, RESULT, STEP, produced.documents)
                mine = t.work.c.job_id == job_id
                connection.execute(sa.update(t.work).where(mine).values(result=result))
            else:
                error = dict(DELETED)
            set_job(connection, job_id, status=JobStatus.COMPLETED, error=error)

    def give_up(self, claim: Claim, error: Mapping[str, Any]) -> None:
        """A step failed, and all the work with it; the step waits, should it be resumed."""
        with self._held(claim) as connection:
            if connection is not None:
                _give_back(connection, claim, due_at=0.0)
                set_job(
                    connection, claim.ordered.job_id, status=JobStatus.FAILED, error=dict(error)
                )

    @contextmanager
    def _held(self, claim: Claim, *, durable: bool = True) -> Iterator[sa.Connection | None]:
        """A write transaction in which the item is still the claim's; else with ``None``."""
        with self._db.write(durable=durable) as connection:
            yield connection if _is_held(connection, claim) else None


# Built once, like those of `rag.catalog.claiming`.
_HELD = sa.select(t.work_items.c.token).where(
    IS_PLACE,
    t.work_items.c.token == sa.bindparam("number"),
    t.work_items.c.status == RUNNING,
)
_REMOVE = sa.delete(t.work_items).where(IS_PLACE)
_PRESENT = sa.select(sa.func.count()).where(
    t.documents.c.tenant == sa.bindparam("tenant"),
    t.documents.c.id.in_(sa.bindparam("documents", expanding=True)),
)
_SETTLE = (
    sa.update(t.work_items)
    .where(IS_PLACE)
    .values(
        status=DONE, worker=None, result=sa.bindparam("found", type_=t.work_items.c.result.type)
    )
)


def _is_held(connection: sa.Connection, claim: Claim) -> bool:
    held = {**place(claim), "number": claim.token}
    return connection.execute(_HELD, held).first() is not None


def _settle(claim: Claim, produced: Produced, connection: sa.Connection) -> bool:
    if not _is_held(connection, claim):
        return False
    if not _present(connection, claim.ordered.tenant, produced.documents):
        _end(connection, claim, status=FAILED, code=DELETED["code"], error=dict(DELETED))
        return True
    job_id, item = claim.ordered.job_id, claim.item
    add_documents(connection, job_id, item.round, item.position, produced.documents)
    connection.execute(_SETTLE, {**place(claim), "found": dict(produced.value)})
    count_done(connection, job_id)
    close_round(connection, job_id)
    return True


def _end(connection: sa.Connection, claim: Claim, **values: Any) -> None:
    ended = sa.update(t.work_items).where(IS_PLACE).values(worker=None, **values)
    connection.execute(ended, place(claim))
    count_done(connection, claim.ordered.job_id)
    close_round(connection, claim.ordered.job_id)


def _give_back(connection: sa.Connection, claim: Claim, *, due_at: float) -> None:
    values = {"status": WAITING, "worker": None, "due_at": due_at}
    connection.execute(sa.update(t.work_items).where(IS_PLACE).values(values), place(claim))
    close_round(connection, claim.ordered.job_id)  # it may be being cancelled


def _present(connection: sa.Connection, tenant: str, documents: frozenset[str]) -> bool:
    """Whether none of the documents has been deleted."""
    if not documents:
        return True
    given = {"tenant": tenant, "documents": sorted(documents)}
    return connection.execute(_PRESENT, given).scalar() == len(documents)


def _status(connection: sa.Connection, claim: Claim) -> str:
    query = sa.select(t.jobs.c.status).where(t.jobs.c.id == claim.ordered.job_id)
    return str(connection.execute(query).scalar_one())
