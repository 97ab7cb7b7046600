"""The engine with a language model: tasks to prompts, and outputs to outcomes."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rag.errors import InvalidOutput, ModelError
from rag.models import prompts
from rag.models.asking import Asking
from rag.models.calls import Calls
from rag.models.chat import ChatRequest, Role, Turn
from rag.models.engine import Context
from rag.models.replies import ReplyStore
from rag.models.tasks import Outcome, Task, Value
from rag.models.wording import WORDINGS, Read, Wording
from rag.models.wording.base import Said, passage_input

FORMS = ("chain-of-thought", "strict")
"""Tried in this order: a shorter, stricter prompt before another model."""

VARIANTS = ("chain-of-thought", "few-shot", "zero-shot")
"""What samples of a model that takes no temperature are asked with first, in turn."""

REVISE = "revise"
"""The form that is asked after another, with what that brought."""

FAULTS = ("unsupported", "missing", "wrong")
"""Of what kinds they are that a revision names before it mends them."""

_CHECK_TOKENS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A valid output, what it was asked for with, and what is to be said of it."""

    said: Said
    prompt: prompts.Prompt
    notes: tuple[str, ...]


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
    ) -> None:
        """``secret`` makes the markers around untrusted text unguessable.

        With ``revise`` each output goes back to the model once, to find fault with it and mend it.
        """
        self._calls = calls
        self._replies = replies
        self._secret = secret
        self._forms = forms
        self._revise = revise

    @property
    def id(self) -> str:
        """The model's name under which answers report this engine."""
        return self._calls.backend.id

    def supports(self, task: type[Task[Any]]) -> bool:
        """Whether this engine can run tasks of a type."""
        return task in WORDINGS

    def check(self) -> Mapping[str, str]:
        """Ask the model for one word."""
        request = ChatRequest(
            system="Reply with the word ok.",
            turns=(Turn(role=Role.USER, text="ok?"),),
            max_output_tokens=_CHECK_TOKENS,
        )
        try:
            self._calls.call(request)
        except ModelError as error:
            return {self.id: error.message}
        return {self.id: "ok"}

    def run(self, task: Task[Value], context: Context) -> Outcome[Value]:
        """Do the task.

        Raises:
            ModelError: The model could not be asked, refused, or gave no valid output.
        """
        started = time.perf_counter()
        wording = WORDINGS[type(task)]
        asking = Asking(
            calls=self._calls,
            replies=self._replies,
            secret=self._secret,
            context=context,
            documents={passage.document_id for passage in task.passages},
        )
        try:
            found = self._first_valid(asking, wording, task)
        except ModelError as error:
            error.usage = asking.spent.usage
            raise
        if self._revise:
            found = self._revised(found, asking, wording, task)
        read: Read[Value] = wording.read(found.said, task)
        return Outcome(
            value=read.value,
            confidence=read.confidence,
            engine=self.id,
            usage=asking.spent.usage,
            prompt=found.prompt.used,
            revision=asking.spent.revision,
            attempts=asking.spent.calls,
            notes=(*found.notes, *read.notes),
            timings={"model": round((time.perf_counter() - started) * 1000, 3)},
        )

    def _first_valid(self, asking: Asking, wording: Wording[Any, Any], task: Task[Any]) -> _Found:
        """The output of the first form that brings a valid one, and what is to be said of it."""
        notes: list[str] = []
        forms = self._forms_of(asking.context.sample)
        for place, form in enumerate(forms, start=1):
            prompt = prompts.find(f"{wording.name}/{form}")
            try:
                said = asking.ask(prompt, wording.schema(prompt.schema, task), _inputs(task))
            except InvalidOutput as error:
                if place == len(forms):
                    raise
                notes.append(f"The prompt {prompt.name} brought no valid output: {error.message}")
            else:
                return _Found(said=said, prompt=prompt, notes=tuple(notes))
        raise InvalidOutput("There is no prompt to ask with.")

    def _revised(
        self, draft: _Found, asking: Asking, wording: Wording[Any, Any], task: Task[Any]
    ) -> _Found:
        """The output as the model mends it, when it is told to find fault with it first.

        An output that cannot be revised is still the valid one that it was.
        """
        prompt = prompts.find(f"{wording.name}/{REVISE}")
        shown = {name: one for name, one in draft.said.items() if name != "reasoning"}
        inputs = {**_inputs(task), "draft": json.dumps(shown, ensure_ascii=False)}
        try:
            said = asking.ask(prompt, wording.schema(prompt.schema, task), inputs)
        except ModelError as error:
            note = f"The output could not be revised: {error.message}"
            return replace(draft, notes=(*draft.notes, note))
        faults = {kind: len(said[kind]) for kind in FAULTS}
        told = ", ".join(f"{number} {kind}" for kind, number in faults.items() if number)
        note = f"The model found fault with its first output, and revised it: {told}."
        return _Found(said=said, prompt=prompt, notes=(*draft.notes, note) if told else draft.notes)

    def _forms_of(self, sample: int) -> Sequence[str]:
        """The forms to try for a sample: where temperature cannot vary it, the prompt has to."""
        if sample == 0 or self._calls.backend.takes_temperature:
            return self._forms
        first = VARIANTS[sample % len(VARIANTS)]
        return [first, *(form for form in self._forms if form != first)]


def _inputs(task: Task[Any]) -> dict[str, Any]:
    """What the prompts for a task take, but for the marker."""
    return {
        "passages": [passage_input(n, one) for n, one in enumerate(task.passages, start=1)],
        "instructions": task.instructions,
        **WORDINGS[type(task)].inputs(task),
    }
