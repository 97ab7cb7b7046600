"""The indexes of each collection in this process, derived from SQL and kept in step with it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TypeAlias

import numpy as np

from rag.catalog import Catalog
from rag.catalog.indexed import DocumentTexts
from rag.catalog.texts import ChunkText
from rag.embedding import Embedder
from rag.embedding.several import Embedders
from rag.errors import StoreDamaged
from rag.lexical import LexicalIndex
from rag.types import Collection, FloatMatrix, FloatVector, Ids
from rag.vectors import OpenVectors, Place, VectorIndex

OPENING_WEIGHT = 0.4
"""Of the vector of a document's first chunk in the vectors of the others. A document says what
it is at its beginning: the parties, the company, the quarter. On contracts, quarterly reports
and the samples together, 0.3 to 0.5 measured best."""

_BATCH_DOCUMENTS = 64
_Key: TypeAlias = tuple[str, int]


@dataclass(slots=True, kw_only=True)
class CollectionIndexes:
    """Both indexes of one edition of a collection, and the last change that they contain.

    A search keeps to what it has opened: the model that embeds its query, the vectors and the
    chunks are of one edition, also when another one comes to be searched meanwhile.
    """

    embedder: Embedder
    vectors: VectorIndex
    lexical: LexicalIndex
    seq: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Indexes:
    """Opens a collection's indexes on first use and applies the log's tail before each search."""

    def __init__(self, catalog: Catalog, embedders: Embedders, open_vectors: OpenVectors) -> None:
        self._catalog = catalog
        self._embedders = embedders
        self._open_vectors = open_vectors
        self._open: dict[_Key, CollectionIndexes] = {}
        self._building: dict[_Key, threading.Lock] = {}
        self._lock = threading.Lock()

    def of(self, collection: Collection) -> CollectionIndexes:
        """The indexes of the edition that is searched, with every change committed before.

        Raises:
            Conflict: the collection was embedded with another model than this process has.
            StoreDamaged: a chunk of a visible document has no vector.
        """
        return self.of_edition(self._catalog.collections.current(collection))

    def of_edition(self, collection: Collection) -> CollectionIndexes:
        """The indexes of the edition that the collection was read or given with.

        Raises:
            Conflict: as for ``of``.
            StoreDamaged: as for ``of``.
        """
        indexes = self._opened(collection)
        if indexes.seq < collection.seq:
            with indexes.lock:
                self._catch_up(collection, indexes)
        return indexes

    def forget(self, collection_id: str, *, edition: int | None = None) -> None:
        """Close a collection's indexes; the next search compares them with SQL and mends them."""
        with self._lock:
            for key in list(self._open):
                if key[0] == collection_id and edition in (None, key[1]):
                    self._open.pop(key)

    def drop(self, collection: Collection) -> None:
        """Remove the indexes of an edition for good, also what lies outside this process."""
        with self._lock:
            opened = self._open.pop(_key(collection), None)
        if opened is None:
            embedder = self._embedders.find(collection.embedder)
            # Of what nobody can search any more, the dimension does not matter.
            place = self._place(collection, embedder.dimension if embedder else 1)
        vectors = opened.vectors if opened else self._open_vectors(place)
        vectors.drop()

    def _opened(self, collection: Collection) -> CollectionIndexes:
        key = _key(collection)
        with self._lock:
            indexes = self._open.get(key)
            building = self._building.setdefault(key, threading.Lock())
        if indexes is not None:
            return indexes
        with building:
            indexes = self._open.get(key)  # somebody else may have built them
            if indexes is None:
                indexes = self._build(collection)
                with self._lock:
                    self._open[key] = indexes
        return indexes

    def _build(self, collection: Collection) -> CollectionIndexes:
        """Indexes as SQL says, in batches, seen by nobody before they are complete.

        Vectors that an earlier process left in an index of its own are not added again.
        """
        embedder = self._embedders.of(collection)
        vectors = self._open_vectors(self._place(collection, embedder.dimension))
        indexes = CollectionIndexes(embedder=embedder, vectors=vectors, lexical=LexicalIndex())
        held, expected = vectors.ids(), [np.empty(0, np.int64)]
        with self._catalog.indexed.visible(collection.id, collection.edition) as (seq, documents):
            while batch := list(islice(documents, _BATCH_DOCUMENTS)):
                expected.append(self._add(collection, indexes, batch, held))
        surplus = np.setdiff1d(held, np.concatenate(expected))
        if len(surplus):
            vectors.remove(surplus)
        indexes.seq = seq
        return indexes

    def _place(self, collection: Collection, dimension: int) -> Place:
        # What else goes into the vectors than texts and their ids: other vectors, another place.
        made_by = f"{collection.embedder}\n{OPENING_WEIGHT}\n{collection.edition}"
        return Place(
            name=f"{collection.id}_{hashlib.sha256(made_by.encode()).hexdigest()[:8]}",
            dimension=dimension,
            stored=partial(self._stored, collection, dimension),
        )

    def _stored(self, collection: Collection, dimension: int, ids: Ids) -> tuple[Ids, FloatMatrix]:
        """Those of some chunks that are visible, and their vectors from SQL."""
        rows = self._catalog.indexed.hashes(collection.id, ids)
        found = self._found(collection, [key for row in rows for key in row.needed])
        lacking = {row.id for row in rows if not found.keys() >= row.needed}
        if lacking:  # gone since, with its vectors?
            still = self._catalog.indexed.hashes(collection.id, np.array(sorted(lacking)))
            _check(collection, lost=bool(still))
        rows = [row for row in rows if row.id not in lacking]
        own = _matrix([found[row.text_sha256] for row in rows], dimension)
        first = _matrix([found[row.first_sha256] for row in rows], dimension)
        return np.array([row.id for row in rows], np.int64), _drawn(own, first)

    def _catch_up(self, collection: Collection, indexes: CollectionIndexes) -> None:
        for change in self._catalog.collections.changes_after(collection.id, indexes.seq):
            ids = np.arange(
                change.first_chunk_id, change.first_chunk_id + change.chunk_count, dtype=np.int64
            )
            if change.edition != collection.edition:
                pass
            elif change.op == "remove":
                indexes.vectors.remove(ids)
                indexes.lexical.remove(ids)
            else:
                found = self._catalog.indexed.placed(change)
                self._add(collection, indexes, [found] if found else [], _NONE)
            indexes.seq = change.seq

    def _add(
        self,
        collection: Collection,
        indexes: CollectionIndexes,
        documents: Sequence[DocumentTexts],
        held: Ids,
    ) -> Ids:
        """Add documents to both indexes; returns their chunks' ids.

        Those all of whose chunks are among ``held`` have their vectors there already. Those
        that were deleted since they were read from SQL are left out: the log will say so.
        """
        documents = [document for document in documents if document.chunks]
        lacking = [one for one in documents if not np.isin(_ids(one.chunks), held).all()]
        found = self._found(collection, _keys(lacking))
        gone = {one.id for one in lacking if not found.keys() >= set(_keys([one]))}
        for one in lacking:  # deleted since, with its vectors?
            lost = one.id in gone and self._catalog.indexed.is_visible(one)
            _check(collection, lost=lost)
        documents = [one for one in documents if one.id not in gone]
        chunks = [chunk for document in documents for chunk in document.chunks]
        contexts = [context for document in documents for context in document.contexts]
        ids = _ids(chunks)
        if len(ids):
            words = [with_context(c, one.text) for c, one in zip(contexts, chunks, strict=True)]
            indexes.lexical.add(ids, words)
        new = [one for one in lacking if one.id not in gone]
        if new:
            size = indexes.embedder.dimension
            parts = [_matrix([found[key] for key in _keys([one])], size) for one in new]
            drawn = np.concatenate([with_opening(part) for part in parts])
            indexes.vectors.add(_ids([chunk for one in new for chunk in one.chunks]), drawn)
        return ids

    def _found(self, collection: Collection, keys: Sequence[bytes]) -> Mapping[bytes, FloatVector]:
        return self._catalog.vectors.get(collection.tenant, collection.embedder, keys)


