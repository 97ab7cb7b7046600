"""What the wordings of all tasks share: passages into prompts, and evidence out of outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from rag.models.schema import Schema
from rag.models.tasks import Evidence, Statement, Task, Value
from rag.types import Passage

_LONGEST_TITLE = 200
_LONGEST_NAME = len("P999999")

AnyTask = TypeVar("AnyTask", bound=Task[Any])
Said = Mapping[str, Any]
"""A model's output, valid by the schema that it was asked with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read(Generic[Value]):
    """What an output comes to. ``notes`` say what of it was passed over, and why."""

    value: Value
    confidence: float | None
    notes: tuple[str, ...] = ()


def nothing(task: Task[Any]) -> Mapping[str, Any]:
    """The inputs of a task that is nothing but passages."""
    return {}


def as_it_is(schema: Schema, task: Task[Any]) -> Schema:
    """The schema of a task whose every output has the same shape."""
    return schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording(Generic[AnyTask, Value]):
    """How a type of task is put to a language model, and how its output is read.

    ``name`` is the folder of its prompts; ``inputs`` are what they take besides marker, passages
    and instructions; ``schema`` fills the places that a prompt's schema leaves to the task;
    ``read`` makes a value of what is valid by it; and ``output_tokens`` is what it may take.
    """

    name: str
    read: Callable[[Said, AnyTask], Read[Value]]
    inputs: Callable[[AnyTask], Mapping[str, Any]] = nothing
    schema: Callable[[Schema, AnyTask], Schema] = as_it_is
    output_tokens: int = 2_048


def in_one_line(text: str, longest: int = _LONGEST_TITLE) -> str:
    """Text that stands among others: one line, and a short one."""
    return " ".join(text.split())[:longest]


def one_line_or_none(text: str | None) -> str | None:
    """What is said, on one line; ``None`` when it is nothing."""
    return " ".join((text or "").split()) or None


def passage_input(number: int, passage: Passage) -> Mapping[str, Any]:
    """A passage as prompts take it, named by its place in the task, counted from 1."""
    return {
        "name": f"P{number}",
        "document": in_one_line(passage.document_title),
        "page": passage.start_page,
        "text": passage.text,
    }


def statement(said: Said, passages: Sequence[Passage]) -> Statement:
    """One sentence, on one line, and what it rests on."""
    return Statement(
        text=" ".join(said["text"].split()), evidence=evidence(said["evidence"], passages)
    )


def statements(said: Sequence[Said], passages: Sequence[Passage]) -> tuple[Statement, ...]:
    """Sentences in their order."""
    return tuple(statement(one, passages) for one in said)


def evidence(said: Sequence[Said], passages: Sequence[Passage]) -> tuple[Evidence, ...]:
    """Quotes with the positions of their passages; -1, which is none, for names that are not."""
    return tuple(_quote(one["passage"], one["quote"], passages) for one in said)


def _quote(name: str, quote: str, passages: Sequence[Passage]) -> Evidence:
    number = int(name[1:]) - 1 if len(name) <= _LONGEST_NAME else -1
    known = 0 <= number < len(passages)
    hint = max(0, passages[number].text.find(quote)) if known else 0
    return Evidence(passage=number if known else -1, quote=quote, hint=hint)
