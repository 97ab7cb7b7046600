"""Links from documents to the files inside them, within a caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import sqlalchemy as sa

from rag.catalog import schema as t
from rag.errors import EncryptedDocument
from rag.types import DocumentStatus

_BATCH = 500


def insert_link(connection: sa.Connection, parent_id: str, child_id: str, position: int) -> None:
    """Note that one document was found inside another; a no-op when that is known."""
    c = t.attachments.c
    known = sa.select(c.position).where(c.parent_id == parent_id, c.child_id == child_id)
    if connection.execute(known).first() is None:
        row = {"parent_id": parent_id, "child_id": child_id, "position": position}
        connection.execute(sa.insert(t.attachments), row)


def remove_links(connection: sa.Connection, document_id: str) -> None:
    """Forget what a document was inside of, and what inside it."""
    c = t.attachments.c
    mine = (c.parent_id == document_id) | (c.child_id == document_id)
    connection.execute(sa.delete(t.attachments).where(mine))


def orphans(connection: sa.Connection, ids: Collection[str] | None = None) -> set[str]:
    """Those, of all or of some few, that no document holds and that were not uploaded either."""
    c, d = t.attachments.c, t.documents.c
    held = sa.exists().where(c.child_id == d.id)
    query = sa.select(d.id).where(~d.uploaded, ~held)
    if ids is not None:
        query = query.where(d.id.in_(ids))
    return set(connection.execute(query).scalars())


def parents(connection: sa.Connection, ids: Iterable[str]) -> set[str]:
    """The documents that one of these was found inside."""
    c = t.attachments.c
    return _linked(connection, c.parent_id, c.child_id, ids)


def children(connection: sa.Connection, ids: Iterable[str]) -> set[str]:
    """The documents that were found inside one of these."""
    c = t.attachments.c
    return _linked(connection, c.child_id, c.parent_id, ids)


def uploaded(connection: sa.Connection, ids: Iterable[str]) -> set[str]:
    """Those that were uploaded by themselves."""
    c = t.documents.c
    found: set[str] = set()
    for batch in batches(ids):
        query = sa.select(c.id).where(c.id.in_(batch), c.uploaded)
        found.update(connection.execute(query).scalars())
    return found


def locked(connection: sa.Connection, ids: Iterable[str]) -> set[str]:
    """Those of which a password may open more, or of a file inside them at any depth."""
    c, d = t.attachments.c, t.documents.c
    found: set[str] = set()
    for batch in batches(ids):
        root = sa.select(d.id.label("root"), d.id).where(d.id.in_(batch)).cte(recursive=True)
        inside = root.union(sa.select(root.c.root, c.child_id).where(c.parent_id == root.c.id))
        query = (
            sa.select(inside.c.root, d.locked, d.error)
            .join(t.documents, d.id == inside.c.id)
            .where(d.locked | (d.status == DocumentStatus.FAILED))
        )
        for row in connection.execute(query):
            if row.locked or row.error["code"] == EncryptedDocument.code:
                found.add(row.root)
    return found


def _linked(
    connection: sa.Connection, wanted: sa.Column[str], known: sa.Column[str], ids: Iterable[str]
) -> set[str]:
    found: set[str] = set()
    for batch in batches(ids):
        found.update(connection.execute(sa.select(wanted).where(known.in_(batch))).scalars())
    return found


def batches(ids: Iterable[str]) -> Iterable[list[str]]:
    """Ids in lists short enough for one statement."""
    given = list(ids)
    return (given[start : start + _BATCH] for start in range(0, len(given), _BATCH))
