"""What an engine can be asked to do, and what it hands back.

A task is data: everything that goes into the work and nothing about how it is done. Each names
the type of its value, `Task[Value]`. What a value says rests on quotes; whether the quotes stand
in the documents is not for the engine to say but for `rag.cite`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from rag.types import Decision, Passage, PromptUsed, Span, Usage

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Words said to stand in one of the task's passages.

    ``passage`` is its position in the task, ``hint`` the offset in the passage near which
    the words are expected, and ``support`` how well they support the statement, from 0 to 1,
    or ``None`` when nobody judged that. ``answer`` is where in the quote the words stand that
    are the answer itself, if somebody marked them.
    """

    passage: int
    quote: str
    hint: int = 0
    support: float | None = None
    answer: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One sentence that an engine says, and what it rests on."""

    text: str
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(Generic[Value]):
    """Passages, and something to be made of them and of nothing else.

    ``instructions`` are the caller's, in their own words: what to look for, in which language
    and at what length to write. An engine that cannot follow them leaves them aside.
    """

    passages: tuple[Passage, ...]
    instructions: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerTask(Task[tuple[Statement, ...]]):
    """Answer a question from passages, best first. The value is empty when they do not say.

    ``openings`` are the first words of the passages' documents, by document: no evidence, but
    that is where a document says what it is. ``parts`` are the questions that it is made of.
    """

    question: str
    openings: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """What one extracted value rests on, and how probably it is right."""

    evidence: tuple[Evidence, ...]
    confidence: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """Values by the task's schema. ``fields`` are by the JSON pointer of a leaf in the value.

    What the passages do not mention is left out of the value, where the schema allows that,
    and is ``null`` otherwise, whatever the schema says; its pointer is not among the fields.
    """

    value: Mapping[str, Any]
    fields: Mapping[str, Field]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractTask(Task[Extraction]):
    """Fill the fields of a JSON Schema of an object with what the passages state."""

    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One of the classes to choose from."""

    name: str
    description: str | None = None
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """Labels by probability, and what led to the first of them.

    ``features`` quote what speaks for ``primary``; ``uncertainty`` says in a sentence what
    speaks against it, or is ``None``.
    """

    primary: str
    secondary: str | None
    scores: Mapping[str, float]
    features: tuple[Statement, ...] = ()
    uncertainty: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifyTask(Task[Classification]):
    """Choose the label that fits the passages, taken together, best."""

    labels: tuple[Label, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a text is about, what it finds, and what it concludes."""

    main_topic: Statement
    key_findings: tuple[Statement, ...]
    conclusions: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SummarizeTask(Task[Summary]):
    """Say in a few sentences what the passages say. ``query`` is what to attend to, if given."""

    query: str | None = None
    findings: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """A claim, the premises it is argued from, and how strong that is, from 1 to 10."""

    claim: Statement
    premises: tuple[Statement, ...]
    strength: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Two statements that cannot both be true, each with its own evidence."""

    one: Statement
    other: Statement
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasoning:
    """How a text argues. What an engine cannot judge is ``None``, not a middling value."""

    arguments: tuple[Argument, ...]
    flow: str | None = None
    gaps: tuple[Statement, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    evidence_quality: str | None = None
    assessment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonTask(Task[Reasoning]):
    """Lay open the claims, premises, gaps and contradictions of the passages."""


class Verdict(StrEnum):
    """Whether passages bear a claim out."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    NOT_FOUND = "not_found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The verdict on a claim, and the words it rests on; none when nothing was found."""

    verdict: Verdict
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyTask(Task[Verification]):
    """Judge a claim by the passages."""

    claim: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A question asked before, as it was understood, and which passages its answer quotes."""

    question: str
    passages: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Queries:
    """What to look up for a question.

    ``question`` is it so that it can be understood by itself. ``parts`` are the questions that it
    is made of, none when it is one. ``passage`` is one that might answer it, made up.
    """

    question: str
    parts: tuple[str, ...] = ()
    passage: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RewriteTask(Task[Queries]):
    """Say what to look up for a question that may lean on earlier ones, oldest first.

    The passages are what earlier answers quoted. With ``imagine`` a passage is made up that might
    answer it: Gao et al., "Precise Zero-Shot Dense Retrieval without Relevance Labels", 2023.
    """

    question: str
    earlier: tuple[Exchange, ...] = ()
    imagine: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """How much of a task's passages a language model was shown, in code points.

    ``cut`` and ``left_out`` are positions in the task: of passages of which only the beginning
    fitted the model's window, and of those of which nothing did.
    """

    characters: int
    of_characters: int
    cut: tuple[int, ...] = ()
    left_out: tuple[int, ...] = ()


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
    revision: str | None = None
    """The model that replied, by the exact name that its provider reports."""
    shown: Shown | None = None
    """What the model read of the passages; ``None`` of engines that read all of them."""
    notes: tuple[str, ...] = ()
    """What a reader should know: that another engine stepped in, that text was left out."""
    decisions: tuple[Decision, ...] = ()
    """Which engines were asked or passed over, and why, in that order."""


TASKS: Mapping[str, type[Task[Any]]] = {
    "answer": AnswerTask,
    "extract": ExtractTask,
    "classify": ClassifyTask,
    "summarize": SummarizeTask,
    "reason": ReasonTask,
    "verify": VerifyTask,
    "rewrite": RewriteTask,
}
"""The types of tasks by the names that users know them by."""


def evidence_in(value: Any) -> Iterator[Evidence]:
    """All that the value of a task claims to rest on."""
    if isinstance(value, Evidence):
        yield value
    elif is_dataclass(value):
        for one in fields(value):
            yield from evidence_in(getattr(value, one.name))
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from evidence_in(inner)
    elif isinstance(value, tuple):
        for inner in value:
            yield from evidence_in(inner)
