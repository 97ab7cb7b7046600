"""A language model that says what a test has it say, and an engine that asks it."""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import Any

from rag.models.calls import Calls, Meter
from rag.models.chat import ChatReply, ChatRequest, Finish, Tokens
from rag.models.limits import Limits
from rag.models.pricing import Price, Pricing
from rag.models.prompted import PromptedEngine


class Model:
    """Replies from a list, the last one again and again."""

    id = "test:model"
    provider = "test"
    revision = ""
    takes_temperature = True
    takes_images = False

    def __init__(self, *replies: str | Finish | Exception) -> None:
        self.replies = replies
        self.requests: list[ChatRequest] = []

    @property
    def used(self) -> Tokens:
        return Tokens(input=100 * len(self.requests), output=10 * len(self.requests))

    def complete(self, request: ChatRequest, *, timeout: float) -> ChatReply:
        self.requests.append(request)
        reply = self.replies[min(len(self.requests), len(self.replies)) - 1]
        if isinstance(reply, Exception):
            raise reply
        finish = reply if isinstance(reply, Finish) else Finish.COMPLETE
        text = "" if isinstance(reply, Finish) else reply
        return ChatReply(text=text, finish=finish, model="m", tokens=Tokens(input=100, output=10))


class Kept:
    """Replies in memory."""

    def __init__(self) -> None:
        self.replies: dict[tuple[str, str], ChatReply] = {}
        self.failed: dict[tuple[str, str], int] = {}

    def get(self, tenant: str, key: str) -> ChatReply | None:
        return self.replies.get((tenant, key))

    def put(
        self,
        tenant: str,
        key: str,
        reply: ChatReply,
        *,
        documents: Set[str],
        also: Callable[[], None],
    ) -> None:
        assert documents == {"d1"}
        also()
        self.replies[tenant, key] = reply

    def last_failed(self, tenant: str, task: str) -> int:
        return self.failed.get((tenant, task), 0)

    def fail(self, tenant: str, task: str, attempt: int, *, documents: Set[str]) -> None:
        assert documents == {"d1"}
        self.failed[tenant, task] = attempt


def engine(model: Model, kept: Kept | None = None, **options: Any) -> PromptedEngine:
    pricing = Pricing([Price(model="test:", input=10.0, output=100.0)])
    calls = Calls(model, limits=Limits(), meter=Meter(), pricing=pricing, deadline_s=1.0)
    return PromptedEngine(calls, replies=kept or Kept(), secret=b"s", **options)
