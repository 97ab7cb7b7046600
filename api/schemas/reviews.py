"""Doubtful values of analyses, and what people decide on them, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.answers import CitationOut
from api.schemas.common import PlainJson, Strict, Text
from rag.analysis.decisions import Action
from rag.types import Box, Citation, Located


class DecisionOut(BaseModel):
    """What somebody decided on a doubtful value."""

    action: Action
    value: Any
    note: str | None
    by: str = Field(description="Public name of the API key.")
    created_at: int = Field(description="Unix seconds.")

    @classmethod
    def of(cls, decision: Mapping[str, Any]) -> DecisionOut:
        """A decision as it is kept."""
        return cls(
            action=decision["action"],
            value=decision["value"],
            note=decision["note"],
            by=decision["key"],
            created_at=int(decision["created_at"]),
        )


class AlternativeOut(BaseModel):
    """A value that other places give."""

    value: Any
    confidence: float | None
    citations: list[CitationOut]


class DoubtOut(BaseModel):
    """Something that a person should look at."""

    number: int = Field(description="To name it by in this analysis.")
    document_id: str | None
    pointer: str = Field(description="JSON pointer into `result`.")
    reason: Literal["low_confidence", "disagreement", "failed_validation"]
    detail: str
    value: Any
    confidence: float | None
    alternatives: list[AlternativeOut]
    citations: list[CitationOut] = Field(
        description="Where the value was found, before any correction."
    )
    decision: DecisionOut | None = Field(description="Null until somebody has decided.")

    @classmethod
    def of(cls, doubt: Mapping[str, Any]) -> DoubtOut:
        """A doubt of a result, reviewed."""
        decision = doubt["decision"]
        return cls(
            number=doubt["number"],
            document_id=doubt["document_id"],
            pointer=doubt["pointer"],
            reason=doubt["reason"],
            detail=doubt["detail"],
            value=doubt["value"],
            confidence=doubt["confidence"],
            alternatives=[
                AlternativeOut(
                    value=one["value"],
                    confidence=one["confidence"],
                    citations=list(map(citation_out, one["citations"])),
                )
                for one in doubt["alternatives"]
            ],
            citations=list(map(citation_out, doubt["citations"])),
            decision=None if decision is None else DecisionOut.of(decision),
        )


class ReviewBody(Strict):
    """A decision on a doubtful value; a later one takes its place."""

    action: Action
    value: PlainJson = Field(None, description="The right value, to `correct` it.")
    note: Text | None = Field(None, max_length=2_000)

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"action": "correct", "value": "2024-03-01"}]},
    )


def citation_out(kept: Mapping[str, Any]) -> CitationOut:
    """A citation as results keep it."""
    boxes = tuple(Box(**one) for one in kept["boxes"])
    return CitationOut.of(Citation(**{**kept, "boxes": boxes, "located": Located(kept["located"])}))
