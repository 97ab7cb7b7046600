"""Analyses of whole documents and collections, as jobs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from api.analyzing import KIND, analysis_job, forecast, left_out, prepare, result_of, shown_analysis
from api.door import Door, DoorDep, KeyDep, TenantDep
from api.idempotency import IdempotencyKey, Reply, fingerprint, once
from api.results.analyses import entries
from api.results.files import MEDIA_TYPES, Format, Report, file_of
from api.results.reading import notes_of, sections, title_of
from api.results.showing import StoredPlaces
from api.schemas.analyses import (
    AnalysisBody,
    AnalysisOut,
    AnalysisResultOut,
    DryRunOut,
)
from api.schemas.common import After, Limit, ListOf, Order, failures, page
from api.schemas.jobs import ResumeBody
from api.schemas.reviews import DoubtOut, ReviewBody
from api.works import lane_of
from rag.analysis.decisions import Action, Decided
from rag.analysis.requests import Request as Asked
from rag.analysis.reviewing import check_correction, mark_of
from rag.catalog.work import NewWork
from rag.errors import Conflict, InvalidRequest, NotFound
from rag.models.engine import Context
from rag.types import JobStatus

router = APIRouter(prefix="/analyses", tags=["Analyses"])


@router.post(
    "",
    status_code=202,
    summary="Analyze documents",
    response_model=AnalysisOut,
    responses={
        200: {"model": DryRunOut, "description": "With `dry_run`: what it would take."},
        **failures(403, 404, 409, 413, 503, 507),
    },
)
def create_analysis(
    body: AnalysisBody,
    door: DoorDep,
    tenant: TenantDep,
    asker: KeyDep,
    key: IdempotencyKey = None,
) -> Response:
    """Read every part of a text, of documents or of a collection, and merge what was found.

    Every value of the result names the places that say so. The analysis is a job that survives
    crashes and restarts; `GET /analyses/{id}` has its result, and says what was read for it.
    """
    services, request = door.services, body.request()
    door.check_priority(asker, body.priority)
    if body.dry_run:
        context = Context(tenant=tenant, key=asker)
        with door.searches.place():
            told = DryRunOut.of(
                forecast(services, context, request), left_out(services, tenant, request)
            )
        return Reply(status=200, body=told.model_dump_json()).response()
    engine = prepare(services, tenant, request)
    new = NewWork(
        kind=KIND,
        tenant=tenant,
        key=asker,
        spec={"request": request.as_json(), "notes": left_out(services, tenant, request)},
        lane=lane_of(engine),
        priority=body.priority,
        budget_usd=body.budget_usd,
    )

    def store() -> Reply:
        job_id = services.catalog.work.create(new)
        door.wake()
        job = services.catalog.jobs.get(tenant, job_id)
        shown = AnalysisOut.of(job, services.catalog.work.state(job))
        return Reply(status=202, body=shown.model_dump_json())

    mark = fingerprint("POST", "/analyses", body.model_dump_json(by_alias=True))
    return once(services.catalog.requests, tenant, key, mark, store)


@router.get("", summary="List analyses", responses=failures(404))
def list_analyses(
    door: DoorDep,
    tenant: TenantDep,
    status: Annotated[JobStatus | None, Query(description="Only these.")] = None,
    limit: Limit = 20,
    after: After = None,
    order: Order = "desc",
) -> ListOf[AnalysisOut]:
    """Analyses in the order of their making, newest first, page by page; without results."""
    catalog = door.services.catalog
    rows = catalog.jobs.page(
        tenant,
        kind=KIND,
        status=status,
        after=None if after is None else analysis_job(door.services, tenant, after).id,
        limit=limit + 1,
        newest_first=order == "desc",
    )
    listed = page(rows, limit, lambda job: AnalysisOut.of(job, catalog.work.state(job)))
    ids = [one.id for one in listed.data]
    ends = {"first_id": ids[0] if ids else None, "last_id": ids[-1] if ids else None}
    return listed.model_copy(update=ends)


@router.get("/{analysis_id}", summary="Show an analysis", responses=failures(404))
def get_analysis(analysis_id: str, door: DoorDep, tenant: TenantDep) -> AnalysisResultOut:
    """How far it is; and its result, with evidence, coverage and corrections, once it is done."""
    return shown_analysis(door.services, analysis_job(door.services, tenant, analysis_id))


@router.get(
    "/{analysis_id}/results",
    summary="Fetch the result as a file",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "A row for each document or each value; as a report, with the cited "
            "pages in it, on which the quotes are marked.",
            "content": {one: {"schema": {"type": "string"}} for one in MEDIA_TYPES.values()},
        },
        **failures(404, 409),
    },
)
def get_analysis_results(
    analysis_id: str,
    door: DoorDep,
    tenant: TenantDep,
    format: Annotated[Format, Query(description="What kind of file.")] = Format.JSON,
) -> StreamingResponse:
    """The result for a sheet, for a program or for a reader; corrections have been made in it."""
    job = analysis_job(door.services, tenant, analysis_id)
    shown = shown_analysis(door.services, job)
    if shown.coverage is None:
        raise Conflict(f"The analysis is {shown.status.value}; it has no result yet.")
    told = shown.model_dump(mode="json")
    report = Report(
        name=analysis_id,
        title=title_of(told),
        facts={
            "read": f"{shown.coverage.chunks_read} of {shown.coverage.chunks_total} parts",
            "to review": shown.in_review,
            "engine": shown.engine or "",
            "cost": f"${shown.work.cost_usd:.4f}",
            "analysis": analysis_id,
        },
        places=StoredPlaces(door.services, tenant, door.drawings),
        notes=notes_of(told),
    )
    listed = sections(told) if format is Format.HTML else entries(told)
    return file_of(format, listed, report)


@router.get("/{analysis_id}/review", summary="List what to review", responses=failures(404, 409))
def list_review(
    analysis_id: str,
    door: DoorDep,
    tenant: TenantDep,
    decided: Annotated[
        bool | None, Query(description="Only those decided on, or only the others.")
    ] = None,
    limit: Limit = 100,
    after: Annotated[int, Query(ge=-1, description="Start behind this number.")] = -1,
) -> ListOf[DoubtOut]:
    """Values of low confidence, on which places disagree, or that do not fit the schema."""
    result = result_of(door.services, analysis_job(door.services, tenant, analysis_id))
    found = [
        one
        for one in result["review"]
        if one["number"] > after and decided in (None, one["decision"] is not None)
    ]
    shown = found[:limit]
    return ListOf(
        data=[DoubtOut.of(one) for one in shown],
        has_more=len(found) > limit,
        first_id=str(shown[0]["number"]) if shown else None,
        last_id=str(shown[-1]["number"]) if shown else None,
    )


@router.post(
    "/{analysis_id}/review/{number}",
    summary="Decide on a value",
    responses=failures(404, 409),
    status_code=200,
)
def decide(
    analysis_id: str,
    number: int,
    body: ReviewBody,
    door: DoorDep,
    tenant: TenantDep,
    asker: KeyDep,
) -> DoubtOut:
    """Accept a value, or correct it. The correction is kept with your name, and wins."""
    job = analysis_job(door.services, tenant, analysis_id)
    work = door.services.catalog.work
    state, found = work.state(job), work.result(job.id)
    result = result_of(door.services, job)
    if not 0 <= number < len(result["review"]):
        raise NotFound(f"There is no number {number} in this review list.", param="number")
    doubt = result["review"][number]
    given = "value" in body.model_fields_set
    if given is not (body.action is Action.CORRECT):
        raise InvalidRequest("A value goes with `correct`, and only with it.", param="value")
    if body.action is Action.CORRECT:
        request = Asked.from_json(state.spec["request"])
        check_correction(request, result, doubt, body.value)
    decided = Decided(
        document_id=doubt["document_id"],
        pointer=doubt["at"],
        action=body.action,
        value=body.value,
        note=body.note,
        key=asker,
        mark=mark_of(found or {"result": None}, doubt, body.action),
    )
    door.services.catalog.reviews.put(job.id, decided)
    after = result_of(door.services, job)["review"]
    if number >= len(after):
        raise Conflict("The result was made anew meanwhile; look at its review list again.")
    return DoubtOut.of(after[number])


@router.post("/{analysis_id}/cancel", summary="Cancel an analysis", responses=failures(404, 409))
def cancel_analysis(analysis_id: str, door: DoorDep, tenant: TenantDep) -> AnalysisOut:
    """Read no further part. Those under way come to their end; what was found is kept."""
    door.services.catalog.work.cancel(analysis_job(door.services, tenant, analysis_id).id)
    return _outline(door, tenant, analysis_id)


@router.post("/{analysis_id}/resume", summary="Resume an analysis", responses=failures(404, 409))
def resume_analysis(
    analysis_id: str, door: DoorDep, tenant: TenantDep, body: ResumeBody | None = None
) -> AnalysisOut:
    """Go on with an analysis that was paused or cancelled, or read failed parts once more."""
    door.resume(analysis_job(door.services, tenant, analysis_id), body)
    return _outline(door, tenant, analysis_id)


def _outline(door: Door, tenant: str, analysis_id: str) -> AnalysisOut:
    job = analysis_job(door.services, tenant, analysis_id)
    return AnalysisOut.of(job, door.services.catalog.work.state(job))
