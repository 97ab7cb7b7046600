"""Small real implementations of the protocols, for tests that need no model."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from rag.errors import NotFound
from rag.types import FloatMatrix, FloatVector, Ids, Page, Span


class HashingEmbedder:
    """Bags of words hashed into a few dimensions: shared words mean similar vectors."""

    id = "hashing"
    dimension = 256
    window = 256

    def token_offsets(self, text: str) -> Ids:
        spans = [match.span() for match in re.finditer(r"\w+|[^\w\s]", text)]
        return np.array(spans, dtype=np.int64).reshape(-1, 2)

    def embed_passages(self, texts: Sequence[str]) -> FloatMatrix:
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.casefold()):
                vectors[row, zlib.crc32(word.encode()) % self.dimension] += 1
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.where(norms == 0, 1, norms)

    def embed_query(self, text: str) -> FloatVector:
        return self.embed_passages([text])[0]


class MemorySource:
    """Stored documents in memory: what citing reads."""

    def __init__(
        self, texts: Mapping[str, str], pages: Mapping[str, Sequence[Page]] | None = None
    ) -> None:
        self.texts = dict(texts)
        self._pages = dict(pages or {})

    def read(self, document_id: str, start: int, end: int) -> str:
        if document_id not in self.texts:
            raise NotFound(f"No document {document_id!r}.")
        return self.texts[document_id][start:end]

    def pages(self, document_id: str, span: Span) -> Sequence[Page]:
        return [
            page
            for page in self._pages.get(document_id, ())
            if page.start < span.end and span.start < page.end
        ]
