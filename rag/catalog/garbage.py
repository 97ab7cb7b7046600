"""What deletions left outside of the catalog: vectors and originals.

A deletion writes it down in its own transaction; collecting it is repeated after a crash until
it is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.database import Database
from rag.catalog.vectors import VectorStore

ORIGINAL = ""
"""Stands for the embedder in rows that name originals."""
_BATCH = 500
_SOME = sa.select(t.garbage.c.key).limit(1)


class Garbage:
    """Removes vectors and originals that nothing uses any more."""

    def __init__(self, database: Database, vectors: VectorStore) -> None:
        self._db = database
        self._vectors = vectors

    def collect(self, discard: Callable[[str], None]) -> None:
        """Remove vectors and originals that deletions left, unless they are in use again.

        Holding the write lock keeps out uploads that might begin to use them.
        """
        c = t.garbage.c
        if not self._is_there_some():
            return
        while self._is_there_some():
            with self._db.write(durable=False) as connection:
                rows = connection.execute(sa.select(c.tenant, c.embedder, c.key).limit(_BATCH))
                groups: dict[tuple[str, str], list[bytes]] = {}
                for tenant, embedder, key in rows:
                    groups.setdefault((tenant, embedder), []).append(key)
                for (tenant, embedder), keys in groups.items():
                    if embedder == ORIGINAL:
                        for key in keys:
                            _discard_unshared(connection, key.hex(), discard)
                    else:
                        unused = _unused(connection, tenant, embedder, keys)
                        self._vectors.delete(tenant, embedder, unused)
                    connection.execute(
                        sa.delete(t.garbage).where(
                            c.tenant == tenant, c.embedder == embedder, c.key.in_(keys)
                        )
                    )
        self._vectors.scrub()
        self._db.scrub()

    def _is_there_some(self) -> bool:
        with self._db.read() as connection:
            return connection.execute(_SOME).first() is not None

    def discard_vectors(self, keys: Iterable[tuple[str, str, bytes]]) -> None:
        """Discard vectors by (tenant, embedder, text) unless a chunk uses them after all."""
        groups: dict[tuple[str, str], list[bytes]] = {}
        for tenant, embedder, key in keys:
            groups.setdefault((tenant, embedder), []).append(key)
        for (tenant, embedder), found in groups.items():
            for start in range(0, len(found), _BATCH):
                batch = found[start : start + _BATCH]
                with self._db.write(durable=False) as connection:
                    unused = _unused(connection, tenant, embedder, batch)
                    self._vectors.delete(tenant, embedder, unused)
        self._vectors.scrub()

    def discard_orphan(self, sha256: str, discard: Callable[[str], None]) -> None:
        """Discard an original unless a document has come to use it meanwhile."""
        with self._db.write() as connection:
            _discard_unshared(connection, sha256, discard)


def discard(connection: sa.Connection, tenant: str, embedder: str, keys: Sequence[bytes]) -> None:
    """Write down, within the caller's transaction, what is to be removed outside of it."""
    c = t.garbage.c
    for start in range(0, len(keys), _BATCH):
        batch = keys[start : start + _BATCH]
        mine = (c.tenant == tenant) & (c.embedder == embedder) & c.key.in_(batch)
        connection.execute(sa.delete(t.garbage).where(mine))
        rows = [{"tenant": tenant, "embedder": embedder, "key": key} for key in batch]
        connection.execute(sa.insert(t.garbage), rows)


def _unused(
    connection: sa.Connection, tenant: str, embedder: str, keys: Sequence[bytes]
) -> list[bytes]:
    """Which of these texts no chunk of the same tenant and embedder has any more."""
    c, d, e = t.chunks.c, t.documents.c, t.editions.c
    used = (
        sa.select(c.text_sha256)
        .join(t.documents, d.id == c.document_id)
        .join(t.editions, (e.collection_id == d.collection_id) & (e.number == c.edition))
        .where(d.tenant == tenant, e.embedder == embedder, c.text_sha256.in_(keys))
    )
    return list(set(keys) - set(connection.execute(used).scalars()))


def _discard_unshared(
    connection: sa.Connection, sha256: str, discard: Callable[[str], None]
) -> None:
    shared = t.documents.c.sha256 == sha256
    if not connection.execute(sa.select(sa.exists().where(shared))).scalar():
        discard(sha256)
