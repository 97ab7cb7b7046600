"""What analyses found, side by side and added up."""

from __future__ import annotations

from fastapi import APIRouter

from api.analyzing import analysis_job, result_of
from api.door import DoorDep, TenantDep
from api.schemas.common import failures
from api.schemas.findings import AggregateBody, AggregateOut, AggregatesOut, ComparisonOut
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
