"""Text to vectors. One protocol; adapters for ONNX, sentence-transformers and OpenAI."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from rag.types import FloatMatrix, FloatVector, Ids


class Embedder(Protocol):
    """Encodes passages and queries into one space; inner product is the similarity."""

    @property
    def id(self) -> str:
        """Model, revision and precision: two embedders with one id give the same vectors."""
        ...

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    @property
    def window(self) -> int:
        """Most tokens of a passage's own text; special tokens and prefixes are taken off."""
        ...

    def token_offsets(self, text: str) -> Ids:
        """Code point spans of the text's tokens, shape (tokens, 2), without special tokens."""
        ...

    def embed_passages(self, texts: Sequence[str]) -> FloatMatrix:
        """L2-normalized vectors, shape (len(texts), dimension), in the order given."""
        ...

    def embed_query(self, text: str) -> FloatVector:
        """One L2-normalized vector, shape (dimension,). Longer texts are cut at the window."""
        ...


@runtime_checkable
class Tokenizing(Protocol):
    """An embedder whose tokens another process can find without its weights."""

    @property
    def tokenizer(self) -> str:
        """The text of the ``tokenizer.json`` by which ``token_offsets`` goes."""
        ...
