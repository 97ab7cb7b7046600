"""What people decided on doubtful values of analyses."""

from __future__ import annotations

import time
from collections.abc import Sequence

import sqlalchemy as sa

from rag.analysis.decisions import IN_LIST, Action, Decided
from rag.catalog import schema as t
from rag.catalog.database import Database
from rag.errors import Conflict


class Reviews:
    """Keep decisions. The last one on a value counts."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def put(self, job_id: str, decided: Decided) -> None:
        """Keep a decision, in the place of an earlier one on the same value.

        Raises:
            Conflict: What it is of is gone: a document was deleted.
        """
        r = t.reviews.c
        row = {
            "job_id": job_id,
            "document_id": decided.document_id or "",
            "pointer": decided.pointer,
            "action": decided.action,
            "value": [decided.value],
            "note": decided.note,
            "key": decided.key,
            "mark": decided.mark,
            "created_at": time.time(),
        }
        same = (
            (r.job_id == job_id)
            & (r.document_id == row["document_id"])
            & (r.pointer == decided.pointer)
        )
        if decided.mark.startswith(IN_LIST):
            same &= r.mark == decided.mark
        with self._db.write() as connection:
            if not _stands(connection, job_id, decided.document_id):
                raise Conflict("A document was deleted meanwhile; look at the result again.")
            connection.execute(sa.delete(t.reviews).where(same))
            connection.execute(sa.insert(t.reviews), row)

    def of(self, job_id: str) -> Sequence[Decided]:
        """All decisions on an analysis, oldest first."""
        r = t.reviews.c
        query = sa.select(t.reviews).where(r.job_id == job_id).order_by(r.created_at, r.pointer)
        with self._db.read() as connection:
            return [
                Decided(
                    document_id=row.document_id or None,
                    pointer=row.pointer,
                    action=Action(row.action),
                    value=row.value[0],
                    note=row.note,
                    key=row.key,
                    mark=row.mark,
                    created_at=row.created_at,
                )
                for row in connection.execute(query)
            ]


def _stands(connection: sa.Connection, job_id: str, document_id: str | None) -> bool:
    """Whether there is a result that can be decided on, and the document that a value is of."""
    w, d = t.work.c, t.documents.c
    query = sa.select(w.job_id).where(w.job_id == job_id, w.result.is_not(sa.null()))
    if document_id is not None:
        query = query.where(sa.exists().where(d.id == document_id))
    return connection.execute(query).first() is not None
