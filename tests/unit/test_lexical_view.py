"""Looking at passages with rarer words only finds what looking at all of them finds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

import rag.lexical_view
from rag.lexical import LexicalIndex
from rag.lexical_view import View
from rag.vectors import Hits

WORDS = [f"w{number}" for number in range(400)]


@pytest.fixture(scope="module")
def index() -> LexicalIndex:
    """Words as frequent as a language's; a third of the passages was removed again."""
    random = np.random.default_rng(1)
    shares = 1 / np.arange(1, len(WORDS) + 1)
    made = LexicalIndex()
    for start in range(0, 6_000, 2_000):
        lengths = random.integers(5, 60, 2_000)
        rows = [random.choice(WORDS, length, p=shares / shares.sum()) for length in lengths]
        made.add(np.arange(start, start + 2_000), [" ".join(row) for row in rows])
    made.remove(np.flatnonzero(np.arange(6_000) % 3 == 0))
    return made


def queries() -> list[str]:
    random = np.random.default_rng(2)
    ranks = (random.geometric(0.02, (120, 5)) - 1) % len(WORDS)
    return [
        " ".join(WORDS[rank] for rank in row[: 2 + number % 4]) for number, row in enumerate(ranks)
    ]


def found(index: LexicalIndex, k: int) -> list[Hits]:
    return [index.search(query, k) for query in queries()]


def check_same(some: Sequence[Hits], others: Sequence[Hits]) -> None:
    """The same passages with the same scores but for rounding; of equal last ones any."""
    for one, other in zip(some, others, strict=True):
        np.testing.assert_allclose(one.scores, other.scores, rtol=1e-5)
        of_one, of_other = (dict(zip(*map(list, hits), strict=True)) for hits in (one, other))
        for id in of_one.keys() ^ of_other.keys():
            assert {**of_one, **of_other}[id] == pytest.approx(one.scores[-1], rel=1e-5)


@pytest.mark.parametrize("k", [1, 10, 100])
def test_rarer_words_are_enough_where_that_is_proved(
    index: LexicalIndex, k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[Sequence[str] | None] = []
    choose = View._deciding

    def choosing(view: View, words: Sequence[str], k: int) -> Sequence[str] | None:
        chosen.append(choose(view, words, k))
        return chosen[-1]

    monkeypatch.setattr(rag.lexical_view, "_SEEK", 0)  # it is a small index
    monkeypatch.setattr(View, "_deciding", choosing)
    quick = found(index, k)
    assert sum(one is not None for one in chosen) >= 20
    monkeypatch.setattr(View, "_deciding", lambda *_: None)
    check_same(quick, found(index, k))


def test_what_is_presumed_wrongly_is_not_relied_on(
    index: LexicalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(View, "_deciding", lambda *_: None)
    whole = found(index, 30)
    for wrong in (lambda words: words[:1], lambda words: words[-1:]):
        monkeypatch.setattr(View, "_deciding", lambda _, words, k, wrong=wrong: wrong(words))
        check_same(whole, found(index, 30))
