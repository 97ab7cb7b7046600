"""Where documents stand in the editions of their collection, within the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.collections import Placed, log_change
from rag.catalog.garbage import discard

_PLACED = sa.select(t.placements).where(t.placements.c.document_id == sa.bindparam("document"))
_UNPLACE = sa.delete(t.placements).where(t.placements.c.document_id == sa.bindparam("document"))
_PLACE = sa.insert(t.placements)
_TAKE_IDS = (
    sa.update(t.collections)
    .where(t.collections.c.id == sa.bindparam("collection"))
    .values(next_chunk_id=t.collections.c.next_chunk_id + sa.bindparam("count"))
    .returning(t.collections.c.next_chunk_id)
)
_SEARCHED = sa.select(t.collections.c.edition).where(
    t.collections.c.id == sa.bindparam("collection")
)


def searched_edition(connection: sa.Connection, collection_id: str) -> int:
    """The edition of a collection that is searched."""
    return int(connection.execute(_SEARCHED, {"collection": collection_id}).scalar_one())


def placements(connection: sa.Connection, document_id: str) -> Sequence[Placed]:
    """Where a document stands, in whatever editions."""
    rows = connection.execute(_PLACED, {"document": document_id}).mappings()
    return [Placed(**row) for row in rows]


def place(
    connection: sa.Connection,
    collection_id: str,
    document_id: str,
    *,
    edition: int,
    generation: int,
    chunks: int,
) -> None:
    """Make a version of a document visible in an edition, under ids never given out before."""
    values = {"collection": collection_id, "count": chunks}
    first_id = int(connection.execute(_TAKE_IDS, values).scalar_one()) - chunks
    placed = Placed(
        collection_id=collection_id,
        document_id=document_id,
        edition=edition,
        generation=generation,
        first_chunk_id=first_id,
        chunk_count=chunks,
    )
    connection.execute(_PLACE, asdict(placed))
    log_change(connection, "add", placed)


def take_out(connection: sa.Connection, document_id: str) -> bool:
    """Take a document out of all editions that have it; false when none has."""
    found = placements(connection, document_id)
    for placed in found:
        log_change(connection, "remove", placed)
    if found:
        connection.execute(_UNPLACE, {"document": document_id})
    return bool(found)


def discard_vectors(connection: sa.Connection, which: sa.ColumnElement[bool]) -> None:
    """Make the vectors of some chunks garbage; those that others need stay all the same."""
    c, d, e = t.chunks.c, t.documents.c, t.editions.c
    query = (
        sa.select(d.tenant, e.embedder, c.text_sha256)
        .join(t.documents, d.id == c.document_id)
        .join(t.editions, (e.collection_id == d.collection_id) & (e.number == c.edition))
        .where(which)
        .distinct()
    )
    keys: dict[tuple[str, str], list[bytes]] = {}
    for tenant, embedder, key in connection.execute(query):
        keys.setdefault((tenant, embedder), []).append(key)
    for (tenant, embedder), found in keys.items():
        discard(connection, tenant, embedder, found)
