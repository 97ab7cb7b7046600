"""Documents: listed, changed, deleted; how they come is in uploads.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.bodies import json_object
from api.door import Door, DoorDep, TenantDep
from api.schemas.common import After, Deleted, Limit, ListOf, Order, failures, page
from api.schemas.documents import DocumentOut, DocumentUpdate
from ingest.intake import check_metadata, display_name
from rag.catalog.attachments import Links
from rag.catalog.filters import document_condition
from rag.errors import InvalidFilter
from rag.types import Document, DocumentStatus

router = APIRouter(prefix="/documents", tags=["Documents"])


@router.get("", summary="List documents", responses=failures(404))
def list_documents(
    door: DoorDep,
    tenant: TenantDep,
    collection: Annotated[
        str | None, Query(description="Id or name; all collections when left out.", max_length=200)
    ] = None,
    status: Annotated[DocumentStatus | None, Query(description="Only these.")] = None,
    filter: Annotated[
        str | None,
        Query(
            description="A metadata filter as JSON, as in `POST /search`.",
            max_length=20_000,
            examples=['{"year": {"$gte": 2023}}'],
        ),
    ] = None,
    limit: Limit = 20,
    after: After = None,
    order: Order = "desc",
) -> ListOf[DocumentOut]:
    """Documents by time of upload, newest first, page by page."""
    found = None if collection is None else door.existing(tenant, collection)
    if collection is not None and found is None:
        document_condition(_filter(filter) or {}, {})  # malformed is malformed, also in nothing
        return page([], limit, lambda row: DocumentOut.of(row, Links()))
    if after is not None:
        door.document(tenant, after)
    rows = door.services.catalog.documents.page(
        tenant,
        found,
        status=status,
        filter=_filter(filter),
        after=after,
        limit=limit + 1,
        newest_first=order == "desc",
    )
    links = door.services.catalog.attachments.links([row.id for row in rows])
    return page(rows, limit, lambda row: DocumentOut.of(row, links[row.id]))


@router.get("/{document_id}", summary="Show a document", responses=failures(404))
def get_document(document_id: str, door: DoorDep, tenant: TenantDep) -> DocumentOut:
    """One document, its state, and why it could not be read if so."""
    return _shown(door, door.document(tenant, document_id))


@router.patch("/{document_id}", summary="Change a document", responses=failures(400, 404, 413, 507))
def update_document(
    document_id: str, body: DocumentUpdate, door: DoorDep, tenant: TenantDep
) -> DocumentOut:
    """Rename it, or replace its metadata. Its content never changes."""
    document = door.document(tenant, document_id)
    if body.metadata is not None:
        catalog = door.services.catalog
        check_metadata(body.metadata, catalog.collections.get(tenant, document.collection_id))
    return _shown(door, _update(door, tenant, document, body))


@router.delete("/{document_id}", summary="Delete a document", responses=failures(404, 507))
def delete_document(document_id: str, door: DoorDep, tenant: TenantDep) -> Deleted:
    """Delete a document and everything derived from it. The next search no longer finds it.

    Documents found inside it go too, unless they were also uploaded by themselves or are
    inside another one.
    """
    document = door.document(tenant, document_id)
    door.services.delete(tenant, document.id)
    return Deleted(id=document.id, object="document")


def _shown(door: Door, document: Document) -> DocumentOut:
    links = door.services.catalog.attachments.links([document.id])
    return DocumentOut.of(document, links[document.id])


def _update(door: Door, tenant: str, document: Document, body: DocumentUpdate) -> Document:
    name = None if body.name is None else display_name(body.name)
    return door.services.catalog.documents.update(
        tenant, document.id, name=name, metadata=body.metadata
    )


def _filter(text: str | None) -> Mapping[str, Any] | None:
    if text is None:
        return None
    value = json_object(text)
    if value is None:
        raise InvalidFilter("filter: expected a JSON object.", param="filter")
    return value