_NONE: Ids = np.empty(0, np.int64)


def _key(collection: Collection) -> _Key:
    return collection.id, collection.edition


def _matrix(vectors: Sequence[FloatVector], dimension: int) -> FloatMatrix:
    return np.stack(vectors) if vectors else np.empty((0, dimension), np.float32)


def _ids(chunks: Sequence[ChunkText]) -> Ids:
    return np.array([chunk.id for chunk in chunks], dtype=np.int64)


def _keys(documents: Sequence[DocumentTexts]) -> list[bytes]:
    return [chunk.text_sha256 for document in documents for chunk in document.chunks]


def _check(collection: Collection, *, lost: bool) -> None:
    if lost:
        raise StoreDamaged(
            f"Chunks of collection {collection.name!r} have lost their vectors; "
            "run `ibidem audit --repair`."
        )


def with_context(context: str, text: str) -> str:
    """The words by which a chunk is found: its own, and those of what it stands in."""
    return f"{context}\n{text}" if context else text


def with_opening(vectors: FloatMatrix) -> FloatMatrix:
    """Vectors of one document's chunks, each drawn towards the first; L2-normalized again."""
    return _drawn(vectors, vectors[:1])


def _drawn(vectors: FloatMatrix, firsts: FloatMatrix) -> FloatMatrix:
    drawn: FloatMatrix = vectors + np.float32(OPENING_WEIGHT) * firsts
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return drawn
