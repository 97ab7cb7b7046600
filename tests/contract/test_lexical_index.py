"""What the lexical index must do, in memory and in a folder, compared with BM25 by hand."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from rag.errors import StoreDamaged
from rag.lexical import LexicalIndex
from rag.stemming import _SMALL, LANGUAGES
from rag.types import Ids

WORDS = [f"w{number}" for number in range(300)]

IMPLEMENTATIONS: dict[str, Callable[[Path], LexicalIndex]] = {
    "memory": lambda _: LexicalIndex(),
    "folder": LexicalIndex,
}


@pytest.fixture(params=IMPLEMENTATIONS)
def index(request: pytest.FixtureRequest, tmp_path: Path) -> LexicalIndex:
    return IMPLEMENTATIONS[request.param](tmp_path / "lexical")


COUNT = 2_500


@cache
def some_texts() -> dict[int, str]:
    """Up to 30 words each, frequent ones and rare ones (longer texts have rounded lengths)."""
    random = np.random.default_rng(0)
    ids = random.choice(100_000, COUNT, replace=False)
    weights = 1 / np.arange(1, len(WORDS) + 1)
    words = random.choice(WORDS, (COUNT, 30), p=weights / weights.sum())
    lengths = random.integers(1, 31, COUNT)
    return {
        key: " ".join(row[:length])
        for key, row, length in zip(ids.tolist(), words.tolist(), lengths, strict=True)
    }


@cache
def bm25(query: tuple[str, ...]) -> dict[int, float]:
    """Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009; idf as Lucene's."""
    bags = {key: Counter(text.split()) for key, text in some_texts().items()}
    average = sum(bag.total() for bag in bags.values()) / len(bags)
    scores: dict[int, float] = {}
    for word in query:
        holders = sum(word in bag for bag in bags.values())
        idf = math.log(1 + (len(bags) - holders + 0.5) / (holders + 0.5))
        for key, bag in bags.items():
            if word in bag:
                norm = 1.2 * (1 - 0.75 + 0.75 * bag.total() / average)
                scores[key] = scores.get(key, 0) + idf * bag[word] * 2.2 / (bag[word] + norm)
    return scores


def check(
    index: LexicalIndex,
    expected: dict[int, float],
    query: Sequence[str],
    k: int,
    allowed: Ids | None = None,
) -> None:
    hits = index.search(" ".join(query), k, allowed)
    among = set(expected) if allowed is None else set(allowed.tolist())
    kept = {key: score for key, score in expected.items() if key in among}
    np.testing.assert_allclose(hits.scores, sorted(kept.values(), reverse=True)[:k], rtol=1e-4)
    assert len(set(hits.ids.tolist())) == len(hits.ids)
    np.testing.assert_allclose([kept[key] for key in hits.ids.tolist()], hits.scores, rtol=1e-4)
    assert np.all(np.diff(hits.scores) <= 0)


@pytest.fixture
def filled(index: LexicalIndex) -> LexicalIndex:
    ids = np.array(list(some_texts()))
    for start in range(0, COUNT, 1_000):
        batch = ids[start : start + 1_000]
        index.add(batch, [some_texts()[key] for key in batch.tolist()])
    return index


QUERIES = (("w0",), ("w3", "w50", "w200"), ("w1", "w2", "w299", "w120", "absent"))


def test_an_empty_index_finds_nothing(index: LexicalIndex) -> None:
    assert not len(index.search("word", 5).ids)
    assert not len(index.search("word", 5, np.array([1])).ids)
    assert not len(index.ids())
    index.remove(np.array([3]))
    index.add(np.empty(0, np.int64), [])
    assert not len(index.ids())


def test_ranks_by_bm25(filled: LexicalIndex) -> None:
    assert filled.ids().tolist() == sorted(some_texts())
    for query in QUERIES:
        for k in (1, 10, 100, 10_000):
            check(filled, bm25(query), query, k)


@pytest.mark.parametrize("count", [0, 1, 40, 1_800, COUNT - 1, COUNT])
def test_filters_before_it_ranks(filled: LexicalIndex, count: int) -> None:
    allowed = np.sort(np.random.default_rng(2).choice(filled.ids(), count, replace=False))
    for query in QUERIES:
        for k in (1, 10, 500):
            check(filled, bm25(query), query, k, allowed)


