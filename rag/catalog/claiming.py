"""Whose items are begun next, and how they are taken; within the transactions of `Claims`."""

from __future__ import annotations

import time
from collections import Counter
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
    priority: int
    number: int
    running: int
    waiting: int
    """At most as many as there is room for."""


def open_jobs(connection: sa.Connection, lane: str, room: int) -> list[OpenJob]:
    """The jobs of a lane that items may be begun of."""
    c, w, j = t.work_items.c, t.work.c, t.jobs.c
    due = (
        sa.select(sa.literal(1))
        .where(c.job_id == w.job_id, c.status == WAITING, c.due_at <= time.time())
        .limit(room)
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
    query = (
        sa.select(
            w.job_id, w.tenant, w.priority, j.number,
            running.label("running"), waiting.label("waiting"),
        )
        .join(t.jobs, j.id == w.job_id)
        .where(j.status.in_(OPEN), w.lane == lane)
    )  # fmt: skip
    rows = connection.execute(query).mappings()
    return [OpenJob(**row) for row in rows]


def shares(jobs: Sequence[OpenJob], room: int) -> Mapping[str, int]:
    """How many items of which job are begun, one after the other by whose turn it is."""
    left = {job.job_id: job.waiting for job in jobs}
    by_job = Counter({job.job_id: job.running for job in jobs})
    by_tenant: Counter[str] = Counter()
    for job in jobs:
        by_tenant[job.tenant] += job.running
    shares: Counter[str] = Counter()
    candidates = [job for job in jobs if job.waiting]
    while candidates and room:
        job = min(
            candidates,
            key=lambda one: (-one.priority, by_tenant[one.tenant], by_job[one.job_id], one.number),
        )
        shares[job.job_id] += 1
        by_job[job.job_id] += 1
        by_tenant[job.tenant] += 1
        left[job.job_id] -= 1
        room -= 1
        if not left[job.job_id]:
            candidates.remove(job)
    return shares


def take(connection: sa.Connection, worker: str, job_id: str, count: int) -> list[Claim]:
    """Claim some items of a job: those that were tried least go first."""
    c, w = t.work_items.c, t.work.c
    rows = connection.execute(
        sa.select(c.round, c.position, c.payload, c.attempts)
        .where(c.job_id == job_id, c.status == WAITING, c.due_at <= time.time())
        .order_by(c.attempts, c.round, c.position)
        .limit(count)
    ).all()
    last = connection.execute(
        sa.update(t.work)
        .where(w.job_id == job_id)
        .values(claims=w.claims + len(rows))
        .returning(w.claims)
    ).scalar_one()
    ordered = _begin(connection, job_id)
    claims = [
        Claim(
            ordered=ordered,
            item=Item(round=row.round, position=row.position, payload=row.payload),
            token=token,
            attempt=row.attempts + 1,
        )
        for token, row in enumerate(rows, start=last - len(rows) + 1)
    ]
    for claim in claims:
        connection.execute(
            sa.update(t.work_items)
            .where(place_of(claim))
            .values(status=RUNNING, worker=worker, token=claim.token, attempts=claim.attempt)
        )
    return claims


def _begin(connection: sa.Connection, job_id: str) -> Ordered:
    """The work of a job, which is now in progress; its pace is told from here after a pause."""
    j = t.jobs.c
    job = connection.execute(
        sa.select(j.kind, j.status, j.done, j.updated_at).where(j.id == job_id)
    ).one()
    now = time.time()
    if job.status == JobStatus.QUEUED or job.updated_at < now - _PACE_FORGOTTEN_S:
        connection.execute(
            sa.update(t.work)
            .where(t.work.c.job_id == job_id)
            .values(paced_since=now, paced_from=job.done)
        )
        set_job(connection, job_id, status=JobStatus.IN_PROGRESS, error=None)
    row = connection.execute(sa.select(t.work).where(t.work.c.job_id == job_id)).one()
    return Ordered(
        job_id=job_id,
        kind=job.kind,
        tenant=row.tenant,
        key=row.key,
        spec=row.spec,
        budget_usd=row.budget_usd,
    )


def place_of(claim: Claim) -> sa.ColumnElement[bool]:
    """The row of a claimed item."""
    c = t.work_items.c
    item = claim.item
    return sa.and_(
        c.job_id == claim.ordered.job_id, c.round == item.round, c.position == item.position
    )
