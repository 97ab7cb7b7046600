"""Jobs: the work that uploads, batches and analyses start."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from api import events
from api.door import Door, DoorDep, TenantDep, check_id
from api.schemas.common import After, Limit, ListOf, Order, failures, page
from api.schemas.jobs import JobOut, ResumeBody
from rag.catalog.jobs import INGEST
from rag.errors import Conflict
from rag.types import Job, JobStatus

router = APIRouter(prefix="/jobs", tags=["Jobs"])

_EXAMPLE = (
    'event: job\ndata: {"id": "job_...", "status": "in_progress", ...}\n\n'
    'event: job\ndata: {"id": "job_...", "status": "completed", ...}\n\n'
    "event: done\ndata: {}\n\n"
)


@router.get("", summary="List jobs", responses=failures(404))
def list_jobs(
    door: DoorDep,
    tenant: TenantDep,
    status: Annotated[JobStatus | None, Query(description="Only these.")] = None,
    limit: Limit = 20,
    after: After = None,
    order: Order = "desc",
) -> ListOf[JobOut]:
    """Jobs in the order of their making, newest first, page by page."""
    if after is not None:
        check_id("job", after, "job")
    rows = door.services.catalog.jobs.page(
        tenant, status=status, after=after, limit=limit + 1, newest_first=order == "desc"
    )
    names = _names(door, rows)
    return page(rows, limit, lambda job: _shown(door, job, names.get(job.document_id)))


@router.get("/{job_id}", summary="Show a job", responses=failures(404))
def get_job(job_id: str, door: DoorDep, tenant: TenantDep) -> JobOut:
    """One job: its state, how far it is, and why it failed if so."""
    job = _find(door, tenant, job_id)
    return _shown(door, job, _names(door, [job]).get(job.document_id))


@router.post("/{job_id}/cancel", summary="Cancel a job", responses=failures(404, 409))
def cancel_job(job_id: str, door: DoorDep, tenant: TenantDep) -> JobOut:
    """Begin no further item of a batch or an analysis; what has ended is kept.

    The job of a document ends when the document is deleted.
    """
    door.services.catalog.work.cancel(_made_of_items(door, tenant, job_id).id)
    return get_job(job_id, door, tenant)


@router.post("/{job_id}/resume", summary="Resume a job", responses=failures(404, 409))
def resume_job(
    job_id: str, door: DoorDep, tenant: TenantDep, body: ResumeBody | None = None
) -> JobOut:
    """Go on with a batch or an analysis that was paused or cancelled, or that failed."""
    door.resume(_made_of_items(door, tenant, job_id), body)
    return get_job(job_id, door, tenant)


@router.get(
    "/{job_id}/events",
    summary="Watch a job",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Each new state of the job as an event `job`; `done` when it ended.",
            "content": {events.MEDIA_TYPE: {"example": _EXAMPLE}},
        },
        **failures(404),
    },
)
async def watch_job(job_id: str, door: DoorDep, tenant: TenantDep) -> StreamingResponse:
    """Server-sent events: the job as it is now, each change, and `done` when it has ended."""
    job = await anyio.to_thread.run_sync(_find, door, tenant, job_id)
    return StreamingResponse(
        _states(door, job), media_type=events.MEDIA_TYPE, headers=events.HEADERS
    )


async def _states(door: Door, job: Job) -> AsyncIterator[bytes]:
    names = await anyio.to_thread.run_sync(_names, door, [job])
    name = names.get(job.document_id)
    watched = door.watcher.watch(job)
    try:
        async for state in watched:
            if state is None:
                yield events.HEARTBEAT
                continue
            yield events.event("job", await anyio.to_thread.run_sync(_shown, door, state, name))
        yield events.event("done", {})
    finally:
        await watched.aclose()


def _names(door: Door, jobs: Sequence[Job]) -> Mapping[str | None, str]:
    """Names of the documents that jobs are on, by id."""
    wanted = [job.document_id for job in jobs if job.document_id is not None]
    return door.services.catalog.documents.names(wanted)


def _shown(door: Door, job: Job, name: str | None) -> JobOut:
    state = None if job.kind == INGEST else door.services.catalog.work.state(job)
    return JobOut.of(job, name, state)


def _made_of_items(door: Door, tenant: str, job_id: str) -> Job:
    job = _find(door, tenant, job_id)
    if job.kind == INGEST:
        raise Conflict(
            f"Job {job_id} reads a document: delete the document to end it, or upload it again.",
            param="job",
        )
    return job


def _find(door: Door, tenant: str, job_id: str) -> Job:
    check_id("job", job_id, "job")
    return door.services.catalog.jobs.get(tenant, job_id)