def test_a_large_filter_that_excludes_the_best_hits_still_fills_k(filled: LexicalIndex) -> None:
    for query in QUERIES:
        best = filled.search(" ".join(query), 300).ids
        check(filled, bm25(query), query, 10, np.setdiff1d(filled.ids(), best))


def test_allowed_ids_that_are_not_held_are_ignored(filled: LexicalIndex) -> None:
    allowed = np.sort(np.concatenate([filled.ids()[:50], 10**12 + np.arange(5_000)]))
    for query in QUERIES:
        check(filled, bm25(query), query, 10, allowed)


def test_removed_texts_are_gone_from_the_next_search(filled: LexicalIndex) -> None:
    gone = filled.search("w5 w40", 500).ids
    filled.remove(np.concatenate([gone, [10**12]]))
    assert filled.ids().tolist() == sorted(set(some_texts()) - set(gone.tolist()))
    assert not np.isin(filled.search("w5 w40", 5_000).ids, gone).any()
    filled.remove(filled.ids())
    assert not len(filled.search("w5 w40", 10).ids)
    assert not len(filled.ids())


def test_adding_an_id_again_replaces_its_text(index: LexicalIndex) -> None:
    index.add(np.array([1, 2]), ["apples", "pears"])
    index.add(np.array([2, 3, 2]), ["plums", "cherries", "quinces"])
    assert index.ids().tolist() == [1, 2, 3]
    assert not len(index.search("pears plums", 5).ids)
    assert index.search("quinces", 5).ids.tolist() == [2]


def test_texts_without_words_are_held_and_never_found(index: LexicalIndex) -> None:
    index.add(np.array([1, 2]), ["", "-- !! \x00"])
    assert index.ids().tolist() == [1, 2]
    for query in ("", " ", "?!", "\x00", "\ud83d"):
        assert not len(index.search(query, 5).ids)


@pytest.mark.parametrize(
    "query",
    [
        'the "penalty clause" applies',
        "penalty: clause",
        "id:[0 TO 9] penalty clause",
        "penalty AND NOT clause",
        "+penalty -clause",
        "(penalty OR (clause",
        "penalty~2 clause^9 *",
        "text:penalty\\ clause",
        "/penalty.*/ {clause}",
        "penalty' OR 1=1; -- clause",
    ],
)
def test_nothing_in_a_query_is_syntax(index: LexicalIndex, query: str) -> None:
    index.add(np.arange(3), ["A clause.", "A penalty clause.", "Nothing of it"])
    assert index.search(query, 3).ids.tolist()[:2] == [1, 0]


def test_stop_words_count_only_when_a_query_has_nothing_else(index: LexicalIndex) -> None:
    index.add(np.arange(3), ["To be, or not to be", "who is the tenant", "the landlord"])
    assert index.search("to be or not to be", 3).ids.tolist() == [0]
    assert index.search("who is the landlord", 3).ids.tolist() == [2]


def test_very_long_queries_are_answered(index: LexicalIndex) -> None:
    index.add(np.arange(2), ["w0", "w1 w2"])
    query = " ".join(f"w{number}" for number in range(20_000))
    assert index.search(query, 5).ids.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("The contracts were terminated.", "terminate contract"),
        ("Müller übernahm die Geschäftsführung", "MÜLLER"),
        ("Revenue was 1,234.5 million", "1,234.5"),
        ("See Section 12.3(b)", "section 12.3"),
        ("the \ufb01nancial report", "financial"),
        ("公司于二〇二三年完成了收购", "公司完成收购了吗"),
        ("売上高は前年比で増加した", "売上高の増加"),
        ("สัญญาเช่ามีอายุสามปี", "อายุสัญญาเช่า"),
        ("계약은 삼년간 유효하다", "계약이"),
        ("Договоры расторгнуты", "договоры"),
        ("half a \ud83d character", "character"),
    ],
)
def test_finds_words_in_many_forms_and_scripts(index: LexicalIndex, text: str, query: str) -> None:
    index.add(np.array([4, 5]), [text, "something else 別的 อื่น 다른"])
    assert index.search(query, 5).ids.tolist()[:1] == [4]


def test_equal_scores_come_in_the_order_of_ids(index: LexicalIndex) -> None:
    index.add(np.array([9, 3, 7]), ["same text"] * 3)
    assert index.search("text", 3).ids.tolist() == [3, 7, 9]


