"""Searching and asking, as JSON."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.common import Filter, Strict, Text, Words
from api.schemas.passages import PassageOut
from api.schemas.queries import Decompose, Expand, QueriesOut
from rag.models.tasks import Queries
from rag.retrieve import Mode
from rag.types import Answer, Around, Citation, Decision, Located, PromptUsed, Usage


class Where(Strict):
    """The documents that are meant."""

    collection: Text | None = Field(
        None,
        description="Id or name; the collection `default` when neither form is given.",
        examples=["contracts"],
        max_length=200,
    )
    collections: list[Text] | None = Field(
        None, description="Several ids or names.", min_length=1, max_length=20
    )
    filter: Filter | None = None


class Scope(Where):
    """Where to look, and whether what is found first is read once more."""

    rerank: bool | None = Field(
        None,
        description="Read the first passages with the query and order them anew; when not given, "
        "as the service is set (`IBIDEM_RERANK`).",
    )


class Read(Scope):
    """Who reads what is found there, and for how much."""

    engine: str | None = Field(
        None,
        description="What reads or judges, and what rewrites questions, see `GET /engines`; "
        "else what the collections are pinned to, else the service's default.",
        examples=["offline"],
    )
    budget_usd: float | None = Field(
        None,
        gt=0,
        le=1_000_000,
        description="Most that language models may cost; a 402 says that it does not suffice.",
        examples=[0.05],
    )


class Looking(Read):
    """How what is asked is looked up."""

    decompose: Decompose = Field(
        "rules",
        description="Who takes a question of several parts apart, so that each is looked up: "
        "`rules` by its form, the `engine` by understanding it, or nobody.",
    )
    expand: Expand | None = Field(
        None,
        description="`hyde`: a language model makes up a passage that might answer, and passages "
        "like it are found, too. Nothing is answered from it.",
    )


class SearchBody(Looking):
    """A query."""

    query: Words = Field(max_length=10_000, examples=["termination for convenience"])
    mode: Mode = Field(Mode.HYBRID, description="Which rankings to ask.")
    top_k: int = Field(8, ge=1, le=100, description="Most passages to return.")
    diversity: float = Field(
        0.0,
        ge=0,
        le=1,
        description="How much it counts that passages say different things (maximal marginal "
        "relevance): 0 ranks by relevance alone, 1 by difference alone.",
        examples=[0.3],
    )
    context: Around = Field(
        Around.NONE,
        description="What is returned around each passage: the chunks beside it (`neighbours`), "
        "or the `section` that it is in, at most 8,000 characters of either.",
    )

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"query": "termination for convenience", "mode": "hybrid", "top_k": 5}]
        },
    )


class AskBody(Looking):
    """A question."""

    question: Words = Field(max_length=10_000, examples=["What notice does termination need?"])
    top_k: int = Field(8, ge=1, le=50, description="Most passages to read.")
    conversation: str | None = Field(
        None,
        description="Id of the conversation that the question belongs to, see `POST "
        "/conversations`: it may lean on what was asked before, and says where to look.",
        examples=["con_2b7d4e9f1a3c4d5e8f6071a2"],
        max_length=64,
    )
    prompt: str | None = Field(
        None,
        description="What a language model is asked with: `answer/FORM`, or `answer/FORM@VERSION`; "
        "see `GET /prompts`.",
        examples=["answer/strict"],
        max_length=100,
    )
    instructions: Words | None = Field(
        None,
        max_length=4_000,
        description="How to answer: length, tone, language, what to attend to. Language models "
        "follow them as far as every sentence can still be cited; `notes` say where nobody does.",
        examples=["In one sentence, in German."],
    )
    stream: bool = Field(False, description="Answer as server-sent events.")

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"question": "What notice does termination need?"}]},
    )


class UsageOut(BaseModel):
    """What the answer cost; null when the price is unknown."""

    input_tokens: int
    output_tokens: int
    cost_usd: float | None

    @classmethod
    def of(cls, usage: Usage) -> UsageOut:
        """What calls came to."""
        return cls(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cost_usd=usage.cost_usd,
        )


class SearchOut(BaseModel):
    """Passages, best first."""

    object: Literal["search"] = "search"
    query: str
    mode: Mode
    queries: QueriesOut
    passages: list[PassageOut]
    usage: UsageOut = Field(description="What language models cost, if any were asked.")
    notes: list[str] = Field(description="What a reader should know of how it was looked up.")
    timings: dict[str, float] = Field(description="Milliseconds by stage.")


class BoxOut(BaseModel):
    """A rectangle on a page, as fractions of its width and height, origin top left."""

    page: int
    x0: float
    y0: float
    x1: float
    y1: float


class CitationOut(BaseModel):
    """A quote found at a place. Indexes count Unicode code points into the document's text."""

    document_id: str
    document_title: str
    document_name: str
    cited_text: str
    start_char_index: int
    end_char_index: int = Field(description="Half-open.")
    start_page_number: int | None
    end_page_number: int | None
    boxes: list[BoxOut]
    located: Located = Field(description="How the quote was found.")
    support: float | None = Field(description="0 to 1; null when nobody judged it.")
    passage_score: float | None
    answer_start_char_index: int | None = Field(
        None, description="Where in it the words stand that are the answer; null if unmarked."
    )
    answer_end_char_index: int | None = Field(None, description="Half-open.")

    @classmethod
    def of(cls, citation: Citation) -> CitationOut:
        """A citation as `rag.cite` gives it."""
        return cls(
            document_id=citation.document_id,
            document_title=citation.document_title,
            document_name=citation.document_name,
            cited_text=citation.cited_text,
            start_char_index=citation.start,
            end_char_index=citation.end,
            start_page_number=citation.start_page,
            end_page_number=citation.end_page,
            boxes=[
                BoxOut(page=box.page, x0=box.x0, y0=box.y0, x1=box.x1, y1=box.y1)
                for box in citation.boxes
            ],
            located=citation.located,
            support=citation.support,
            passage_score=citation.passage_score,
            answer_start_char_index=citation.answer.start if citation.answer else None,
            answer_end_char_index=citation.answer.end if citation.answer else None,
        )


