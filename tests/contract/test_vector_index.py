"""What every vector index must do, compared with exact search in numpy."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from rag.types import FloatMatrix, FloatVector, Ids
from rag.vectors import Hits, OpenVectors, Place, VectorIndex
from rag.vectors.registry import vector_indexes
from tests.stores import SETTINGS
from tests.thorough import THOROUGH

DIMENSION = 24


class Kept:
    """What SQL would have: every vector that was added."""

    def __init__(self) -> None:
        self.vectors: dict[int, FloatVector] = {}

    def stored(self, ids: Ids) -> tuple[Ids, FloatMatrix]:
        found = [one for one in ids.tolist() if one in self.vectors]
        vectors = [self.vectors[one] for one in found]
        matrix = np.array(vectors, np.float32).reshape(-1, DIMENSION)
        return np.array(found, np.int64), matrix


class Recorded:
    """An index as Ibidem has it: what is added to it stands in SQL before."""

    def __init__(self, index: VectorIndex, kept: Kept) -> None:
        self._index = index
        self._kept = kept
        self.remove, self.search = index.remove, index.search
        self.ids, self.get, self.drop = index.ids, index.get, index.drop

    def add(self, ids: Ids, vectors: FloatMatrix) -> None:
        if vectors.shape == (len(ids), DIMENSION):
            self._kept.vectors.update(zip(ids.tolist(), vectors.copy(), strict=True))
        self._index.add(ids, vectors)


@pytest.fixture(scope="module", params=SETTINGS)
def setting(request: pytest.FixtureRequest) -> str:
    """IBIDEM_INDEX for each kind of index."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture(scope="module")
def open_vectors(setting: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenVectors]:
    with vector_indexes(setting, folder=tmp_path_factory.mktemp("chroma")) as open_vectors:
        yield open_vectors


@pytest.fixture
def index(open_vectors: OpenVectors) -> Iterator[VectorIndex]:
    kept = Kept()
    name = f"col_{uuid.uuid4().hex[:24]}"
    index = open_vectors(Place(name=name, dimension=DIMENSION, stored=kept.stored))
    yield Recorded(index, kept)
    index.drop()


def unit_vectors(count: int, seed: int = 0) -> FloatMatrix:
    vectors = np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def scattered_ids(count: int, seed: int = 0) -> Ids:
    return np.random.default_rng(seed).choice(10 * count, count, replace=False).astype(np.int64)


class Exact:
    """The reference: a dictionary and a matrix product."""

    def __init__(self) -> None:
        self.vectors: dict[int, FloatVector] = {}

    def add(self, ids: Ids, vectors: FloatMatrix) -> None:
        self.vectors.update(zip(ids.tolist(), vectors, strict=True))

    def remove(self, ids: Ids) -> None:
        for key in ids.tolist():
            self.vectors.pop(key, None)

    def scores(self, vector: FloatVector, allowed: Ids | None) -> dict[int, float]:
        keys = set(self.vectors) if allowed is None else set(self.vectors) & set(allowed.tolist())
        return {key: float(self.vectors[key] @ vector) for key in keys}


def check(
    index: VectorIndex, exact: Exact, vector: FloatVector, k: int, allowed: Ids | None = None
) -> Hits:
    """Same scores as the reference, right ids, best first; ties may fall either way."""
    hits = index.search(vector, k, allowed)
    expected = exact.scores(vector, allowed)
    best = sorted(expected.values(), reverse=True)[:k]
    np.testing.assert_allclose(hits.scores, best, atol=1e-5)
    assert len(set(hits.ids.tolist())) == len(hits.ids) == len(best)
    own = [expected[key] for key in hits.ids.tolist()]
    np.testing.assert_allclose(own, hits.scores, atol=1e-5)
    assert np.all(np.diff(hits.scores) <= 0)
    assert (hits.ids.dtype.name, hits.scores.dtype.name) == ("int64", "float32")
    return hits


@pytest.fixture
def filled(index: VectorIndex) -> tuple[VectorIndex, Exact]:
    """An index of this test's own, to be changed."""
    return fill(index)


@pytest.fixture(scope="module")
def searched(open_vectors: OpenVectors) -> Iterator[tuple[VectorIndex, Exact]]:
    """The same for all tests that only search: some stores take their time to be filled."""
    kept = Kept()
    place = Place(name="col_searched", dimension=DIMENSION, stored=kept.stored)
    index = open_vectors(place)
    yield fill(Recorded(index, kept))
    index.drop()


