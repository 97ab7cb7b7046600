"""Rows of documents, read as documents within a caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from rag.catalog import schema as t
from rag.errors import NotFound
from rag.types import Document, DocumentStatus

_HIDDEN = frozenset(("owner", "uploaded", "locked"))


def _searched(column: sa.Column[Any]) -> sa.ScalarSelect[Any]:
    """Of the document's placement in the edition that is searched."""
    p, c = t.placements.c, t.collections.c
    mine = (p.document_id == t.documents.c.id) & (c.id == p.collection_id)
    query = sa.select(column).where(mine, p.edition == c.edition)
    return query.correlate(t.documents).scalar_subquery()


_COLUMNS = (
    *(column for column in t.documents.c if column.name not in _HIDDEN),
    _searched(t.placements.c.first_chunk_id).label("first_chunk_id"),
    sa.func.coalesce(_searched(t.placements.c.chunk_count), 0).label("chunk_count"),
)
_IS = t.documents.c.id == sa.bindparam("document")
_BY_ID = sa.select(*_COLUMNS).where(_IS)


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


def select_documents(
    connection: sa.Connection,
    where: sa.ColumnElement[bool],
    *,
    order: Sequence[sa.ColumnElement[Any]] = (),
    limit: int | None = None,
) -> list[Document]:
    """The documents that meet a condition, within the caller's transaction."""
    query = sa.select(*_COLUMNS).where(where).order_by(*order).limit(limit)
    return [_document(row) for row in connection.execute(query).mappings()]


def _document(row: Mapping[Any, Any]) -> Document:
    status, warnings = DocumentStatus(row["status"]), tuple(row["warnings"])
    return Document(**{**row, "status": status, "warnings": warnings})
