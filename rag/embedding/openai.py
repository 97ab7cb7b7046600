"""Embeddings by OpenAI, or by any server that speaks its protocol."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rag.computing import waiting
from rag.embedding.prompts import prompts_for
from rag.errors import ConfigurationError, EmbeddingFailed, MissingExtra
from rag.redact import public_url

if TYPE_CHECKING:
    import httpx2

    from rag.types import FloatMatrix, FloatVector, Ids


class _Size(NamedTuple):
    dimension: int | None
    window: int


# A unit below is at most 4 bytes of UTF-8, so at most 4 tokens of a byte-level tokenizer:
# 2,000 units stay within OpenAI's 8,191 tokens whatever the text. Of the models that others
# serve, most read 512 tokens; 384 units of prose are about 260 tokens.
_OPENAI_WINDOW = 2_000
_OTHER = _Size(dimension=None, window=384)
_SIZES = {
    "text-embedding-3-small": _Size(dimension=1536, window=_OPENAI_WINDOW),
    "text-embedding-3-large": _Size(dimension=3072, window=_OPENAI_WINDOW),
    "text-embedding-ada-002": _Size(dimension=1536, window=_OPENAI_WINDOW),
}
_UNIT = re.compile(r"[A-Za-z]{1,4}|[0-9]{1,3}|\S")
_REQUEST_TEXTS = 256
_REQUEST_UNITS = 50_000
_DEADLINE_SECONDS = 60.0
_FIRST_PAUSE_SECONDS = 0.5
_PASSING_STATUSES = frozenset({408, 409, 429})


class OpenAIEmbedder:
    """Encodes over HTTP. Thread-safe."""

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None,
        base_url: str | None = None,
        http_client: httpx2.Client | None = None,
        deadline: float = _DEADLINE_SECONDS,
    ) -> None:
        """Connect to nothing yet.

        Args:
            model: The model's name at the server.
            api_key: Needed by OpenAI; other servers mostly do without.
            base_url: Another server, such as ``http://localhost:8001/v1``.
            http_client: Another transport.
            deadline: Seconds for one request with all its repetitions.

        Raises:
            MissingExtra: The openai package is not installed.
            ConfigurationError: OpenAI itself is meant and there is no key.
        """
        self._sdk = _import_sdk(model)
        if not api_key and not base_url:
            raise ConfigurationError(
                f"The embedder openai:{model} needs an API key; set "
                "IBIDEM_EMBEDDER_API_KEY, or name another server: openai:MODEL@BASE_URL."
            )
        self._client = self._sdk.OpenAI(
            api_key=api_key or "none",
            base_url=base_url or "https://api.openai.com/v1",
            max_retries=0,
            http_client=http_client,
        )
        self._model = model
        self._server = f"@{public_url(base_url)}" if base_url else ""
        self._deadline = deadline
        self._prompts = prompts_for((model,), {})
        self._size = _SIZES.get(model, _OTHER)

    @property
    def id(self) -> str:
        """Model and, if it is not OpenAI's, server, without credentials and query.

        What a server changes behind its address is unseen.
        """
        return f"openai:{self._model}{self._server}"

    @cached_property
    def dimension(self) -> int:
        """Length of a vector. For a model that is not known, asked of the server once."""
        return self._size.dimension or len(self._request([" "])[0])

    @property
    def window(self) -> int:
        """Most units of ``token_offsets`` in a passage; what is longer is cut there."""
        return self._size.window - len(self.token_offsets(self._prompts.passage))

    def token_offsets(self, text: str) -> Ids:
        """Spans that stand for tokens: up to 4 Latin letters, up to 3 digits, or 1 character.

        The real tokenizer is unknown or not at hand. On prose this counts about half as many
        again as there are; it counts too few only for rare scripts and symbols, which real
        tokenizers cut below the character, and for runs of white space, which it skips.
        """
        spans = [match.span() for match in _UNIT.finditer(text)]
        return np.array(spans, dtype=np.int64).reshape(-1, 2)

    def embed_passages(self, texts: Sequence[str]) -> FloatMatrix:
        """L2-normalized vectors, shape (len(texts), dimension), in the order given.

        Raises:
            EmbeddingFailed: The server refused, or did not answer properly in time.
        """
        cut = [self._cut(self._prompts.passage, text) for text in texts]
        with waiting():
            found = [self._request(batch) for batch in _batches(cut)]
        if not found:
            return np.zeros((0, self.dimension), dtype=np.float32)
        matrix: FloatMatrix = np.concatenate(found)
        return matrix

    def embed_query(self, text: str) -> FloatVector:
        """One L2-normalized vector, shape (dimension,). Longer texts are cut at the window.

        Raises:
            EmbeddingFailed: The server refused, or did not answer properly in time.
        """
        cut = self._cut(self._prompts.query, text)
        with waiting():
            vector: FloatVector = self._request([cut])[0]
        return vector

    def _cut(self, prompt: str, text: str) -> str:
        spans = self.token_offsets(text)
        if len(spans) > self.window:
            text = text[: spans[self.window - 1, 1]]
        # The protocol refuses empty inputs, and UTF-8 has no lone surrogates.
        return (prompt + text).encode("utf-8", "replace").decode() or " "

    def _request(self, texts: list[str]) -> FloatMatrix:
        end = time.monotonic() + self._deadline
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                response = self._client.embeddings.create(
                    model=self._model,
                    input=texts,
                    encoding_format="float",
                    timeout=max(end - time.monotonic(), 0.1),
                )
                return self._vectors(response, len(texts))
            except (self._sdk.OpenAIError, ValueError) as error:
                wait = max(pause * random.uniform(0.5, 1.0), _retry_after(error))  # noqa: S311
                if not self._passing(error) or time.monotonic() + wait >= end:
                    raise self._failed(error) from error
            time.sleep(wait)
            pause *= 2

    def _vectors(self, response: Any, expected: int) -> FloatMatrix:
        try:
            rows = {entry.index: entry.embedding for entry in response.data}
            matrix: FloatMatrix = np.array([rows[i] for i in range(expected)], dtype=np.float32)
            lengths: FloatMatrix = np.linalg.norm(matrix, axis=1, keepdims=True)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise EmbeddingFailed(
                f"{self.id} did not answer with one vector for each of {expected} texts; the "
                "server does not keep to the protocol."
            ) from error
        if not (np.isfinite(matrix).all() and (lengths > 0).all()):
            raise EmbeddingFailed(f"{self.id} answered with vectors that are zero or not finite.")
        unit: FloatMatrix = matrix / lengths
        return unit

    def _passing(self, error: Exception) -> bool:
        """Whether the same request may succeed a little later."""
        if isinstance(error, self._sdk.APIStatusError):
            return error.status_code >= 500 or error.status_code in _PASSING_STATUSES
        return isinstance(error, self._sdk.APIConnectionError)

    def _failed(self, error: Exception) -> EmbeddingFailed:
        reason = str(getattr(error, "message", "") or error)[:300]
        if isinstance(error, self._sdk.AuthenticationError | self._sdk.PermissionDeniedError):
            # Servers repeat part of the key in this message.
            reason = "the API key was refused; check it and what it may do"
        return EmbeddingFailed(f"{self.id} could not embed: {reason}")


def _import_sdk(model: str) -> Any:
    try:
        import openai
    except ImportError as error:
        raise MissingExtra(
            f"The embedder openai:{model} needs a package that is not installed: "
            "pip install 'ibidem[openai]'."
        ) from error
    return openai


def _retry_after(error: Exception) -> float:
    """Seconds that the server asks to wait; 0 when it asks for none or gives a date."""
    response = getattr(error, "response", None)
    try:
        return float(response.headers["retry-after"])  # type: ignore[union-attr]
    except (AttributeError, KeyError, ValueError):
        return 0.0


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    units = 0
    for text in texts:
        own = len(text)  # no fewer characters than units
        if batch and (len(batch) == _REQUEST_TEXTS or units + own > _REQUEST_UNITS):
            yield batch
            batch, units = [], 0
        batch.append(text)
        units += own
    if batch:
        yield batch