def fill(index: VectorIndex) -> tuple[VectorIndex, Exact]:
    exact = Exact()
    ids, vectors = scattered_ids(2_000), unit_vectors(2_000)
    for start in range(0, 2_000, 700):
        batch = slice(start, start + 700)
        index.add(ids[batch], vectors[batch])
        exact.add(ids[batch], vectors[batch])
    return index, exact


def test_an_empty_index_finds_nothing(index: VectorIndex) -> None:
    hits = index.search(unit_vectors(1)[0], 5)
    assert (len(hits.ids), len(hits.scores), len(index.ids())) == (0, 0, 0)
    index.remove(np.array([1, 2]))
    assert not len(index.search(unit_vectors(1)[0], 5, np.array([1])).ids)


@pytest.mark.parametrize("k", [1, 10, 100, 2_000, 5_000])
def test_finds_what_exact_search_finds(searched: tuple[VectorIndex, Exact], k: int) -> None:
    index, exact = searched
    for vector in unit_vectors(5, seed=1):
        check(index, exact, vector, k)


@pytest.mark.parametrize("share", [0, 0.0005, 0.01, 0.5, 1])
def test_filters_before_it_ranks(searched: tuple[VectorIndex, Exact], share: float) -> None:
    index, exact = searched
    random = np.random.default_rng(2)
    chosen = random.choice(index.ids(), round(share * 2_000), replace=False)
    for vector in unit_vectors(5, seed=3):
        check(index, exact, vector, 10, np.sort(chosen))


def test_a_filter_that_excludes_the_best_hits_still_fills_k(
    searched: tuple[VectorIndex, Exact],
) -> None:
    index, exact = searched
    vector = unit_vectors(1, seed=4)[0]
    best = index.search(vector, 1_900).ids
    hits = check(index, exact, vector, 10, np.setdiff1d(index.ids(), best))
    assert len(hits.ids) == 10


def test_allowed_ids_that_are_not_held_are_ignored(searched: tuple[VectorIndex, Exact]) -> None:
    index, exact = searched
    held = index.ids()[:3]
    allowed = np.sort(np.concatenate([held, [10**12, 10**12 + 1]]))
    check(index, exact, unit_vectors(1, seed=5)[0], 10, allowed)
    assert not len(index.search(unit_vectors(1)[0], 10, np.array([10**12])).ids)


def test_removed_ids_are_gone_from_the_next_search(filled: tuple[VectorIndex, Exact]) -> None:
    index, exact = filled
    for vector in unit_vectors(10, seed=6):
        gone = index.search(vector, 60).ids
        index.remove(gone)
        exact.remove(gone)
        check(index, exact, vector, 60)
        assert not np.isin(gone, index.ids()).any()
    assert index.ids().tolist() == sorted(exact.vectors)
    check(index, exact, unit_vectors(1, seed=7)[0], 10, index.ids()[::2])


def test_everything_can_be_removed_and_added_again(filled: tuple[VectorIndex, Exact]) -> None:
    index, _ = filled
    index.remove(index.ids())
    assert not len(index.search(unit_vectors(1)[0], 5).ids)
    assert not len(index.ids())
    again = Exact()
    index.add(np.arange(50), unit_vectors(50, seed=8))
    again.add(np.arange(50), unit_vectors(50, seed=8))
    check(index, again, unit_vectors(1, seed=9)[0], 10)


def test_unknown_ids_may_be_removed(filled: tuple[VectorIndex, Exact]) -> None:
    index, exact = filled
    index.remove(np.array([10**12]))
    index.remove(np.empty(0, np.int64))
    check(index, exact, unit_vectors(1, seed=10)[0], 10)


def test_adding_an_id_again_replaces_its_vector(filled: tuple[VectorIndex, Exact]) -> None:
    index, exact = filled
    again = index.ids()[::3]
    vectors = unit_vectors(len(again), seed=11)
    index.add(again, vectors)
    exact.add(again, vectors)
    assert index.ids().tolist() == sorted(exact.vectors)
    for vector in unit_vectors(5, seed=12):
        check(index, exact, vector, 2_500)


def test_the_last_of_repeated_ids_in_one_call_wins(index: VectorIndex) -> None:
    vectors = unit_vectors(3, seed=13)
    index.add(np.array([7, 9, 7]), vectors)
    hits = index.search(vectors[2], 5)
    assert sorted(hits.ids.tolist()) == [7, 9]
    assert hits.ids[0] == 7
    assert hits.scores[0] == pytest.approx(1, abs=1e-5)


def test_equal_vectors_are_all_found(index: VectorIndex) -> None:
    vector = unit_vectors(1, seed=14)[0]
    index.add(np.arange(20), np.tile(vector, (20, 1)))
    hits = index.search(vector, 20)
    assert sorted(hits.ids.tolist()) == list(range(20))
    np.testing.assert_allclose(hits.scores, 1, atol=1e-5)


