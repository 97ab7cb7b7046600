"""What only the FAISS index promises: its forms, what it keeps, and one core for a query."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path

import faiss
import numpy as np
import pytest

from rag.types import FloatMatrix, Ids
from rag.vectors.faiss import FaissIndex
from rag.vectors.listing import list_apart
from rag.vectors.rows import ListedRows
from rag.vectors.snapshots import Snapshots
from rag.vectors.stored import Halves

DIMENSION = 32
MANY = 6_000


def clustered(count: int, seed: int = 0) -> FloatMatrix:
    """Unit vectors around a few hundred centres, as those of texts are."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((300, DIMENSION))
    vectors = centres[random.integers(0, 300, count)]
    vectors = (vectors + 0.5 * random.standard_normal(vectors.shape)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def nearest(ids: Ids, vectors: FloatMatrix, query: FloatMatrix, k: int) -> set[int]:
    return set(ids[np.argsort(-(vectors @ query))[:k]].tolist())


def recall(index: FaissIndex, ids: Ids, vectors: FloatMatrix, allowed: Ids | None = None) -> float:
    keep = slice(None) if allowed is None else np.isin(ids, allowed)
    found = 0
    for query in clustered(50, seed=7):
        hits = index.search(query, 10, allowed)
        assert len(hits.ids) == 10
        own = vectors[np.searchsorted(ids, hits.ids)] @ query
        np.testing.assert_allclose(hits.scores, own, atol=2e-3)
        found += len(nearest(ids[keep], vectors[keep], query, 10) & set(hits.ids.tolist()))
    return found / 500


@pytest.fixture
def grown() -> tuple[FaissIndex, Ids, FloatMatrix]:
    index = FaissIndex(DIMENSION, exact_up_to=1_000)
    ids, vectors = np.arange(10, 10 + 3 * MANY, 3), clustered(MANY)
    index.add(ids, vectors)
    assert index.form == "exact"
    index.wait()
    assert "inverted lists" in index.form
    return index, ids, vectors


def test_many_vectors_are_put_into_lists(grown: tuple[FaissIndex, Ids, FloatMatrix]) -> None:
    index, ids, vectors = grown
    assert index.ids().tolist() == ids.tolist()
    assert recall(index, ids, vectors) > 0.95


@pytest.mark.parametrize("share", [0.002, 0.1, 0.5, 0.9])
def test_lists_are_searched_within_a_filter(
    share: float, grown: tuple[FaissIndex, Ids, FloatMatrix]
) -> None:
    index, ids, vectors = grown
    random = np.random.default_rng(3)
    allowed = np.sort(random.choice(ids, round(share * MANY), replace=False))
    assert np.isin(index.search(vectors[0], MANY, allowed).ids, allowed).all()
    assert recall(index, ids, vectors, allowed) > (0.999 if share == 0.002 else 0.95)


@pytest.mark.parametrize("apart", [1, 1_000], ids=["ids close by", "ids far apart"])
@pytest.mark.parametrize("count", [1, 7, 300, 2_001, MANY - 1, MANY])
def test_a_filter_is_exact_however_much_it_allows(count: int, apart: int) -> None:
    index = FaissIndex(DIMENSION, exact_up_to=1_000)
    ids, vectors = np.arange(MANY) * apart, clustered(MANY)
    index.add(ids, vectors)
    index.wait()
    assert "inverted lists" in index.form
    index.remove(ids[::9])
    random = np.random.default_rng(count)
    chosen = np.sort(random.choice(ids, count, replace=False))
    left = np.setdiff1d(chosen, ids[::9])
    # Ids that are not held, also beyond those that are, allow nothing.
    allowed = np.concatenate([np.array([-5, -1]), chosen, MANY * apart + np.arange(3)])
    for query in clustered(10, seed=8):
        for k in (1, 25):
            hits = index.search(query, k, allowed)
            assert len(hits.ids) == min(k, len(left))
            assert np.isin(hits.ids, left).all()
            assert len(set(hits.ids.tolist())) == len(hits.ids)
    everything = index.search(vectors[1], MANY, allowed)
    assert sorted(everything.ids.tolist()) == left.tolist()


def test_lists_take_changes_at_once(grown: tuple[FaissIndex, Ids, FloatMatrix]) -> None:
    index, ids, vectors = grown
    more = clustered(500, seed=5)
    index.add(np.arange(10**6, 10**6 + 500), more)
    index.remove(ids[::10])
    index.add(ids[1:2], more[:1])  # replaced
    kept = np.ones(MANY, np.bool_)
    kept[::10] = False
    vectors = np.concatenate([vectors[kept], more])
    ids = np.concatenate([ids[kept], np.arange(10**6, 10**6 + 500)])
    vectors[0] = more[0]
    assert recall(index, ids, vectors) > 0.95
    assert {int(ids[0]), 10**6} <= set(index.search(more[0], 2).ids.tolist())
    hits = index.search(vectors[5], len(ids) + 100)
    assert sorted(hits.ids.tolist()) == index.ids().tolist() == ids.tolist()


def test_what_changes_while_lists_are_made_is_in_them(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    make = Snapshots.make

    def slow(self: Snapshots, ids: Ids, halves: Halves) -> ListedRows:
        begun.set()
        assert go_on.wait(30)
        return make(self, ids, halves)

    monkeypatch.setattr(Snapshots, "make", slow)
    index = FaissIndex(DIMENSION, exact_up_to=1_000)
    ids, vectors = np.arange(MANY), clustered(MANY)
    index.add(ids, vectors)
    assert begun.wait(30)
    index.remove(ids[:2_000])
    index.add(ids[1_000:1_500], vectors[:500])  # back, with other vectors
    index.add(ids[3_000:3_100], vectors[:100])  # replaced
    go_on.set()
    index.wait()
    assert "inverted lists" in index.form
    vectors[3_000:3_100], vectors[1_000:1_500] = vectors[:100].copy(), vectors[:500].copy()
    here = np.concatenate([np.arange(1_000, 1_500), np.arange(2_000, MANY)])
    assert index.ids().tolist() == here.tolist()
    assert recall(index, here, vectors[here]) > 0.95


def test_lists_that_lose_nearly_all_become_exact_again(
    grown: tuple[FaissIndex, Ids, FloatMatrix],
) -> None:
    index, ids, vectors = grown
    index.remove(ids[500:])
    index.wait()
    assert index.form == "exact"
    assert recall(index, ids[:500], vectors[:500]) > 0.99


def test_a_snapshot_is_opened_without_making_lists_again(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path, "col")
    index = FaissIndex(DIMENSION, snapshots=snapshots, exact_up_to=1_000)
    ids, vectors = np.arange(MANY), clustered(MANY)
    index.add(ids, vectors)
    index.wait()
    again = FaissIndex(DIMENSION, snapshots=snapshots, exact_up_to=1_000)
    assert again.ids().tolist() == ids.tolist()
    assert recall(again, ids, vectors) > 0.95
    # Renewed when much has come since, without what has gone.
    again.remove(ids[:100])
    more = clustered(MANY // 3, seed=8)
    again.add(np.arange(MANY, MANY + len(more)), more)
    again.wait()
    third = FaissIndex(DIMENSION, snapshots=snapshots, exact_up_to=1_000)
    assert third.ids().tolist() == again.ids().tolist() == list(range(100, MANY + len(more)))
    third.drop()
    assert list(tmp_path.iterdir()) == []


def test_what_is_at_rest_is_kept_and_read_from_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.vectors.faiss._REST_S", 0.02)
    snapshots = Snapshots(tmp_path, "col")
    index = FaissIndex(DIMENSION, snapshots=snapshots, exact_up_to=1_000)
    ids, vectors = np.arange(MANY), clustered(MANY)
    most = MANY * 9 // 10
    index.add(ids[:most], vectors[:most])
    index.wait()
    index.add(ids[most:], vectors[most:])
    while (resting := index._resting) is not None:
        resting.join()
    index.wait()
    again = FaissIndex(DIMENSION, snapshots=snapshots, exact_up_to=1_000)
    assert again.ids().tolist() == ids.tolist()
    assert isinstance(index._rows, ListedRows)
    assert not len(index._rows._added)
    index.add(ids[:3] + MANY, vectors[:3])
    for one in (index, again):
        assert recall(one, ids, vectors, ids) > 0.95
    assert index.get(ids + 3)[1] == pytest.approx(np.roll(vectors, -3, axis=0), abs=1e-3)


def test_a_closed_index_writes_over_nothing_that_another_one_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.vectors.faiss._REST_S", 0.2)
    snapshots = partial(Snapshots, tmp_path, "col")
    index = FaissIndex(DIMENSION, snapshots=snapshots(), exact_up_to=1_000)
    ids, vectors = np.arange(MANY), clustered(MANY)
    most = MANY * 9 // 10
    index.add(ids[:most], vectors[:most])
    index.wait()
    index.add(ids[most:], vectors[most:])
    resting = index._resting
    assert resting is not None
    index.close()
    resting.join()
    FaissIndex(DIMENSION, snapshots=snapshots(), exact_up_to=1_000).drop()
    index.add(ids + MANY, vectors)  # by a search that had begun
    index.wait()
    assert list(tmp_path.iterdir()) == []
    assert len(index.search(vectors[0], 2 * MANY).ids) == 2 * MANY


def test_what_a_closed_index_was_writing_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(place: Path) -> None:
        begun.set()
        assert go_on.wait(30)
        list_apart(place)

    monkeypatch.setattr("rag.vectors.snapshots.list_apart", slow)
    index = FaissIndex(DIMENSION, snapshots=Snapshots(tmp_path, "col"), exact_up_to=1_000)
    index.add(np.arange(MANY), clustered(MANY))
    assert begun.wait(30)
    index.close()
    go_on.set()
    index.wait()
    assert list(tmp_path.iterdir()) == []
    assert recall(index, np.arange(MANY), clustered(MANY)) > 0.95


@pytest.mark.parametrize("name", ["halves.npy", "ids.npy", "lists.faiss", "manifest.json"])
def test_a_damaged_snapshot_is_not_used(name: str, tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path, "col")
    index = FaissIndex(DIMENSION, snapshots=snapshots, exact_up_to=1_000)
    index.add(np.arange(MANY), clustered(MANY))
    index.wait()
    path = tmp_path / "col" / name
    content = bytearray(path.read_bytes())
    content[-40:-8] = bytes(32)
    path.write_bytes(content)
    again = FaissIndex(DIMENSION, snapshots=snapshots, exact_up_to=1_000)
    assert (len(again.ids()), again.form) == (0, "exact")
    again.add(np.arange(MANY), clustered(MANY))
    again.wait()
    assert len(FaissIndex(DIMENSION, snapshots=snapshots, exact_up_to=1_000).ids()) == MANY


def test_without_room_for_a_snapshot_all_rows_are_searched_as_before(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    index = FaissIndex(DIMENSION, snapshots=Snapshots(tmp_path / "file", "col"), exact_up_to=1_000)
    ids, vectors = np.arange(MANY), clustered(MANY)
    index.add(ids, vectors)
    index.wait()
    assert index.form == "exact"
    assert recall(index, ids, vectors) == 1


def test_rows_of_removed_vectors_are_reused_memory() -> None:
    index = FaissIndex(8)
    vectors = np.eye(8, dtype=np.float32)
    for start in range(0, 20_000, 8):
        index.add(np.arange(start, start + 8), vectors)
        if start >= 800:
            index.remove(np.arange(start - 800, start - 792))
    assert len(index.ids()) == 800
    assert len(index._rows) < 800 + 1_100
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
