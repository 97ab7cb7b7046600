"""Collections: named sets of documents."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import dropwhile, islice
from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.bodies import RawBody
from api.door import Door, DoorDep, KeyDep, TenantDep, check_id
from api.engines import check_engine
from api.idempotency import IdempotencyKey, Reply, fingerprint, once
from api.reindexing import kept_edition, order_reindex, order_rollback
from api.schemas.collections import (
    CollectionCreate,
    CollectionOut,
    CollectionUpdate,
    DuplicatesOut,
    IndexOut,
    ReindexBody,
)
from api.schemas.common import After, Deleted, Limit, ListOf, Order, failures, page
from api.schemas.jobs import JobOut
from rag.catalog import Catalog
from rag.duplicates import DEFAULT_THRESHOLD, LEAST_THRESHOLD, find_groups
from rag.errors import NotFound
from rag.types import Collection, EditionStatus

router = APIRouter(prefix="/collections", tags=["Collections"])


@router.post(
    "",
    status_code=201,
    summary="Make a collection",
    response_model=CollectionOut,
    responses=failures(400, 409, 413, 503, 507),
)
def create_collection(
    body: CollectionCreate,
    raw: RawBody,
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


@router.post(
    "/{collection_id}/reindex",
    status_code=202,
    summary="Cut or embed a collection anew",
    response_model=JobOut,
    responses=failures(400, 404, 409, 413, 503, 507),
)
def reindex_collection(
    collection_id: str,
    body: ReindexBody,
    raw: RawBody,
    door: DoorDep,
    tenant: TenantDep,
    public_key: KeyDep,
    key: IdempotencyKey = None,
) -> Response:
    """Build another index beside the one that is searched, and change over when it is complete.

    No search fails or mixes the two. Documents that are added or deleted meanwhile are so in
    both. The job goes on after a restart; cancelling it removes what it built. The index before
    is kept for some days, for `POST /collections/{id}/rollback`.
    """
    collection = door.collection(tenant, collection_id)
    order = partial(
        order_reindex,
        door.services,
        collection,
        public_key,
        embedder=body.embedder,
        chunking=None if body.chunking is None else body.chunking.model_dump(),
    )
    mark = fingerprint("POST", f"/collections/{collection_id}/reindex", raw)
    create = partial(_ordered, door, tenant, order)
    return once(door.services.catalog.requests, tenant, key, mark, create)


@router.post(
    "/{collection_id}/rollback",
    status_code=202,
    summary="Go back to the index before",
    response_model=JobOut,
    responses=failures(404, 409, 503, 507),
)
def roll_back_collection(
    collection_id: str,
    door: DoorDep,
    tenant: TenantDep,
    public_key: KeyDep,
    key: IdempotencyKey = None,
) -> Response:
    """Have the index that was searched before searched again, with what was added since.

    The present one is kept in its place.
    """
    collection = door.collection(tenant, collection_id)
    order = partial(order_rollback, door.services, collection, public_key)
    mark = fingerprint("POST", f"/collections/{collection_id}/rollback", b"")
    create = partial(_ordered, door, tenant, order)
    return once(door.services.catalog.requests, tenant, key, mark, create)


def _ordered(door: Door, tenant: str, order: Callable[[], str]) -> Reply:
    job_id = order()
    door.wake()
    job = door.services.catalog.jobs.get(tenant, job_id)
    shown = JobOut.of(job, None, door.services.catalog.work.state(job))
    return Reply(status=202, body=shown.model_dump_json())


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
    catalog, kept_s = door.services.catalog, door.services.settings.rollback_days * 86_400
    editions = catalog.editions.of(collection.id)
    kept = kept_edition(editions, collection)
    building = [one for one in editions if one.status is EditionStatus.BUILDING]
    return CollectionOut.of(
        collection,
        catalog.documents.counts(collection.id),
        building=IndexOut.of(building[0], kept_s) if building else None,
        previous=None if kept is None else IndexOut.of(kept, kept_s),
    )
