"""Documents: added with the job that will read them, made visible at once, deleted at once."""

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
from rag.catalog.jobs import insert_job, update_job
from rag.catalog.vectors import VectorStore
from rag.errors import NotFound
from rag.types import Collection, Document, DocumentStatus, JobStatus

_VERSIONED = (t.segments, t.pages, t.blocks, t.chunks)


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
    """Add, find, change and delete documents."""

    def __init__(self, database: Database, vectors: VectorStore) -> None:
        self._db = database
        self._vectors = vectors

    def add(self, new: NewDocument, *, store: Callable[[], None]) -> tuple[Document, bool]:
        """Add a document and the job that will ingest it; true when there is new work.

        The same bytes again are a no-op, except that a failed document is tried once more.
        ``store`` makes sure of the original within the transaction, after deletions that
        might have removed it.
        """
        c = t.documents.c
        with self._db.write() as connection:
            store()
            status = connection.execute(sa.select(c.status).where(c.id == new.id)).scalar()
            if status not in (None, DocumentStatus.FAILED):
                return self._get(connection, c.id == new.id), False
            job_id = insert_job(
                connection,
                tenant=new.collection.tenant,
                kind="ingest",
                document_id=new.id,
                collection_id=new.collection.id,
            )
            if status is None:
                connection.execute(sa.insert(t.documents).values(_row(new, job_id)))
            else:
                connection.execute(
                    sa.update(t.documents)
                    .where(c.id == new.id)
                    .values(
                        status=DocumentStatus.QUEUED,
                        error=sa.null(),
                        job_id=job_id,
                        name=new.name,
                        media_type=new.media_type,
                        metadata=dict(new.metadata),
                        updated_at=time.time(),
                    )
                )
            return self._get(connection, c.id == new.id), True

    def get(self, tenant: str, document_id: str) -> Document:
        """The document with this id.

        Raises:
            NotFound: the tenant has none.
        """
        with self._db.read() as connection:
            return self._get(connection, _is(tenant, document_id))

    def find(self, document_id: str) -> Document | None:
        """The document with this id of any tenant, for the worker."""
        with self._db.read() as connection:
            return next(iter(_select(connection, t.documents.c.id == document_id)), None)

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

    def update(
        self,
        tenant: str,
        document_id: str,
        *,
        name: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Document:
        """Rename, or replace the metadata.

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
            connection.execute(sa.update(t.documents).where(where).values(values))
            return self._get(connection, where)

    def delete(self, tenant: str, document_id: str, *, discard: Callable[[str], None]) -> None:
        """Remove a document with all that was derived from it; searches no longer find it.

        ``discard`` is given the sha256 when no other document shares the original.

        Raises:
            NotFound: the tenant has no such document.
        """
        with self._db.write() as connection:
            document = self._get(connection, _is(tenant, document_id))
            if document.generation is not None:
                log_change(connection, "remove", _identity(document))
            self._drop_versions(connection, document)
            connection.execute(sa.delete(t.documents).where(t.documents.c.id == document_id))
            update_job(connection, document.job_id, status=JobStatus.CANCELLED)
            _discard_unshared(connection, document.sha256, discard)

    def discard_orphan(self, sha256: str, discard: Callable[[str], None]) -> None:
        """Discard an original unless a document has come to use it meanwhile."""
        with self._db.write() as connection:
            _discard_unshared(connection, sha256, discard)

    def processing(self, document_id: str, generation: int) -> None:
        """Note that a worker has taken the document up."""
        with self._db.write() as connection:
            require_writer(connection, document_id, generation)
            self._set(connection, document_id, status=DocumentStatus.PROCESSING)

    def publish(self, document_id: str, generation: int, *, title: str | None) -> None:
        """Make a staged generation the visible one, in one small transaction.

        Raises:
            NotFound: the document was deleted, or another job has taken it over.
        """
        with self._db.write() as connection:
            require_writer(connection, document_id, generation)
            before = self._get(connection, t.documents.c.id == document_id)
            if before.generation == generation:
                return
            if before.generation is not None:
                log_change(connection, "remove", _identity(before))
                self._drop_versions(connection, before, keep=generation)
            counts = _counts(connection, document_id, generation)
            first = _take_chunk_ids(connection, before.collection_id, counts["chunk_count"])
            self._set(
                connection,
                document_id,
                status=DocumentStatus.READY,
                error=sa.null(),
                generation=generation,
                first_chunk_id=first,
                title=title,
                **counts,
            )
            after = self._get(connection, t.documents.c.id == document_id)
            log_change(connection, "add", _identity(after))
            update_job(connection, before.job_id, status=JobStatus.COMPLETED)

    def fail(self, document_id: str, generation: int, error: Mapping[str, Any]) -> None:
        """Give a document up: what was staged is removed, the reason is kept."""
        with self._db.write() as connection:
            require_writer(connection, document_id, generation)
            document = self._get(connection, t.documents.c.id == document_id)
            self._drop_versions(connection, document, keep=document.generation)
            self._set(connection, document_id, status=DocumentStatus.FAILED, error=dict(error))
            update_job(connection, document.job_id, status=JobStatus.FAILED, error=dict(error))

    @staticmethod
    def _set(connection: sa.Connection, document_id: str, **values: Any) -> None:
        connection.execute(
            sa.update(t.documents)
            .where(t.documents.c.id == document_id)
            .values(updated_at=time.time(), **values)
        )

    @staticmethod
    def _get(connection: sa.Connection, where: sa.ColumnElement[bool]) -> Document:
        found = _select(connection, where)
        if not found:
            raise NotFound("No such document.", param="document")
        return found[0]

    def _drop_versions(
        self, connection: sa.Connection, document: Document, *, keep: int | None = None
    ) -> None:
        """Remove what was derived from a document, vectors included, but for one generation."""
        hashes = _hashes(connection, document.id)
        delete_versions(connection, document.id, keep=keep)
        self._drop_vectors(connection, document.collection_id, hashes)

    def _drop_vectors(
        self, connection: sa.Connection, collection_id: str, hashes: Sequence[bytes]
    ) -> None:
        """Forget vectors whose text no remaining chunk of the same space has.

        The caller's transaction keeps out anybody who might be staging such a chunk.
        """
        c = t.collections.c
        tenant, embedder = connection.execute(
            sa.select(c.tenant, c.embedder).where(c.id == collection_id)
        ).one()
        used = (
            sa.select(t.chunks.c.text_sha256)
            .join(t.documents, t.documents.c.id == t.chunks.c.document_id)
            .join(t.collections, c.id == t.documents.c.collection_id)
            .where(c.tenant == tenant, c.embedder == embedder)
        )
        for start in range(0, len(hashes), 500):
            batch = hashes[start : start + 500]
            kept = connection.execute(used.where(t.chunks.c.text_sha256.in_(batch))).scalars()
            self._vectors.delete(tenant, embedder, list(set(batch) - set(kept)))


def require_writer(connection: sa.Connection, document_id: str, generation: int) -> None:
    """Make sure within a transaction that this generation's job still owns the document.

    Raises:
        NotFound: the document was deleted, or another job has taken it over.
    """
    query = (
        sa.select(t.jobs.c.number)
        .join(t.documents, t.documents.c.job_id == t.jobs.c.id)
        .where(t.documents.c.id == document_id)
    )
    if connection.execute(query).scalar() != generation:
        raise NotFound("The document was deleted, or uploaded anew, while it was being read.")


def delete_versions(
    connection: sa.Connection,
    document_id: str,
    *,
    keep: int | None = None,
    only: int | None = None,
) -> None:
    """Remove what was derived from a document: all, all but one generation, or one only."""
    for table in _VERSIONED:
        where = table.c.document_id == document_id
        if keep is not None:
            where &= table.c.generation != keep
        if only is not None:
            where &= table.c.generation == only
        connection.execute(sa.delete(table).where(where))


def _discard_unshared(
    connection: sa.Connection, sha256: str, discard: Callable[[str], None]
) -> None:
    shared = t.documents.c.sha256 == sha256
    if not connection.execute(sa.select(sa.exists().where(shared))).scalar():
        discard(sha256)


def _is(tenant: str, document_id: str) -> sa.ColumnElement[bool]:
    return (t.documents.c.tenant == tenant) & (t.documents.c.id == document_id)


def _identity(document: Document) -> Mapping[str, Any]:
    names = ("id", "collection_id", "generation", "first_chunk_id", "chunk_count")
    return {name: getattr(document, name) for name in names}


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
        "created_at": now,
        "updated_at": now,
    }


def _select(
    connection: sa.Connection,
    where: sa.ColumnElement[bool],
    *,
    order: Sequence[sa.ColumnElement[Any]] = (),
    limit: int | None = None,
) -> list[Document]:
    columns = [column for column in t.documents.c if column.name != "owner"]
    query = sa.select(*columns).where(where).order_by(*order).limit(limit)
    return [
        Document(
            **{
                **row,
                "status": DocumentStatus(row["status"]),
                "warnings": tuple(row["warnings"]),
            }
        )
        for row in connection.execute(query).mappings()
    ]


def _hashes(connection: sa.Connection, document_id: str) -> list[bytes]:
    query = sa.select(t.chunks.c.text_sha256).where(t.chunks.c.document_id == document_id)
    return list(set(connection.execute(query).scalars()))


def _counts(connection: sa.Connection, document_id: str, generation: int) -> dict[str, int]:
    def count(table: sa.Table, value: sa.ColumnElement[Any]) -> int:
        query = sa.select(value).where(
            table.c.document_id == document_id, table.c.generation == generation
        )
        return int(connection.execute(query).scalar() or 0)

    return {
        "chunk_count": count(t.chunks, sa.func.count()),
        "page_count": count(t.pages, sa.func.count()),
        "text_length": count(t.segments, sa.func.max(t.segments.c.end)),
    }


def _take_chunk_ids(connection: sa.Connection, collection_id: str, count: int) -> int:
    c = t.collections.c
    following = connection.execute(
        sa.update(t.collections)
        .where(c.id == collection_id)
        .values(next_chunk_id=c.next_chunk_id + count)
        .returning(c.next_chunk_id)
    ).scalar_one()
    return int(following) - count
