"""Fake providers: what OpenAI, Anthropic and compatible servers send, and a ledger of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2

from rag.models.chat import ChatBackend, ChatReply, ChatRequest, Tokens
from rag.models.chat.anthropic import AnthropicChat
from rag.models.chat.compatible import CompatibleChat
from rag.models.chat.openai import OpenAIChat

_USED = Tokens(input=70, output=30)
KEY = "sk-secret-0123456789"


def openai_reply(text: str, *, finish: str = "complete", tokens: Tokens | None = None) -> Any:
    tokens = tokens or Tokens(input=10, output=5)
    part: dict[str, Any] = {"type": "output_text", "text": text, "annotations": []}
    if finish == "refused":
        part = {"type": "refusal", "refusal": text}
    reasons = {"length": "max_output_tokens", "filtered": "content_filter"}
    reason = reasons.get(finish)
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1.0,
        "model": "big-2026-01-01",
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "output": [
            {"id": "r", "type": "reasoning", "summary": []},
            {
                "id": "m",
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [part],
            },
        ],
        "parallel_tool_calls": False,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": tokens.input,
            "input_tokens_details": {"cached_tokens": tokens.cached, "cache_write_tokens": 0},
            "output_tokens": tokens.output,
            "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
            "total_tokens": tokens.input + tokens.output,
        },
    }


def anthropic_reply(text: str, *, finish: str = "complete", tokens: Tokens | None = None) -> Any:
    tokens = tokens or Tokens(input=10, output=5)
    reasons = {"complete": "end_turn", "length": "max_tokens"}
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "big-2026-01-01",
        "content": [{"type": "text", "text": text}],
        "stop_reason": reasons.get(finish, "refusal"),
        "stop_sequence": None,
        "usage": {
            "input_tokens": tokens.input - tokens.cached,
            "cache_read_input_tokens": tokens.cached,
            "cache_creation_input_tokens": 0,
            "output_tokens": tokens.output,
            "output_tokens_details": {"thinking_tokens": tokens.reasoning},
        },
    }


def compatible_reply(text: str, *, finish: str = "complete", tokens: Tokens | None = None) -> Any:
    tokens = tokens or Tokens(input=10, output=5)
    reasons = {"length": "length", "filtered": "content_filter"}
    refused = finish == "refused"
    return {
        "id": "chat_1",
        "object": "chat.completion",
        "created": 1,
        "model": "big-2026-01-01",
        "choices": [
            {
                "index": 0,
                "finish_reason": reasons.get(finish, "stop"),
                "message": {
                    "role": "assistant",
                    "content": None if refused else text,
                    "refusal": text if refused else None,
                },
            }
        ],
        "usage": {
            "prompt_tokens": tokens.input,
            "completion_tokens": tokens.output,
            "total_tokens": tokens.input + tokens.output,
            "prompt_tokens_details": {"cached_tokens": tokens.cached},
            "completion_tokens_details": {"reasoning_tokens": tokens.reasoning},
        },
    }


def openai_events(whole: Any, text: str) -> Iterator[str]:
    """A reply as it is streamed, piece by piece."""
    reasoning, message = whole["output"]
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    begun["incomplete_details"] = None
    place = {"item_id": message["id"], "output_index": 1, "content_index": 0}
    (part,) = message["content"]
    refused = part["type"] == "refusal"
    told: list[tuple[str, Any]] = [
        ("response.created", {"response": begun}),
        ("response.output_item.done", {"output_index": 0, "item": reasoning}),
        (
            "response.output_item.added",
            {"output_index": 1, "item": {**message, "content": [], "status": "in_progress"}},
        ),
        ("response.content_part.added", {**place, "part": {**part, part["type"][-7:]: ""}}),
    ]
    kind = "refusal" if refused else "output_text"
    told += [
        (f"response.{kind}.delta", {**place, "delta": piece, "logprobs": []})
        for piece in pieces(text)
    ]
    last = "response.completed" if whole["status"] == "completed" else "response.incomplete"
    told += [
        (f"response.{kind}.done", {**place, kind.removeprefix("output_"): text, "logprobs": []}),
        ("response.content_part.done", {**place, "part": part}),
        ("response.output_item.done", {"output_index": 1, "item": message}),
        (last, {"response": whole}),
    ]
    for number, (kind, fields) in enumerate(told):
        yield f"event: {kind}\n" + _event({"type": kind, "sequence_number": number, **fields})


def anthropic_events(whole: Any, text: str) -> Iterator[str]:
    """A reply as it is streamed, piece by piece."""
    begun = {**whole, "content": [], "stop_reason": None}
    begun["usage"] = {**whole["usage"], "output_tokens": 1, "output_tokens_details": None}
    told: list[Any] = [
        {"type": "message_start", "message": begun},
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "text", "text": ""},
        },
        {"type": "ping"},
    ]
    told += [
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": piece},
        }
        for piece in pieces(text)
    ]
    told += [
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": whole["stop_reason"], "stop_sequence": None},
            "usage": whole["usage"],
        },
        {"type": "message_stop"},
    ]
    for one in told:
        yield f"event: {one['type']}\n" + _event(one)


def compatible_events(whole: Any, text: str, *, counted: bool = True) -> Iterator[str]:
    """A reply as it is streamed, piece by piece; ``counted`` with what it took."""
    shared = {"id": whole["id"], "object": "chat.completion.chunk", "created": 1}
    shared["model"] = whole["model"]
    (choice,) = whole["choices"]
    name = "refusal" if choice["message"].get("refusal") else "content"

    def chunk(delta: Any, finish: str | None = None) -> str:
        return _event(
            {**shared, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        )

    yield chunk({"role": "assistant", "content": ""})
    for piece in pieces(text):
        yield chunk({name: piece})
    yield chunk({}, choice["finish_reason"])
    if counted:
        yield _event({**shared, "choices": [], "usage": whole["usage"]})
    yield "data: [DONE]\n\n"


def pieces(text: str) -> list[str]:
    """A text in pieces of about a token."""
    return re.findall(r"\s*\S{1,8}", text) + re.findall(r"\s+$", text)


def _event(value: Any) -> str:
    return f"data: {json.dumps(value)}\n\n"


@dataclass(frozen=True)
class Provider:
    """How one provider is called and what it answers, at once or piece by piece."""

    name: str
    reply: Callable[..., Any]
    events: Callable[[Any, str], Iterator[str]]
    backend: Callable[..., ChatBackend]


def _openai(**options: Any) -> ChatBackend:
    return OpenAIChat("big", **({"api_key": KEY} | options))


def _anthropic(**options: Any) -> ChatBackend:
    return AnthropicChat("big", **({"api_key": KEY} | options))


def _compatible(**options: Any) -> ChatBackend:
    return CompatibleChat(
        "big", **({"base_url": "http://model.invalid/v1", "api_key": KEY} | options)
    )


PROVIDERS = (
    Provider("openai", openai_reply, openai_events, _openai),
    Provider("anthropic", anthropic_reply, anthropic_events, _anthropic),
    Provider("compatible", compatible_reply, compatible_events, _compatible),
)


@dataclass
class Ledger:
    """Answers requests from a list, the last one again and again, and keeps the books."""

    answers: list[Callable[[], Any]]
    requests: list[Mapping[str, Any]] = field(default_factory=list)

    def __call__(self, request: Any) -> Any:
        self.requests.append(json.loads(request.content))
        answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
        return answer()


class Wire:
    """A provider's backend over its real SDK; what is at its other end can be exchanged."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.backend = provider.backend(transport=httpx2.MockTransport(self._answer))
        self.other_end: Callable[[Any], Any]

    def _answer(self, request: Any) -> Any:
        return self.other_end(request)

    def speaker(self, *texts: str) -> Speaker:
        """A model that says these texts, the last one again and again."""
        return Speaker(self, texts)


class Speaker:
    """A model of a provider's, as our layer and as the provider sees it."""

    revision = ""

    def __init__(self, wire: Wire, texts: Sequence[str]) -> None:
        self._wire = wire
        reply = wire.provider.reply
        self._ledger = Ledger([_replying(reply(text, tokens=_USED)) for text in texts])
        self.id = wire.backend.id
        self.provider = wire.backend.provider
        self.takes_temperature = wire.backend.takes_temperature
        self.takes_images = wire.backend.takes_images

    @property
    def requests(self) -> list[Mapping[str, Any]]:
        return self._ledger.requests

    @property
    def used(self) -> Tokens:
        times = len(self.requests)
        return Tokens(input=times * _USED.input, output=times * _USED.output)

    def complete(self, request: ChatRequest, *, timeout: float) -> ChatReply:
        self._wire.other_end = self._ledger
        return self._wire.backend.complete(request, timeout=timeout)


def _replying(reply: Any) -> Callable[[], Any]:
    return lambda: httpx2.Response(200, json=reply)
