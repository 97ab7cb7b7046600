"""Any server that speaks OpenAI's chat completions: vLLM, Ollama, llama.cpp, LM Studio."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from rag.errors import ModelUnavailable
from rag.models.chat import ChatReply, ChatRequest, Finish, Tell, Tokens, Turn
from rag.models.chat.failures import UNREADABLE, in_our_words, malformed, reason, texts_of
from rag.models.chat.sdk import open_client
from rag.models.chat.temperature import Temperature
from rag.models.chat.transport import timeouts
from rag.models.schema import for_openai
from rag.redact import public_url

if TYPE_CHECKING:
    import httpx2

_STREAM = "text/event-stream"
_BY_KEY = {"bearer_auth": True}
"""Of an administrator's key that the SDK may find in the environment, a server is told nothing."""
_INVALID = frozenset({400, 422})
_ABOUT_STREAMS = re.compile(r"\bstream(?:s|ed|ing|_options)?\b", re.IGNORECASE)
_FINISH = {
    "stop": Finish.COMPLETE,
    "length": Finish.LENGTH,
    "content_filter": Finish.FILTERED,
}


class CompatibleChat:
    """A model of a server of one's own. Not every server keeps to the schema it is given."""

    revision = ""  # what a provider changes behind a model's name is unseen
    takes_images = True  # many such models do; one that does not rejects the call

    def __init__(
        self,
        model: str,
        *,
        base_url: str,
        api_key: str | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """Connect to nothing yet; ``transport`` stands in for the network.

        Raises:
            MissingExtra: The openai package is not installed.
        """
        self._sdk, self._client = open_client(
            "openai",
            "OpenAI",
            f"compatible:{model}",
            api_key=api_key or "none",  # most of these servers ask for none
            base_url=base_url,
            transport=transport,
        )
        self._model = model
        self._server = public_url(base_url)
        self._temperature = Temperature(model.rpartition("/")[2])
        self._streams = True  # until the server refuses to

    @property
    def id(self) -> str:
        """Model and server, without credentials and query."""
        return f"compatible:{self._model}@{self._server}"

    @property
    def provider(self) -> str:
        """The server."""
        return self._server

    @property
    def takes_temperature(self) -> bool:
        """Most do; what stands behind a server may be a model that takes none."""
        return self._temperature.is_taken

    def complete(self, request: ChatRequest, *, timeout: float) -> ChatReply:
        """One call. See `ChatBackend.complete`."""
        with in_our_words(self._sdk, self.id):
            completion = self._temperature.send(request, timeout, self._sdk, self._send)
        return self._read(completion)

    def stream(self, request: ChatRequest, *, timeout: float, tell: Tell) -> ChatReply:
        """One call, told piece by piece; at once, of a server that has refused to stream.

        See `StreamingBackend.stream`.

        Raises:
            ModelUnavailable: It refuses only now; the next call is not to be streamed.
        """
        if not self._streams:
            return self.complete(request, timeout=timeout)
        written = _Written()

        def begin() -> Any:
            return self._temperature.send(request, timeout, self._sdk, self._begin)

        def read(chunks: Any) -> Iterator[str]:
            if _STREAM in chunks.response.headers.get("content-type", ""):
                yield from map(written.add, chunks)
                return
            said = json.loads(chunks.response.read())
            fields = said if isinstance(said, dict) else {}
            written.at_once = self._sdk.types.chat.ChatCompletion.construct(**fields)

        for text in texts_of(self._sdk, self.id, begin, read):
            if text:
                tell(text)
        return self._read(written.completion())

    def _read(self, completion: Any) -> ChatReply:
        try:
            return _reply(completion)
        except UNREADABLE as error:
            raise malformed(self.id, completion) from error

    def _begin(self, request: ChatRequest, timeout: float) -> Any:
        # Without being asked to, servers do not say what a stream took.
        counted = {"stream": True, "stream_options": {"include_usage": True}}
        try:
            return self._client.chat.completions.create(
                model=self._model,
                messages=(),  # in the body: the SDK takes milliseconds to walk through it
                extra_body=self._body(request),
                timeout=timeouts(timeout),
                **counted,
            )
        except self._sdk.APIStatusError as error:
            if error.status_code not in _INVALID or not _ABOUT_STREAMS.search(reason(error)):
                raise
            self._streams = False
            raise ModelUnavailable(f"{self.id} does not stream; ask it again.") from error

    def _send(self, request: ChatRequest, timeout: float) -> Any:
        return self._client.post(  # without the walk through some forty parameters
            "/chat/completions",
            cast_to=self._sdk.types.chat.ChatCompletion,
            body=self._body(request),
            options={"timeout": timeouts(timeout), "security": _BY_KEY},
        )

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [
                {"role": "system", "content": request.system},
                *({"role": turn.role.value, "content": _content(turn)} for turn in request.turns),
            ],
            # The older name of the setting is the one that all these servers know.
            "max_tokens": request.max_output_tokens,
        }
        if request.schema is not None:
            schema = for_openai(request.schema)
            wanted = {"name": "output", "schema": schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": wanted}
        if request.temperature is not None:
            body["temperature"] = request.temperature
        return body


class _Written:
    """What a model has written so far; its chunks make up what comes at once otherwise."""

    def __init__(self) -> None:
        self.at_once: Any = None
        """The whole, of a server that does not stream."""
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._finish: str | None = None
        self._last: Any = None
        self._usage: Any = None

    def add(self, chunk: Any) -> str:
        """The text of the next chunk."""
        self._last = chunk
        self._usage = getattr(chunk, "usage", None) or self._usage
        for choice in chunk.choices or ():
            self._finish = choice.finish_reason or self._finish
            self._refusal.append(getattr(choice.delta, "refusal", None) or "")
            self._text.append(choice.delta.content or "")
            return self._text[-1]
        return ""

    def completion(self) -> Any:
        """The whole, as `_reply` reads it; nothing, if nothing was written."""
        if self.at_once is not None or self._last is None:
            return self.at_once
        text, refusal = "".join(self._text), "".join(self._refusal)
        message = SimpleNamespace(content=text, refusal=refusal)
        choice = SimpleNamespace(message=message, finish_reason=self._finish)
        return SimpleNamespace(choices=[choice], usage=self._usage, model=self._last.model)


def _content(turn: Turn) -> str | list[dict[str, Any]]:
    if not turn.images:
        return turn.text
    parts: list[dict[str, Any]] = []
    for image in turn.images:
        url = f"data:image/png;base64,{image.encoded}"
        parts.append({"type": "text", "text": image.caption})
        parts.append({"type": "image_url", "image_url": {"url": url}})
    return [*parts, {"type": "text", "text": turn.text}]


def _reply(completion: Any) -> ChatReply:
    choice = completion.choices[0]
    refusal = getattr(choice.message, "refusal", None)
    usage = completion.usage
    details = getattr(usage, "prompt_tokens_details", None)
    written = getattr(usage, "completion_tokens_details", None)
    return ChatReply(
        text=str(refusal or choice.message.content or ""),
        finish=Finish.REFUSED if refusal else _FINISH[choice.finish_reason],
        model=str(completion.model),
        tokens=Tokens(  # some servers count nothing
            input=usage.prompt_tokens if usage else 0,
            output=usage.completion_tokens if usage else 0,
            cached=getattr(details, "cached_tokens", None) or 0,
            reasoning=getattr(written, "reasoning_tokens", None) or 0,
        ),
    )
