"""What the service says of itself, as JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from api.schemas.common import Strict


class EngineOut(BaseModel):
    """Something that reads passages."""

    id: str = Field(examples=["offline"])
    object: Literal["engine"] = "engine"
    default: bool
    supports: list[str] = Field(description="Tasks it can do.", examples=[["answer"]])
    input_usd_per_million_tokens: float | None = Field(description="Null when unknown.")
    output_usd_per_million_tokens: float | None = Field(description="Null when unknown.")


class EngineCheckOut(BaseModel):
    """Whether a model can be asked."""

    id: str = Field(examples=["offline"])
    status: str = Field(description="`ok`, or what is wrong.", examples=["ok"])


class UsageOut(BaseModel):
    """What the calls of one model have come to since the process started."""

    id: str = Field(examples=["openai:some-model"])
    object: Literal["usage"] = "usage"
    calls: int = Field(description="With those that failed.")
    failures: dict[str, int] = Field(description="By error code.", examples=[{"rate_limited": 2}])
    input_tokens: int
    cached_tokens: int = Field(description="A part of the input.")
    output_tokens: int
    reasoning_tokens: int = Field(description="A part of the output.")
    cost_usd: float | None = Field(description="Null when a price is unknown.")
    seconds: float = Field(description="Spent waiting for replies.")


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
