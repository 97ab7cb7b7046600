"""Passages, as JSON."""

from __future__ import annotations

from pydantic import BaseModel, Field

from rag.types import Passage, Surroundings


class ContextOut(BaseModel):
    """The stretch of the document that a passage stands in."""

    text: str
    start_char_index: int
    end_char_index: int = Field(description="Half-open.")

    @classmethod
    def of(cls, around: Surroundings) -> ContextOut:
        """Surroundings as the catalog reads them."""
        return cls(text=around.text, start_char_index=around.start, end_char_index=around.end)


class PassageOut(BaseModel):
    """A retrieved stretch of a document. Higher scores are better."""

    document_id: str = Field(examples=["doc_0f3c9a7be1d24c55a6b8e9f0"])
    document_title: str
    document_name: str
    text: str
    start_char_index: int
    end_char_index: int
    start_page_number: int | None
    end_page_number: int | None
    score: float
    scores: dict[str, float] = Field(
        description="By stage: `dense`, `lexical`, `opening` (of the words that its document "
        "begins with) and `fused`, then `rerank` and `mmr` (of `diversity`) where they were asked "
        "for. That of the last is the `score`.",
        examples=[{"dense": 0.71, "lexical": 12.4, "opening": 7.3, "fused": 0.93}],
    )
    context: ContextOut | None = Field(
        None, description="What it stands in, if a search asked for it."
    )

    @classmethod
    def of(cls, passage: Passage) -> PassageOut:
        """A passage as the retriever gives it."""
        return cls(
            document_id=passage.document_id,
            document_title=passage.document_title,
            document_name=passage.document_name,
            text=passage.text,
            start_char_index=passage.start,
            end_char_index=passage.end,
            start_page_number=passage.start_page,
            end_page_number=passage.end_page,
            score=passage.score,
            scores=dict(passage.scores),
            context=ContextOut.of(passage.surroundings) if passage.surroundings else None,
        )
