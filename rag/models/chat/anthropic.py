"""Anthropic's models, through its Messages API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rag.models.chat import ChatReply, ChatRequest, Finish, Tell, Tokens, Turn
from rag.models.chat.failures import UNREADABLE, in_our_words, malformed, texts_of
from rag.models.chat.sdk import HostedChat
from rag.models.chat.transport import timeouts
from rag.models.schema import for_anthropic

_FINISH = {
    "end_turn": Finish.COMPLETE,
    "stop_sequence": Finish.COMPLETE,
    "max_tokens": Finish.LENGTH,
    "model_context_window_exceeded": Finish.LENGTH,
    "refusal": Finish.REFUSED,
}


class AnthropicChat(HostedChat):
    """A model of Anthropic's. Its API takes no temperature."""

    provider = "anthropic"
    _kind = "Anthropic"
    _base_url = "https://api.anthropic.com"
    takes_temperature = False
    takes_images = True

    def complete(self, request: ChatRequest, *, timeout: float) -> ChatReply:
        """One call. See `ChatBackend.complete`."""
        with in_our_words(self._sdk, self.id):
            message = self._client.messages.create(**self.body(request), timeout=timeouts(timeout))
        return self.read(message)

    def stream(self, request: ChatRequest, *, timeout: float, tell: Tell) -> ChatReply:
        """One call, told piece by piece. See `StreamingBackend.stream`."""
        message = None
        body = self.body(request)

        def begin() -> Any:
            return self._client.messages.stream(**body, timeout=timeouts(timeout))

        def read(events: Any) -> Iterator[str]:
            nonlocal message
            for event in events:
                if event.type == "text":
                    yield event.text
                elif event.type == "message_stop":
                    message = event.message

        for text in texts_of(self._sdk, self.id, begin, read):
            tell(text)
        return self.read(message)

    def body(self, request: ChatRequest) -> dict[str, Any]:
        """A request as the provider takes it."""
        body: dict[str, Any] = {
            "model": self._model,
            "system": request.system,
            "messages": [
                {"role": turn.role.value, "content": _content(turn)} for turn in request.turns
            ],
            "max_tokens": request.max_output_tokens,
        }
        if request.schema is not None:
            schema = for_anthropic(request.schema)
            body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        return body

    def read(self, message: Any) -> ChatReply:
        """A reply as the provider's package hands it out.

        Raises:
            MalformedReply: It is none.
        """
        try:
            return _reply(message)
        except UNREADABLE as error:
            raise malformed(self.id, message) from error


def _content(turn: Turn) -> str | list[dict[str, Any]]:
    if not turn.images:
        return turn.text
    parts: list[dict[str, Any]] = []
    for image in turn.images:
        source = {"type": "base64", "media_type": "image/png", "data": image.encoded}
        parts.append({"type": "text", "text": image.caption})
        parts.append({"type": "image", "source": source})
    return [*parts, {"type": "text", "text": turn.text}]


def _reply(message: Any) -> ChatReply:
    usage = message.usage
    cached = usage.cache_read_input_tokens or 0
    details = usage.output_tokens_details
    return ChatReply(
        text="".join(block.text for block in message.content if block.type == "text"),
        finish=_FINISH[message.stop_reason],
        model=str(message.model),
        tokens=Tokens(
            # Counted apart by this provider: read anew, written to its cache, read from it.
            input=usage.input_tokens + (usage.cache_creation_input_tokens or 0) + cached,
            output=usage.output_tokens,
            cached=cached,
            reasoning=(details.thinking_tokens if details else 0) or 0,
        ),
    )
