"""Sources: folders that a client keeps a collection in step with. The client does the walking."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.door import DoorDep, TenantDep
from api.schemas.common import ListOf, failures, page
from api.schemas.sources import Settled, SettleRequest, SourceFileOut
from rag.catalog.sources import SourceFile
from rag.errors import InvalidRequest

router = APIRouter(prefix="/collections/{collection_id}/source", tags=["Collections"])


@router.get("", summary="List the files of a folder", responses=failures(404))
def list_source_files(
    collection_id: str,
    door: DoorDep,
    tenant: TenantDep,
    name: Annotated[
        str, Query(min_length=1, max_length=4096, description="The folder's name, as uploaded.")
    ],
    limit: Annotated[int, Query(ge=1, le=1000, description="How many to return.")] = 100,
    after: Annotated[
        str | None, Query(max_length=4096, description="Start behind this path.")
    ] = None,
) -> ListOf[SourceFileOut]:
    """The files that were uploaded with this `source`, by path, with the document of each."""
    for given in (name, after):
        if given is not None and "\0" in given:
            raise InvalidRequest("A path cannot contain a NUL character.", param="name")
    collection = door.collection(tenant, collection_id)
    files = door.services.catalog.sources.files(collection.id, name, after=after, limit=limit + 1)
    return page(files, limit, SourceFileOut.of)


@router.post("", summary="Settle the files of a folder", responses=failures(400, 404, 413, 507))
def settle_source(
    collection_id: str, body: SettleRequest, door: DoorDep, tenant: TenantDep
) -> Settled:
    """Remove documents whose files are gone, and earlier versions of those that can be searched.

    Only documents that came from nowhere but sources are removed, and only when no other file
    has the same content and no other document holds it. May be repeated.
    """
    collection = door.collection(tenant, collection_id)
    sources = door.services.catalog.sources
    for one in body.touched:
        file = SourceFile(source=body.name, path=one.path, size=one.size, mtime_ns=one.mtime_ns)
        sources.touch(collection.id, file)
    return Settled(deleted=door.services.settle(collection, body.name, body.removed))
