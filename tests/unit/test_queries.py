"""Several queries looked up for one question, and their rankings made into one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rag.models.tasks import Queries
from rag.queries import STAGE, look_up, reciprocal_sums, together
from rag.retrieve import Mode, SearchRequest
from rag.types import Passage


def passage(document: str, start: int, end: int, score: float = 1.0) -> Passage:
    text = "x" * (end - start)
    return Passage(
        document_id=document,
        document_title=document,
        start=start,
        end=end,
        text=text,
        score=score,
        scores={"fused": score},
    )


@given(st.lists(st.lists(st.integers(0, 9), unique=True), min_size=1, max_size=4))
def test_the_first_of_each_ranking_stays_before_all_that_none_puts_first(
    rankings: list[list[int]],
) -> None:
    sums = reciprocal_sums(rankings)
    assert set(sums) == {key for ranking in rankings for key in ranking}
    assert list(sums.values()) == sorted(sums.values(), reverse=True)
    for ranking in rankings:
        if ranking:
            assert sums[ranking[0]] >= 1
    single = reciprocal_sums(rankings[:1])
    assert list(single) == rankings[0]


def test_a_place_that_comes_twice_counts_twice_and_is_shown_once() -> None:
    shared, longer = passage("a", 0, 100), passage("a", 20, 140)
    other, apart = passage("b", 0, 100), passage("a", 130, 300)
    found = together([[other, shared], [apart, longer]])
    assert [(one.document_id, one.start) for one in found] == [("b", 0), ("a", 130), ("a", 20)]
    assert [one.score for one in found] == [1.0, 1.0, 1.0]
    assert found[0].scores == {"fused": 1.0, STAGE: 1.0}


def test_the_whole_is_searched_with_its_parts_and_what_is_made_up_by_its_meaning() -> None:
    asked: list[SearchRequest] = []

    def search(request: SearchRequest) -> list[Passage]:
        asked.append(request)
        return [passage(request.query, 0, 10)]

    request = SearchRequest(query="", collections=(), top_k=3, rerank=True)
    found = look_up(search, request, Queries(question="q", parts=("a", "b"), passage="p"))
    assert [one.query for one in asked] == ["q", "a", "b", "p"]
    assert [one.mode for one in asked] == [Mode.HYBRID] * 3 + [Mode.DENSE]
    assert [one.rerank for one in asked] == [True] * 3 + [False]
    assert [one.document_id for one in found] == ["q", "a", "b"]
    alone = look_up(search, request, Queries(question="q"))
    assert STAGE not in alone[0].scores