class SentenceOut(BaseModel):
    """One sentence of an answer and the places it rests on."""

    text: str
    citations: list[CitationOut]
    support: float | None


class Sent(BaseModel):
    """The request that an answer answers."""

    collections: list[str]
    filter: dict[str, Any] | None
    top_k: int
    instructions: str | None = None
    rerank: bool = False
    decompose: Decompose = "rules"
    expand: Expand | None = None
    conversation: str | None = None


class PromptOut(BaseModel):
    """The exact prompt that a language model was asked with."""

    name: str = Field(examples=["answer/chain-of-thought"])
    version: int
    sha256: str

    @classmethod
    def of(cls, prompt: PromptUsed) -> PromptOut:
        """A prompt as outcomes report it."""
        return cls(name=prompt.name, version=prompt.version, sha256=prompt.sha256)


class DecisionOut(BaseModel):
    """Why an engine was asked, passed over, or not believed."""

    engine: str = Field(examples=["offline"])
    taken: bool = Field(description="True of the one whose answer it is.")
    reason: str = Field(examples=["Its confidence of 0.31 is below 0.60."])
    estimated_usd: float | None = Field(description="Null when unknown, or not asked.")
    confidence: float | None

    @classmethod
    def of(cls, decision: Decision) -> DecisionOut:
        """A decision as outcomes report it."""
        return cls(
            engine=decision.engine,
            taken=decision.taken,
            reason=decision.reason,
            estimated_usd=decision.estimated_usd,
            confidence=decision.confidence,
        )


class AnswerOut(BaseModel):
    """A grounded answer: every sentence stands in the documents."""

    id: str = Field(examples=["ans_6a5b4c3d2e1f40a9b8c7d6e5"])
    object: Literal["answer"] = "answer"
    question: str = Field(description="As it was asked.")
    queries: QueriesOut
    text: str
    sentences: list[SentenceOut]
    found: bool = Field(description="False when the documents do not say.")
    confidence: float | None
    engine: str = Field(examples=["offline"])
    revision: str | None = Field(
        None,
        description="The exact model that replied, as its provider names it; null without one.",
        examples=["some-model-2026-01-15"],
    )
    prompt: PromptOut | None = Field(description="Null for engines that need none.")
    notes: list[str] = Field(
        description="What a reader should know, such as that another engine stepped in."
    )
    decisions: list[DecisionOut] = Field(
        [], description="Of an engine that routes: which were asked or passed over, and why."
    )
    usage: UsageOut
    dropped_citations: int = Field(description="Quotes that were not found where they should be.")
    timings: dict[str, float] = Field(description="Milliseconds by stage.")
    passages: list[PassageOut] = Field(description="What the engine was given to read.")
    request: Sent
    created_at: int = Field(description="Unix seconds.")

    @classmethod
    def of(
        cls, answer: Answer, *, id: str, queries: Queries, request: Sent, created_at: float
    ) -> AnswerOut:
        """An answer as `rag.answer` gives it."""
        return cls(
            id=id,
            question=answer.question,
            queries=QueriesOut.of(queries),
            text=answer.text,
            sentences=[
                SentenceOut(
                    text=sentence.text,
                    citations=[CitationOut.of(citation) for citation in sentence.citations],
                    support=sentence.support,
                )
                for sentence in answer.sentences
            ],
            found=answer.found,
            confidence=answer.confidence,
            engine=answer.engine,
            revision=answer.revision,
            prompt=PromptOut.of(answer.prompt) if answer.prompt else None,
            notes=list(answer.notes),
            decisions=[DecisionOut.of(decision) for decision in answer.decisions],
            usage=UsageOut.of(answer.usage),
            dropped_citations=answer.dropped_citations,
            timings=dict(answer.timings),
            passages=[PassageOut.of(passage) for passage in answer.passages],
            request=request,
            created_at=int(created_at),
        )
