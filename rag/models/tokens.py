"""How many tokens a model makes of a text, as far as one can tell without its tokenizer."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterable

from rag.models.chat import ChatRequest, Image
from rag.models.counting import likely_tokens
from rag.models.schema import Schema

_FIRST_PER_BYTE = 1 / 3
# More than tokenizers need for prose of most scripts.
_MOST_PER_BYTE = 0.35
# Text that no tokenizer does better with. A server that cuts what it reads reports too few.
_FEWEST_PER_BYTE = 1 / 5
# Of less text the frame around it says too much.
_LEAST_BYTES = 500
_MARGIN = 1.03
_FORGETTING = 0.1
_FRAME = 16
# Tokens that a model counts for one that is likely, before it was asked anything.
_COUNTED_MORE = 1.05
_MOST_COMPARED = 20
# Providers count a token for 750 to 1,024 pixels, after they have made large images smaller.
_PIXELS_PER_TOKEN = 750


class TokenEstimate:
    """Tokens of one model by bytes of UTF-8, rather too many. Thread-safe.

    Bytes serve all scripts: what takes more of them takes more tokens. The ratio follows what
    the model's replies report at once when that is more, and slowly when it is less. It tells what
    a call will cost; what goes into one does not depend on it, see `most_tokens`.
    """

    def __init__(self, *, counts_schemas: bool = True) -> None:
        """Begin with three bytes to a token, which few tokenizers need more than.

        ``counts_schemas`` says whether the model is shown the schema that its output keeps to.
        """
        self._counts_schemas = counts_schemas
        self._ratio = _FIRST_PER_BYTE
        self._counted: list[float] = []
        self._lock = threading.Lock()

    @property
    def per_byte(self) -> float:
        """Tokens for a byte, with a margin."""
        return self._ratio * _MARGIN

    def tokens(self, request: ChatRequest) -> int:
        """About how many tokens a request has."""
        return _tokens(request, self.per_byte)

    def likely(self, request: ChatRequest) -> int:
        """How many tokens a request will probably be counted as."""
        known = self._counted
        factor = sum(known) / len(known) if known else _COUNTED_MORE
        shown = image_tokens(image for turn in request.turns for image in turn.images)
        return round(self._likely(request) * factor) + shown

    def learn(self, request: ChatRequest, tokens: int) -> None:
        """Take note of how many tokens a provider counted; 0 means that it does not count."""
        size = request_bytes(request)
        if not tokens or size < _LEAST_BYTES or any(turn.images for turn in request.turns):
            return
        seen = max(tokens / size, _FEWEST_PER_BYTE)
        with self._lock:
            slowly = self._ratio + _FORGETTING * (seen - self._ratio)
            self._ratio = max(seen, slowly)
            if len(self._counted) < _MOST_COMPARED:
                self._counted = [*self._counted, tokens / self._likely(request)]

    def _likely(self, request: ChatRequest) -> float:
        schema = request.schema if self._counts_schemas else None
        shown = "" if schema is None else json.dumps(schema, ensure_ascii=False)
        texts = [request.system, shown, *(turn.text for turn in request.turns)]
        return sum(map(likely_tokens, texts))


def most_tokens(request: ChatRequest) -> int:
    """How many tokens to expect at most of a request, whatever the model.

    The same request has the same number at all times: what is cut or repeated by it is found
    known again, also after a restart.
    """
    return _tokens(request, _MOST_PER_BYTE)


def bytes_in(tokens: int) -> int:
    """How many bytes of text a request of at most so many tokens can have; may be below 0."""
    return math.floor((tokens - _FRAME) / _MOST_PER_BYTE)


def _tokens(request: ChatRequest, per_byte: float) -> int:
    shown = image_tokens(image for turn in request.turns for image in turn.images)
    return math.ceil(request_bytes(request) * per_byte) + shown + _FRAME


def estimated_tokens(text: str) -> int:
    """About how many tokens a model makes of a text, whatever the model."""
    return math.ceil(size(text) * _FIRST_PER_BYTE)


def image_tokens(images: Iterable[Image]) -> int:
    """About how many tokens images take."""
    return math.ceil(sum(image.pixels for image in images) / _PIXELS_PER_TOKEN)


def size(text: str) -> int:
    """Bytes of UTF-8, lone surrogates included."""
    return len(text.encode("utf-8", "surrogatepass"))


def request_bytes(request: ChatRequest) -> int:
    """Bytes of all text in a request, the schema included."""
    texts = [request.system, *(turn.text for turn in request.turns)]
    texts += [image.caption for turn in request.turns for image in turn.images]
    return sum(map(size, texts)) + schema_bytes(request.schema)


def schema_bytes(schema: Schema | None) -> int:
    """Bytes of a schema as it is sent; a provider may turn it into a text of another length."""
    return 0 if schema is None else size(json.dumps(schema, ensure_ascii=False))
