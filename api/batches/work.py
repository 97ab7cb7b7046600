"""What a batch does: each of its lines is a question or an analysis, done like any other."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from fastapi.encoders import jsonable_encoder

from api.analyzing import library_of, prepare
from api.asking import Asked
from api.batches.provider import Noted, Noting, bring_replies, check_provider
from api.engines import choose_engine
from api.schemas.analyses import result_fields
from api.schemas.asking import AskBody
from api.scopes import named
from api.services import Services
from rag import answer as line
from rag.analysis.requests import Request
from rag.analysis.reviewing import reviewed
from rag.analysis.run import work_through
from rag.computing import Computing
from rag.errors import InvalidRequest
from rag.trace import begun
from rag.types import Answer
from rag.work import CameTo, Done, Failed, Item, NewItem, Produced, WorkSpec

KIND = "batch"


class BatchWork:
    """The `rag.work.Work` of batches. Thread-safe."""

    def __init__(self, services: Services, *, searches: int) -> None:
        """``searches``: how many questions are looked up at once, whatever waits for models."""
        self._services = services
        self._searching = threading.BoundedSemaphore(searches)
        self._computing = Computing()

    def items(self, spec: WorkSpec, last: NewItem | None = None) -> Iterator[NewItem]:
        """None: the lines come with the order."""
        return iter(())

    def run(self, spec: WorkSpec, item: Item) -> Produced:
        """Do what a line asks for.

        Raises:
            InvalidRequest: the line is broken.
            IbidemError: it cannot be done; the error says why.
        """
        if "error" in item.payload:
            raise InvalidRequest(item.payload["error"])
        if "analysis" in item.payload:
            return self._analyzed(spec, Request.from_json(item.payload["analysis"]))
        return self._answered(spec, AskBody(**item.payload["ask"]))

    def run_together(self, spec: WorkSpec, items: Sequence[Item]) -> Iterator[tuple[Item, CameTo]]:
        """Answer lines with replies that a provider's batches bring."""
        noted: list[tuple[Item, Noting]] = []
        for item in items:
            try:
                noted.append((item, self._noted(spec, item)))
            except Exception as error:  # whatever it is, the others go on
                yield item, error
        if not noted:
            return
        for place, failed in bring_replies(self._services, spec.job, [one for _, one in noted]):
            item = noted[place][0]
            yield item, failed or self._tried(spec, item)

    def _tried(self, spec: WorkSpec, item: Item) -> CameTo:
        try:
            return self.run(spec, item)
        except Exception as error:
            return error

    def _noted(self, spec: WorkSpec, item: Item) -> Noting:
        """What a model is to be asked for a line."""
        if "ask" not in item.payload:
            raise InvalidRequest(
                item.payload.get("error", "Only questions go through a provider's batches.")
            )
        body, services = AskBody(**item.payload["ask"]), self._services
        collections = named(services, spec.tenant, body.collection, body.collections)
        engine = choose_engine(services.engines, body.engine, collections)
        check_provider(services, engine)
        noting = Noting(engine.id)
        with self._searching, suppress(Noted), begun(services.tracer, "ask") as asking:
            for _ in Asked(services, spec.context, body, collections, asking, noting):
                pass
        return noting

    def _answered(self, spec: WorkSpec, body: AskBody) -> Produced:
        services = self._services
        collections = named(services, spec.tenant, body.collection, body.collections)
        with begun(services.tracer, "ask") as asking:
            with self._searching, self._computing.turn():
                asked = Asked(services, spec.context, body, collections, asking)
            with self._computing.turn():
                answer = next(e.answer for e in asked if isinstance(e, line.Answered))
                shown = asked.shown(answer)
        # It is not kept as an answer of its own, and what was read for it stands in the documents.
        value = shown.model_dump(mode="json", exclude={"id", "passages"})
        return Produced(value=value, documents=_documents(answer))

    def _analyzed(self, spec: WorkSpec, request: Request) -> Produced:
        services = self._services
        engine = prepare(services, spec.tenant, request)
        library = library_of(services, spec.tenant, request)
        made = work_through(request, library=library, engine=engine, context=spec.context)
        shown = result_fields(reviewed(request.kind, made.value, ()))
        value = {"object": "analysis", "kind": request.kind, **shown}
        return Produced(value=jsonable_encoder(value), documents=made.documents)

    def after(self, spec: WorkSpec, round: int, results: Iterable[Done]) -> Iterator[NewItem]:
        """No further round."""
        return iter(())

    def finish(
        self, spec: WorkSpec, results: Iterable[Done], failures: Iterable[Failed]
    ) -> Produced:
        """Nothing beyond what the lines came to."""
        return Produced(value={})


def _documents(answer: Answer) -> frozenset[str]:
    return frozenset(passage.document_id for passage in answer.passages)
