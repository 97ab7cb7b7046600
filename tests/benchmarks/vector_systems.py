"""Indexes of vectors, ours and others: each made in a folder, and opened from there.

The others are as they come, with their own defaults. Qdrant's local mode commits every vector
by itself to a file of pickles, from which it reads all at the start: here it is filled with the
vectors when it is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from rag.types import FloatMatrix, FloatVector, Ids
from rag.vectors.faiss import FaissIndex
from rag.vectors.snapshots import Snapshots
from tests.benchmarks.vector_sets import AT_ONCE

K = 10
Search: TypeAlias = Callable[[FloatVector], Ids]


class System(NamedTuple):
    """How to make an index of vectors in an empty folder, and how to open it."""

    make: Callable[[FloatMatrix, Path], None]
    open: Callable[[FloatMatrix, Path], Search]


def make_ours(vectors: FloatMatrix, folder: Path) -> None:
    """Add them as a service would, and wait until the lists are those of so many."""
    index = FaissIndex(vectors.shape[1], snapshots=Snapshots(folder))
    for start, some in _portions(vectors):
        index.add(np.arange(start, start + len(some)), some)
    index.wait()
    index.remove(np.empty(0, np.int64))  # has it see whether it grew much while they were made
    index.wait()


def open_ours(vectors: FloatMatrix, folder: Path) -> FaissIndex:
    """The snapshot, and what is not in it yet from the vectors."""
    index = FaissIndex(vectors.shape[1], snapshots=Snapshots(folder))
    missing = np.setdiff1d(np.arange(len(vectors)), index.ids())
    if len(missing):
        index.add(missing, vectors[missing])
    return index


def _make_chroma(vectors: FloatMatrix, folder: Path) -> None:
    import chromadb

    collection = chromadb.PersistentClient(folder).create_collection(
        "vectors", metadata={"hnsw:space": "ip"}
    )
    for start, some in _portions(vectors, 5_000):
        collection.add(ids=[str(start + n) for n in range(len(some))], embeddings=some)


def _open_chroma(_vectors: FloatMatrix, folder: Path) -> Search:
    import chromadb

    collection = chromadb.PersistentClient(folder).get_collection("vectors")

    def search(query: FloatVector) -> Ids:
        found = collection.query(query_embeddings=[query], n_results=K, include=[])
        return np.array(found["ids"][0], np.int64)

    return search


def _make_hnswlib(vectors: FloatMatrix, folder: Path) -> None:
    import hnswlib

    index = hnswlib.Index("ip", vectors.shape[1])
    index.init_index(len(vectors))
    for _, some in _portions(vectors):
        index.add_items(some)
    index.save_index(str(folder / "index"))


def _open_hnswlib(vectors: FloatMatrix, folder: Path) -> Search:
    import hnswlib

    index = hnswlib.Index("ip", vectors.shape[1])
    index.load_index(str(folder / "index"))
    index.set_num_threads(1)

    def search(query: FloatVector) -> Ids:
        found: Ids = index.knn_query(query, K)[0][0].astype(np.int64)
        return found

    return search


def _make_qdrant(_vectors: FloatMatrix, _folder: Path) -> None:
    """Nothing is kept; see above."""


def _open_qdrant(vectors: FloatMatrix, _folder: Path) -> Search:
    from qdrant_client import QdrantClient, models

    client = QdrantClient(":memory:")
    size = models.VectorParams(size=vectors.shape[1], distance=models.Distance.DOT)
    client.create_collection("v", vectors_config=size)
    for start, some in _portions(vectors):
        client.upload_collection("v", vectors=some, ids=range(start, start + len(some)))

    def search(query: FloatVector) -> Ids:
        points = client.query_points("v", query=query, limit=K).points
        return np.array([point.id for point in points], np.int64)

    return search


def _portions(vectors: FloatMatrix, size: int = AT_ONCE) -> Iterator[tuple[int, FloatMatrix]]:
    """Read into memory, each with the place of its first."""
    for start in range(0, len(vectors), size):
        yield start, np.array(vectors[start : start + size])


OTHERS = {
    "chroma": System(_make_chroma, _open_chroma),
    "hnswlib": System(_make_hnswlib, _open_hnswlib),
    "qdrant": System(_make_qdrant, _open_qdrant),
}
