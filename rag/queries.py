"""What is looked up for a question: queries, each ranked by itself, and made into one list."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias, TypeVar

from rag.models.tasks import Queries
from rag.retrieve import Mode, SearchRequest
from rag.types import Passage

Search: TypeAlias = Callable[[SearchRequest], list[Passage]]
Key = TypeVar("Key", bound=Hashable)

STAGE = "queries"
"""The name of the score that passages have of several queries."""

# Of the shorter of two passages, so much in the other is the same place.
_SAME = 0.5


def look_up(search: Search, request: SearchRequest, queries: Queries) -> list[Passage]:
    """The best passages for a question, its parts, and a passage made up for it, best first.

    Args:
        search: Ranks the passages of one query.
        request: Where to search and how; its query is not looked at.
        queries: What to search for. The question as a whole is always searched for, so that a
            part read wrongly cannot hide what fits it; what is made up is compared by its
            embedding alone, for its words are nobody's.
    """
    asked = [replace(request, query=one) for one in (queries.question, *queries.parts)]
    if queries.passage is not None:
        asked.append(replace(request, query=queries.passage, mode=Mode.DENSE, rerank=False))
    found = [search(one) for one in asked]
    return found[0] if len(found) == 1 else together(found)[: request.top_k]


def together(rankings: Sequence[Sequence[Passage]]) -> list[Passage]:
    """Several rankings as one. A place that comes in several counts in each, as its longest cut."""
    places: list[Passage] = []
    named = [[_place(passage, places) for passage in ranking] for ranking in rankings]
    return [
        replace(places[place], score=score, scores={**places[place].scores, STAGE: score})
        for place, score in reciprocal_sums(named).items()
    ]


def reciprocal_sums(rankings: Sequence[Sequence[Key]]) -> Mapping[Key, float]:
    """The sum of ``1 / rank`` over the rankings that contain a key, highest first; ranks from 1.

    Reciprocal rank fusion is made for rankings of one query, and asks for agreement. Rankings
    of the parts of a question have little in common, and the first of each has to stay on top.
    """
    sums: dict[Key, float] = {}
    deepest = max(map(len, rankings), default=0)
    for place in range(deepest):  # of equal sums, the one with the better rank comes first
        for ranking in rankings:
            if place < len(ranking) and ranking[place] not in ranking[:place]:
                sums[ranking[place]] = sums.get(ranking[place], 0.0) + 1 / (place + 1)
    return dict(sorted(sums.items(), key=lambda item: -item[1]))


def _place(passage: Passage, places: list[Passage]) -> int:
    """The number of the place that a passage is, a new one if none is the same."""
    for number, other in enumerate(places):
        if _is_same(passage, other):
            if len(passage.text) > len(other.text):
                places[number] = passage
            return number
    places.append(passage)
    return len(places) - 1


def _is_same(one: Passage, other: Passage) -> bool:
    if one.document_id != other.document_id:
        return False
    shared = min(one.end, other.end) - max(one.start, other.start)
    return shared > _SAME * min(one.end - one.start, other.end - other.start)
