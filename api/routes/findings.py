"""What analyses found, side by side and added up."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Query

from api.analyzing import analysis_job, parts, result_of
from api.door import DoorDep, TenantDep
from api.schemas.common import Limit, ListOf, failures, page
from api.schemas.findings import AggregateBody, AggregateOut, AggregatesOut, ChunkOut, ComparisonOut
from rag.analysis.tables import Aggregation, aggregate, compare

router = APIRouter(prefix="/analyses", tags=["Analyses"])


@router.get("/{analysis_id}/comparison", summary="Compare documents", responses=failures(404, 409))
def get_comparison(analysis_id: str, door: DoorDep, tenant: TenantDep) -> ComparisonOut:
    """The fields of all documents side by side, and in which of them they differ."""
    job = analysis_job(door.services, tenant, analysis_id)
    return ComparisonOut(**compare(result_of(door.services, job)["result"]))


@router.post(
    "/{analysis_id}/aggregate",
    summary="Count, group and order what was found",
    status_code=200,
    responses=failures(404, 409),
)
def aggregate_findings(
    analysis_id: str, body: AggregateBody, door: DoorDep, tenant: TenantDep
) -> AggregatesOut:
    """Computed from the values of the result, corrections included; no model has a part in it."""
    result = result_of(door.services, analysis_job(door.services, tenant, analysis_id))["result"]
    asked = [Aggregation(op=one.op, of=one.of) for one in body.operations]
    return AggregatesOut(data=[AggregateOut(**aggregate(result, one)) for one in asked])


@router.get("/{analysis_id}/chunks", summary="List what each part says", responses=failures(404))
def list_analyzed_chunks(
    analysis_id: str,
    door: DoorDep,
    tenant: TenantDep,
    limit: Limit = 20,
    after: Annotated[int, Query(ge=-1, description="Start behind this part.")] = -1,
) -> ListOf[ChunkOut]:
    """The parts that were read so far, in the order of the text, and what was found in each."""
    job = analysis_job(door.services, tenant, analysis_id)
    found = list(islice(parts(door.services, job, after=after), limit + 1))
    return page(found, limit, lambda part: part)
