"""One question on its way to a grounded answer, whoever asks: a request, or an item of a batch."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import replace

from api.engines import choose_engine
from api.schemas.answers import AnswerOut, Sent
from api.schemas.asking import AskBody
from api.services import Services
from api.trying import task_prompt
from api.understanding import History, understand
from rag import answer as line
from rag.models.engine import Context, Engine
from rag.models.observe import Checked
from rag.queries import look_up
from rag.retrieve import SearchRequest
from rag.trace import Span, span
from rag.types import Answer, Collection, Passage


class Asked:
    """One question on its way: retrieval, then the events of `rag.answer`."""

    def __init__(
        self,
        services: Services,
        context: Context,
        body: AskBody,
        collections: tuple[Collection, ...],
        asking: Span,
        engine: Engine | None = None,
        history: History | None = None,
    ) -> None:
        """``engine`` reads in the place of the one that is named; ``history`` came before."""
        self.services = services
        self._span = asking
        chosen = choose_engine(services.engines, body.engine, collections)
        self._engine = engine or chosen
        prompt = task_prompt(
            services, context.tenant, body.prompt, engine=self._engine.id, task="answer"
        )
        self._sent = Sent(
            collections=[collection.id for collection in collections],
            filter=body.filter,
            top_k=body.top_k,
            instructions=body.instructions,
            rerank=services.reranks(body.rerank),
            decompose=body.decompose,
            expand=body.expand,
            conversation=body.conversation,
        )
        self._body = body
        self._started = time.perf_counter()
        with asking.within():
            understood = understand(body.question, body, chosen, context, history or History())
        self.understood = understood
        self.context = replace(context, prompt=prompt, documents=understood.documents)
        rewritten = time.perf_counter()
        self._timings = {"rewrite": _since(self._started)}
        with asking.within(), span(services.tracer, "retrieve") as retrieving:
            self._passages: list[Passage] = look_up(
                services.retriever.search,
                SearchRequest(
                    query=body.question,
                    collections=collections,
                    filter=body.filter,
                    top_k=body.top_k,
                    rerank=self._sent.rerank,
                ),
                understood.queries,
            )
            retrieving.tell(collections=len(collections), passages=len(self._passages))
        self._timings["retrieve"] = _since(rewritten)

    def __iter__(self) -> Iterator[line.Event]:
        steps = line.stream(
            self.understood.queries.question,
            passages=self._passages,
            engine=self._engine,
            source=self.services.catalog,
            context=self.context,
            judge=self.services.judge,
            instructions=self._body.instructions,
            parts=self.understood.queries.parts,
            live=self._body.stream,
        )
        while True:
            with self._span.within():  # each step may be taken by another thread
                step = next(steps, None)
            if step is None:
                return
            yield step

    def shown(self, answer: Answer) -> AnswerOut:
        """The answer with an id, and what is told of it to those who count."""
        understood = self.understood
        shown = AnswerOut.of(
            replace(
                answer,
                question=self._body.question,
                usage=understood.usage + answer.usage,
                notes=(*understood.notes, *answer.notes),
            ),
            queries=understood.queries,
            id=f"ans_{uuid.uuid4().hex[:24]}",
            request=self._sent,
            created_at=time.time(),
        )
        shown.timings |= {**self._timings, "total": _since(self._started)}
        self.services.monitor.tell(_checked(answer))
        self._span.tell(
            engine=answer.engine,
            sentences=len(answer.sentences),
            dropped_citations=answer.dropped_citations,
        )
        return shown


def _checked(answer: Answer) -> Checked:
    """What became of the quotes of an answer."""
    citations = [one for sentence in answer.sentences for one in sentence.citations]
    return Checked(
        engine=answer.engine,
        prompt=answer.prompt,
        located=len(citations),
        dropped=answer.dropped_citations,
        support=tuple(one.support for one in citations if one.support is not None),
    )


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
