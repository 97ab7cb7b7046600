"""New documents: each is added together with the job that will read it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.document_rows import document_by_id
from rag.catalog.jobs import insert_job
from rag.catalog.links import locked
from rag.catalog.statements import changing
from rag.errors import EncryptedDocument, NotFound
from rag.types import Collection, Document, DocumentStatus

_KNOWN = sa.select(t.documents.c.status, t.documents.c.error, t.documents.c.uploaded).where(
    t.documents.c.id == sa.bindparam("document")
)
_INSERT = sa.insert(t.documents)
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
    if known is not None and not _is_worth_reading(connection, new.id, known, unlocks):
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
    connection: sa.Connection, document_id: str, known: sa.Row[Any, Any, Any], unlocks: bool
) -> bool:
    """Whether a document that is there should be read once more.

    One that is ready with an error could not be: it may be this time.
    """
    if known.status != DocumentStatus.READY:
        return bool(known.status == DocumentStatus.FAILED)
    wants_password = known.error is not None and known.error["code"] == EncryptedDocument.code
    if known.error is not None and not wants_password:
        return True
    return unlocks and (wants_password or bool(locked(connection, [document_id])))


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
        "page_count": 0,
        "text_length": 0,
        "warnings": [],
        "locked": False,
        "created_at": now,
        "updated_at": now,
    }
