"""OpenAI's models, through its Responses API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rag.models.chat import ChatReply, ChatRequest, Finish, Tell, Tokens, Turn
from rag.models.chat.failures import (
    UNREADABLE,
    in_our_words,
    malformed,
    reported,
    texts_of,
    usage_of,
)
from rag.models.chat.sdk import HostedChat
from rag.models.chat.temperature import Temperature
from rag.models.chat.transport import timeouts
from rag.models.schema import for_openai

_CUT_OFF = {"max_output_tokens": Finish.LENGTH, "content_filter": Finish.FILTERED}

# The last event of a stream holds the whole reply; one that failed is none that can be read.
_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})


class OpenAIChat(HostedChat):
    """A model of OpenAI's."""

    provider = "openai"
    _kind = "OpenAI"
    _base_url = "https://api.openai.com/v1"
    takes_images = True

    def __init__(self, model: str, **options: Any) -> None:
        """See `HostedChat`."""
        super().__init__(model, **options)
        self._temperature = Temperature(model)

    @property
    def takes_temperature(self) -> bool:
        """Models that reason take none."""
        return self._temperature.is_taken

    def complete(self, request: ChatRequest, *, timeout: float) -> ChatReply:
        """One call; nothing of it is kept by the provider. See `ChatBackend.complete`."""
        with in_our_words(self._sdk, self.id):
            response = self._temperature.send(request, timeout, self._sdk, self._send)
        return self.read(response)

    def stream(self, request: ChatRequest, *, timeout: float, tell: Tell) -> ChatReply:
        """One call, told piece by piece. See `StreamingBackend.stream`."""
        response = None

        def begin() -> Any:
            return self._temperature.send(request, timeout, self._sdk, self._begin)

        def read(events: Any) -> Iterator[str]:
            nonlocal response
            for event in events:
                if event.type == "response.output_text.delta":
                    yield event.delta
                elif event.type in _ENDS:
                    response = event.response
                elif event.type == "error":
                    raise reported(self.id, event.code, event.message)

        for text in texts_of(self._sdk, self.id, begin, read):
            tell(text)
        return self.read(response)

    def _send(self, request: ChatRequest, timeout: float) -> Any:
        body = self.body(request)
        return self._client.responses.create(extra_body=body, timeout=timeouts(timeout))

    def _begin(self, request: ChatRequest, timeout: float) -> Any:
        # As parameters the SDK would walk through all of it, which takes milliseconds.
        body = self.body(request)
        return self._client.responses.create(
            extra_body=body, stream=True, timeout=timeouts(timeout)
        )

    def body(self, request: ChatRequest) -> dict[str, Any]:
        """A request as the provider takes it."""
        body: dict[str, Any] = {
            "model": self._model,
            "instructions": request.system,
            "input": [
                {"role": turn.role.value, "content": _content(turn)} for turn in request.turns
            ],
            "max_output_tokens": request.max_output_tokens,
            "store": False,
        }
        if request.schema is not None:
            body["text"] = {
                "format": {
                    "type": "json_schema",
                    "name": "output",
                    "schema": for_openai(request.schema),
                    "strict": True,
                }
            }
        if request.temperature is not None:
            body["temperature"] = request.temperature
        return body

    def read(self, response: Any) -> ChatReply:
        """A reply as the provider's package hands it out.

        Raises:
            MalformedReply: It is none.
            ModelError: It says why there is none.
        """
        try:
            if response.status == "failed":
                error = reported(self.id, response.error.code, response.error.message)
                error.usage = usage_of(response)
                raise error
            return _reply(response)
        except UNREADABLE as error:
            raise malformed(self.id, response) from error


def _content(turn: Turn) -> str | list[dict[str, Any]]:
    if not turn.images:
        return turn.text
    parts: list[dict[str, Any]] = []
    for image in turn.images:
        url = f"data:image/png;base64,{image.encoded}"
        parts.append({"type": "input_text", "text": image.caption})
        parts.append({"type": "input_image", "image_url": url, "detail": "high"})
    return [*parts, {"type": "input_text", "text": turn.text}]


def _reply(response: Any) -> ChatReply:
    texts: list[str] = []
    refused = False
    for item in response.output:
        for part in item.content if item.type == "message" else ():
            refused |= part.type == "refusal"
            texts.append(part.refusal if part.type == "refusal" else part.text)
    if response.status not in ("completed", "incomplete"):
        raise TypeError(response.status)
    finish = Finish.REFUSED if refused else Finish.COMPLETE
    if response.status == "incomplete":
        finish = _CUT_OFF[response.incomplete_details.reason]
    usage = response.usage
    return ChatReply(
        text="".join(texts),
        finish=finish,
        model=str(response.model),
        tokens=Tokens(
            input=usage.input_tokens,
            output=usage.output_tokens,
            cached=usage.input_tokens_details.cached_tokens,
            reasoning=usage.output_tokens_details.reasoning_tokens,
        ),
    )
