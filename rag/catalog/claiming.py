"""Whose items are begun next, and how they are taken; within the transactions of `Claims`."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.rounds import RUNNING, STEP, WAITING, set_job
from rag.types import JobStatus
from rag.work import Item

OPEN = (JobStatus.QUEUED, JobStatus.IN_PROGRESS)
"""States of jobs whose items may be begun."""
_PACE_FORGOTTEN_S = 60.0
_REMEMBERED = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """The work that an item is a part of."""

    job_id: str
    kind: str
    tenant: str
    key: str
    spec: Mapping[str, Any]
    budget_usd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """An item that is this worker's until its lease ends. ``attempt`` counts from 1."""

    ordered: Ordered
    item: Item
    token: int
    attempt: int

    @property
    def is_step(self) -> bool:
        """Whether it is the beginning of a round, and not one of its items."""
        return self.item.position == STEP


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenJob:
    """A job with items under way, or that wait."""

    job_id: str
    tenant: str
    key: str
    priority: int
    number: int
    running: int
    waiting: int
    """At most as many as there is room for."""


def _counting() -> sa.Select[Any]:
    c, w, j = t.work_items.c, t.work.c, t.jobs.c
    due = (
        sa.select(sa.literal(1))
        .where(c.job_id == w.job_id, c.status == WAITING, c.due_at <= sa.bindparam("now"))
        .limit(sa.bindparam("room"))
        .correlate(t.work)
        .subquery()
    )
    waiting = sa.select(sa.func.count()).select_from(due).scalar_subquery()
    running = (
        sa.select(sa.func.count())
        .where(c.worker.is_not(None), c.job_id == w.job_id)
        .correlate(t.work)
        .scalar_subquery()
    )
    columns = (w.job_id, w.tenant, w.key, w.priority, j.number)
    return (
        sa.select(*columns, running.label("running"), waiting.label("waiting"))
        .join(t.jobs, j.id == w.job_id)
        .where(j.status.in_(OPEN), w.lane == sa.bindparam("lane"))
    )


# Built once: building them takes longer than carrying them out, and other writers wait for that.
_OPEN_JOBS = _counting()
_TAKE = (
    sa.select(
        t.work_items.c.round,
        t.work_items.c.position,
        t.work_items.c.payload,
        t.work_items.c.attempts,
    )
    .where(
        t.work_items.c.job_id == sa.bindparam("job"),
        t.work_items.c.status == WAITING,
        t.work_items.c.due_at <= sa.bindparam("now"),
    )
    .order_by(t.work_items.c.attempts, t.work_items.c.round, t.work_items.c.position)
    .limit(sa.bindparam("room"))
)
_COUNT_CLAIMS = (
    sa.update(t.work)
    .where(t.work.c.job_id == sa.bindparam("job"))
    .values(claims=t.work.c.claims + sa.bindparam("more"))
    .returning(t.work.c.claims, t.work.c.budget_usd)
)
IS_PLACE = sa.and_(
    t.work_items.c.job_id == sa.bindparam("job"),
    t.work_items.c.round == sa.bindparam("round_"),
    t.work_items.c.position == sa.bindparam("position_"),
)
"""The row of an item; see `place`."""
_CLAIM = (
    sa.update(t.work_items)
    .where(IS_PLACE)
    .values(
        status=RUNNING,
        worker=sa.bindparam("by"),
        token=sa.bindparam("number"),
        attempts=sa.bindparam("attempt"),
    )
)
_PACE = sa.select(t.jobs.c.status, t.jobs.c.done, t.jobs.c.updated_at).where(
    t.jobs.c.id == sa.bindparam("job")
)
_ORDERED = (
    sa.select(t.jobs.c.kind, t.work.c.tenant, t.work.c.key, t.work.c.spec)
    .join(t.work, t.work.c.job_id == t.jobs.c.id)
    .where(t.jobs.c.id == sa.bindparam("job"))
)


def open_jobs(connection: sa.Connection, lane: str, room: int) -> list[OpenJob]:
    """The jobs of a lane that items may be begun of."""
    given = {"lane": lane, "room": room, "now": time.time()}
    return [OpenJob(**row) for row in connection.execute(_OPEN_JOBS, given).mappings()]


def shares(jobs: Sequence[OpenJob], room: int) -> Mapping[str, int]:
    """How many items of which job are begun, one after the other by whose turn it is."""
    left = {job.job_id: job.waiting for job in jobs}
    by_job = Counter({job.job_id: job.running for job in jobs})
    by_tenant: Counter[str] = Counter()
    by_key: Counter[tuple[str, str]] = Counter()
    for job in jobs:
        by_tenant[job.tenant] += job.running
        by_key[job.tenant, job.key] += job.running
    shares: Counter[str] = Counter()
    candidates = [job for job in jobs if job.waiting]
    while candidates and room:
        job = min(
            candidates,
            key=lambda one: (
                -one.priority,
                by_tenant[one.tenant],
                by_key[one.tenant, one.key],
                by_job[one.job_id],
                one.number,
            ),
        )
        shares[job.job_id] += 1
        by_job[job.job_id] += 1
        by_tenant[job.tenant] += 1
        by_key[job.tenant, job.key] += 1
        left[job.job_id] -= 1
        room -= 1
        if not left[job.job_id]:
            candidates.remove(job)
    return shares


class Taking:
    """Takes items for workers of this process; remembers what the last jobs were ordered to do."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Mapping[str, Any]] = OrderedDict()

    def take(self, connection: sa.Connection, worker: str, job_id: str, count: int) -> list[Claim]:
        """Claim some items of a job: those that were tried least go first."""
        given = {"job": job_id, "now": time.time(), "room": count}
        rows = connection.execute(_TAKE, given).all()
        if not rows:
            return []
        counted = {"job": job_id, "more": len(rows)}
        last, budget_usd = connection.execute(_COUNT_CLAIMS, counted).one()
        _set_in_progress(connection, job_id)
        ordered = Ordered(job_id=job_id, budget_usd=budget_usd, **self._order(connection, job_id))
        claims = [
            Claim(
                ordered=ordered,
                item=Item(round=row.round, position=row.position, payload=row.payload),
                token=token,
                attempt=row.attempts + 1,
            )
            for token, row in enumerate(rows, start=last - len(rows) + 1)
        ]
        connection.execute(
            _CLAIM,
            [
                {**place(one), "by": worker, "number": one.token, "attempt": one.attempt}
                for one in claims
            ],
        )
        return claims

    def _order(self, connection: sa.Connection, job_id: str) -> Mapping[str, Any]:
        """What never changes of a job; it may be long, with the text that is to be analyzed."""
        found = self._known.pop(job_id, None)
        if found is None:
            found = dict(connection.execute(_ORDERED, {"job": job_id}).mappings().one())
        self._known[job_id] = found
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return found


def _set_in_progress(connection: sa.Connection, job_id: str) -> None:
    """Say that a job is under way; its pace is told from here on after a pause."""
    job = connection.execute(_PACE, {"job": job_id}).one()
    now = time.time()
    if job.status == JobStatus.QUEUED or job.updated_at < now - _PACE_FORGOTTEN_S:
        connection.execute(
            sa.update(t.work)
            .where(t.work.c.job_id == job_id)
            .values(paced_since=now, paced_from=job.done)
        )
        set_job(connection, job_id, status=JobStatus.IN_PROGRESS, error=None)


def place(claim: Claim) -> dict[str, Any]:
    """The parameters of `IS_PLACE` for a claimed item."""
    item = claim.item
    return {
        "job": claim.ordered.job_id,
        "round_": item.round,
        "position_": item.position,
    }
