"""Which lists are searched where a filter allows rows that are alike."""

from __future__ import annotations

import faiss
import numpy as np
import pytest

from rag.types import FloatMatrix
from rag.vectors import rows as module
from rag.vectors.faiss import FaissIndex
from rag.vectors.probing import Membership
from rag.vectors.rows import listed

DIMENSION, COUNT = 32, 20_000


@pytest.fixture(scope="module")
def vectors() -> FloatMatrix:
    random = np.random.default_rng(3)
    centres = random.standard_normal((200, DIMENSION))
    found = centres[random.integers(0, 200, COUNT)]
    found = (found + 0.7 * random.standard_normal(found.shape)).astype(np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


@pytest.fixture(scope="module")
def index(vectors: FloatMatrix) -> faiss.IndexIVFRaBitQ:
    return listed(vectors.astype(np.float16))


def test_rows_are_known_by_their_lists(index: faiss.IndexIVFRaBitQ, vectors: FloatMatrix) -> None:
    lists = Membership(index)
    own = index.quantizer.search(vectors, 1)[1][:, 0]
    assert (lists.numbers == own).mean() > 0.99  # they were put in from half precision
    before = lists.sizes.copy()
    lists.add(index, vectors[:300])
    assert lists.numbers[COUNT:].tolist() == own[:300].tolist()
    assert (lists.sizes - before).tolist() == np.bincount(own[:300], minlength=512).tolist()


def test_evenness(index: faiss.IndexIVFRaBitQ) -> None:
    lists, random = Membership(index), np.random.default_rng(0)
    some = random.random(COUNT) < 0.3
    assert lists.evenness(some, int(some.sum())) > 0.95
    fewest = np.argsort(lists.numbers)[: COUNT // 5]
    alike = np.zeros(COUNT, np.bool_)
    alike[fewest] = True
    assert lists.evenness(alike, len(fewest)) == pytest.approx(0.2, abs=0.02)
    assert lists.sizes_of_holders(alike).sum() == pytest.approx(COUNT / 5, rel=0.02)
    assert lists.evenness(np.zeros(COUNT, np.bool_), 0) == 1


def test_of_much_that_is_alike_the_best_are_found(
    vectors: FloatMatrix, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Queries are about anything; a filter allows what is most like one vector."""
    monkeypatch.setattr(module, "_COMPARED", 250)
    monkeypatch.setattr(module, "_PROBED", 1_000)
    index = FaissIndex(DIMENSION, exact_up_to=1_000)
    index.add(np.arange(COUNT), vectors)
    index.wait()
    assert "inverted lists" in index.form
    allowed = np.sort(np.argsort(vectors @ vectors[0])[-8_000:])

    def recall() -> float:
        found = 0
        for query in vectors[1:2_000:40]:
            best = allowed[np.argsort(-(vectors[allowed] @ query))[:10]]
            found += len(np.intersect1d(index.search(query, 10, allowed).ids, best))
        return found / 500

    spread = recall()
    monkeypatch.setattr(module, "EVEN", 0.0)
    assert spread > 0.9
    assert recall() < spread - 0.05
