"""The indexes of each collection in this process, derived from SQL and kept in step with it."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import numpy as np

from rag.catalog import Catalog
from rag.catalog.collections import Change
from rag.catalog.indexed import DocumentTexts
from rag.catalog.texts import ChunkText
from rag.embedding import Embedder
from rag.embedding.several import Embedders
from rag.errors import NotFound, StoreDamaged
from rag.indexing import add_words, alike, batches, ids_of
from rag.later import Later
from rag.lexical import LexicalIndex
from rag.lexical_store import LexicalStore, StoredLexical
from rag.types import Collection, FloatMatrix, FloatVector, Ids
from rag.vectors import OpenVectors, Place, VectorIndex

OPENING_WEIGHT = 0.4
"""Of the vector of a document's first chunk in the vectors of the others. A document says what
it is at its beginning: the parties, the company, the quarter. On contracts, quarterly reports
and the samples together, 0.3 to 0.5 measured best."""

_Key: TypeAlias = tuple[str, int]
_RENEWED_AFTER_S = 60.0
_IDLE_S = 60.0
_REST = 20
"""Making an index anew takes at most one part in so many of the time."""


@dataclass(slots=True, kw_only=True)
class CollectionIndexes:
    """Both indexes of one edition of a collection, and the last change that they contain.

    A search keeps to what it has opened: the model that embeds its query, the vectors and the
    chunks are of one edition, also when another one comes to be searched meanwhile.
    """

    embedder: Embedder
    vectors: VectorIndex
    words: StoredLexical
    seq: int = 0
    took_s: float = 0.0
    """How long it took to make the index of words anew, when that was last done."""
    dropped: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def lexical(self) -> LexicalIndex:
        """The index of words, as it is kept now."""
        return self.words.index


@dataclass(frozen=True, slots=True, kw_only=True)
class _Missing:
    """Documents that an index lacks, by what it lacks."""

    vectors: set[str]
    words: set[str]


class Indexes:
    """Opens a collection's indexes on first use and applies the log's tail before each search."""

    def __init__(
        self,
        catalog: Catalog,
        embedders: Embedders,
        open_vectors: OpenVectors,
        lexical: LexicalStore,
    ) -> None:
        self._catalog = catalog
        self._embedders = embedders
        self._open_vectors = open_vectors
        self._open: dict[_Key, CollectionIndexes] = {}
        self._building: dict[_Key, threading.Lock] = {}
        self._lexical = lexical
        self._later = Later()
        self._idle: dict[_Key | str, float] = {}
        self._lock = threading.Lock()

    def of(self, collection: Collection) -> CollectionIndexes:
        """The indexes of the edition that is searched, with every change committed before.

        Raises:
            NotFound: the collection is gone.
            Conflict: the collection was embedded with another model than this process has.
            StoreDamaged: a chunk of a visible document has no vector.
        """
        return self.of_edition(self._catalog.collections.current(collection))

    def of_edition(self, collection: Collection) -> CollectionIndexes:
        """The indexes of the edition that the collection was read or given with.

        Raises:
            NotFound: the collection is gone.
            Conflict: as for ``of``.
            StoreDamaged: as for ``of``.
        """
        while True:
            indexes = self._opened(collection)
            if indexes.seq >= collection.seq:
                return indexes
            with indexes.lock:
                if not indexes.dropped:
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
        with self._building_of(_key(collection)):
            with self._lock:
                opened = self._open.pop(_key(collection), None)
            embedder = self._embedders.find(collection.embedder)
            # Of what nobody can search any more, the dimension does not matter.
            place = self._place(collection, embedder.dimension if embedder else 1)
            with opened.lock if opened else nullcontext():
                vectors = opened.vectors if opened else self._open_vectors(place)
                if opened:
                    opened.dropped = True
                vectors.drop()
                self._lexical.drop(place.name)

    def put_away(self) -> None:
        """Close what nobody has searched or built for a while, and remove its words.

        What is deleted goes only from indexes in use, so no other keeps words: those of an
        edition that is gone back to are made anew, and others were left by a crash, or are
        another process's doing.
        """
        needed = self._catalog.editions.needed()
        with self._lock:
            closing = self._open.keys() - {one[:2] for one in needed}
        left = self._lexical.names() - {_place_name(*one) for one in needed}
        idle: list[_Key | str] = [*closing, *left]
        now = time.monotonic()
        self._idle = {one: self._idle.get(one, now) for one in idle}
        for one, since in self._idle.items():
            if now - since < _IDLE_S:  # a search may still be at it
                continue
            if isinstance(one, str):
                self._lexical.drop(one)
            else:
                self.forget(one[0], edition=one[1])

    def forms(self) -> Mapping[str, tuple[str, int]]:
        """Of collections that are open: how their vectors are searched, in words, and how many."""
        with self._lock:
            opened = {key[0]: one.vectors for key, one in self._open.items()}
        return {
            collection: (getattr(vectors, "form", "as the store decides"), len(vectors.ids()))
            for collection, vectors in opened.items()
        }

    def close(self) -> None:
        """End what goes on in the background."""
        self._later.close()

    def _opened(self, collection: Collection) -> CollectionIndexes:
        key = _key(collection)
        with self._lock:
            indexes = self._open.get(key)
        if indexes is not None:
            return indexes
        with self._building_of(key):
            indexes = self._open.get(key)  # somebody else may have built them
            if indexes is None:
                if self._catalog.collections.seq(collection.id) < 0:
                    raise NotFound(f"No collection {collection.name!r}.", param="collection")
                indexes = self._build(collection)
                with self._lock:
                    self._open[key] = indexes
                self._renew_later(collection, indexes)
        return indexes

    def _building_of(self, key: _Key) -> threading.Lock:
        """Held by whoever makes or removes the indexes of an edition."""
        with self._lock:
            return self._building.setdefault(key, threading.Lock())

    def _build(self, collection: Collection) -> CollectionIndexes:
        """Indexes as SQL says, in batches, seen by nobody before they are complete.

        What an earlier process left in indexes of its own is not added again.
        """
        embedder = self._embedders.of(collection)
        place = self._place(collection, embedder.dimension)
        vectors, words = self._open_vectors(place), self._lexical.open(place.name)
        with self._catalog.indexed.visible(collection.id, collection.edition) as visible:
            if words.seq > visible.seq:  # SQL was set back
                self._lexical.drop(place.name)
                words = self._lexical.open(place.name)
            indexes = CollectionIndexes(embedder=embedder, vectors=vectors, words=words)
            held_vectors, held_words = vectors.ids(), words.index.ids()
            missing = _Missing(
                vectors=visible.lacking(held_vectors),
                words=visible.lacking(held_words) | self._renamed(collection, words.seq),
            )
            for documents in batches(visible.read(missing.vectors | missing.words)):
                self._add(collection, indexes, documents, missing)
            expected = visible.chunks()
        vectors.remove(np.setdiff1d(held_vectors, expected, assume_unique=True))
        words.index.remove(np.setdiff1d(held_words, expected, assume_unique=True))
        words.note(visible.seq)
        indexes.seq = visible.seq
        return indexes

    def _renamed(self, collection: Collection, seq: int) -> set[str]:
        """Documents whose words may be others since a change, although their ids are the same."""
        if not seq:  # nothing is held
            return set()
        changes = self._catalog.collections.changes_after(collection.id, seq)
        return {change.document_id for change in changes if change.op == "add"}

    def _place(self, collection: Collection, dimension: int) -> Place:
        return Place(
            name=_place_name(collection.id, collection.edition, collection.embedder),
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
        changes = self._catalog.collections.changes_after(collection.id, indexes.seq)
        for removed, batch in alike(changes, collection.edition):
            if removed:
                ids = ids_of(batch)
                indexes.vectors.remove(ids)
                indexes.lexical.remove(ids)
            else:
                documents = self._published(batch)
                all_of_them = {document.id for document in documents}
                missing = _Missing(vectors=all_of_them, words=all_of_them)
                self._add(collection, indexes, documents, missing)
            indexes.seq = batch[-1].seq
        if changes:
            indexes.seq = changes[-1].seq
            indexes.words.note(indexes.seq)
            self._renew_later(collection, indexes)

    def _published(self, changes: Iterable[Change]) -> list[DocumentTexts]:
        """What changes brought, as far as it is still there."""
        latest = {change.document_id: change for change in changes}.values()
        versions = [(one.document_id, one.edition, one.generation) for one in latest]
        found = (self._catalog.indexed.placed(*version) for version in versions)
        return [document for document in found if document is not None]

    def _add(
        self,
        collection: Collection,
        indexes: CollectionIndexes,
        documents: Sequence[DocumentTexts],
        missing: _Missing,
    ) -> None:
        """Add documents to the indexes that lack them.

        Those that were deleted since they were read from SQL are left out: the log will say so.
        """
        documents = [document for document in documents if document.chunks]
        lacking = [one for one in documents if one.id in missing.vectors]
        found = self._found(collection, _keys(lacking))
        gone = {one.id for one in lacking if not found.keys() >= set(_keys([one]))}
        for one in lacking:  # deleted since, with its vectors?
            lost = one.id in gone and self._catalog.indexed.is_visible(one)
            _check(collection, lost=lost)
        add_words(
            indexes.lexical,
            [one for one in documents if one.id in missing.words and one.id not in gone],
        )
        new = [one for one in lacking if one.id not in gone]
        if new:
            size = indexes.embedder.dimension
            parts = [_matrix([found[key] for key in _keys([one])], size) for one in new]
            drawn = np.concatenate([with_opening(part) for part in parts])
            indexes.vectors.add(_ids([chunk for one in new for chunk in one.chunks]), drawn)

    def _renew_later(self, collection: Collection, indexes: CollectionIndexes) -> None:
        """Have words that were deleted disappear from the files too, in a while."""
        if indexes.words.has_residue:
            self._later.ask(
                self._place(collection, indexes.embedder.dimension).name,
                max(_RENEWED_AFTER_S, _REST * indexes.took_s),
                partial(self._renew, collection, indexes),
            )

    def _is_open(self, collection: Collection, indexes: CollectionIndexes) -> bool:
        with self._lock:
            return self._open.get(_key(collection)) is indexes

    def _renew(self, collection: Collection, indexes: CollectionIndexes) -> None:
        """Make the index of words anew from SQL, while the old one is searched."""
        if not self._is_open(collection, indexes):  # whoever opens it again asks again
            return
        began = time.perf_counter()
        with self._catalog.indexed.visible(collection.id, collection.edition) as visible:
            versions = visible.versions()
        fresh = indexes.words.anew()
        read = (self._catalog.indexed.placed(*version) for version in versions)
        for documents in batches(document for document in read if document is not None):
            if self._later.closing:
                return
            add_words(fresh.index, documents)
        with indexes.lock:
            changes = self._catalog.collections.changes_after(collection.id, visible.seq)
            due = [change for change in changes if change.seq <= indexes.seq]
            for removed, batch in alike(due, collection.edition):
                if removed:
                    fresh.index.remove(ids_of(batch))
                else:
                    add_words(fresh.index, self._published(batch))
            if not self._is_open(collection, indexes):
                fresh.discard()
                return
            fresh.note(indexes.seq)
            old, indexes.words = indexes.words, fresh
            indexes.took_s = time.perf_counter() - began
            old.discard()
        self._renew_later(collection, indexes)

    def _found(self, collection: Collection, keys: Sequence[bytes]) -> Mapping[bytes, FloatVector]:
        return self._catalog.vectors.get(collection.tenant, collection.embedder, keys)


def _key(collection: Collection) -> _Key:
    return collection.id, collection.edition


def _place_name(collection_id: str, edition: int, embedder: str) -> str:
    # What else goes into the vectors than texts and their ids: other vectors, another place.
    made_by = f"{embedder}\n{OPENING_WEIGHT}\n{edition}"
    return f"{collection_id}_{hashlib.sha256(made_by.encode()).hexdigest()[:8]}"


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


def with_opening(vectors: FloatMatrix) -> FloatMatrix:
    """Vectors of one document's chunks, each drawn towards the first; L2-normalized again."""
    return _drawn(vectors, vectors[:1])


def _drawn(vectors: FloatMatrix, firsts: FloatMatrix) -> FloatMatrix:
    drawn: FloatMatrix = vectors + np.float32(OPENING_WEIGHT) * firsts
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return drawn
