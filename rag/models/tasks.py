"""What an engine can be asked to do, and what it hands back.

A task is data: everything that goes into the work and nothing about how it is done. An
outcome's statements rest on quotes; whether the quotes stand in the documents is not for the
engine to say but for `rag.cite`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from rag.types import Passage, PromptUsed, Usage

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerTask:
    """Answer a question from passages, best first, and from nothing else.

    ``openings`` are the first words of the passages' documents, by document: no evidence, but
    that is where a document says what it is.
    """

    question: str
    passages: tuple[Passage, ...]
    openings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Words said to stand in one of the task's passages.

    ``passage`` is its position in the task, ``hint`` the offset in the passage near which
    the words are expected, and ``support`` how well they support the statement, from 0 to 1,
    or ``None`` when nobody judged that.
    """

    passage: int
    quote: str
    hint: int = 0
    support: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One sentence that an engine says, and what it rests on."""

    text: str
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Generic[Value]):
    """The result of a task. ``timings`` are milliseconds by stage.

    ``confidence`` is the engine's probability that the value is right, or ``None`` when it
    has no opinion. For an `AnswerTask` the value is a tuple of statements, empty when the
    passages do not say; the confidence then is still that of the best answer.
    """

    value: Value
    confidence: float | None
    engine: str
    usage: Usage = field(default_factory=Usage)
    timings: Mapping[str, float] = field(default_factory=dict)
    prompt: PromptUsed | None = None
    attempts: int = 0
    """Calls of a language model that were made; 0 when the replies were known."""
    notes: tuple[str, ...] = ()
    """What a reader should know: that another engine stepped in, that text was left out."""
