"""What the service says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from importlib.metadata import version
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query, Response

from api.door import DoorDep, KeyDep, TenantDep
from api.metrics import CONTENT_TYPE
from api.schemas.common import ListOf, failures
from api.schemas.operations import (
    AuditBody,
    AuditOut,
    EngineCheckOut,
    EngineOut,
    EngineStatsOut,
    FindingOut,
    Health,
    Ready,
    UsageOut,
)
from api.services import Services
from ingest.audit import run_audit
from ingest.parse.sandbox import protection
from rag.models.chat import Tokens
from rag.models.engine import Context
from rag.models.tasks import TASKS

VERSION = version("ibidem")
_MILLION = 1_000_000

Identified = TypeVar("Identified", EngineOut, EngineCheckOut, EngineStatsOut, UsageOut)

router = APIRouter(tags=["Operations"])
probes = APIRouter(tags=["Operations"])
"""Also reachable without the base path, where probes and Prometheus look for them."""


@router.get("/engines", summary="List engines", responses=failures())
def list_engines(door: DoorDep) -> ListOf[EngineOut]:
    """What can read passages and answer from them, what each can do and what it costs."""
    services = door.services
    shown = [
        EngineOut(
            id=engine.id,
            default=engine is services.engine,
            supports=[name for name, task in TASKS.items() if engine.supports(task)],
            input_usd_per_million_tokens=_price(services, engine.id, Tokens(input=_MILLION)),
            output_usd_per_million_tokens=_price(services, engine.id, Tokens(output=_MILLION)),
        )
        for engine in services.engines.values()
    ]
    return _listed(shown)


@router.post("/engines/check", summary="Check the engines", responses=failures(503))
def check_engines(door: DoorDep, tenant: TenantDep, asker: KeyDep) -> ListOf[EngineCheckOut]:
    """Ask each model for one word, to see that its key and address are right.

    What that costs counts for the key that asks, and towards its budgets.
    """
    budgets = door.services.budgets.of_request(key=asker)
    context = Context(tenant=tenant, key=asker, budgets=budgets)
    said = [
        EngineCheckOut(id=name, status=status)
        for engine in door.services.engines.values()
        for name, status in engine.check(context).items()
    ]
    return _listed(list({one.id: one for one in said}.values()))


@router.get("/engines/stats", summary="Show how engines do", responses=failures())
def get_engine_stats(door: DoorDep) -> ListOf[EngineStatsOut]:
    """Lengths, times, refusals, repairs and quotes located, by engine and version of the prompt.

    Counted since the process started; `/metrics` has the same for Prometheus.
    """
    return _listed([EngineStatsOut.of(one) for one in door.services.monitor.read()])


@router.get("/usage", summary="Show what models were used", responses=failures())
def get_usage(
    door: DoorDep,
    tenant: TenantDep,
    days: Annotated[
        int, Query(ge=1, le=366, description="How many days to look back, with today.")
    ] = 31,
) -> ListOf[UsageOut]:
    """Calls, tokens and money by day, API key and language model; the latest day first.

    A reply that was known before is no call and costs nothing.
    """
    ledger = door.services.catalog.usage
    since = ledger.today - timedelta(days=days - 1)
    return _listed([UsageOut.of(used) for used in ledger.read(tenant, since=since)])


def _listed(shown: Sequence[Identified]) -> ListOf[Identified]:
    """All of a list at once."""
    ends = (shown[0].id, shown[-1].id) if shown else (None, None)
    return ListOf(data=list(shown), has_more=False, first_id=ends[0], last_id=ends[1])


def _price(services: Services, engine: str, tokens: Tokens) -> float | None:
    return 0.0 if engine == "offline" else services.pricing.cost(engine, tokens)


@router.post("/audit", summary="Check the store", responses=failures(400, 413, 503, 507))
def audit(body: AuditBody, door: DoorDep) -> AuditOut:
    """Hold the store, and the indexes that serve, against every promise.

    Every ready document's chunks are in the indexes and only those, no vector is zero, every
    span resolves, every original is there, nothing is left of what was deleted. It reads
    everything, so the reply may take minutes; requests are served meanwhile.
    """
    services = door.services
    with door.audits.place():
        findings = run_audit(services.pipeline, services.indexes, repair=body.repair)
    return AuditOut(findings=[FindingOut(**asdict(finding)) for finding in findings])


@probes.get("/health", summary="Is the process alive?")
async def get_health() -> Health:
    """Always `ok` while the process answers. The only route that never needs a key."""
    return Health(version=VERSION)


@probes.get(
    "/ready",
    summary="Can requests be served?",
    responses={503: {"model": Ready, "description": "Not now; `checks` says why."}, **failures()},
)
def get_ready(door: DoorDep, response: Response) -> Ready:
    """Whether the catalog answers and jobs are carried out.

    `parsers` says what this system does not shut them off from; it does not keep from serving.
    """
    checks = {
        "catalog": _catalog_check(door),
        "jobs": "ok" if door.job_store else "elsewhere",
        "parsers": protection(),
    }
    good = checks["catalog"] == "ok"
    response.status_code = 200 if good else 503
    return Ready(status="ready" if good else "not_ready", checks=checks)


@probes.get(
    "/metrics",
    summary="Counters for Prometheus",
    response_class=Response,
    responses={
        200: {"description": "Prometheus' text format.", "content": {"text/plain": {}}},
        **failures(),
    },
)
def get_metrics(door: DoorDep) -> Response:
    """Requests and their times by route, uploads, answers, documents by status, jobs left, engines.

    Of engines, by prompt: calls, lengths, times, refusals, repairs, failures, quotes located.
    """
    return Response(door.metrics.render(), headers={"content-type": CONTENT_TYPE})


def _catalog_check(door: DoorDep) -> str:
    try:
        door.services.catalog.jobs.count_unfinished()
    except Exception as error:  # whatever it is, this process cannot serve
        return f"the catalog does not answer ({type(error).__name__})"
    return "ok"
