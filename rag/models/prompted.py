"""The engine with a language model: tasks to prompts, and outputs to outcomes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rag.errors import InvalidOutput, ModelError, ModelRefused, ModelRejected, OutputTruncated
from rag.models import prompts
from rag.models.asking import Asked, Asking
from rag.models.calls import Calls
from rag.models.chat import ChatRequest, Role, Turn
from rag.models.drafts import Drafts
from rag.models.engine import Context, Forecast
from rag.models.forecasting import forecast
from rag.models.observe import Purpose
from rag.models.packing import left_out
from rag.models.pages import Look
from rag.models.replies import ReplyStore, content_key, documents_of
from rag.models.revising import revised
from rag.models.tasks import AnswerTask, Outcome, Task, Value
from rag.models.windows import known_window
from rag.models.wording import WORDINGS, Read, Wording, inputs_of
from rag.models.wording.base import passage_input

FORMS = ("chain-of-thought", "strict")
"""Tried in this order: a shorter, stricter prompt before another model."""

VARIANTS = ("chain-of-thought", "few-shot", "zero-shot")
"""What samples of a model that takes no temperature are asked with first, in turn."""

_CHECK_TOKENS = 64
_CHECK_SCHEMA = {
    "type": "object",
    "properties": {"word": {"type": "string"}},
    "required": ["word"],
    "additionalProperties": False,
}
# How an attempt at a task fails: with recorded replies, which the next must not be given.
_ENDS = (InvalidOutput, OutputTruncated, ModelRefused)


class PromptedEngine:
    """Asks a language model. What it quotes is a claim until it has been located."""

    def __init__(
        self,
        calls: Calls,
        *,
        replies: ReplyStore,
        secret: bytes,
        forms: Sequence[str] = FORMS,
        revise: bool = False,
        window: int | None = None,
        look: Look | None = None,
    ) -> None:
        """``secret`` makes the markers around untrusted text unguessable.

        With ``revise`` each output goes back to the model once, to find fault with it and mend it.
        ``window`` is how many tokens the model can read and write, where that is not known.
        ``look`` has it shown pages too, if it takes images.
        """
        self._calls = calls
        self._replies = replies
        self._secret = secret
        self._forms = forms
        self._revise = revise
        self._look = look if calls.backend.takes_images else None
        self._window = window or known_window(calls.backend.id)

    @property
    def id(self) -> str:
        """The model's name under which answers report this engine, and whether it revises."""
        return f"revise:{self._calls.backend.id}" if self._revise else self._calls.backend.id

    @property
    def window(self) -> int:
        """How many tokens the model can read and write together."""
        return self._window

    def supports(self, task: type[Task[Any]]) -> bool:
        """Whether this engine can run tasks of a type."""
        return task in WORDINGS

    def check(self, context: Context) -> Mapping[str, str]:
        """Ask the model for one word, in the way that tasks ask."""
        request = ChatRequest(
            system="Reply with a JSON object whose word is ok.",
            turns=(Turn(role=Role.USER, text="ok?"),),
            schema=_CHECK_SCHEMA,
            max_output_tokens=_CHECK_TOKENS,
            temperature=0.0 if self._calls.backend.takes_temperature else None,
        )
        purpose = Purpose(tenant=context.tenant, key=context.key, job=context.job)
        try:
            self._calls.call(request, budgets=context.budgets, purpose=purpose)
        except ModelError as error:
            return {self.id: error.message}
        return {self.id: "ok"}

    def forecast(self, task: Task[Any], context: Context) -> Forecast:
        """What asking for a task once takes; a revision takes about as much again.

        Repairs, prompts that are tried after the first, and pages shown as images come on top.
        """
        wording = WORDINGS[type(task)]
        prompt = next(iter(self._ways(wording.name, context)))
        made = forecast(self._calls, prompt, wording, task, window=self._window)
        return made.times(2) if self._revise else made

    def run(self, task: Task[Value], context: Context) -> Outcome[Value]:
        """Do the task.

        Raises:
            ModelError: The model could not be asked, refused, or gave no valid output.
        """
        started = time.perf_counter()
        wording = WORDINGS[type(task)]
        key, tenant = self._key(wording.name, task, context), context.tenant
        asking = Asking(
            calls=self._calls,
            replies=self._replies,
            secret=self._secret,
            context=context,
            passages=task.passages,
            window=self._window,
            output_tokens=wording.output_tokens,
            pages=self._look.at(task.passages, tenant) if self._look else (),
            attempt=self._replies.last_failed(tenant, key) + 1,
            drafts=self._drafts(task, context),
        )
        try:
            asking, asked, notes = self._looking(asking, wording, task)
        except ModelError as error:
            error.usage = asking.spent.usage
            if isinstance(error, _ENDS):
                documents = documents_of(task.passages) | context.documents
                self._replies.fail(tenant, key, asking.attempt, documents=documents)
            raise
        if self._revise:
            asked, note = revised(asked, asking, wording, task)
            notes += note
        read: Read[Value] = wording.read(asked.said, task)
        return Outcome(
            value=read.value,
            confidence=read.confidence,
            engine=self.id,
            usage=asking.spent.usage,
            prompt=asked.prompt.used,
            revision=asking.spent.revision,
            attempts=asking.spent.calls,
            shown=asked.shown,
            notes=(
                *notes,
                *left_out(asked.shown, self._calls.backend.id, self._window),
                *_not_taken(asked.prompt, task),
                *read.notes,
            ),
            timings={"model": round((time.perf_counter() - started) * 1000, 3)},
        )

    def _drafts(self, task: Task[Any], context: Context) -> Drafts | None:
        """What tells of an answer while it is written; of one to be revised nothing is told."""
        if context.listener is None or self._revise or not isinstance(task, AnswerTask):
            return None
        return Drafts(task.passages, context.listener)

    def _looking(
        self, asking: Asking, wording: Wording[Any, Any], task: Task[Any]
    ) -> tuple[Asking, Asked, tuple[str, ...]]:
        """What is brought with images of pages or, when the model takes none, without."""
        try:
            asked, notes = self._first_valid(asking, wording, task)
        except ModelRejected as error:
            if not asking.pages:
                raise
            asking = replace(asking, pages=())
            asked, notes = self._first_valid(asking, wording, task)
            return asking, asked, (f"No pages were shown as images: {error.message}", *notes)
        if asking.pages:
            said = "Pages shown as images beside the text recognized on them"
            notes = (f"{said}: {len(asking.pages)}.", *notes)
        return asking, asked, notes

    def _first_valid(
        self, asking: Asking, wording: Wording[Any, Any], task: Task[Any]
    ) -> tuple[Asked, tuple[str, ...]]:
        """What the first form brings that brings a valid output, and what is to be said of it."""
        notes: list[str] = []
        ways = self._ways(wording.name, asking.context)
        for place, prompt in enumerate(ways, start=1):
            try:
                asked = asking.ask(prompt, wording.schema(prompt.schema, task), inputs_of(task))
            except (InvalidOutput, OutputTruncated) as error:
                if place == len(ways):
                    raise
                notes.append(f"The prompt {prompt.name} brought no valid output: {error.message}")
            else:
                return asked, tuple(notes)
        raise InvalidOutput("There is no prompt to ask with.")

    def _key(self, name: str, task: Task[Any], context: Context) -> str:
        """What tells a task from all others, however it is packed and whatever is replied."""
        passages = [passage_input(number, one) for number, one in enumerate(task.passages, start=1)]
        return content_key(
            {
                "engine": [self._calls.backend.id, self._calls.backend.revision, self._window],
                "prompts": [[one.name, one.sha256] for one in self._ways(name, context)],
                "inputs": inputs_of(task),
                "passages": passages,
                "tenant": context.tenant,
                "sample": context.sample,
            }
        )

    def _ways(self, task: str, context: Context) -> Sequence[prompts.Prompt]:
        """The prompts to try: the one that was asked for, and else the engine's own."""
        if context.prompt is not None and context.prompt.task == task:
            return [context.prompt]
        return [prompts.find(f"{task}/{form}") for form in self._forms_of(context.sample)]

    def _forms_of(self, sample: int) -> Sequence[str]:
        """The forms to try for a sample: where temperature cannot vary it, the prompt has to."""
        if sample == 0 or self._calls.backend.takes_temperature:
            return self._forms
        first = VARIANTS[sample % len(VARIANTS)]
        return [first, *(form for form in self._forms if form != first)]


def _not_taken(prompt: prompts.Prompt, task: Task[Any]) -> tuple[str, ...]:
    """What is to be said when a prompt has no place for the caller's wishes."""
    if task.instructions is None or "instructions" in prompt.inputs:
        return ()
    return (f"The prompt {prompt.name} {prompt.version} takes no instructions; left aside.",)
