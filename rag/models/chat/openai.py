"""OpenAI's models, through its Responses API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rag.errors import MalformedReply
from rag.models.chat import ChatReply, ChatRequest, Finish, Tokens, Turn
from rag.models.chat.failures import in_our_words
from rag.models.chat.sdk import open_client
from rag.models.chat.transport import timeouts
from rag.models.schema import for_openai

if TYPE_CHECKING:
    import httpx2

_BASE_URL = "https://api.openai.com/v1"
_CUT_OFF = {"max_output_tokens": Finish.LENGTH, "content_filter": Finish.FILTERED}


class OpenAIChat:
    """A model of OpenAI's."""

    provider = "openai"
    revision = ""  # what a provider changes behind a model's name is unseen
    takes_temperature = True
    takes_images = True

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None,
        base_url: str = _BASE_URL,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """Connect to nothing yet; ``transport`` stands in for the network.

        Raises:
            MissingExtra: The openai package is not installed.
            ConfigurationError: There is no key.
        """
        self._sdk, self._client = open_client(
            "openai",
            "OpenAI",
            f"openai:{model}",
            api_key=api_key,
            base_url=base_url,
            transport=transport,
        )
        self._model = model

    @property
    def id(self) -> str:
        """Name under which calls are reported."""
        return f"openai:{self._model}"

    def complete(self, request: ChatRequest, *, timeout: float) -> ChatReply:
        """One call; nothing of it is kept by the provider. See `ChatBackend.complete`."""
        options: dict[str, Any] = {}
        if request.schema is not None:
            options["text"] = {
                "format": {
                    "type": "json_schema",
                    "name": "output",
                    "schema": for_openai(request.schema),
                    "strict": True,
                }
            }
        if request.temperature is not None:
            options["temperature"] = request.temperature
        with in_our_words(self._sdk, self.id):
            response = self._client.responses.create(
                model=self._model,
                instructions=request.system,
                input=[
                    {"role": turn.role.value, "content": _content(turn)} for turn in request.turns
                ],
                max_output_tokens=request.max_output_tokens,
                store=False,
                timeout=timeouts(timeout),
                **options,
            )
        try:
            return _reply(response)
        except (AttributeError, TypeError) as error:
            raise MalformedReply(f"{self.id} answered with something unexpected.") from error


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