def test_the_caller_may_reuse_its_arrays(index: VectorIndex) -> None:
    ids, vectors = np.arange(5), unit_vectors(5)
    index.add(ids, vectors)
    query = vectors[3].copy()
    vectors[:] = 0
    ids[:] = 99
    assert index.search(query, 1).ids.tolist() == [3]


@pytest.mark.parametrize("shape", [(2, DIMENSION + 1), (3, DIMENSION), (DIMENSION,)])
def test_vectors_of_another_shape_are_refused(index: VectorIndex, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="2 ids came with vectors of shape"):
        index.add(np.arange(2), np.ones(shape, np.float32))
    assert not len(index.ids())


def test_gives_back_the_vectors_of_the_ids_it_holds(index: VectorIndex) -> None:
    ids, vectors = np.array([9, 4, 70, 30]), unit_vectors(4)
    index.add(ids, vectors)
    index.remove(np.array([70]))
    held, found = index.get(np.array([4, 5, 9, 70]))
    assert held.tolist() == [4, 9]
    np.testing.assert_allclose(found, vectors[[1, 0]], atol=1e-3)
    nothing = index.get(np.array([70]))
    assert [part.shape for part in nothing] == [(0,), (0, DIMENSION)]


def test_random_changes_leave_what_the_reference_has(index: VectorIndex) -> None:
    random, exact = np.random.default_rng(15), Exact()
    for step in range(600 if THOROUGH else 30):
        ids = random.choice(3_000, 200, replace=False)
        if step % 3:
            vectors = unit_vectors(200, seed=step)
            index.add(ids, vectors)
            exact.add(ids, vectors)
        else:
            index.remove(ids)
            exact.remove(ids)
        allowed = np.sort(random.choice(3_000, 500, replace=False)) if step % 2 else None
        check(index, exact, unit_vectors(1, seed=1_000 + step)[0], 25, allowed)
    assert index.ids().tolist() == sorted(exact.vectors)


def test_readers_see_whole_states_while_one_writes(index: VectorIndex) -> None:
    """Ids 0-99 always stay; the writer adds and removes others around them."""
    fixed = unit_vectors(100, seed=16)
    index.add(np.arange(100), fixed)
    done, wrong = threading.Event(), []

    def read(number: int) -> None:
        while not done.is_set():
            hits = index.search(fixed[number], 3, np.arange(100))
            if hits.ids[0] != number or not np.isclose(hits.scores[0], 1, atol=1e-4):
                wrong.append(hits)
            everywhere = index.search(fixed[number], 3)
            if everywhere.ids[0] != number:
                wrong.append(everywhere)

    readers = [threading.Thread(target=read, args=(number,)) for number in range(4)]
    for reader in readers:
        reader.start()
    for round_ in range(8):
        others = 1_000 + np.arange(400)
        index.add(others, unit_vectors(400, seed=round_))
        index.remove(others)
    done.set()
    for reader in readers:
        reader.join()
    assert not wrong
    assert index.ids().tolist() == list(range(100))


def test_what_was_dropped_is_not_there_when_its_place_is_opened_again(
    open_vectors: OpenVectors,
) -> None:
    place = Place(name="col_again", dimension=DIMENSION, stored=Kept().stored)
    for _ in range(2):
        index = open_vectors(place)
        assert not len(index.ids())
        index.add(np.arange(5), unit_vectors(5))
        assert index.ids().tolist() == list(range(5))
        index.drop()


def test_what_is_opened_again_holds_what_it_says(setting: str, tmp_path: Path) -> None:
    """All or nothing: what it says that it holds is found, and what it lacks can be added."""
    kept = Kept()
    place = Place(name=f"col_{uuid.uuid4().hex[:8]}", dimension=DIMENSION, stored=kept.stored)
    ids, vectors = scattered_ids(300), unit_vectors(300)
    exact = Exact()
    for change in range(3):
        with ExitStack() as stack:
            opened = stack.enter_context(vector_indexes(setting, folder=tmp_path))
            index = Recorded(opened(place), kept)
            lacking = ~np.isin(ids, index.ids())
            assert change == 0 or set(index.ids().tolist()) in (set(), set(exact.vectors))
            index.add(ids[lacking], vectors[lacking])
            exact.add(ids[lacking], vectors[lacking])
            check(index, exact, unit_vectors(1, seed=17 + change)[0], 20)
            index.remove(ids[:50])
            exact.remove(ids[:50])
            check(index, exact, unit_vectors(1, seed=27 + change)[0], 20, np.sort(ids[:200]))
            if change == 2:
                index.drop()
