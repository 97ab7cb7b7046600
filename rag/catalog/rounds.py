"""Items of work and their rounds, within the caller's write transaction; see `rag.work`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from rag.catalog import schema as t
from rag.types import JobStatus
from rag.work import NewItem

STEP = -1
"""Position of what a round begins with: it lists the items, or finishes when there are none."""
RESULT = -1
"""The round under which the documents of a job's result are written down."""
WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"
DELETED: Mapping[str, Any] = {
    "code": "document_deleted",
    "message": "A document that this repeated was deleted, and this with it.",
}
_WORKING = (JobStatus.QUEUED, JobStatus.IN_PROGRESS)


def add_items(connection: sa.Connection, job_id: str, round: int, items: Sequence[NewItem]) -> None:
    """Write new items of a round."""
    rows = [
        {
            "job_id": job_id,
            "round": round,
            "position": item.position,
            "payload": dict(item.payload),
            "status": WAITING,
            "attempts": 0,
            "due_at": 0.0,
            "token": 0,
        }
        for item in items
    ]
    connection.execute(sa.insert(t.work_items), rows)
    for item in items:
        add_documents(connection, job_id, round, item.position, item.documents, in_payload=True)


def add_documents(
    connection: sa.Connection,
    job_id: str,
    round: int,
    position: int,
    documents: frozenset[str],
    *,
    in_payload: bool = False,
) -> None:
    """Write down whose text an item or a result repeats."""
    rows = [
        {
            "job_id": job_id,
            "round": round,
            "position": position,
            "document_id": document_id,
            "in_payload": in_payload,
        }
        for document_id in sorted(documents)
    ]
    if rows:
        connection.execute(sa.insert(t.work_documents), rows)


def close_round(connection: sa.Connection, job_id: str) -> None:
    """When no item is left to be done, begin the next round; end what is being cancelled."""
    if _any(connection, job_id, RUNNING):
        return
    query = (
        sa.select(t.jobs.c.status, t.work.c.round)
        .join(t.work, t.work.c.job_id == t.jobs.c.id)
        .where(t.jobs.c.id == job_id)
    )
    found = connection.execute(query).first()
    if found is None:
        return
    if found.status == JobStatus.CANCELLING:
        set_job(connection, job_id, status=JobStatus.CANCELLED)
    elif found.status in _WORKING and not _any(connection, job_id, WAITING):
        mine = t.work.c.job_id == job_id
        connection.execute(sa.update(t.work).where(mine).values(round=found.round + 1))
        add_items(connection, job_id, found.round + 1, [NewItem(position=STEP, payload={})])


def requeue(connection: sa.Connection, job_id: str) -> int:
    """Have items that failed done once more, and all rounds after them; returns how many failed.

    What later rounds made of their absence is dropped. Items that went with a document stay.
    """
    c = t.work_items.c
    mine = c.job_id == job_id
    failed = mine & (c.status == FAILED) & (c.code != DELETED["code"])
    first = connection.execute(sa.select(sa.func.min(c.round)).where(failed)).scalar()
    if first is None:
        return 0
    merged = mine & (c.status == FAILED) & (c.code == DELETED["code"]) & (c.round > 0)
    # With what went there, other documents may have gone: they are merged again.
    last = 0 if connection.execute(sa.select(c.round).where(merged).limit(1)).first() else first
    count = int(connection.execute(sa.select(sa.func.count()).where(failed)).scalar_one())
    again = sa.update(t.work_items).where(failed)
    values = {"status": WAITING, "attempts": 0, "due_at": 0.0, "code": None, "error": None}
    connection.execute(again.values(values))
    _begin_again(connection, job_id, last)
    return count


def _begin_again(connection: sa.Connection, job_id: str, last: int) -> None:
    """Drop what came after a round, and all that was made of it."""
    c, d = t.work_items.c, t.work_documents.c
    mine = c.job_id == job_id
    connection.execute(sa.delete(t.work_items).where(mine, c.round > last))
    later = (d.round > last) | (d.round == RESULT)
    connection.execute(sa.delete(t.work_documents).where(d.job_id == job_id, later))
    connection.execute(
        sa.update(t.work).where(t.work.c.job_id == job_id).values(round=last, result=None)
    )
    ended = sa.func.sum(sa.case((c.status.in_((DONE, FAILED)), 1), else_=0))
    counted = sa.select(sa.func.count(), sa.func.coalesce(ended, 0)).where(mine, c.position != STEP)
    total, done = connection.execute(counted).one()
    set_job(connection, job_id, total=total, done=done)


