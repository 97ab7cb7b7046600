"""Prompts, and trying them, as JSON."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.answers import PromptOut, UsageOut
from api.schemas.common import Filter, Strict, Text, Words
from api.schemas.passages import PassageOut
from rag.models.chat import Role
from rag.models.prompts import Prompt
from rag.models.tasks import Label

PromptName = Field(
    None,
    description="`TASK/FORM` for the newest version, or `TASK/FORM@VERSION`; see `GET /prompts`.",
    examples=["answer/strict@2"],
    max_length=100,
)


class PromptSummary(BaseModel):
    """One version of a prompt. Versions never change."""

    id: str = Field(examples=["answer/strict@2"])
    object: Literal["prompt"] = "prompt"
    name: str = Field(examples=["answer/strict"])
    version: int
    task: str = Field(examples=["answer"])
    form: str = Field(examples=["strict"])
    sha256: str
    inputs: list[str] = Field(examples=[["marker", "passages", "question"]])
    changelog: str
    own: bool = Field(description="Whether it was added here, or else comes with Ibidem.")
    created_at: int | None = Field(description="Unix seconds; null for what comes with Ibidem.")

    @classmethod
    def of(cls, prompt: Prompt, created_at: float | None) -> PromptSummary:
        """A prompt, and when it was added."""
        return cls(**_fields(prompt, created_at))


class PromptDetail(PromptSummary):
    """One version of a prompt, with its text."""

    text: str = Field(description="The whole of its file: header and template.")
    output_schema: dict[str, Any] = Field(description="What its output has to keep to.")

    @classmethod
    def of(cls, prompt: Prompt, created_at: float | None) -> PromptDetail:
        """A prompt, and when it was added."""
        schema = dict(prompt.schema)
        return cls(**_fields(prompt, created_at), text=prompt.text, output_schema=schema)


def _fields(prompt: Prompt, created_at: float | None) -> dict[str, Any]:
    return {
        "id": f"{prompt.name}@{prompt.version}",
        "name": prompt.name,
        "version": prompt.version,
        "task": prompt.task,
        "form": prompt.form,
        "sha256": prompt.sha256,
        "inputs": list(prompt.inputs),
        "changelog": prompt.changelog,
        "own": created_at is not None,
        "created_at": None if created_at is None else int(created_at),
    }


class NewPrompt(Strict):
    """A new prompt, or the next version of one."""

    text: Words = Field(
        max_length=50_000,
        description="A TOML header between lines of `+++` (task, form, inputs, changelog, schema), "
        "then the sections `# system` and `# user`; as `GET /prompts/{task}/{form}/{version}` "
        "shows those that there are.",
    )


class LabelIn(Strict):
    """One of the classes to choose from."""

    name: Words = Field(max_length=200)
    description: Text | None = Field(None, max_length=2_000)
    examples: list[Text] = Field([], max_length=50)

    def label(self) -> Label:
        """As tasks take it."""
        return Label(name=self.name, description=self.description, examples=tuple(self.examples))


class TryBody(Strict):
    """What to ask, of which text, and with which prompt."""

    prompt: str | None = PromptName
    task: str | None = Field(
        None, description="Instead of a prompt, for the engine's own.", examples=["answer"]
    )
    question: Words | None = Field(
        None,
        description="The question, the claim to verify, or what a summary shall attend to.",
        max_length=10_000,
    )
    text: Words | None = Field(
        None, description="What to read; else passages are searched for.", max_length=200_000
    )
    collection: Text | None = Field(None, description="Where to search.", max_length=200)
    filter: Filter | None = None
    top_k: int = Field(8, ge=1, le=50, description="Most passages to read.")
    labels: list[LabelIn] = Field([], description="For `classify`.", max_length=500)
    output_schema: dict[str, Any] | None = Field(None, description="For `extract`.")
    instructions: Words | None = Field(None, max_length=10_000)
    engine: str | None = Field(None, description="See `GET /engines`.", examples=["offline"])
    run: bool = Field(False, description="Also ask; costs what a call costs.")

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "prompt": "answer/strict",
                    "question": "What is the rent?",
                    "text": "The rent is 400 euros a month.",
                }
            ]
        },
    )


class TurnOut(BaseModel):
    """What one side says."""

    role: Role
    text: str


class RenderedOut(BaseModel):
    """What would be sent. Only the marker differs from call to call."""

    system: str
    turns: list[TurnOut]
    output_schema: dict[str, Any]


class OutcomeOut(BaseModel):
    """What an engine made of it. Its quotes are claims here: they are not looked up."""

    value: Any
    confidence: float | None
    engine: str
    prompt: PromptOut | None
    usage: UsageOut
    attempts: int = Field(description="Calls that were made; 0 when the replies were known.")
    notes: list[str]
    timings: dict[str, float]


class TryOut(BaseModel):
    """A prompt with its inputs filled in, and what came of it if it was run."""

    object: Literal["prompt.try"] = "prompt.try"
    task: str
    prompt: PromptOut | None = Field(description="Null when the engine's own was asked for.")
    rendered: RenderedOut | None = Field(description="Null when the engine's own was asked for.")
    passages: list[PassageOut]
    outcome: OutcomeOut | None = Field(description="Null unless it was run.")