def test_wrong_input_is_refused(index: LexicalIndex) -> None:
    with pytest.raises(ValueError, match="2 ids came with 1 texts"):
        index.add(np.arange(2), ["one"])
    with pytest.raises(ValueError, match="chunk ids are not negative"):
        index.add(np.array([-1]), ["one"])
    assert not len(index.ids())


def test_readers_see_whole_states_while_one_writes(index: LexicalIndex) -> None:
    index.add(np.arange(50), ["lasting"] * 50)
    done, wrong = threading.Event(), []

    def read() -> None:
        while not done.is_set():
            found = index.search("lasting", 100).ids.tolist()
            batch = index.search("passing", 100).ids.tolist()
            if found != list(range(50)) or len(batch) not in (0, 40):
                wrong.append((found, batch))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for _ in range(8):
        index.add(100 + np.arange(40), ["passing"] * 40)
        assert len(index.search("passing", 100).ids) == 40
        index.remove(100 + np.arange(40))
        assert not len(index.search("passing", 100).ids)
    done.set()
    for reader in readers:
        reader.join()
    assert not wrong


def test_writers_from_several_threads_lose_nothing(index: LexicalIndex) -> None:
    def write(first: int) -> None:
        for start in range(first, first + 50, 10):
            index.add(np.arange(start, start + 10), ["text"] * 10)

    writers = [threading.Thread(target=write, args=(1_000 * number,)) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(index.ids()) == 150


def test_a_folder_keeps_its_texts(tmp_path: Path) -> None:
    LexicalIndex(tmp_path / "i").add(np.arange(3), ["alpha", "beta", "gamma beta"])
    again = LexicalIndex(tmp_path / "i")
    assert sorted(again.search("beta", 5).ids.tolist()) == [1, 2]
    again.remove(np.array([1]))
    assert LexicalIndex(tmp_path / "i").ids().tolist() == [0, 2]


def test_a_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_text("{}")
    with pytest.raises(StoreDamaged, match="holds no BM25 index of this version"):
        LexicalIndex(tmp_path)


NEAR = ["the fat cat sat", "fat small cat", "cat fat", "fat one two cat", "state of the art"]


@pytest.mark.parametrize(
    ("query", "raised"),
    [("fat cat", [0, 1]), ("state of the art", [4]), ("art state", []), ("cat cat", [])],
)
def test_words_that_stand_together_raise_a_passage(
    index: LexicalIndex, query: str, raised: list[int]
) -> None:
    index.add(np.arange(len(NEAR)), NEAR)
    plain, near = index.search(query, 10), index.search(query, 10, pairs=0.5)
    before = dict(zip(plain.ids.tolist(), plain.scores.tolist(), strict=True))
    after = dict(zip(near.ids.tolist(), near.scores.tolist(), strict=True))
    assert [key for key in sorted(after) if after[key] > before[key]] == raised
    assert after.keys() == before.keys()
    assert np.all(np.diff(near.scores) <= 0)


def test_a_pair_counts_like_a_word_as_rare_as_both(index: LexicalIndex) -> None:
    index.add(np.arange(3), ["red apples", "red pears and apples", "green pears"])
    plain, near = (index.search("red apples", 1, pairs=weight) for weight in (0.0, 1.0))
    assert (plain.ids.tolist(), near.ids.tolist()) == ([0], [0])
    assert near.scores[0] == pytest.approx(2 * plain.scores[0], rel=1e-5)


def test_pairs_count_the_same_among_ids_that_are_all_wanted(filled: LexicalIndex) -> None:
    random, weight = np.random.default_rng(4), 0.4
    for query in ("w1 w0 w3", "w2 w299 w5 w1", " ".join(f"w{n}" for n in range(20))):
        alone, scores = (
            dict(zip(hits.ids.tolist(), hits.scores.tolist(), strict=True))
            for hits in (filled.search(query, COUNT, pairs=each) for each in (0.0, weight))
        )
        together = [key for key, score in scores.items() if score > alone[key]]
        assert len(together) > 3
        allowed = np.union1d(together[:60], random.choice(filled.ids(), 60, replace=False))
        hits = filled.search(query, len(allowed), allowed, pairs=weight)
        assert set(hits.ids.tolist()) == {one for one in allowed.tolist() if one in scores}
        expected = [scores[key] for key in hits.ids.tolist()]
        np.testing.assert_allclose(hits.scores, expected, rtol=1e-4)
        assert np.all(np.diff(hits.scores) <= 0)


@pytest.mark.parametrize("marks", ['""', "\u201c\u201d", "\u201e\u201c", "\u00ab\u00bb"])
def test_what_is_quoted_comes_first_word_for_word(index: LexicalIndex, marks: str) -> None:
    index.add(np.arange(3), ["cat cat fat", "a cat, the fat one", "it is the fat cat there"])
    assert index.search(f"{marks[0]}the fat cat{marks[1]}", 3).ids[0] == 2
    assert len(index.search(f"{marks[0]}fat", 3).ids) == 3  # an open quotation is words


GERMAN = (
    "Der Vertrag endet mit dem Ablauf des Jahres, und die Lieferungen von Volkswagen enden auch."
)
ENGLISH = "The contract ends with the year, and deliveries by Volkswagen end as well."
TURKISH = "Bu sözleşme için ödeme ile teslimat bir yıl kadar sonra olacak ve fatura da gelecek."  # noqa: RUF001


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("Verträge", {0}),
        ("Lieferung", {0}),
        ("delivery of contracts", {1}),
        ("Volkswagen", {0, 1}),
        ("Was liefert Volkswagen?", {0, 1}),
        ("teslimatlar", {2}),
        ("договоры", {3}),
        ("συμβάσεις", {4}),
        ('"die Lieferung von"', {0}),
    ],
)
def test_words_are_found_by_the_stems_of_the_language_that_they_stand_in(
    index: LexicalIndex, query: str, found: set[int]
) -> None:
    others = ["Этот договор заканчивается.", "Η σύμβαση λήγει εδώ."]  # noqa: RUF001
    texts = [GERMAN, ENGLISH, TURKISH, *others]
    index.add(np.arange(5), texts)
    assert set(index.search(query, 5).ids.tolist()) == found


