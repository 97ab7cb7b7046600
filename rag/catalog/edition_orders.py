"""Editions that a job is to build, written in one transaction with the job."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.jobs import UNFINISHED
from rag.errors import Conflict, NotFound
from rag.types import Collection, EditionStatus, JobStatus


def begin_edition(
    connection: sa.Connection,
    job_id: str,
    collection: Collection,
    number: int,
    *,
    embedder: str,
    chunking: Mapping[str, Any],
) -> None:
    """Have a job build a new edition of this number, within the caller's write transaction.

    Raises:
        Conflict: another one is being built, or has taken the number.
    """
    _give_up_failed(connection, collection)
    taken = sa.select(sa.func.max(t.editions.c.number))
    last = connection.execute(taken.where(t.editions.c.collection_id == collection.id)).scalar()
    if last is None:
        raise NotFound(f"Collection {collection.name!r} was deleted meanwhile.")
    if number != last + 1:
        raise Conflict(f"Collection {collection.name!r} was indexed anew meanwhile; try again.")
    row = {
        "collection_id": collection.id,
        "number": number,
        "embedder": embedder,
        "chunking": dict(chunking),
        "status": EditionStatus.BUILDING,
        "job_id": job_id,
        "created_at": time.time(),
    }
    connection.execute(sa.insert(t.editions), row)
    _tell_job(connection, job_id, collection)


def complete_edition(
    connection: sa.Connection, job_id: str, collection: Collection, number: int
) -> None:
    """Have a job complete an edition that was kept, within the caller's write transaction.

    Raises:
        Conflict: another one is being built, or it is not kept any more.
    """
    _give_up_failed(connection, collection)
    e = t.editions.c
    kept = (e.collection_id == collection.id) & (e.number == number)
    kept &= (e.status == EditionStatus.READY) & e.replaced_at.is_not(None)
    values = {"status": EditionStatus.BUILDING, "job_id": job_id}
    if not connection.execute(sa.update(t.editions).where(kept).values(values)).rowcount:
        raise Conflict(f"Index {number} of collection {collection.name!r} is not kept any more.")
    _tell_job(connection, job_id, collection)


def _give_up_failed(connection: sa.Connection, collection: Collection) -> None:
    """Make room for another edition to be built.

    Raises:
        Conflict: somebody is still at one.
    """
    e, j = t.editions.c, t.jobs.c
    building = (e.collection_id == collection.id) & (e.status == EditionStatus.BUILDING)
    query = sa.select(e.number, e.replaced_at, j.id, j.status)
    for row in connection.execute(query.outerjoin(t.jobs, j.id == e.job_id).where(building)):
        if row.status in (*UNFINISHED, JobStatus.PAUSED):
            raise Conflict(
                f"Collection {collection.name!r} is being indexed anew already, by job {row.id}; "
                "wait for it, or cancel it.",
                param="collection",
            )
        left = EditionStatus.DROPPED if row.replaced_at is None else EditionStatus.READY
        mine = (e.collection_id == collection.id) & (e.number == row.number)
        connection.execute(sa.update(t.editions).where(mine).values(status=left, job_id=None))


def _tell_job(connection: sa.Connection, job_id: str, collection: Collection) -> None:
    mine = t.jobs.c.id == job_id
    connection.execute(sa.update(t.jobs).where(mine).values(collection_id=collection.id))
