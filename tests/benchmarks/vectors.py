"""``python -m tests.benchmarks.vectors``: nearest neighbours among many vectors.

Among so many synthetic vectors (``vector_sets.py`` says how they are drawn), and with ``--chunks
FOLDER`` among those of 100,000 real chunks of contracts and of the text files in that folder.
What exact search finds is the truth: recall is the share of its first ten. Times are of one query
after another on one thread. Filters allow chunks at random, or the twentieth of them that is most
like one ("one topic"), which is far from most queries; of those removed every tenth is gone at
random. Beside it, where they are installed: Chroma (embedded), hnswlib and
Qdrant (local), with their own defaults, on the same vectors.

Every index is made first, in a process of its own, and then asked in another: ``opened`` is from
the start of that to its first answer, ``MB`` the most memory that was resident in it. With
``--keep`` what was made is used again; ``--make`` stops before anything is timed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from rag.types import FloatMatrix, FloatVector, Ids
from rag.vectors.faiss import FaissIndex
from tests.benchmarks.apart import apart, peak_mb
from tests.benchmarks.vector_sets import AT_ONCE, drawn, of_chunks, real_vectors
from tests.benchmarks.vector_systems import OTHERS, K, Search, make_ours, open_ours

_OURS = "ours"
_CHUNKS = 100_000
_LONGEST_S = 60.0
"""No system is asked for longer: some of the queries have to do."""


class Way(NamedTuple):
    """How to ask: among which ids, if not all, and which can be found at all."""

    name: str
    allowed: Ids | None
    held: Ids


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--chunks", type=Path, help="a folder of text: its real chunks as well")
    parser.add_argument("--beside", nargs="*", default=[], choices=sorted(OTHERS))
    parser.add_argument("--cache", type=Path, default=Path("build/eval"))
    parser.add_argument("--keep", type=Path, help="keep vectors and indexes there, or use them")
    parser.add_argument("--make", action="store_true", help="only make what is not kept yet")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ibidem-vectors-") as folder:
        sets = list(_sets(arguments, arguments.keep or Path(folder)))
        pairs = [(place, name) for place in sets for name in (_OURS, *arguments.beside)]
        for place, name in pairs:
            if not (place / name / "made.json").exists():
                apart(make, place, name)
        if arguments.make:
            return
        report = [row for pair in pairs for row in apart(measure, *pair, time.time())]
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1))
    show(report)


def _sets(arguments: argparse.Namespace, folder: Path) -> Iterator[Path]:
    """A folder for each set, with the vectors, the queries and the truth."""

    def synthetic(size: int) -> tuple[FloatMatrix, FloatMatrix]:
        return drawn(real_vectors(arguments.cache), size)

    for size in arguments.sizes:
        yield _prepared(folder / str(size), partial(synthetic, size))
    if arguments.chunks:
        real = partial(of_chunks, arguments.chunks, arguments.cache, _CHUNKS)
        yield _prepared(folder / "real", real)


def _prepared(place: Path, draw: Callable[[], tuple[FloatMatrix, FloatMatrix]]) -> Path:
    if not all((place / name).exists() for name in ("topic.npy", "truth.npz")):
        vectors, queries = draw()
        place.mkdir(parents=True, exist_ok=True)
        np.save(place / "vectors.npy", vectors)
        np.save(place / "queries.npy", queries)
        topic = np.argsort(vectors @ vectors[0])[-max(1, len(vectors) // 20) :]
        np.save(place / "topic.npy", np.sort(topic))
        truths = {way.name: truth(vectors, queries, way.held) for way in ways(place, len(vectors))}
        np.savez(place / "truth.npz", **truths)  # type: ignore[arg-type]
    return place


def ways(place: Path, count: int) -> Iterator[Way]:
    """All ways to ask so many of a set, of which that without some comes last."""
    ids, random = np.arange(count), np.random.default_rng(1)
    yield Way("all", None, ids)
    for share in (0.5, 0.1, 0.01, 0.0001):
        allowed = np.sort(random.choice(ids, max(1, round(share * count)), replace=False))
        yield Way(f"{100 * share:g} % allowed", allowed, allowed)
    topic: Ids = np.load(place / "topic.npy")
    yield Way("one topic allowed", topic, topic)
    gone = random.choice(ids, count // 10, replace=False)
    yield Way("10 % removed", None, np.delete(ids, gone))


def make(place: Path, name: str) -> None:
    """Make an index of the vectors of a set."""
    folder = place / name
    shutil.rmtree(folder, ignore_errors=True)  # what an interrupted run left
    folder.mkdir()
    vectors: FloatMatrix = np.load(place / "vectors.npy", mmap_mode="r")
    began = time.perf_counter()
    (make_ours if name == _OURS else OTHERS[name].make)(vectors, folder)
    made = {"built_s": time.perf_counter() - began}
    (folder / "made.json").write_text(json.dumps(made))


def measure(place: Path, name: str, began: float) -> list[dict[str, Any]]:
    """Figures of the index of a set, ours for each way to ask it."""
    vectors: FloatMatrix = np.load(place / "vectors.npy", mmap_mode="r")
    queries: FloatMatrix = np.load(place / "queries.npy")
    truths = np.load(place / "truth.npz")
    made = json.loads((place / name / "made.json").read_text())
    shared = {"set": place.name, "vectors": len(vectors), "index": name, "form": ""}
    if name != _OURS:
        search = OTHERS[name].open(vectors, place / name)
        search(queries[0])
        opened = {**made, "opened_s": time.time() - began}
        return [{**shared, "asked": "all", **judged(search, queries, truths["all"]), **opened}]
    index = open_ours(vectors, place / name)
    index.search(queries[0], K)
    opened = {**made, "opened_s": time.time() - began}
    report = []
    for way in ways(place, len(vectors)):
        if way.allowed is None:
            index.remove(np.setdiff1d(index.ids(), way.held))
        asked = {**shared, "form": index.form, "asked": way.name}
        search = partial(_search_ours, index, way.allowed)
        report.append({**asked, **judged(search, queries, truths[way.name]), **opened})
        opened = {}
    return report


def _search_ours(index: FaissIndex, allowed: Ids | None, query: FloatVector) -> Ids:
    return index.search(query, K, allowed).ids


def judged(search: Search, queries: FloatMatrix, truths: Ids) -> dict[str, Any]:
    """Recall and times."""
    seconds: list[float] = []
    found = 0
    search(queries[0])
    for query, right in zip(queries, truths, strict=True):
        if sum(seconds) > _LONGEST_S:
            break
        began = time.perf_counter()
        got = search(query)
        seconds.append(time.perf_counter() - began)
        found += len(set(got.tolist()) & set(right.tolist()))
    return {
        "queries": len(seconds),
        "recall": found / (len(seconds) * truths.shape[1]),
        "p50_ms": 1_000 * float(np.percentile(seconds, 50)),
        "p99_ms": 1_000 * float(np.percentile(seconds, 99)),
        "peak_mb": peak_mb(),
    }


def truth(vectors: FloatMatrix, queries: FloatMatrix, held: Ids) -> Ids:
    """The ids of the best of each query, shape (queries, K or what is held)."""
    best = np.empty((len(queries), 0), np.int64)
    scores = np.empty((len(queries), 0), np.float32)
    for start in range(0, len(held), AT_ONCE):
        some = held[start : start + AT_ONCE]
        scores = np.concatenate([scores, queries @ vectors[some].T], axis=1)
        best = np.concatenate([best, np.broadcast_to(some, (len(queries), len(some)))], axis=1)
        first = np.argpartition(-scores, min(K, scores.shape[1]) - 1, axis=1)[:, :K]
        best, scores = (np.take_along_axis(one, first, 1) for one in (best, scores))
    return best


def show(report: Sequence[dict[str, Any]]) -> None:
    """A row for each set, index and way to ask."""
    table = Table(box=box.SIMPLE, padding=(0, 0, 0, 1))
    for column in (
        "vectors",
        "index",
        "asked",
        "queries",
        "recall@10",
        "p50 ms",
        "p99 ms",
        "made s",
        "opened s",
        "MB",
        "form",
    ):
        table.add_column(column, justify="right", no_wrap=True)
    for one in report:
        table.add_row(
            f"{one['vectors']:,}{', real' if one['set'] == 'real' else ''}",
            one["index"],
            one["asked"],
            str(one["queries"]),
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
