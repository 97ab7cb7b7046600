"""What the service says of itself, as JSON."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, Field

from api.schemas.common import Strict
from rag.catalog.usage import Used
from rag.models.monitor import Histogram, Performance


class EngineOut(BaseModel):
    """Something that reads passages."""

    id: str = Field(examples=["offline"])
    object: Literal["engine"] = "engine"
    default: bool
    supports: list[str] = Field(description="Tasks it can do.", examples=[["answer", "verify"]])
    input_usd_per_million_tokens: float | None = Field(description="Null when unknown.")
    output_usd_per_million_tokens: float | None = Field(description="Null when unknown.")


class EngineCheckOut(BaseModel):
    """Whether a model can be asked."""

    id: str = Field(examples=["offline"])
    status: str = Field(description="`ok`, or what is wrong.", examples=["ok"])


class UsageOut(BaseModel):
    """What the calls of one model for one API key came to on one day."""

    id: str = Field(description="Day, key and model.", examples=["2026-05-04/local/openai:m"])
    object: Literal["usage"] = "usage"
    day: date = Field(description="By UTC.")
    key: str = Field(
        description="A name of the API key, which does not tell the key; `local` without keys.",
        examples=["key_3f1b0c9d2e4a"],
    )
    model: str = Field(examples=["openai:some-model"])
    calls: int = Field(description="With those that failed.")
    failures: dict[str, int] = Field(description="By error code.", examples=[{"rate_limited": 2}])
    input_tokens: int
    cached_tokens: int = Field(description="A part of the input.")
    output_tokens: int
    reasoning_tokens: int = Field(description="A part of the output.")
    cost_usd: float | None = Field(description="Null when a price is unknown.")
    seconds: float = Field(description="Spent waiting for replies.")

    @classmethod
    def of(cls, used: Used) -> UsageOut:
        """The sums as the catalog keeps them."""
        tokens = used.tokens
        return cls(
            id=f"{used.day}/{used.key}/{used.model}",
            day=used.day,
            key=used.key,
            model=used.model,
            calls=used.calls,
            failures=dict(used.failures),
            input_tokens=tokens.input,
            cached_tokens=tokens.cached,
            output_tokens=tokens.output,
            reasoning_tokens=tokens.reasoning,
            cost_usd=used.cost_usd,
            seconds=round(used.seconds, 3),
        )


class SpreadOut(BaseModel):
    """How values spread; median and 95th percentile are of the last 1,000."""

    count: int
    mean: float | None = Field(description="Null of none.")
    median: float | None
    p95: float | None

    @classmethod
    def of(cls, histogram: Histogram) -> SpreadOut:
        """The spread of a monitor's values."""
        return cls(
            count=histogram.count,
            mean=_rounded(histogram.mean),
            median=_rounded(histogram.quantile(0.5)),
            p95=_rounded(histogram.quantile(0.95)),
        )


class EngineStatsOut(BaseModel):
    """How an engine did with one prompt since the process started."""

    id: str = Field(
        description="Engine and prompt.", examples=["openai:m/answer/chain-of-thought.1"]
    )
    object: Literal["engine_stats"] = "engine_stats"
    engine: str
    prompt: str | None = Field(description="Null for calls and answers without one.")
    version: int | None
    calls: int = Field(description="With those that failed.")
    failures: dict[str, int] = Field(description="By error code.", examples=[{"rate_limited": 2}])
    refusals: int
    truncations: int = Field(description="Replies that were cut off at their longest.")
    repairs: int = Field(description="Calls that told the model what was wrong with its output.")
    input_tokens: SpreadOut
    output_tokens: SpreadOut
    seconds: SpreadOut = Field(description="Until a reply.")
    citations_located: int
    citations_dropped: int = Field(description="Quotes that stand nowhere in the documents.")
    locate_rate: float | None = Field(description="Null without quotes.")
    support: float | None = Field(description="Its mean; null when nobody judged any.")

    @classmethod
    def of(cls, one: Performance) -> EngineStatsOut:
        """The counts as the monitor keeps them."""
        prompt = f"/{one.prompt}.{one.version}" if one.prompt else ""
        return cls(
            id=f"{one.engine}{prompt}",
            engine=one.engine,
            prompt=one.prompt,
            version=one.version,
            calls=one.calls,
            failures=dict(one.failures),
            refusals=one.refusals,
            truncations=one.truncations,
            repairs=one.repairs,
            input_tokens=SpreadOut.of(one.input_tokens),
            output_tokens=SpreadOut.of(one.output_tokens),
            seconds=SpreadOut.of(one.seconds),
            citations_located=one.located,
            citations_dropped=one.dropped,
            locate_rate=_rounded(one.locate_rate),
            support=_rounded(one.support.mean),
        )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


class AuditBody(Strict):
    """Whether to mend."""

    repair: bool = Field(False, description="Mend what can be mended.")


class FindingOut(BaseModel):
    """One thing that is not as it should be."""

    kind: str = Field(examples=["original"])
    subject: str = Field(
        description="What it is about: an id, or a hash.", examples=["doc_0f3c9a7be1d24c55a6b8e9f0"]
    )
    message: str = Field(examples=["The original is gone; upload the file again."])
    repaired: bool


class AuditOut(BaseModel):
    """What was found; nothing when the store keeps its promises."""

    object: Literal["audit"] = "audit"
    findings: list[FindingOut]


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"
    version: str = Field(examples=["0.1.0"])


class Ready(BaseModel):
    """Whether requests can be served."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, str] = Field(
        description="Each part: `ok`, or what is wrong.",
        examples=[{"catalog": "ok", "jobs": "ok", "parsers": "ok"}],
    )


class Landing(BaseModel):
    """Where to go from here."""

    name: Literal["ibidem"] = "ibidem"
    version: str
    api: str = Field(examples=["/v1"])
    documentation: str = Field(examples=["/docs"])
    openapi: str = Field(examples=["/openapi.json"])
