"""What only the FAISS index promises: dead rows are given up, a query runs on one core."""

from __future__ import annotations

import threading

import faiss
import numpy as np

from rag.vectors.faiss import FaissIndex


def test_rows_of_removed_vectors_are_reused_memory() -> None:
    index = FaissIndex(8)
    vectors = np.eye(8, dtype=np.float32)
    for start in range(0, 20_000, 8):
        index.add(np.arange(start, start + 8), vectors)
        if start >= 800:
            index.remove(np.arange(start - 800, start - 792))
    assert len(index.ids()) == 800
    assert index._index.ntotal < 800 + 1_100
    assert index.search(vectors[3], 1).scores.tolist() == [1.0]


def test_a_query_uses_one_thread_whichever_thread_asks() -> None:
    index = FaissIndex(8)
    index.add(np.arange(8), np.eye(8, dtype=np.float32))
    seen: list[int] = []

    def ask() -> None:
        faiss.omp_set_num_threads(4)
        index.search(np.eye(8, dtype=np.float32)[0], 1)
        seen.append(faiss.omp_get_max_threads())

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert seen == [1]
