"""What the service says of itself, as JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class EngineOut(BaseModel):
    """Something that reads passages."""

    id: str = Field(examples=["offline"])
    object: Literal["engine"] = "engine"
    default: bool
    supports: list[str] = Field(description="Tasks it can do.", examples=[["answer"]])
    input_usd_per_million_tokens: float | None = Field(description="Null when unknown.")
    output_usd_per_million_tokens: float | None = Field(description="Null when unknown.")


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"
    version: str = Field(examples=["0.1.0"])


class Ready(BaseModel):
    """Whether requests can be served."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, str] = Field(
        description="Each part: `ok`, or what is wrong.",
        examples=[{"catalog": "ok", "index": "ok", "jobs": "ok"}],
    )


class Landing(BaseModel):
    """Where to go from here."""

    name: Literal["ibidem"] = "ibidem"
    version: str
    api: str = Field(examples=["/v1"])
    documentation: str = Field(examples=["/docs"])
    openapi: str = Field(examples=["/openapi.json"])
