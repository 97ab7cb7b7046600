"""Claims and verdicts on them, as JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.answers import CitationOut, DecisionOut, PromptOut, UsageOut
from api.schemas.asking import Read
from api.schemas.common import Strict, Text, Words
from api.schemas.passages import PassageOut
from rag.models.tasks import Verdict
from rag.verify import Verified


class GivenPassage(Strict):
    """A text to judge claims by."""

    text: Words = Field(max_length=20_000)
    title: Text = Field("", max_length=500)


class VerifyBody(Read):
    """Claims, and where to look for what bears them out; the budget is that of all together."""

    claims: list[Words] = Field(
        description="Each is judged by itself.",
        min_length=1,
        max_length=20,
        examples=[["Either party may terminate on 30 days' notice."]],
    )
    passages: list[GivenPassage] | None = Field(
        None,
        description="Judge by these texts, in place of documents.",
        min_length=1,
        max_length=100,
    )
    top_k: int = Field(8, ge=1, le=50, description="Most passages of documents to read a claim.")
    prompt: str | None = Field(
        None,
        description="What a language model is asked with: `verify/FORM`, or "
        "`verify/FORM@VERSION`; see `GET /prompts`.",
        examples=["verify/strict"],
        max_length=100,
    )

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"claims": ["Either party may terminate on 30 days' notice."]}]
        },
    )


class VerdictOut(BaseModel):
    """A claim and the verdict on it."""

    object: Literal["verdict"] = "verdict"
    claim: str
    verdict: Verdict = Field(description="`not_found`: the passages do not say.")
    score: float | None = Field(
        description="How sure the engine is of its verdict, 0 to 1; null when it has no opinion."
    )
    evidence: list[CitationOut] = Field(
        description="What the verdict rests on. Of a passage that came with the request, "
        "`document_id` is its place there, such as `passages/0`."
    )
    engine: str = Field(examples=["offline"])
    revision: str | None = Field(description="The exact model that replied; null without one.")
    prompt: PromptOut | None = Field(description="Null for engines that need none.")
    notes: list[str]
    decisions: list[DecisionOut]
    usage: UsageOut
    dropped_citations: int = Field(description="Quotes that were not found where they should be.")
    timings: dict[str, float] = Field(description="Milliseconds by stage.")
    passages: list[PassageOut] = Field(description="What the engine was given to read.")

    @classmethod
    def of(cls, found: Verified) -> VerdictOut:
        """A verdict as `rag.verify` gives it."""
        usage = found.usage
        return cls(
            claim=found.claim,
            verdict=found.verdict,
            score=found.score,
            evidence=[CitationOut.of(citation) for citation in found.evidence],
            engine=found.engine,
            revision=found.revision,
            prompt=PromptOut.of(found.prompt) if found.prompt else None,
            notes=list(found.notes),
            decisions=[DecisionOut.of(decision) for decision in found.decisions],
            usage=UsageOut(
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                cost_usd=usage.cost_usd,
            ),
            dropped_citations=found.dropped_citations,
            timings=dict(found.timings),
            passages=[PassageOut.of(passage) for passage in found.passages],
        )


class VerdictsOut(BaseModel):
    """A verdict on each claim, in their order."""

    object: Literal["verification"] = "verification"
    data: list[VerdictOut]