def forget_work(connection: sa.Connection, document_id: str) -> None:
    """Remove what repeats a document's text, also of work under way, or that has ended.

    What was made of it together with other documents is made again of those.
    """
    d = t.work_documents.c
    rows = connection.execute(
        sa.select(d.job_id, d.round, d.position, d.in_payload).where(d.document_id == document_id)
    ).all()
    if not rows:
        return
    for row in rows:
        if row.round == RESULT:
            mine = t.work.c.job_id == row.job_id
            connection.execute(sa.update(t.work).where(mine).values(result=None))
            r = t.reviews.c  # a corrected value may repeat the text that it was found in
            of_it = (r.job_id == row.job_id) & r.document_id.in_((document_id, ""))
            connection.execute(sa.delete(t.reviews).where(of_it))
        else:
            _forget_item(connection, row)
    connection.execute(sa.delete(t.work_documents).where(d.document_id == document_id))
    finished = {row.job_id for row in rows if row.round == RESULT}
    for job_id in {row.job_id for row in rows}:
        if _merged_with_others(connection, job_id):
            _begin_again(connection, job_id, 0)
        elif job_id in finished:  # the items of the others stand, and are put together anew
            last = sa.select(sa.func.max(t.work_items.c.round))
            mine = t.work_items.c.job_id == job_id
            _begin_again(connection, job_id, connection.execute(last.where(mine)).scalar_one())
        if job_id in finished:
            set_job(connection, job_id, status=JobStatus.QUEUED, error=None)
        close_round(connection, job_id)


def _merged_with_others(connection: sa.Connection, job_id: str) -> bool:
    """Whether work may have lost other documents with a deleted one.

    The beginning of a round may have read what is gone by now.
    """
    c = t.work_items.c
    d = t.work_documents.c
    others = sa.exists().where(d.job_id == c.job_id, d.round == c.round, d.position == c.position)
    lost = (c.status == FAILED) & (c.code == DELETED["code"]) & others
    query = sa.select(c.position).where(
        c.job_id == job_id, c.round > 0, lost | (c.position == STEP)
    )
    return connection.execute(query.limit(1)).first() is not None


def _forget_item(connection: sa.Connection, row: Any) -> None:
    c = t.work_items.c
    mine = (c.job_id == row.job_id) & (c.round == row.round) & (c.position == row.position)
    status = connection.execute(sa.select(c.status).where(mine)).scalar()
    values: dict[str, Any] = {
        "status": FAILED,
        "worker": None,
        "result": None,
        "code": DELETED["code"],
        "error": dict(DELETED),
    }
    if row.in_payload:
        values["payload"] = {}
    connection.execute(sa.update(t.work_items).where(mine).values(values))
    if status in (WAITING, RUNNING):
        count_done(connection, row.job_id)


def count_done(connection: sa.Connection, job_id: str) -> None:
    """Count an item that has ended."""
    connection.execute(_COUNT_DONE, {"job": job_id, "now": time.time()})


def set_job(connection: sa.Connection, job_id: str, **values: Any) -> None:
    """Change a job."""
    statement = sa.update(t.jobs).where(t.jobs.c.id == job_id)
    connection.execute(statement.values(updated_at=time.time(), **values))


def _any(connection: sa.Connection, job_id: str, status: str) -> bool:
    return connection.execute(_ANY, {"job": job_id, "wanted": status}).first() is not None


# Built once: every item that ends needs them.
_ANY = (
    sa.select(t.work_items.c.position)
    .where(
        t.work_items.c.job_id == sa.bindparam("job"),
        t.work_items.c.status == sa.bindparam("wanted"),
    )
    .limit(1)
)
_COUNT_DONE = (
    sa.update(t.jobs)
    .where(t.jobs.c.id == sa.bindparam("job"))
    .values(done=t.jobs.c.done + 1, updated_at=sa.bindparam("now"))
)
