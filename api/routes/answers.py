"""Searching and asking."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import iterate_in_threadpool
from fastapi.responses import StreamingResponse

from api import errors, events
from api.asking import Asked
from api.conversing import Conversing
from api.door import Door, DoorDep, KeyDep, TenantDep, check_id
from api.engines import check_engine, choose_engine
from api.idempotency import IdempotencyKey, Reply, fingerprint, once
from api.schemas.answers import AnswerOut, CitationOut, SearchOut, UsageOut
from api.schemas.asking import AskBody, SearchBody
from api.schemas.common import failures
from api.schemas.passages import PassageOut
from api.schemas.queries import QueriesOut
from api.understanding import History, understand
from rag import answer as line
from rag.errors import InvalidRequest
from rag.models.engine import Context
from rag.queries import look_up
from rag.retrieve import SearchRequest
from rag.trace import Span, begun
from rag.types import Answer, Collection

router = APIRouter()

_STREAM_EXAMPLE = (
    'event: passages\ndata: {"passages": [...]}\n\n'
    'event: delta\ndata: {"sentence": 0, "text": "Either party may terminate on notice."}\n\n'
    'event: citation\ndata: {"sentence": 0, "citation": {...}}\n\n'
    'event: answer\ndata: {"id": "ans_...", "text": "...", ...}\n\n'
    "event: done\ndata: {}\n\n"
)


@router.post(
    "/search",
    tags=["Search"],
    summary="Search for passages",
    response_model=SearchOut,
    responses=failures(400, 402, 404, 409, 413, 503),
)
def search(body: SearchBody, door: DoorDep, tenant: TenantDep, asker: KeyDep) -> Response:
    """The passages that fit a query best, with the score that each stage gave them.

    A query of several parts is taken apart by its form, and each part is looked up, too; with
    `expand`, a language model makes a passage up and real ones like it are found.
    """
    if body.engine is not None:
        check_engine(door.services.engines, body.engine)
    collections = door.collections(tenant, body.collection, body.collections)
    engine = choose_engine(door.services.engines, body.engine, collections)
    budgets = door.services.budgets.of_request(key=asker, most_usd=body.budget_usd)
    context = Context(tenant=tenant, key=asker, budgets=budgets)
    started = time.perf_counter()
    with door.searches.place():
        understood = understand(body.query, body, engine, context, History())
        rewritten = time.perf_counter()
        passages = look_up(
            door.services.retriever.search,
            SearchRequest(
                query=body.query,
                collections=collections,
                filter=body.filter,
                mode=body.mode,
                top_k=body.top_k,
                rerank=door.services.reranks(body.rerank),
                diversity=body.diversity,
                around=body.context,
            ),
            understood.queries,
        )
    out = SearchOut(
        query=body.query,
        mode=body.mode,
        queries=QueriesOut.of(understood.queries),
        passages=[PassageOut.of(passage) for passage in passages],
        usage=UsageOut.of(understood.usage),
        notes=list(understood.notes),
        timings={
            "rewrite": round((rewritten - started) * 1000, 3),
            "search": _since(rewritten),
        },
    )
    # Written here: the framework would check it again, in another thread, and write it itself.
    return Response(out.model_dump_json(), media_type="application/json")


@router.post(
    "/ask",
    tags=["Ask"],
    summary="Ask a question",
    response_model=AnswerOut,
    responses={
        200: {
            "description": "The answer, or, with `stream`, its events.",
            "content": {events.MEDIA_TYPE: {"example": _STREAM_EXAMPLE}},
        },
        **failures(400, 402, 404, 409, 413, 503, 507),
    },
)
def ask(
    body: AskBody,
    request: Request,
    door: DoorDep,
    tenant: TenantDep,
    asker: KeyDep,
    key: IdempotencyKey = None,
) -> Response:
    """An answer whose every sentence names the places in the documents that it rests on.

    With `"stream": true` the reply is a stream of server-sent events: `passages`, then for
    each sentence `delta`s and its `citation`s, then `answer` (the same object that comes
    without `stream`), or `error`; `done` is always the last. What a language model writes is
    sent while it writes it, before its quotes were located: `retract` takes back the sentence
    that it names and all after it, when they were not, or when the reply is not valid in the
    end. The `answer` is what counts. A stream is not repeated, so it takes no
    `Idempotency-Key`.
    """
    return answer_question(body, request, door, tenant, asker, key)


def answer_question(
    body: AskBody, request: Request, door: Door, tenant: str, asker: str, key: str | None
) -> Response:
    """Answer a question, by itself or within a conversation; see `ask`."""
    if body.engine is not None:
        check_engine(door.services.engines, body.engine)
    if body.stream and key is not None:
        raise InvalidRequest(
            "A stream cannot be repeated: ask without `stream`, or without an Idempotency-Key.",
            param="Idempotency-Key",
        )
    mark = fingerprint("POST", "/ask", body.model_dump_json())
    conversing = Conversing(door.services, tenant, body) if body.conversation else None
    if conversing is not None:
        body, collections = conversing.body, conversing.collections
    else:
        collections = door.collections(tenant, body.collection, body.collections)
    budgets = door.services.budgets.of_request(key=asker, most_usd=body.budget_usd)
    context = Context(tenant=tenant, key=asker, budgets=budgets)
    asking = _Question(
        door=door, context=context, body=body, collections=collections, conversing=conversing
    )
    if not body.stream:
        return once(door.services.catalog.requests, tenant, key, mark, asking.whole)
    stream = asking.stream()
    first = next(stream)  # what fails before the first event is an ordinary error reply
    request_id = request.state.request_id
    return StreamingResponse(
        _send(first, stream, request_id), media_type=events.MEDIA_TYPE, headers=events.HEADERS
    )


@router.get("/answers/{answer_id}", tags=["Ask"], summary="Show an answer", responses=failures(404))
def get_answer(answer_id: str, door: DoorDep, tenant: TenantDep) -> AnswerOut:
    """An answer as it was given, with what was asked and what was read for it.

    Kept for 30 days, and not beyond any document that it was read from.
    """
    check_id("ans", answer_id, "answer")
    return AnswerOut(**door.services.catalog.answers.get(tenant, answer_id))


class _Kept(Asked):
    """A question whose answer is kept, to be read again."""

    def __init__(self, question: _Question, asking: Span, history: History | None) -> None:
        super().__init__(
            question.door.services,
            question.context,
            question.body,
            question.collections,
            asking,
            history=history,
        )
        self._metrics = question.door.metrics
        self._conversing = question.conversing

    def keep(self, answer: Answer) -> AnswerOut:
        """Give the answer an id and store it, with its question if that is of a conversation."""
        shown = self.shown(answer)
        documents = {passage.document_id for passage in answer.passages}

        def put() -> None:
            self.services.catalog.answers.put(
                self.context.tenant,
                shown.id,
                shown.model_dump(mode="json"),
                documents=documents | self.understood.documents,
            )

        if self._conversing is None:
            put()
        else:
            self._conversing.add(shown.question, shown.id, put)
        self._metrics.answers.labels(str(shown.found).lower()).inc()
        return shown


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """A question, where it is looked up, and the conversation that it belongs to, if any."""

    door: Door
    context: Context
    body: AskBody
    collections: tuple[Collection, ...]
    conversing: Conversing | None

    def whole(self) -> Reply:
        """The answer when it is complete."""
        with self._asked() as asked:
            shown = asked.keep(next(e.answer for e in asked if isinstance(e, line.Answered)))
        return Reply(status=200, body=shown.model_dump_json(), answer_id=shown.id)

    def stream(self) -> Generator[bytes, None, None]:
        """The events of the answer; holds a place from the first to the last of them."""
        with self._asked() as asked:
            for happened in asked:
                yield events.event(*_event(asked, happened))

    @contextmanager
    def _asked(self) -> Iterator[_Kept]:
        door, conversing = self.door, self.conversing
        with door.searches.place(), begun(door.services.tracer, "ask") as asking:
            history = conversing.history() if conversing is not None else None
            yield _Kept(self, asking, history)


def _event(asked: _Kept, happened: line.Event) -> tuple[str, Any]:
    if isinstance(happened, line.PassagesFound):
        passages = [PassageOut.of(passage).model_dump() for passage in happened.passages]
        queries = QueriesOut.of(asked.understood.queries).model_dump()
        return "passages", {"queries": queries, "passages": passages}
    if isinstance(happened, line.Delta):
        return "delta", {"sentence": happened.sentence, "text": happened.text}
    if isinstance(happened, line.Retracted):
        return "retract", {"sentence": happened.sentence}
    if isinstance(happened, line.Cited):
        citation = CitationOut.of(happened.citation).model_dump(mode="json")
        return "citation", {"sentence": happened.sentence, "citation": citation}
    return "answer", asked.keep(happened.answer)


async def _send(
    first: bytes, rest: Generator[bytes, None, None], request_id: str
) -> AsyncIterator[bytes]:
    try:
        yield first
        async for piece in iterate_in_threadpool(rest):
            yield piece
    except Exception as error:
        yield events.event("error", errors.body(errors.translate(error, request_id), request_id))
    finally:
        rest.close()
    yield events.event("done", {})


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
