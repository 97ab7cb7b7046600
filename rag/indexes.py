"""The indexes of each collection in this process, derived from SQL and kept in step with it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial
from typing import TypeAlias

from rag.catalog import Catalog
from rag.embedding.several import Embedders
from rag.errors import NotFound, ShuttingDown
from rag.filling import CollectionIndexes, Filling, place_name
from rag.indexing import add_words, batches
from rag.later import Later
from rag.lexical_store import LexicalStore
from rag.types import Collection
from rag.vectors import OpenVectors, Place

_Key: TypeAlias = tuple[str, int]
_log = logging.getLogger(__name__)
_LOOK_AGAIN_S = 3.0
_FAILED_S = 60.0
_RENEWED_AFTER_S = 60.0
_IDLE_S = 60.0
_REST = 20
"""Making an index anew, and trying again to open one ahead, take at most one part in so many
of the time."""


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
        # Not behind others: a search that comes meanwhile waits for what is being opened.
        self._warming = Later(gives_way=False)
        self._not_before: dict[_Key, float] = {}
        self._filling = Filling(catalog, lambda: self._warming.closing)
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
                    if self._filling.catch_up(collection, indexes):
                        self._renew_later(collection, indexes)
                    return indexes

    def forget(self, collection_id: str, *, edition: int | None = None) -> None:
        """Close a collection's indexes; the next search compares them with SQL and mends them."""
        with self._lock:
            keys = [k for k in self._open if k[0] == collection_id and edition in (None, k[1])]
            forgotten = [self._open.pop(key) for key in keys]
        for one in forgotten:
            one.vectors.close()

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
        left = self._lexical.names() - {place_name(*one) for one in needed}
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

    def keep_warm(self) -> None:
        """Have indexes opened before somebody searches them, now and as long as this is open.

        After a start those that an earlier process left here, and those of an edition that
        comes to be searched in place of one that is open. What nobody needs is put away.
        """
        self._warming.ask("all", 0.0, self._warm)
        self._later.ask("put away", 0.0, self._tidy)

    def close(self) -> None:
        """End what goes on in the background."""
        self._warming.close()
        self._later.close()

    def _warm(self) -> None:
        try:
            self._open_ahead()
        finally:  # also when the database could not be reached
            self._warming.ask("all", _LOOK_AGAIN_S, self._warm)

    def _tidy(self) -> None:
        try:
            self.put_away()
        finally:
            self._later.ask("put away", _LOOK_AGAIN_S, self._tidy)

    def _open_ahead(self) -> None:
        kept = self._lexical.names()
        with self._lock:
            opened = set(self._open)
        in_use = {key[0] for key in opened}
        for collection in self._catalog.collections.all(None):
            key = _key(collection)
            place = place_name(collection.id, collection.edition, collection.embedder)
            if key not in opened and (collection.id in in_use or place in kept):
                try:
                    self._try_to_open(collection)
                except ShuttingDown:
                    return

    def _try_to_open(self, collection: Collection) -> None:
        """Open its indexes, unless that failed a little while ago."""
        key, began = _key(collection), time.monotonic()
        if began < self._not_before.get(key, began):
            return
        try:
            self.of(collection)
            self._not_before.pop(key, None)
        except ShuttingDown:
            raise
        except Exception as error:  # whoever searches it is told
            if key not in self._not_before:
                _log.warning("collection %s is not opened ahead: %s", collection.id, error)
            now = time.monotonic()
            self._not_before[key] = now + max(_FAILED_S, _REST * (now - began))

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
            self._filling.fill(collection, indexes, visible)
        return indexes

    def _place(self, collection: Collection, dimension: int) -> Place:
        return Place(
            name=place_name(collection.id, collection.edition, collection.embedder),
            dimension=dimension,
            stored=partial(self._filling.stored, collection, dimension),
        )

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
            self._filling.repeat_words(collection, fresh, after=visible.seq, until=indexes.seq)
            if not self._is_open(collection, indexes):
                fresh.discard()
                return
            fresh.note(indexes.seq)
            old, indexes.words = indexes.words, fresh
            indexes.took_s = time.perf_counter() - began
            old.discard()
        self._renew_later(collection, indexes)


def _key(collection: Collection) -> _Key:
    return collection.id, collection.edition
