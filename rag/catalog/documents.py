"""Documents: added, found, listed, described."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.additions import NewDocument, add_document
from rag.catalog.collections import log_change
from rag.catalog.database import Database
from rag.catalog.document_rows import document_by_id, find_document, select_documents
from rag.catalog.filters import document_condition
from rag.catalog.links import batches
from rag.catalog.placing import placements
from rag.duplicates import Sketched
from rag.minhash import Likeness, unpack
from rag.types import Collection, Document, DocumentStatus

_DISOWN = (
    sa.update(t.source_files)
    .where(t.source_files.c.document_id == sa.bindparam("document"), t.source_files.c.owned)
    .values(owned=False)
)


class Documents:
    """Add, find and change documents; `rag.catalog.versions` fills and deletes them."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(
        self,
        new: NewDocument,
        *,
        store: Callable[[], None],
        from_source: bool = False,
        unlocks: bool = False,
    ) -> tuple[Document, bool]:
        """Add a document and the job that will ingest it; true when there is new work.

        The same bytes again are a no-op, except that a document that failed, also when it was
        read anew, is tried once more, and one with locked parts if the upload ``unlocks``: it
        came with a password.
        Unless they come ``from_source``, no folder removes them any more. ``store`` makes sure
        of the original within the transaction, after deletions that might have removed it.

        Raises:
            NotFound: the collection was deleted meanwhile.
        """
        with self._db.write() as connection:
            if not from_source:
                connection.execute(_DISOWN, {"document": new.id})
            return add_document(connection, new, store=store, uploaded=True, unlocks=unlocks)

    def get(self, tenant: str, document_id: str) -> Document:
        """The document with this id.

        Raises:
            NotFound: the tenant has none.
        """
        with self._db.read() as connection:
            return document_by_id(connection, document_id, tenant)

    def find(self, document_id: str) -> Document | None:
        """The document with this id of any tenant, for the worker."""
        with self._db.read() as connection:
            return find_document(connection, document_id)

    def page(
        self,
        tenant: str,
        collection: Collection | None = None,
        *,
        status: DocumentStatus | None = None,
        filter: Mapping[str, Any] | None = None,
        after: str | None = None,
        behind: tuple[float, str] | None = None,
        limit: int = 20,
        newest_first: bool = True,
    ) -> Sequence[Document]:
        """One page of documents in order of upload, starting behind the one named ``after``.

        ``behind`` names it by when it was created and its id: it need not be there any more.
        """
        c = t.documents.c
        where = c.tenant == tenant
        if collection is not None:
            where &= c.collection_id == collection.id
        if status is not None:
            where &= c.status == status
        if filter:
            schema = collection.metadata_schema if collection else {}
            where &= document_condition(filter, schema)
        if after is not None:
            last = self.get(tenant, after)
            behind = last.created_at, last.id
        if behind is not None:
            place = sa.tuple_(c.created_at, c.id)
            mark = sa.tuple_(*map(sa.literal, behind))
            where &= place < mark if newest_first else place > mark
        order = (c.created_at.desc(), c.id.desc()) if newest_first else (c.created_at, c.id)
        with self._db.read() as connection:
            return select_documents(connection, where, order=order, limit=limit)

    def counts(self, collection_id: str) -> Mapping[str, int]:
        """Number of documents by status, and of visible chunks."""
        c, p = t.documents.c, t.placements.c
        query = (
            sa.select(c.status, sa.func.count())
            .where(c.collection_id == collection_id)
            .group_by(c.status)
        )
        searched = sa.select(t.collections.c.edition).where(t.collections.c.id == collection_id)
        mine = (p.collection_id == collection_id) & (p.edition == searched.scalar_subquery())
        with self._db.read() as connection:
            rows = connection.execute(query).all()
            chunks = connection.execute(sa.select(sa.func.sum(p.chunk_count)).where(mine)).scalar()
        return {**{row[0]: int(row[1]) for row in rows}, "chunks": int(chunks or 0)}

    def names(self, document_ids: Sequence[str]) -> dict[str | None, str]:
        """Names of those of the documents that are there, by id."""
        c = t.documents.c
        found: dict[str | None, str] = {}
        with self._db.read() as connection:
            for batch in batches(document_ids):
                rows = connection.execute(sa.select(c.id, c.name).where(c.id.in_(batch)))
                found.update((row.id, row.name) for row in rows)
        return found

    def sketched(self, collection_id: str) -> Sequence[Sketched]:
        """What is kept of the collection's visible texts to find like ones, oldest first."""
        c, k = t.documents.c, t.likenesses.c
        query = (
            sa.select(c.id, c.name, c.text_length, k.sketch, k.words_sha256)
            .join(t.likenesses, (k.document_id == c.id) & (k.generation == c.generation))
            .where(c.collection_id == collection_id)
            .order_by(c.created_at, c.id)
        )
        with self._db.read() as connection:
            return [
                Sketched(
                    id=row.id,
                    name=row.name,
                    text_length=row.text_length,
                    likeness=Likeness(sketch=unpack(row.sketch), words_sha256=row.words_sha256),
                )
                for row in connection.execute(query)
            ]

    def update(
        self,
        tenant: str,
        document_id: str,
        *,
        name: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Document:
        """Rename, or replace the metadata; who holds either of them is told by the log.

        Raises:
            NotFound: the tenant has no such document.
        """
        values: dict[str, Any] = {"updated_at": time.time()}
        if name is not None:
            values["name"] = name
        if metadata is not None:
            values["metadata"] = dict(metadata)
        with self._db.write() as connection:
            where = _is(tenant, document_id)
            before = document_by_id(connection, document_id, tenant)
            is_renamed = name not in (None, before.name)
            if is_renamed or metadata is not None:
                for placed in placements(connection, document_id):  # indexes hold the name
                    log_change(connection, "add" if is_renamed else "describe", placed)
            connection.execute(sa.update(t.documents).where(where).values(values))
            return document_by_id(connection, document_id, tenant)


def _is(tenant: str, document_id: str) -> sa.ColumnElement[bool]:
    return (t.documents.c.tenant == tenant) & (t.documents.c.id == document_id)
