"""Vectors in Chroma: in a folder of this process, or on a server of its own.

Chroma restricts a search to ids itself, faster than anything around it could: with 20,000 vectors
it takes 12 to 26 ms for 20 to 20,000 ids, and is exact up to some thousand. Its graph misses a
neighbour now and then, so it is asked for more than is wanted; and what it leaves out although
it is there (fewer hits than there are ids) is found by comparing with every allowed vector.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import chromadb
import httpx
import numpy as np
from chromadb.api import ClientAPI
from chromadb.config import Settings
from chromadb.errors import ChromaError, NotFoundError

from rag.errors import ConfigurationError, StorageError
from rag.locks import ReadWriteLock
from rag.redact import public_url
from rag.types import FloatMatrix, FloatVector, Ids
from rag.vectors import Hits, Place, best, check_shapes, last_of_each, nothing

_LEAST_ASKED = 200
"""Chroma looks at least at as many candidates as it shall return: more find more."""
_BATCH = 2_000
_GRAPH = {"space": "ip", "ef_construction": 200, "max_neighbors": 32, "ef_search": 200}


@contextmanager
def embedded(folder: Path) -> Iterator[ClientAPI]:
    """Chroma in this process, kept in a folder."""
    with _explained(str(folder)):
        client = chromadb.PersistentClient(folder, Settings(anonymized_telemetry=False))
    with client:
        yield client


@contextmanager
def server(url: str) -> Iterator[ClientAPI]:
    """A Chroma server.

    Raises:
        ConfigurationError: none answers at this address.
    """
    place = urlsplit(url)
    if place.scheme not in ("http", "https") or not place.hostname:
        raise ConfigurationError(f"IBIDEM_INDEX=chroma:{public_url(url)}: this is no http address.")
    tls = place.scheme == "https"
    try:
        client = chromadb.HttpClient(
            place.hostname,
            place.port or (443 if tls else 80),
            ssl=tls,
            settings=Settings(anonymized_telemetry=False),
        )
    except (ChromaError, ValueError, httpx.HTTPError) as error:
        raise ConfigurationError(
            f"No Chroma server answers at {public_url(url)}. Start it, or change IBIDEM_INDEX."
        ) from error
    # Connections that Chroma makes and never closes.
    own, administrative = client._server._session, client._admin_client._server._session
    with client, closing(own), closing(administrative):
        yield client


class ChromaIndex:
    """One collection's vectors as a collection of Chroma's, whose ids are ours in decimal."""

    def __init__(self, client: ClientAPI, place: Place) -> None:
        """Open the collection of this place, or make it."""
        self._client = client
        self._name = f"ibidem-{place.name}"
        self._dimension = place.dimension
        self._lock = ReadWriteLock()
        with _explained(self._name):
            self._vectors = client.get_or_create_collection(
                self._name, embedding_function=None, configuration={"hnsw": _GRAPH}
            )
        self._ids = self.ids()  # a search among ids fails if Chroma lacks one of them

    def add(self, ids: Ids, vectors: FloatMatrix) -> None:
        """Add or replace; shapes (n,) and (n, dimension). The last of repeated ids wins.

        Raises:
            ValueError: The shapes do not fit each other or the index.
            StorageError: Chroma failed.
        """
        ids, vectors = np.asarray(ids, np.int64), np.array(vectors, np.float32)
        check_shapes(ids, vectors, self._dimension)
        ids, vectors = last_of_each(ids, vectors)
        with self._lock.writing(), _explained(self._name):
            for batch in _batches(ids):
                self._vectors.upsert(_names(ids[batch]), embeddings=vectors[batch])
                self._ids = np.union1d(self._ids, ids[batch])

    def remove(self, ids: Ids) -> None:
        """Forget these ids; unknown ones are ignored."""
        with self._lock.writing(), _explained(self._name):
            held = np.intersect1d(self._ids, ids)
            self._ids = np.setdiff1d(self._ids, held)
            for batch in _batches(held):
                self._vectors.delete(_names(held[batch]))

    def search(self, vector: FloatVector, k: int, allowed: Ids | None = None) -> Hits:
        """The k most similar by inner product, among ``allowed`` when given."""
        query = np.asarray(vector, np.float32)
        with self._lock.reading(), _explained(self._name):
            among = self._ids if allowed is None else np.intersect1d(self._ids, allowed)
            k = min(k, len(among))
            if k <= 0:
                return nothing()
            found = self._vectors.query(
                query_embeddings=[query],
                n_results=min(len(among), max(k, _LEAST_ASKED)),
                ids=None if allowed is None else _names(among),
                include=["distances"],
            )
            if len(found["ids"][0]) < k:
                return self._exact(query, k, among)
        # Chroma's distance is one less the inner product.
        scores = 1 - np.array(found["distances"][0], np.float32)
        return best(np.array(found["ids"][0], np.int64), scores, k)

    def get(self, ids: Ids) -> tuple[Ids, FloatMatrix]:
        """Those of some sorted ids that are held, with their vectors."""
        with self._lock.reading(), _explained(self._name):
            held = np.intersect1d(self._ids, ids)
            parts = [np.empty((0, self._dimension), np.float32)]
            for batch in _batches(held):
                # Chroma returns them in an order of its own.
                found = self._vectors.get(_names(held[batch]), include=["embeddings"])
                order = np.argsort(np.array(found["ids"], np.int64))
                parts.append(np.array(found["embeddings"], np.float32)[order])
        return held, np.concatenate(parts)

    def ids(self) -> Ids:
        """All ids held, sorted."""
        with self._lock.reading(), _explained(self._name):
            return np.sort(np.array(self._vectors.get(include=[])["ids"], np.int64))

    def drop(self) -> None:
        """Delete Chroma's collection."""
        with self._lock.writing(), _explained(self._name):
            self._client.delete_collection(self._name)

    def close(self) -> None:
        """Nothing to do: Chroma writes what it is given, and nothing later."""

    def _exact(self, query: FloatVector, k: int, among: Ids) -> Hits:
        hits = nothing()
        for batch in _batches(among):
            found = self._vectors.get(_names(among[batch]), include=["embeddings"])
            scores = np.array(found["embeddings"], np.float32) @ query
            ids = np.concatenate([hits.ids, np.array(found["ids"], np.int64)])
            hits = best(ids, np.concatenate([hits.scores, scores]), k)
        return hits


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Chroma's errors and those of the way to it as ours."""
    try:
        yield
    except NotFoundError as error:
        raise StorageError(
            f"Chroma has lost {name}; `ibidem audit --repair` builds it anew."
        ) from error
    except (ChromaError, httpx.HTTPError) as error:
        raise StorageError(f"Chroma failed on {name}: {error}") from error


def _names(ids: Ids) -> list[str]:
    return [str(one) for one in ids.tolist()]


def _batches(ids: Ids) -> Iterator[slice]:
    for first in range(0, len(ids), _BATCH):
        yield slice(first, first + _BATCH)
