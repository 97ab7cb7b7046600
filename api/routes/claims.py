"""Verifying claims."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter

from api.door import Door, DoorDep, KeyDep, TenantDep
from api.engines import choose_engine
from api.schemas.claims import GivenPassage, VerdictOut, VerdictsOut, VerifyBody
from api.schemas.common import failures
from api.trying import task_prompt
from rag.cite import Source
from rag.errors import InvalidRequest
from rag.models.engine import Context, Engine
from rag.models.observe import Checked
from rag.models.tasks import VerifyTask
from rag.retrieve import SearchRequest
from rag.trace import span
from rag.types import Collection, Passage
from rag.verify import GivenTexts, Verified, verify

router = APIRouter()


@router.post(
    "/verify",
    tags=["Ask"],
    summary="Verify claims",
    responses=failures(400, 402, 404, 409, 413, 503),
)
def verify_claims(body: VerifyBody, door: DoorDep, tenant: TenantDep, asker: KeyDep) -> VerdictsOut:
    """Whether documents, or texts that come along, bear each claim out, and where they say so.

    A verdict of `supported` or `contradicted` has evidence that was located; without any it
    is `not_found`.
    """
    collections = _collections(door, tenant, body)
    engine = choose_engine(door.services.engines, body.engine, collections)
    if not engine.supports(VerifyTask):
        raise InvalidRequest(f"{engine.id} cannot verify; name another engine.", param="engine")
    context = Context(
        tenant=tenant,
        key=asker,
        budgets=door.services.budgets.of_request(key=asker, most_usd=body.budget_usd),
        prompt=task_prompt(door.services, tenant, body.prompt, engine=engine.id, task="verify"),
    )
    judging = _Judging(
        door=door, body=body, collections=collections, engine=engine, context=context
    )
    return VerdictsOut(data=[judging.verdict(claim) for claim in body.claims])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judging:
    """What the claims of a request have in common."""

    door: Door
    body: VerifyBody
    collections: tuple[Collection, ...]
    engine: Engine
    context: Context

    def verdict(self, claim: str) -> VerdictOut:
        """The verdict on a claim. Each takes a place of its own, so that others get theirs."""
        services = self.door.services
        with self.door.searches.place(), span(services.tracer, "verify") as verifying:
            started = time.perf_counter()
            with span(services.tracer, "retrieve"):
                passages, source = self._passages(claim)
            retrieve_ms = _since(started)
            found = verify(
                claim,
                passages=passages,
                engine=self.engine,
                source=source,
                context=self.context,
                judge=services.judge,
            )
            verifying.tell(engine=found.engine, verdict=found.verdict.value)
        services.monitor.tell(_checked(found))
        shown = VerdictOut.of(found)
        shown.timings |= {"retrieve": retrieve_ms, "total": _since(started)}
        return shown

    def _passages(self, claim: str) -> tuple[Sequence[Passage], Source]:
        if self.body.passages is not None:
            given = [_passage(place, one) for place, one in enumerate(self.body.passages)]
            return given, GivenTexts({one.document_id: one.text for one in given})
        request = SearchRequest(
            query=claim,
            collections=self.collections,
            filter=self.body.filter,
            top_k=self.body.top_k,
            rerank=self.door.services.reranks(self.body.rerank),
        )
        return self.door.services.retriever.search(request), self.door.services.catalog


def _collections(door: Door, tenant: str, body: VerifyBody) -> tuple[Collection, ...]:
    if body.passages is None:
        return door.collections(tenant, body.collection, body.collections)
    for name in ("collection", "collections", "filter"):
        if getattr(body, name) is not None:
            raise InvalidRequest(
                f"Give `passages` or `{name}`: claims are judged by texts or by documents.",
                param=name,
            )
    return ()


def _passage(place: int, given: GivenPassage) -> Passage:
    return Passage(
        document_id=f"passages/{place}",
        document_title=given.title,
        start=0,
        end=len(given.text),
        text=given.text,
        score=1.0,
    )


def _checked(found: Verified) -> Checked:
    """What became of the quotes of a verdict."""
    return Checked(
        engine=found.engine,
        prompt=found.prompt,
        located=len(found.evidence),
        dropped=found.dropped_citations,
        support=tuple(one.support for one in found.evidence if one.support is not None),
    )


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
