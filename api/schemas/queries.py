"""What is looked up for a question, as JSON."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import BaseModel, Field

from rag.models.tasks import Queries

Decompose: TypeAlias = Literal["rules", "engine", "none"]
Expand: TypeAlias = Literal["hyde"]


class QueriesOut(BaseModel):
    """What was looked up."""

    standalone_question: str = Field(
        description="The question as it is understood without those before it in a conversation; "
        "else as it was asked.",
        examples=["Who signed the Acme lease?"],
    )
    subqueries: list[str] = Field(
        description="The questions that it is made of, each looked up besides the whole; empty "
        "when it is one.",
        examples=[["What is the monthly rent?", "Who signed the lease?"]],
    )
    hypothetical_passage: str | None = Field(
        description="With `expand`: a passage that a language model made up, to find real ones "
        "like it. Nothing is answered from it.",
    )

    @classmethod
    def of(cls, queries: Queries) -> QueriesOut:
        """Queries as they were looked up."""
        return cls(
            standalone_question=queries.question,
            subqueries=list(queries.parts),
            hypothetical_passage=queries.passage,
        )
