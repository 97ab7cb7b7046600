"""What is told of calls of language models while they are made, to those who count.

Nothing that is told holds text: no prompt, no reply, no word of a document.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from rag.models.chat import Finish, Tokens
from rag.types import PromptUsed

LOCAL_KEY = "local"
"""Stands for the API key where none is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """For whom and for what a model is called.

    ``key`` is the public name of an API key, ``job`` the id of the job that the call is made
    for. ``repair`` says that the model is told what was wrong with its last output.
    """

    tenant: str = "default"
    key: str = LOCAL_KEY
    job: str | None = None
    prompt: PromptUsed | None = None
    repair: bool = False
    reply_key: str | None = None
    """The content key under which the reply is kept."""
    documents: frozenset[str] = frozenset()
    """Whose text the call holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One call of a model, and what came of it: a reply, or the code of an error.

    Of a failed call the tokens are seldom told. One that the model may have been at work on has
    cost nobody knows what, ``None``; one that it refused has cost nothing.
    """

    model: str
    purpose: Purpose
    seconds: float
    finish: Finish | None = None
    tokens: Tokens = field(default_factory=Tokens)
    cost_usd: float | None = 0.0
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """A model's output was of no use also after the last repair; ``error`` is a code."""

    model: str
    purpose: Purpose
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Quotes of one outcome were looked up in the documents.

    ``support`` has one number for each located quote that was judged.
    """

    engine: str
    prompt: PromptUsed | None
    located: int
    dropped: int
    support: tuple[float, ...] = ()


Event: TypeAlias = Attempt | Unusable | Checked


class Observer(Protocol):
    """Is told what happens, and passes over what it does not count. Thread-safe."""

    def tell(self, event: Event) -> None:
        """Take notice, soon: the call that is told of waits for it."""
        ...


class Observers:
    """Tells several observers, one after the other."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers

    def tell(self, event: Event) -> None:
        """Tell all of them."""
        for one in self._observers:
            one.tell(event)
