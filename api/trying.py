"""Trying a prompt: the task that a request describes, and what would be sent for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any, TypeVar

from api.door import Door
from api.engines import choose_engine
from api.schemas.answers import PromptOut, UsageOut
from api.schemas.passages import PassageOut
from api.schemas.prompts import OutcomeOut, RenderedOut, TryBody, TryOut, TurnOut
from api.services import Services
from rag.errors import InvalidRequest, NotFound
from rag.models.engine import Context, Engine
from rag.models.prompts import Prompt
from rag.models.prompts.own import preview
from rag.models.tasks import (
    AnswerTask,
    ClassifyTask,
    ExtractTask,
    Outcome,
    ReasonTask,
    RewriteTask,
    SummarizeTask,
    Task,
    VerifyTask,
)
from rag.models.wording import WORDINGS
from rag.retrieve import SearchRequest
from rag.types import Collection, Passage

_Given = TypeVar("_Given")


def prompt_of(services: Services, tenant: str, name: str | None) -> Prompt | None:
    """The prompt of a request: ``TASK/FORM``, or ``TASK/FORM@VERSION``.

    Raises:
        InvalidRequest: There is none.
    """
    if name is None:
        return None
    base, _, version = name.partition("@")
    if version and not version.isdecimal():
        raise InvalidRequest(f"{version[:20]!r} is no version.", param="prompt")
    try:
        return services.prompt(tenant, base, int(version) if version else None)
    except NotFound as error:
        raise InvalidRequest(error.message, param="prompt") from error


def check_reads_prompts(engine: str, prompt: Prompt | None) -> None:
    """Refuse a prompt for an engine that reads none.

    Raises:
        InvalidRequest: Only language models read prompts.
    """
    if prompt is not None and engine == "offline":
        raise InvalidRequest(
            "The offline engine reads no prompts; name another engine, or no prompt.",
            param="prompt",
        )


def task_prompt(
    services: Services, tenant: str, name: str | None, *, engine: str, task: str
) -> Prompt | None:
    """The prompt of a request: one for the task, and for an engine that reads it.

    Raises:
        InvalidRequest: There is none, it is for another task, or the engine reads none.
    """
    prompt = prompt_of(services, tenant, name)
    if prompt is not None and prompt.task != task:
        raise InvalidRequest(f"The prompt {prompt.name} is none to {task} with.", param="prompt")
    check_reads_prompts(engine, prompt)
    return prompt


def try_prompt(door: Door, context: Context, body: TryBody) -> TryOut:
    """Fill a prompt in, and ask with it if that is wanted.

    Raises:
        InvalidRequest: The task lacks something, or the engine cannot do it.
        ModelError: The engine failed.
    """
    prompt = prompt_of(door.services, context.tenant, body.prompt)
    name = prompt.task if prompt else body.task
    if name is None or name not in _TASKS:
        known = ", ".join(_TASKS)
        raise InvalidRequest(f"Name a prompt, or one of the tasks {known}.", param="task")
    collections: tuple[Collection, ...] = ()
    if body.text is None:
        collections = door.collections(context.tenant, body.collection, None)
    passages = _passages(door, collections, body)
    task = _TASKS[name](body, passages)
    outcome = None
    if body.run:
        engine = choose_engine(door.services.engines, body.engine, collections)
        outcome = _outcome(engine, task, replace(context, prompt=prompt))
    return TryOut(
        task=name,
        prompt=PromptOut.of(prompt.used) if prompt else None,
        rendered=_rendered(prompt, task) if prompt else None,
        passages=[PassageOut.of(passage) for passage in passages],
        outcome=outcome,
    )


def _outcome(engine: Engine, task: Task[Any], context: Context) -> OutcomeOut:
    if not engine.supports(type(task)):
        raise InvalidRequest(f"{engine.id} cannot do this; name another engine.", param="engine")
    check_reads_prompts(engine.id, context.prompt)
    outcome: Outcome[Any] = engine.run(task, context)
    return OutcomeOut(
        value=_plain(outcome.value),
        confidence=outcome.confidence,
        engine=outcome.engine,
        prompt=PromptOut.of(outcome.prompt) if outcome.prompt else None,
        usage=UsageOut(**asdict(outcome.usage)),
        attempts=outcome.attempts,
        notes=list(outcome.notes),
        timings=dict(outcome.timings),
    )


def _plain(value: Any) -> Any:
    return [asdict(one) for one in value] if isinstance(value, tuple) else asdict(value)


def _rendered(prompt: Prompt, task: Task[Any]) -> RenderedOut:
    rendered = preview(prompt, task)
    return RenderedOut(
        system=rendered.system,
        turns=[TurnOut(role=turn.role, text=turn.text) for turn in rendered.turns],
        output_schema=dict(WORDINGS[type(task)].schema(prompt.schema, task)),
    )


def _passages(
    door: Door, collections: tuple[Collection, ...], body: TryBody
) -> tuple[Passage, ...]:
    if body.text is not None:
        whole = Passage(
            document_id="", document_title="", start=0, end=len(body.text), text=body.text, score=1
        )
        return (whole,)
    query = _given(body.question, "question", "a question to search with, or a text")
    request = SearchRequest(
        query=query,
        collections=collections,
        filter=body.filter,
        top_k=body.top_k,
    )
    return tuple(door.services.retriever.search(request))


def _given(value: _Given | None, name: str, what: str) -> _Given:
    if not value:
        raise InvalidRequest(f"Give {what}.", param=name)
    return value


def _answer(body: TryBody, passages: tuple[Passage, ...]) -> Task[Any]:
    question = _given(body.question, "question", "a question")
    return AnswerTask(question=question, passages=passages, instructions=body.instructions)


def _classify(body: TryBody, passages: tuple[Passage, ...]) -> Task[Any]:
    labels = tuple(one.label() for one in _given(body.labels, "labels", "labels to choose from"))
    return ClassifyTask(labels=labels, passages=passages, instructions=body.instructions)


def _extract(body: TryBody, passages: tuple[Passage, ...]) -> Task[Any]:
    schema = _given(body.output_schema, "output_schema", "the JSON Schema of an object to fill")
    return ExtractTask(schema=schema, passages=passages, instructions=body.instructions)


def _summarize(body: TryBody, passages: tuple[Passage, ...]) -> Task[Any]:
    return SummarizeTask(query=body.question, passages=passages, instructions=body.instructions)


def _reason(body: TryBody, passages: tuple[Passage, ...]) -> Task[Any]:
    return ReasonTask(passages=passages, instructions=body.instructions)


def _verify(body: TryBody, passages: tuple[Passage, ...]) -> Task[Any]:
    claim = _given(body.question, "question", "a claim")
    return VerifyTask(claim=claim, passages=passages, instructions=body.instructions)


def _rewrite(body: TryBody, passages: tuple[Passage, ...]) -> Task[Any]:
    question = _given(body.question, "question", "a question")
    return RewriteTask(question=question, passages=passages, instructions=body.instructions)


_TASKS: Mapping[str, Callable[[TryBody, tuple[Passage, ...]], Task[Any]]] = {
    "answer": _answer,
    "classify": _classify,
    "extract": _extract,
    "summarize": _summarize,
    "reason": _reason,
    "verify": _verify,
    "rewrite": _rewrite,
}
