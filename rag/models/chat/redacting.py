"""A backend of somebody else's, that is told nothing private."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from rag.errors import ModelRejected
from rag.guard import Detector, Redaction
from rag.models.chat import ChatBackend, ChatReply, ChatRequest, Role, Turn

# Where words stand in a schema; the rest of it are names and rules.
_WORDS = frozenset({"title", "description", "enum", "const", "default", "examples"})


class RedactingChat:
    """Hides what a detector finds in a request, and puts it back into the reply.

    Nothing can be hidden in an image, so none is taken.
    """

    takes_images = False

    def __init__(self, backend: ChatBackend, detector: Detector, secret: bytes) -> None:
        """``secret`` keys the placeholders."""
        self._backend = backend
        self._detector = detector
        self._secret = secret

    @property
    def id(self) -> str:
        """The backend's."""
        return self._backend.id

    @property
    def revision(self) -> str:
        """The backend's, and what is hidden from it."""
        return f"{self._backend.revision} without {self._detector.id}"

    @property
    def provider(self) -> str:
        """The backend's."""
        return self._backend.provider

    @property
    def takes_temperature(self) -> bool:
        """Whether the backend does."""
        return self._backend.takes_temperature

    def complete(self, request: ChatRequest, *, timeout: float) -> ChatReply:
        """One call. See `ChatBackend.complete`."""
        if any(turn.images for turn in request.turns):
            raise ModelRejected(f"{self.id} is sent no images: nothing can be hidden in them.")
        words = list(_words(request.schema)) if request.schema else []
        said = [turn.text for turn in request.turns if turn.role is Role.USER]
        redaction = Redaction(self._detector, self._secret, [request.system, *said, *words])
        reply = self._backend.complete(_without(request, redaction), timeout=timeout)
        text = redaction.restore(reply.text, is_json=request.schema is not None)
        return replace(reply, text=text)


def _without(request: ChatRequest, redaction: Redaction) -> ChatRequest:
    def hidden(turn: Turn) -> Turn:
        is_json = request.schema is not None and turn.role is Role.ASSISTANT
        return replace(turn, text=(redaction.hide_said if is_json else redaction.hide)(turn.text))

    return replace(
        request,
        system=redaction.hide(request.system),
        turns=tuple(map(hidden, request.turns)),
        schema=None if request.schema is None else _hidden(request.schema, redaction.hide),
    )


def _words(schema: Any, *, said: bool = False) -> Iterator[str]:
    """All words in a schema; ``said`` within what is nothing but words."""
    if isinstance(schema, str) and said:
        yield schema
    elif isinstance(schema, Mapping):
        for name, inner in schema.items():
            yield from _words(inner, said=said or name in _WORDS)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _words(inner, said=said)


def _hidden(schema: Any, hide: Callable[[str], str], *, said: bool = False) -> Any:
    if isinstance(schema, str):
        return hide(schema) if said else schema
    if isinstance(schema, Mapping):
        return {
            name: _hidden(inner, hide, said=said or name in _WORDS)
            for name, inner in schema.items()
        }
    if isinstance(schema, list):
        return [_hidden(inner, hide, said=said) for inner in schema]
    return schema
