"""Chat backends: one call to one language model, by whatever protocol it speaks.

A backend sends what it is given and says in our words what came back or went wrong. It
repeats nothing and spends no longer than it is allowed; patience, limits and money are the
matter of `rag.models.calls`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

__all__ = ["ChatBackend", "ChatReply", "ChatRequest", "Finish", "Role", "Tokens", "Turn"]


class Role(StrEnum):
    """Who says something."""

    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one side says."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One call. ``schema`` is the JSON Schema of the output wanted, or ``None`` for text.

    ``temperature`` is left out where a provider takes none.
    """

    system: str
    turns: tuple[Turn, ...]
    schema: Mapping[str, Any] | None = None
    max_output_tokens: int = 2_048
    temperature: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What was read and written. ``cached`` is a part of ``input``, ``reasoning`` of ``output``."""

    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(
            input=self.input + other.input,
            output=self.output + other.output,
            cached=self.cached + other.cached,
            reasoning=self.reasoning + other.reasoning,
        )


class Finish(StrEnum):
    """Why a reply ended."""

    COMPLETE = "complete"
    LENGTH = "length"
    REFUSED = "refused"
    FILTERED = "filtered"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatReply:
    """What a model said. ``model`` is the exact revision that the provider names."""

    text: str
    finish: Finish
    model: str
    tokens: Tokens = field(default_factory=Tokens)


class ChatBackend(Protocol):
    """One model of one provider. Thread-safe."""

    @property
    def id(self) -> str:
        """Name under which calls are reported, such as ``openai:MODEL``; no credentials."""
        ...

    @property
    def revision(self) -> str:
        """What, besides the name, tells whether replies would be the same; a part of their key."""
        ...

    @property
    def provider(self) -> str:
        """What limits and keys are counted by: ``openai``, ``anthropic``, or a server."""
        ...

    @property
    def takes_temperature(self) -> bool:
        """Whether samples can be varied by temperature; else the prompt has to vary."""
        ...

    def complete(self, request: ChatRequest, *, timeout: float) -> ChatReply:
        """One call, at most ``timeout`` seconds long.

        Raises:
            ModelError: The call failed. A reply that was cut off or refused is no error here;
                ``finish`` says so.
        """
        ...
