"""What searching and asking bring, as JSON."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from api.schemas.passages import PassageOut
from api.schemas.queries import Decompose, Expand, QueriesOut
from rag.models.tasks import Queries
from rag.retrieve import Mode
from rag.types import Answer, Citation, Decision, Located, PromptUsed, Usage


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
