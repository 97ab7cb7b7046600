"""Collections: named sets of documents."""

from __future__ import annotations

from itertools import dropwhile, islice
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from api.door import Door, DoorDep, TenantDep, check_id
from api.engines import check_engine
from api.idempotency import IdempotencyKey, Reply, fingerprint, once
from api.schemas.collections import (
    CollectionCreate,
    CollectionOut,
    CollectionUpdate,
    DuplicatesOut,
)
from api.schemas.common import After, Deleted, Limit, ListOf, Order, failures, page
from rag.catalog import Catalog
from rag.duplicates import DEFAULT_THRESHOLD, LEAST_THRESHOLD, find_groups
from rag.errors import NotFound
from rag.types import Collection

router = APIRouter(prefix="/collections", tags=["Collections"])


async def _raw_body(request: Request) -> bytes:
    return await request.body()


@router.post(
    "",
    status_code=201,
    summary="Make a collection",
    response_model=CollectionOut,
    responses=failures(400, 409, 413, 503, 507),
)
def create_collection(
    body: CollectionCreate,
    raw: Annotated[bytes, Depends(_raw_body)],
    door: DoorDep,
    tenant: TenantDep,
    key: IdempotencyKey = None,
) -> Response:
    """Make an empty collection with a chunking and a metadata schema of its own."""
    chunking = door.services.chunking(body.chunking.model_dump())
    if body.engine is not None:
        check_engine(door.services.engines, body.engine)

    def create() -> Reply:
        collection = door.services.catalog.collections.create(
            tenant,
            body.name,
            embedder=door.services.embedder.id,
            chunking=chunking,
            metadata_schema=body.metadata_schema,
            engine=body.engine,
        )
        return Reply(status=201, body=CollectionOut.of(collection, {}).model_dump_json())

    mark = fingerprint("POST", "/collections", raw)
    return once(door.services.catalog.requests, tenant, key, mark, create)


@router.get("", summary="List collections", responses=failures(404))
def list_collections(
    door: DoorDep,
    tenant: TenantDep,
    limit: Limit = 20,
    after: After = None,
    order: Order = "desc",
) -> ListOf[CollectionOut]:
    """All collections, newest first, page by page."""
    found = list(door.services.catalog.collections.all(tenant))
    if order == "desc":
        found.reverse()
    if after is not None:
        door.collection(tenant, after)
        found = list(islice(dropwhile(lambda one: one.id != after, found), 1, None))
    return page(found[: limit + 1], limit, lambda one: _show(door, one))


@router.get("/{collection_id}", summary="Show a collection", responses=failures(404))
def get_collection(collection_id: str, door: DoorDep, tenant: TenantDep) -> CollectionOut:
    """One collection, and how many documents it holds in which state."""
    return _show(door, door.collection(tenant, collection_id))


@router.patch(
    "/{collection_id}",
    summary="Change a collection",
    responses=failures(400, 404, 409, 413, 507),
)
def update_collection(
    collection_id: str, body: CollectionUpdate, door: DoorDep, tenant: TenantDep
) -> CollectionOut:
    """Rename it, replace its metadata schema, or pin it to an engine (`null` takes that back)."""
    check_id("col", collection_id, "collection")
    if body.engine is not None:
        check_engine(door.services.engines, body.engine)
    changed = door.services.catalog.collections.update(
        tenant,
        collection_id,
        name=body.name,
        metadata_schema=body.metadata_schema,
        engine=(body.engine or "") if "engine" in body.model_fields_set else None,
    )
    return _show(door, changed)


@router.delete("/{collection_id}", summary="Delete a collection", responses=failures(404, 409, 507))
def delete_collection(collection_id: str, door: DoorDep, tenant: TenantDep) -> Deleted:
    """Delete a collection, its documents and everything derived from them, for good."""
    collection = door.collection(tenant, collection_id)
    door.services.delete_collection(tenant, collection)
    return Deleted(id=collection.id, object="collection")


@router.get(
    "/{collection_id}/duplicates",
    summary="List near-identical documents",
    responses=failures(404, 503),
)
def list_duplicates(
    collection_id: str,
    door: DoorDep,
    tenant: TenantDep,
    threshold: Annotated[
        float,
        Query(
            ge=LEAST_THRESHOLD,
            le=1,
            description="Least similarity of two documents of a group: 1 for equal wording.",
        ),
    ] = DEFAULT_THRESHOLD,
    limit: Limit = 20,
    after: After = None,
) -> ListOf[DuplicatesOut]:
    """Groups of documents that say nearly the same, oldest first, page by page.

    Documents of the same bytes are one document already. These are the same text in another
    format, and versions that differ in some clauses.
    """
    collection = door.collection(tenant, collection_id)
    catalog = door.services.catalog
    with door.audits.place():
        groups = find_groups(
            catalog.documents.sketched(collection.id),
            threshold,
            lambda document_id, length: _text(catalog, document_id, length),
        )
    if after is not None:
        groups = list(islice(dropwhile(lambda one: one.id != after, groups), 1, None))
    return page(groups, limit, DuplicatesOut.of)


def _text(catalog: Catalog, document_id: str, length: int) -> str:
    try:
        return catalog.read(document_id, 0, length)
    except NotFound:  # deleted meanwhile: like nothing
        return ""


def _show(door: Door, collection: Collection) -> CollectionOut:
    return CollectionOut.of(collection, door.services.catalog.documents.counts(collection.id))
