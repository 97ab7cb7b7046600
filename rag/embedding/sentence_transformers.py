"""Embeddings by the sentence-transformers package: any model that it runs, on its device."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rag.computing import waiting
from rag.embedding.prompts import prompts_for
from rag.embedding.tokens import Tokens
from rag.errors import ConfigurationError, EmbeddingFailed, MissingExtra

if TYPE_CHECKING:
    from rag.types import FloatMatrix, FloatVector, Ids


class SentenceTransformersEmbedder:
    """Encodes with a SentenceTransformer. Thread-safe: one call at a time."""

    def __init__(self, name: str) -> None:
        """Load the model of that name on the Hugging Face hub, or in that folder.

        Raises:
            MissingExtra: sentence-transformers is not installed.
            ConfigurationError: The model cannot be loaded or has no Rust tokenizer.
        """
        self._model = _load(name)
        self._name = Path(name).name
        self._prompts = prompts_for((name, Path(name).resolve().name), self._model.prompts)
        tokenizer = self._model.tokenizer
        if not getattr(tokenizer, "is_fast", False):
            raise ConfigurationError(f"The model {name} has no tokenizer.json; choose another.")
        self._tokens = Tokens(tokenizer.backend_tokenizer.to_str())
        self._max_tokens = int(self._model.max_seq_length or tokenizer.model_max_length)
        self._digest = _digest(self._model)
        self._lock = threading.Lock()
        self._dimension: int = self._encode([""]).shape[1]

    @property
    def id(self) -> str:
        """Name, weights and number format."""
        kind = str(next(self._model.parameters()).dtype).removeprefix("torch.")
        return f"sentence-transformers-{self._name}-{self._digest[:16]}-{kind}"

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._dimension

    @property
    def window(self) -> int:
        """Most tokens of a passage's own text; what is longer is cut there."""
        return self._max_tokens - self._tokens.specials - self._tokens.count(self._prompts.passage)

    @property
    def tokenizer(self) -> str:
        """The text of the ``tokenizer.json`` by which ``token_offsets`` goes."""
        return self._tokens.definition

    def token_offsets(self, text: str) -> Ids:
        """Code point spans of the text's tokens, shape (tokens, 2), without special tokens."""
        return self._tokens.offsets(text)

    def embed_passages(self, texts: Sequence[str]) -> FloatMatrix:
        """L2-normalized vectors, shape (len(texts), dimension), in the order given.

        Raises:
            EmbeddingFailed: The model could not encode the texts.
        """
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        return self._encode([self._prompts.passage + text for text in texts])

    def embed_query(self, text: str) -> FloatVector:
        """One L2-normalized vector, shape (dimension,). Longer texts are cut at the window.

        Raises:
            EmbeddingFailed: The model could not encode the text.
        """
        vector: FloatVector = self._encode([self._prompts.query + text])[0]
        return vector

    def _encode(self, texts: list[str]) -> FloatMatrix:
        texts = [text.encode("utf-8", "replace").decode() for text in texts]
        try:
            with waiting(), self._lock:  # its tokenizer changes state while it encodes
                # An empty prompt keeps it from adding the model's default one.
                vectors = self._model.encode(
                    texts, prompt="", normalize_embeddings=True, show_progress_bar=False
                )
        except (RuntimeError, ValueError) as error:
            raise EmbeddingFailed(f"The embedding model {self.id} failed: {error}") from error
        matrix: FloatMatrix = np.asarray(vectors, dtype=np.float32)
        if not np.isfinite(matrix).all():
            raise EmbeddingFailed(
                f"The embedding model {self.id} gave vectors that are not finite."
            )
        return matrix


def _load(name: str) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise MissingExtra(
            f"The embedder sentence-transformers:{name} needs packages that are not installed: "
            "pip install 'ibidem[torch]'."
        ) from error
    try:
        return SentenceTransformer(name)
    except Exception as error:  # the folder decides what code runs, and what it raises
        raise ConfigurationError(f"Cannot load the embedding model {name}: {error}") from error


def _digest(model: Any) -> str:
    """Names the weights by their content, wherever they were loaded from."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().float().numpy().tobytes())
    return digest.hexdigest()
