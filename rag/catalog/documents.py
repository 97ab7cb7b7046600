"""Documents: added together with the job that will read them; found, listed, described."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.collections import log_change
from rag.catalog.database import Database
from rag.catalog.filters import document_condition
from rag.catalog.jobs import insert_job
from rag.catalog.links import locked
from rag.catalog.statements import changing
from rag.duplicates import Sketched
from rag.errors import NotFound
from rag.minhash import Likeness, unpack
from rag.types import Collection, Document, DocumentStatus

_HIDDEN = frozenset(("owner", "uploaded", "locked"))
_COLUMNS = [column for column in t.documents.c if column.name not in _HIDDEN]
_IS = t.documents.c.id == sa.bindparam("document")
_BY_ID = sa.select(*_COLUMNS).where(_IS)
_KNOWN = sa.select(t.documents.c.status, t.documents.c.uploaded).where(_IS)
_INSERT = sa.insert(t.documents)
_DISOWN = (
    sa.update(t.source_files)
    .where(t.source_files.c.document_id == sa.bindparam("document"), t.source_files.c.owned)
    .values(owned=False)
)
_KEPT = (
    sa.select(t.collections.c.id)
    .where(t.collections.c.id == sa.bindparam("collection"))
    .with_for_update(read=True)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDocument:
    """What an upload brings: its content's hash and what the caller said of it."""

    collection: Collection
    sha256: str
    name: str
    media_type: str
    size: int
    metadata: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The same bytes in the same collection are the same document."""
        key = f"{self.collection.tenant}\n{self.collection.id}\n{self.sha256}"
        return f"doc_{hashlib.sha256(key.encode()).hexdigest()[:24]}"


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

        The same bytes again are a no-op, except that a failed document is tried once more, and
        one with locked parts if the upload ``unlocks``: it came with a password.
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
        limit: int = 20,
        newest_first: bool = True,
    ) -> Sequence[Document]:
        """One page of documents in order of upload, starting behind the one named ``after``."""
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
            place = sa.tuple_(c.created_at, c.id)
            mark = sa.tuple_(sa.literal(last.created_at), sa.literal(last.id))
            where &= place < mark if newest_first else place > mark
        order = (c.created_at.desc(), c.id.desc()) if newest_first else (c.created_at, c.id)
        with self._db.read() as connection:
            return _select(connection, where, order=order, limit=limit)

    def counts(self, collection_id: str) -> Mapping[str, int]:
        """Number of documents by status, and of visible chunks."""
        c = t.documents.c
        query = (
            sa.select(c.status, sa.func.count(), sa.func.sum(c.chunk_count))
            .where(c.collection_id == collection_id)
            .group_by(c.status)
        )
        with self._db.read() as connection:
            rows = connection.execute(query).all()
        chunks = sum(int(row[2]) for row in rows)
        return {**{row[0]: int(row[1]) for row in rows}, "chunks": chunks}

    def names(self, document_ids: Sequence[str]) -> dict[str | None, str]:
        """Names of those of the documents that are there, by id."""
        c = t.documents.c
        with self._db.read() as connection:
            rows = connection.execute(sa.select(c.id, c.name).where(c.id.in_(document_ids)))
            return {row.id: row.name for row in rows}

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
        """Rename, or replace the metadata. Indexes hold the name and are told.

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
            if name not in (None, before.name) and before.generation is not None:
                log_change(connection, "add", before)
            connection.execute(sa.update(t.documents).where(where).values(values))
            return document_by_id(connection, document_id, tenant)


def add_document(
    connection: sa.Connection,
    new: NewDocument,
    *,
    store: Callable[[], None],
    uploaded: bool,
    unlocks: bool,
) -> tuple[Document, bool]:
    """Add a document within the caller's write transaction. See `Documents.add`.

    One that was ``uploaded`` by itself stays when the document that it is attached to goes.
    """
    if connection.execute(_KEPT, {"collection": new.collection.id}).first() is None:
        raise NotFound(
            f"Collection {new.collection.name!r} was deleted meanwhile.", param="collection"
        )
    store()
    known = connection.execute(_KNOWN, {"document": new.id}).first()
    if known is not None and uploaded and not known.uploaded:
        statement = changing(t.documents.c.id, "uploaded")
        connection.execute(statement, {"key_": new.id, "uploaded": True})
    if known is not None and not _is_worth_reading(connection, new.id, known.status, unlocks):
        return document_by_id(connection, new.id), False
    job_id = insert_job(
        connection,
        tenant=new.collection.tenant,
        kind="ingest",
        document_id=new.id,
        collection_id=new.collection.id,
    )
    if known is None:
        connection.execute(_INSERT, {**_row(new, job_id), "uploaded": uploaded})
    else:
        again: dict[str, Any] = {
            "status": DocumentStatus.QUEUED,
            "error": None,
            "job_id": job_id,
            "updated_at": time.time(),
        }
        if known.status == DocumentStatus.FAILED:
            again["name"], again["media_type"] = new.name, new.media_type
            again["metadata"] = dict(new.metadata)
        statement = changing(t.documents.c.id, *again)
        connection.execute(statement, {"key_": new.id, **again})
    return document_by_id(connection, new.id), True


def _is_worth_reading(
    connection: sa.Connection, document_id: str, status: str, unlocks: bool
) -> bool:
    """Whether a document that is there should be read once more."""
    if status == DocumentStatus.READY and unlocks:
        return bool(locked(connection, [document_id]))
    return status == DocumentStatus.FAILED


def _is(tenant: str, document_id: str) -> sa.ColumnElement[bool]:
    return (t.documents.c.tenant == tenant) & (t.documents.c.id == document_id)


def _row(new: NewDocument, job_id: str) -> dict[str, Any]:
    now = time.time()
    return {
        "id": new.id,
        "tenant": new.collection.tenant,
        "owner": new.collection.tenant,
        "collection_id": new.collection.id,
        "sha256": new.sha256,
        "name": new.name,
        "media_type": new.media_type,
        "size": new.size,
        "status": DocumentStatus.QUEUED,
        "metadata": dict(new.metadata),
        "job_id": job_id,
        "chunk_count": 0,
        "page_count": 0,
        "text_length": 0,
        "warnings": [],
        "locked": False,
        "created_at": now,
        "updated_at": now,
    }


def find_document(connection: sa.Connection, document_id: str) -> Document | None:
    """The document with this id of any tenant, within the caller's transaction."""
    row = connection.execute(_BY_ID, {"document": document_id}).mappings().first()
    return None if row is None else _document(row)


def document_by_id(
    connection: sa.Connection, document_id: str, tenant: str | None = None
) -> Document:
    """The document with this id, of one tenant or any, within the caller's transaction.

    Raises:
        NotFound: there is none.
    """
    document = find_document(connection, document_id)
    if document is None or tenant not in (None, document.tenant):
        raise NotFound(f"No document {document_id!r}.", param="document")
    return document


def _select(
    connection: sa.Connection,
    where: sa.ColumnElement[bool],
    *,
    order: Sequence[sa.ColumnElement[Any]] = (),
    limit: int | None = None,
) -> list[Document]:
    query = sa.select(*_COLUMNS).where(where).order_by(*order).limit(limit)
    return [_document(row) for row in connection.execute(query).mappings()]


def _document(row: Mapping[Any, Any]) -> Document:
    status, warnings = DocumentStatus(row["status"]), tuple(row["warnings"])
    return Document(**{**row, "status": status, "warnings": warnings})
