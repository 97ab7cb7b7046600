"""Jobs: the work that uploads start."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from api import events
from api.door import Door, DoorDep, TenantDep, check_id
from api.schemas.common import After, Limit, ListOf, Order, failures, page
from api.schemas.documents import JobOut
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
    return page(rows, limit, JobOut.of)


@router.get("/{job_id}", summary="Show a job", responses=failures(404))
def get_job(job_id: str, door: DoorDep, tenant: TenantDep) -> JobOut:
    """One job: its state, how far it is, and why it failed if so."""
    return JobOut.of(_find(door, tenant, job_id))


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
    watched = door.watcher.watch(job)
    try:
        async for state in watched:
            yield events.HEARTBEAT if state is None else events.event("job", JobOut.of(state))
        yield events.event("done", {})
    finally:
        await watched.aclose()


def _find(door: Door, tenant: str, job_id: str) -> Job:
    check_id("job", job_id, "job")
    return door.services.catalog.jobs.get(tenant, job_id)