def test_a_language_counts_once_a_passage_is_in_it(index: LexicalIndex) -> None:
    index.add(np.array([1]), [ENGLISH])
    assert not len(index.search("Lieferung", 5).ids)
    index.add(np.array([0]), [GERMAN])
    assert index.search("Lieferung", 5).ids.tolist() == [0]
    index.remove(np.array([0]))
    assert not len(index.search("Lieferung", 5).ids)


def add_all_languages(index: LexicalIndex) -> None:
    small = [" ".join([*sorted(_SMALL[language]), "x"]) for language in LANGUAGES]
    index.add(np.arange(2, 2 + len(small)), small)


def test_small_words_do_not_count_beside_passages_in_many_languages(index: LexicalIndex) -> None:
    add_all_languages(index)
    index.add(np.arange(2), ["Doe, doe, doe; thes, thes; wher", "the harbour fee"])
    query = "Where does one find these harbour fees?"
    assert index.search(query, 2, np.arange(2)).ids.tolist() == [1]
    assert set(index.search("Where does one", 2, np.arange(2)).ids.tolist()) == set()


def test_every_quotation_counts_beside_passages_in_many_languages(index: LexicalIndex) -> None:
    add_all_languages(index)
    index.add(np.arange(2), ["cat cat fat", "it is the fat cat there, the whole day long"])
    query = '"the parties are released" "limitation of liability clauses" "the fat cat"'
    hits = index.search(query, 2, np.arange(2))
    assert hits.ids.tolist() == [1, 0]
    alone = index.search(query.replace("fat cat", "cat fat"), 2, np.arange(2))
    assert hits.scores[0] > alone.scores[alone.ids == 1][0]


def test_neighbouring_words_count_beside_passages_in_many_languages(index: LexicalIndex) -> None:
    query = (
        "Sözleşmenin feshi için hangi süreler geçerlidir ve bildirim nasıl yapılır "  # noqa: RUF001
        "kiracılar tarafından"  # noqa: RUF001
    )
    together = "kiracılar tarafından çok gibi bildirim"  # noqa: RUF001
    add_all_languages(index)
    index.add(np.arange(2), [" ".join(reversed(together.split())), together])
    assert index.search(query, 2, np.arange(2)).ids[0] == 0
    assert index.search(query, 2, np.arange(2), pairs=1.0).ids[0] == 1


def test_figures_count_in_a_query_of_whatever_length(index: LexicalIndex) -> None:
    index.add(np.arange(2), ["7.2 Payment is due.", "Payment is due in 7.2 days."])
    query = " ".join(f"word{number}" for number in range(600)) + " Section 7.2"
    assert index.search(query, 2).ids.tolist() == [0]
