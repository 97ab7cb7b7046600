"""The engine with a language model: tasks to prompts, and outputs to outcomes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rag.errors import InvalidOutput, ModelError
from rag.models import prompts
from rag.models.asking import Asking
from rag.models.calls import Calls
from rag.models.chat import ChatRequest, Role, Turn
from rag.models.engine import Context
from rag.models.replies import ReplyStore
from rag.models.tasks import AnswerTask, Evidence, Outcome, Statement, Task, Value
from rag.types import Passage, PromptUsed

FORMS = ("chain-of-thought", "strict")
"""Tried in this order: a shorter, stricter prompt before another model."""

VARIANTS = ("chain-of-thought", "few-shot", "zero-shot")
"""What samples of a model that takes no temperature are asked with first, in turn."""

_LONGEST_TITLE = 200
_CHECK_TOKENS = 64


class PromptedEngine:
    """Asks a language model. What it quotes is a claim until it has been located."""

    def __init__(
        self, calls: Calls, *, replies: ReplyStore, secret: bytes, forms: Sequence[str] = FORMS
    ) -> None:
        """``secret`` makes the markers around untrusted text unguessable."""
        self._calls = calls
        self._replies = replies
        self._secret = secret
        self._forms = forms
        self._tasks: Mapping[type[Task[Any]], Callable[[Any, Context], Outcome[Any]]] = {
            AnswerTask: self._answer_to
        }

    @property
    def id(self) -> str:
        """The model's name under which answers report this engine."""
        return self._calls.backend.id

    def supports(self, task: type[Task[Any]]) -> bool:
        """Whether this engine can run tasks of a type."""
        return task in self._tasks

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
        return self._tasks[type(task)](task, context)

    def _answer_to(self, task: AnswerTask, context: Context) -> Outcome[tuple[Statement, ...]]:
        started = time.perf_counter()
        asking = Asking(
            calls=self._calls,
            replies=self._replies,
            secret=self._secret,
            context=context,
            documents={passage.document_id for passage in task.passages},
        )
        try:
            value, used, notes = self._first_valid(asking, _inputs(task))
        except ModelError as error:
            error.usage = asking.spent.usage
            raise
        return Outcome(
            value=tuple(_statement(one, task.passages) for one in value["statements"]),
            confidence=float(value["confidence"]),
            engine=self.id,
            usage=asking.spent.usage,
            prompt=used,
            revision=asking.spent.revision,
            attempts=asking.spent.calls,
            notes=notes,
            timings={"model": round((time.perf_counter() - started) * 1000, 3)},
        )

    def _first_valid(
        self, asking: Asking, inputs: Mapping[str, Any]
    ) -> tuple[Any, PromptUsed, tuple[str, ...]]:
        """The output of the first form that brings a valid one, and what is to be said of it."""
        notes: list[str] = []
        forms = self._forms_of(asking.context.sample)
        for place, form in enumerate(forms, start=1):
            prompt = prompts.find(f"answer/{form}")
            used = PromptUsed(name=prompt.name, version=prompt.version, sha256=prompt.sha256)
            try:
                return asking.ask(prompt, inputs), used, tuple(notes)
            except InvalidOutput as error:
                if place == len(forms):
                    raise
                notes.append(f"The prompt {prompt.name} brought no valid output: {error.message}")
        raise InvalidOutput("There is no prompt to ask with.")

    def _forms_of(self, sample: int) -> Sequence[str]:
        """The forms to try for a sample: where temperature cannot vary it, the prompt has to."""
        if sample == 0 or self._calls.backend.takes_temperature:
            return self._forms
        first = VARIANTS[sample % len(VARIANTS)]
        return [first, *(form for form in self._forms if form != first)]


def _inputs(task: AnswerTask) -> dict[str, Any]:
    """What the prompts for answers take, but for the marker."""
    return {
        "question": task.question,
        "passages": [
            {
                "name": f"P{number}",
                # It stands outside of what the marker encloses: one line, and a short one.
                "document": " ".join(passage.document_title.split())[:_LONGEST_TITLE],
                "page": passage.start_page,
                "text": passage.text,
            }
            for number, passage in enumerate(task.passages, start=1)
        ],
    }


def _statement(said: Mapping[str, Any], passages: Sequence[Passage]) -> Statement:
    return Statement(
        text=" ".join(said["text"].split()),
        evidence=tuple(_evidence(one, passages) for one in said["evidence"]),
    )


def _evidence(said: Mapping[str, Any], passages: Sequence[Passage]) -> Evidence:
    """A quote with the position of its passage; -1, which is none, for a name that is not one."""
    number = int(said["passage"][1:]) - 1
    known = 0 <= number < len(passages)
    hint = max(0, passages[number].text.find(said["quote"])) if known else 0
    return Evidence(passage=number if known else -1, quote=said["quote"], hint=hint)
