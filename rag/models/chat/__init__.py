"""Chat backends: one call to one language model, by whatever protocol it speaks.

A backend sends what it is given and says in our words what came back or went wrong. It
repeats nothing and spends no longer than it is allowed; patience, limits and money are the
matter of `rag.models.calls`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeAlias, runtime_checkable

__all__ = [
    "ChatBackend",
    "ChatReply",
    "ChatRequest",
    "Finish",
    "Image",
    "Role",
    "StreamingBackend",
    "Tell",
    "Tokens",
    "Turn",
]

# Where width and height of a PNG stand, after its signature and the head of its first chunk.
_PNG_SIZE = slice(16, 24)


class Role(StrEnum):
    """Who says something."""

    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A PNG to look at, and the words that say what it is."""

    caption: str
    png: bytes

    @property
    def sha256(self) -> str:
        """What stands for the image in content keys."""
        return hashlib.sha256(self.png).hexdigest()

    @property
    def pixels(self) -> int:
        """Width times height; 0 of what is no PNG."""
        size = self.png[_PNG_SIZE]
        return int.from_bytes(size[:4], "big") * int.from_bytes(size[4:], "big")

    @property
    def encoded(self) -> str:
        """The PNG as JSON can carry it."""
        return base64.b64encode(self.png).decode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one side says. Images come before the text, each after its caption."""

    role: Role
    text: str
    images: tuple[Image, ...] = ()


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

    @property
    def takes_images(self) -> bool:
        """Whether turns may hold images."""
        ...

    def complete(self, request: ChatRequest, *, timeout: float) -> ChatReply:
        """One call, at most ``timeout`` seconds long.

        Raises:
            ModelError: The call failed. A reply that was cut off or refused is no error here;
                ``finish`` says so.
        """
        ...


Tell: TypeAlias = Callable[[str], None]
"""Is handed the pieces of a reply's text, as they come."""


@runtime_checkable
class StreamingBackend(ChatBackend, Protocol):
    """A backend that can say what a model writes while it writes it."""

    def stream(self, request: ChatRequest, *, timeout: float, tell: Tell) -> ChatReply:
        """One call like `complete`, with its text told piece by piece; the reply is whole.

        What is told may be taken back by an error, and is no more than a refused or filtered
        reply's beginning where that is what it ends in.
        """
        ...
