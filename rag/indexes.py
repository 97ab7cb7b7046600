"""The indexes of each collection in this process, derived from SQL and kept in step with it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeAlias

import numpy as np

from rag.catalog import Catalog
from rag.catalog.indexed import DocumentTexts
from rag.catalog.texts import ChunkText
from rag.embedding import Embedder
from rag.errors import Conflict, StoreDamaged
from rag.lexical import LexicalIndex
from rag.types import Collection, FloatMatrix
from rag.vectors import VectorIndex

OpenVectors: TypeAlias = Callable[[int], VectorIndex]
"""Makes an empty vector index for a dimension."""

OPENING_WEIGHT = 0.4
"""Of the vector of a document's first chunk in the vectors of the others. A document says what
it is at its beginning: the parties, the company, the quarter. On contracts, quarterly reports
and the samples together, 0.3 to 0.5 measured best."""

_BATCH_DOCUMENTS = 64


@dataclass(slots=True, kw_only=True)
class CollectionIndexes:
    """Both indexes of one collection, and the last change of its log that they contain."""

    vectors: VectorIndex
    lexical: LexicalIndex
    seq: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Indexes:
    """Opens a collection's indexes on first use and applies the log's tail before each search."""

    def __init__(self, catalog: Catalog, embedder: Embedder, open_vectors: OpenVectors) -> None:
        self._catalog = catalog
        self._embedder = embedder
        self._open_vectors = open_vectors
        self._open: dict[str, CollectionIndexes] = {}
        self._building: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def of(self, collection: Collection) -> CollectionIndexes:
        """The collection's indexes, with every change committed before this call.

        Raises:
            Conflict: the collection was embedded with another model than this process has.
            StoreDamaged: a chunk of a visible document has no vector.
        """
        if collection.embedder != self._embedder.id:
            raise Conflict(
                f"Collection {collection.name!r} was embedded with {collection.embedder}, and this "
                f"process uses {self._embedder.id}; set IBIDEM_EMBEDDER back, or use a new "
                "collection."
            )
        indexes = self._opened(collection)
        if indexes.seq != self._catalog.collections.seq(collection.id):
            with indexes.lock:
                self._catch_up(collection, indexes)
        return indexes

    def forget(self, collection_id: str) -> None:
        """Drop a collection's indexes; the next search builds them anew from SQL."""
        with self._lock:
            self._open.pop(collection_id, None)

    def _opened(self, collection: Collection) -> CollectionIndexes:
        with self._lock:
            indexes = self._open.get(collection.id)
            building = self._building.setdefault(collection.id, threading.Lock())
        if indexes is not None:
            return indexes
        with building:
            indexes = self._open.get(collection.id)  # somebody else may have built them
            if indexes is None:
                indexes = self._build(collection)
                with self._lock:
                    self._open[collection.id] = indexes
        return indexes

    def _build(self, collection: Collection) -> CollectionIndexes:
        """Fresh indexes from SQL, in batches, seen by nobody before they are complete."""
        indexes = CollectionIndexes(
            vectors=self._open_vectors(self._embedder.dimension), lexical=LexicalIndex()
        )
        with self._catalog.indexed.visible(collection.id) as (seq, documents):
            while batch := list(islice(documents, _BATCH_DOCUMENTS)):
                self._add(collection, indexes, batch)
        indexes.seq = seq
        return indexes

    def _catch_up(self, collection: Collection, indexes: CollectionIndexes) -> None:
        for change in self._catalog.collections.changes_after(collection.id, indexes.seq):
            ids = np.arange(
                change.first_chunk_id, change.first_chunk_id + change.chunk_count, dtype=np.int64
            )
            if change.op == "remove":
                indexes.vectors.remove(ids)
                indexes.lexical.remove(ids)
            else:
                found = self._catalog.indexed.published(change.document_id, change.generation)
                self._add(collection, indexes, [found] if found else [])
            indexes.seq = change.seq

    def _add(
        self,
        collection: Collection,
        indexes: CollectionIndexes,
        documents: Sequence[DocumentTexts],
    ) -> None:
        documents = [document for document in documents if document.chunks]
        if not documents:
            return
        chunks = [chunk for document in documents for chunk in document.chunks]
        contexts = [context for document in documents for context in document.contexts]
        ids = np.array([chunk.id for chunk in chunks], dtype=np.int64)
        vectors = self._vectors_of(collection, chunks)
        firsts = np.cumsum([0, *(len(document.chunks) for document in documents)])
        parts = np.split(vectors, firsts[1:-1])
        indexes.vectors.add(ids, np.concatenate([with_opening(part) for part in parts]))
        indexes.lexical.add(
            ids, [with_context(c, chunk.text) for c, chunk in zip(contexts, chunks, strict=True)]
        )

    def _vectors_of(self, collection: Collection, chunks: Sequence[ChunkText]) -> FloatMatrix:
        hashes = [chunk.text_sha256 for chunk in chunks]
        found = self._catalog.vectors.get(collection.tenant, collection.embedder, hashes)
        if any(key not in found for key in hashes):
            raise StoreDamaged(
                f"Chunks of collection {collection.name!r} have lost their vectors; "
                "run `ibidem audit --repair`."
            )
        return np.stack([found[key] for key in hashes])


def with_context(context: str, text: str) -> str:
    """The words by which a chunk is found: its own, and those of what it stands in."""
    return f"{context}\n{text}" if context else text


def with_opening(vectors: FloatMatrix) -> FloatMatrix:
    """Vectors of one document's chunks, each drawn towards the first; L2-normalized again."""
    drawn: FloatMatrix = vectors + np.float32(OPENING_WEIGHT) * vectors[0]
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return drawn
