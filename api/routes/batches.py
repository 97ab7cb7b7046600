"""Batches: many requests in one file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from api.batches.lines import Broken, read_items
from api.batches.provider import check_provider
from api.batches.results import entries
from api.batches.work import KIND
from api.bodies import body_parts
from api.door import Door, DoorDep, KeyDep, TenantDep, check_id
from api.engines import choose_engine
from api.idempotency import IdempotencyKey, Reply, fingerprint, once
from api.results.files import MEDIA_TYPES, Format, Report, file_of
from api.results.showing import StoredPlaces
from api.schemas.batches import BatchOut, BatchSent, BrokenLine, job_id_of
from api.schemas.common import After, Limit, ListOf, Order, failures, page
from api.schemas.jobs import ResumeBody
from api.works import lane_of
from rag.catalog.work import Lane, NewWork
from rag.errors import NotFound
from rag.types import Job, JobStatus

Executor: TypeAlias = Literal["calls", "provider"]

router = APIRouter(prefix="/batches", tags=["Batches"])

_TOLD = 20
"""Broken lines that are told when a batch is sent."""
_EXAMPLE = (
    '{"custom_id": "q-1", "question": "What notice does termination need?"}\n'
    '{"custom_id": "q-2", "question": "Who are the parties?", "collection": "contracts"}\n'
    '{"custom_id": "a-1", "kind": "summary", "documents": ["doc_0f3c9a7be1d24c55a6b8e9f0"]}\n'
)
_LINES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "JSON Lines: in each line a `custom_id` and what `POST /ask` or `POST "
        "/analyses` takes, but for `stream`, `dry_run`, `priority` and `budget_usd`.",
        "content": {
            media_type: {"schema": {"type": "string"}, "example": _EXAMPLE}
            for media_type in ("application/jsonl", "application/x-ndjson")
        },
    }
}


@router.post(
    "",
    status_code=202,
    summary="Send a batch",
    response_model=BatchSent,
    openapi_extra=_LINES,
    responses=failures(404, 409, 413, 503, 507),
)
def create_batch(
    request: Request,
    door: DoorDep,
    tenant: TenantDep,
    asker: KeyDep,
    key: IdempotencyKey = None,
    name: Annotated[
        str | None, Query(max_length=200, description="To know it by, such as the file's name.")
    ] = None,
    collection: Annotated[
        str | None, Query(max_length=200, description="For lines that name none.")
    ] = None,
    engine: Annotated[
        str | None, Query(max_length=200, description="For lines that name none.")
    ] = None,
    priority: Annotated[
        int,
        Query(
            ge=-100,
            le=100,
            description="Jobs of a higher one go first; above 0 only for keys that may.",
        ),
    ] = 0,
    budget_usd: Annotated[
        float | None,
        Query(gt=0, le=1_000_000, description="What all of it may cost; then it pauses."),
    ] = None,
    executor: Annotated[
        Executor,
        Query(
            description="`provider`: questions go through the batches of the engine's provider, "
            "for half the price and within a day. `calls`: one by one, at once."
        ),
    ] = "calls",
) -> Response:
    """Carry out many requests as one job that survives crashes and restarts.

    Each line of the body is a request by itself: one that is broken or fails is reported among
    the results, and the others go on. The reply comes when all lines are safely stored.
    """
    services = door.services
    door.check_priority(asker, priority)
    collections = door.collections(tenant, collection, None)
    defaults = {"collection": collection, "engine": engine}
    chosen = choose_engine(services.engines, engine, collections)
    if executor == "provider":
        check_provider(services, chosen)
    new = NewWork(
        kind=KIND,
        tenant=tenant,
        key=asker,
        spec={"name": name, "executor": executor},
        lane=Lane.PROVIDER if executor == "provider" else lane_of(chosen),
        priority=priority,
        budget_usd=budget_usd,
    )
    limit = services.settings.max_upload_bytes
    with (
        door.uploads.place(),
        services.originals.receive(body_parts(request, file_limit=limit), limit=limit) as upload,
    ):
        options = (name, collection, engine, str(priority), str(budget_usd), executor)
        mark = fingerprint("POST", "/batches", upload.sha256, *options)

        def store() -> Reply:
            given = {name: value for name, value in defaults.items() if value is not None}
            broken = Broken(_TOLD)
            items = broken.noted(read_items(upload.path, given))
            job_id = services.catalog.work.create(new, items)
            door.wake()
            shown = _shown(door, services.catalog.jobs.get(tenant, job_id))
            first = [BrokenLine(line=line, message=why) for line, why in broken.first]
            sent = BatchSent.made(shown, broken.count, first)
            return Reply(status=202, body=sent.model_dump_json())

        return once(services.catalog.requests, tenant, key, mark, store)


@router.get("", summary="List batches", responses=failures(404))
def list_batches(
    door: DoorDep,
    tenant: TenantDep,
    status: Annotated[JobStatus | None, Query(description="Only these.")] = None,
    limit: Limit = 20,
    after: After = None,
    order: Order = "desc",
) -> ListOf[BatchOut]:
    """Batches in the order of their making, newest first, page by page."""
    rows = door.services.catalog.jobs.page(
        tenant,
        kind=KIND,
        status=status,
        after=None if after is None else _job(door, tenant, after).id,
        limit=limit + 1,
        newest_first=order == "desc",
    )
    return _page(door, rows, limit)


@router.get("/{batch_id}", summary="Show a batch", responses=failures(404))
def get_batch(batch_id: str, door: DoorDep, tenant: TenantDep) -> BatchOut:
    """How far it is, what it cost so far, and how many lines failed of what."""
    return _shown(door, _job(door, tenant, batch_id))


@router.get(
    "/{batch_id}/results",
    summary="Fetch the results",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "One result per line of the batch, in the order of the lines.",
            "content": {one: {"schema": {"type": "string"}} for one in MEDIA_TYPES.values()},
        },
        **failures(404),
    },
)
def get_batch_results(
    batch_id: str,
    door: DoorDep,
    tenant: TenantDep,
    format: Annotated[Format, Query(description="What kind of file.")] = Format.JSONL,
) -> StreamingResponse:
    """What the lines came to. While the batch is under way: those that have ended so far."""
    job = _job(door, tenant, batch_id)
    work, shown = door.services.catalog.work, _shown(door, job)
    counts = shown.request_counts
    report = Report(
        name=batch_id,
        title=shown.name or batch_id,
        facts={
            "batch": batch_id,
            "status": shown.status.value,
            "answered": f"{counts.completed} of {counts.total}",
            "failed": counts.failed,
            "cost": f"${shown.work.cost_usd:.4f}",
        },
        places=StoredPlaces(door.services, tenant, door.drawings),
    )
    return file_of(format, entries(work.done(job.id), work.failed(job.id)), report)


@router.post(
    "/{batch_id}/cancel", summary="Cancel a batch", responses=failures(404, 409), status_code=200
)
def cancel_batch(batch_id: str, door: DoorDep, tenant: TenantDep) -> BatchOut:
    """Begin no further line. Those under way come to their end; what has ended is kept."""
    job = _job(door, tenant, batch_id)
    door.services.catalog.work.cancel(job.id)
    return _shown(door, _job(door, tenant, batch_id))


@router.post(
    "/{batch_id}/resume", summary="Resume a batch", responses=failures(404, 409), status_code=200
)
def resume_batch(
    batch_id: str, door: DoorDep, tenant: TenantDep, body: ResumeBody | None = None
) -> BatchOut:
    """Go on with a batch that was paused or cancelled, or do failed lines once more."""
    door.resume(_job(door, tenant, batch_id), body)
    return _shown(door, _job(door, tenant, batch_id))


def _job(door: Door, tenant: str, batch_id: str) -> Job:
    check_id("bat", batch_id, "batch")
    try:
        job = door.services.catalog.jobs.get(tenant, job_id_of(batch_id))
    except NotFound:
        job = None
    if job is None or job.kind != KIND:
        raise NotFound(f"No batch {batch_id!r}.", param="batch")
    return job


def _shown(door: Door, job: Job) -> BatchOut:
    return BatchOut.of(job, door.services.catalog.work.state(job))


def _page(door: Door, rows: Sequence[Job], limit: int) -> ListOf[BatchOut]:
    listed = page(rows, limit, lambda job: _shown(door, job))
    ids = [one.id for one in listed.data]
    return listed.model_copy(
        update={"first_id": ids[0] if ids else None, "last_id": ids[-1] if ids else None}
    )
