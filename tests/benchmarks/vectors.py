"""``python -m tests.benchmarks.vectors``: nearest neighbours among many vectors.

The vectors are synthetic: each is drawn between two real ones, those of the sentences of the
samples and, when the public data sets are beside the repository, of paragraphs of Wikipedia,
with a little noise, from a seed. Queries are drawn in the same way and are none of them. What
exact search finds is the truth: recall is the share of its first ten. Times are of one query
after another on one thread. Filters allow chunks at random; of those removed every tenth is
gone at random. ``opened`` is how long a new process needs for the snapshot. Beside it, where
they are installed: Chroma (embedded), hnswlib and Qdrant (local), with their own defaults,
on the same vectors.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from rag.embedding.registry import open_embedder
from rag.sentences import split
from rag.types import FloatMatrix, FloatVector, Ids
from rag.vectors.faiss import FaissIndex
from rag.vectors.snapshots import Snapshots
from tests.benchmarks.cached import CachedEmbedder
from tests.benchmarks.datasets import rows
from tests.realdata import REAL_DATA

_SAMPLES = Path(__file__).resolve().parents[2] / "data" / "samples"
_QUERIES = 300
_K = 10
_AT_ONCE = 20_000
_NOISE = 0.02
_PARAGRAPHS = 4_000
Search: TypeAlias = Callable[[FloatVector, Ids | None], Ids]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument(
        "--vectors", type=Path, help="a .npy of real vectors, which are measured as they are"
    )
    parser.add_argument("--beside", nargs="*", default=[], choices=sorted(_OTHERS))
    parser.add_argument("--cache", type=Path, default=Path("build/eval"))
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    if arguments.vectors:
        vectors: FloatMatrix = np.load(arguments.vectors, allow_pickle=False)
        sets = iter([(vectors[_QUERIES:], vectors[:_QUERIES])])
    else:
        real = real_vectors(arguments.cache)
        sets = (drawn(real, size) for size in arguments.sizes)
    report = [one for pair in sets for one in measure(*pair, beside=arguments.beside)]
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1))
    show(report)


def real_vectors(cache: Path) -> FloatMatrix:
    """Of real sentences and paragraphs, by the embedder that ships."""
    texts = []
    for path in sorted(_SAMPLES.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        texts += [text[one.start : one.end] for one in split(text)]
    if REAL_DATA is not None:
        for folder in ("cranfield", "squad2-passages", "anthropic-docs"):
            file = REAL_DATA / "retrieval" / folder / "corpus.jsonl.gz"
            texts += [row["text"] for row in rows(file)]
    texts = list(dict.fromkeys(texts))[:_PARAGRAPHS]
    embedder = CachedEmbedder(
        open_embedder("onnx", cache=cache / "models"), cache / "vectors.sqlite"
    )
    return embedder.embed_passages(texts)


def drawn(real: FloatMatrix, count: int) -> tuple[FloatMatrix, FloatMatrix]:
    """So many unit vectors between real ones, and queries."""
    random = np.random.default_rng(count)

    def some(number: int) -> FloatMatrix:
        first, second = random.integers(0, len(real), (2, number))
        share = random.uniform(0.55, 1.0, (number, 1)).astype(np.float32)
        noise = random.standard_normal((number, real.shape[1]), np.float32) * np.float32(_NOISE)
        mixed: FloatMatrix = share * real[first] + (1 - share) * real[second] + noise
        mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
        return mixed

    vectors = np.empty((count, real.shape[1]), np.float32)
    for start in range(0, count, _AT_ONCE):
        vectors[start : start + _AT_ONCE] = some(min(_AT_ONCE, count - start))
    return vectors, some(_QUERIES)


def measure(
    vectors: FloatMatrix, queries: FloatMatrix, *, beside: Sequence[str]
) -> list[dict[str, Any]]:
    """Figures of the index of that size, a row for each way to ask it; then of others."""
    count = len(vectors)
    ids, random = np.arange(count), np.random.default_rng(1)
    report = []
    with tempfile.TemporaryDirectory(prefix="ibidem-vectors-") as folder:
        snapshots = Snapshots(Path(folder), "index")
        index = FaissIndex(vectors.shape[1], snapshots=snapshots)
        began = time.perf_counter()
        for start in range(0, count, _AT_ONCE):
            index.add(ids[start : start + _AT_ONCE], vectors[start : start + _AT_ONCE])
        index.wait()
        built_s = time.perf_counter() - began

        def search(query: FloatVector, allowed: Ids | None) -> Ids:
            return index.search(query, _K, allowed).ids

        def row(name: str, allowed: Ids | None, held: Ids) -> dict[str, Any]:
            return {
                "vectors": count,
                "index": "ours",
                "form": index.form,
                "asked": name,
                **judged(search, vectors, queries, allowed, held),
            }

        report.append({**row("all", None, ids), "built_s": built_s})
        for share in (0.5, 0.1, 0.01, 0.0001):
            allowed = np.sort(random.choice(ids, max(1, round(share * count)), replace=False))
            report.append(row(f"{100 * share:g} % allowed", allowed, allowed))
        index.remove(np.sort(random.choice(ids, count // 10, replace=False)))
        report.append(row("10 % removed", None, index.ids()))
        if index.form != "exact":
            del index
            began = time.perf_counter()
            index = FaissIndex(vectors.shape[1], snapshots=snapshots)
            index.search(queries[0], _K)
            report[0]["opened_s"] = time.perf_counter() - began
    for name in beside:
        began = time.perf_counter()
        other = _OTHERS[name](vectors)
        built_s = time.perf_counter() - began
        figures = judged(other, vectors, queries, None, ids)
        shared = {"vectors": count, "index": name, "form": "", "asked": "all"}
        report.append({**shared, **figures, "built_s": built_s})
    return report


def judged(
    search: Search, vectors: FloatMatrix, queries: FloatMatrix, allowed: Ids | None, held: Ids
) -> dict[str, Any]:
    """Recall and times; ``held`` are the ids that may be found."""
    seconds, found = [], 0
    truths = truth(vectors, queries, held)
    search(queries[0], allowed)
    for query, right in zip(queries, truths, strict=True):
        began = time.perf_counter()
        got = search(query, allowed)
        seconds.append(time.perf_counter() - began)
        found += len(set(got.tolist()) & set(right.tolist()))
    return {
        "recall": found / truths.size,
        "p50_ms": 1_000 * float(np.percentile(seconds, 50)),
        "p99_ms": 1_000 * float(np.percentile(seconds, 99)),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
    }


def truth(vectors: FloatMatrix, queries: FloatMatrix, held: Ids) -> Ids:
    """The ids of the best of each query, shape (queries, K or what is held)."""
    best = np.empty((len(queries), 0), np.int64)
    scores = np.empty((len(queries), 0), np.float32)
    for start in range(0, len(held), _AT_ONCE):
        some = held[start : start + _AT_ONCE]
        scores = np.concatenate([scores, queries @ vectors[some].T], axis=1)
        best = np.concatenate([best, np.broadcast_to(some, (len(queries), len(some)))], axis=1)
        first = np.argpartition(-scores, min(_K, scores.shape[1]) - 1, axis=1)[:, :_K]
        best, scores = (np.take_along_axis(one, first, 1) for one in (best, scores))
    return best


def _chroma(vectors: FloatMatrix) -> Search:
    import chromadb

    collection = chromadb.EphemeralClient().create_collection(
        f"v{len(vectors)}", metadata={"hnsw:space": "ip"}
    )
    for start in range(0, len(vectors), 5_000):
        some = vectors[start : start + 5_000]
        collection.add(ids=[str(start + n) for n in range(len(some))], embeddings=some)

    def search(query: FloatVector, _allowed: Ids | None) -> Ids:
        found = collection.query(query_embeddings=[query], n_results=_K, include=[])
        return np.array(found["ids"][0], np.int64)

    return search


def _hnswlib(vectors: FloatMatrix) -> Search:
    import hnswlib

    index = hnswlib.Index("ip", vectors.shape[1])
    index.init_index(len(vectors))
    index.add_items(vectors)
    index.set_num_threads(1)

    def search(query: FloatVector, _allowed: Ids | None) -> Ids:
        found: Ids = index.knn_query(query, _K)[0][0].astype(np.int64)
        return found

    return search


def _qdrant(vectors: FloatMatrix) -> Search:
    from qdrant_client import QdrantClient, models

    client = QdrantClient(":memory:")
    size = models.VectorParams(size=vectors.shape[1], distance=models.Distance.DOT)
    client.create_collection("v", vectors_config=size)
    client.upload_collection("v", vectors=vectors, ids=range(len(vectors)))

    def search(query: FloatVector, _allowed: Ids | None) -> Ids:
        points = client.query_points("v", query=query, limit=_K).points
        return np.array([point.id for point in points], np.int64)

    return search


_OTHERS: dict[str, Callable[[FloatMatrix], Search]] = {
    "chroma": _chroma,
    "hnswlib": _hnswlib,
    "qdrant": _qdrant,
}


def show(report: Sequence[dict[str, Any]]) -> None:
    """A row for each size, index and way to ask."""
    table = Table(box=box.SIMPLE, padding=(0, 0, 0, 1))
    for column in (
        "vectors",
        "index",
        "asked",
        "recall@10",
        "p50 ms",
        "p99 ms",
        "built s",
        "opened s",
        "peak MB",
        "form",
    ):
        table.add_column(column, justify="right", no_wrap=True)
    for one in report:
        table.add_row(
            f"{one['vectors']:,}",
            one["index"],
            one["asked"],
            f"{one['recall']:.4f}",
            f"{one['p50_ms']:.2f}",
            f"{one['p99_ms']:.2f}",
            *(f"{one[key]:.1f}" if key in one else "" for key in ("built_s", "opened_s")),
            f"{one['peak_mb']:,}",
            one["form"],
        )
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
