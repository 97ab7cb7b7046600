"""What brings the indexes of a collection in step with SQL."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from rag.catalog import Catalog
from rag.catalog.collections import Change
from rag.catalog.indexed import DocumentTexts, Visible
from rag.catalog.texts import ChunkText
from rag.embedding import Embedder
from rag.errors import ShuttingDown, StoreDamaged
from rag.indexing import add_words, alike, batches, ids_of
from rag.lexical import LexicalIndex
from rag.lexical_store import StoredLexical
from rag.types import Collection, FloatMatrix, FloatVector, Ids
from rag.vectors import VectorIndex

OPENING_IN_VECTORS = 0.4
"""Of the vector of a document's first chunk in the vectors of the others. A document says what
it is at its beginning: the parties, the company, the quarter. On contracts, quarterly reports
and the samples together, 0.3 to 0.5 measured best."""


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


class Filling:
    """Fills indexes when they are opened, and applies the changes that come after."""

    def __init__(self, catalog: Catalog, ending: Callable[[], bool]) -> None:
        """``ending`` tells whether the process is being stopped."""
        self._catalog = catalog
        self._ending = ending

    def fill(self, collection: Collection, indexes: CollectionIndexes, visible: Visible) -> None:
        """Add what they lack of what is visible, and remove what is not.

        What an earlier process left in them is not added again.

        Raises:
            ShuttingDown: the process is being stopped; the next one goes on with what it leaves.
            StoreDamaged: a chunk of a visible document has no vector.
        """
        vectors, words = indexes.vectors, indexes.words
        held_vectors, held_words = vectors.ids(), words.index.ids()
        missing = _Missing(
            vectors=visible.lacking(held_vectors),
            words=visible.lacking(held_words) | self._renamed(collection, words.seq),
        )
        for documents in batches(visible.read(missing.vectors | missing.words)):
            if self._ending():
                raise ShuttingDown
            self._add(collection, indexes, documents, missing)
        expected = visible.chunks()
        vectors.remove(np.setdiff1d(held_vectors, expected, assume_unique=True))
        words.index.remove(np.setdiff1d(held_words, expected, assume_unique=True))
        words.note(visible.seq)
        indexes.seq = visible.seq

    def catch_up(self, collection: Collection, indexes: CollectionIndexes) -> bool:
        """Apply the tail of the log; whether there was any."""
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
        return bool(changes)

    def repeat_words(
        self, collection: Collection, words: StoredLexical, *, after: int, until: int
    ) -> None:
        """Apply some changes of the log to the words alone."""
        changes = self._catalog.collections.changes_after(collection.id, after)
        due = [change for change in changes if change.seq <= until]
        for removed, batch in alike(due, collection.edition):
            if removed:
                words.index.remove(ids_of(batch))
            else:
                add_words(words.index, self._published(batch))

    def stored(self, collection: Collection, dimension: int, ids: Ids) -> tuple[Ids, FloatMatrix]:
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

    def _renamed(self, collection: Collection, seq: int) -> set[str]:
        """Documents whose words may be others since a change, although their ids are the same."""
        if not seq:  # nothing is held
            return set()
        changes = self._catalog.collections.changes_after(collection.id, seq)
        return {change.document_id for change in changes if change.op == "add"}

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

    def _found(self, collection: Collection, keys: Sequence[bytes]) -> Mapping[bytes, FloatVector]:
        return self._catalog.vectors.get(collection.tenant, collection.embedder, keys)


def place_name(collection_id: str, edition: int, embedder: str) -> str:
    """Under which name the indexes of an edition are kept."""
    # What else goes into the vectors than texts and their ids: other vectors, another place.
    made_by = f"{embedder}\n{OPENING_IN_VECTORS}\n{edition}"
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
    drawn: FloatMatrix = vectors + np.float32(OPENING_IN_VECTORS) * firsts
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return drawn
