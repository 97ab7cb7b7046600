"""What statements rest on, so that two of them can be compared.

Engines word one thing in many ways, and quote more or less of the same sentence. What is
compared are the sentences of the passages in which the quotes stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import median_low
from typing import Generic, TypeAlias, TypeVar

from rag.locate import locate
from rag.models.tasks import Evidence, Statement
from rag.sentences import split
from rag.types import Passage, Span

Item = TypeVar("Item")
Places: TypeAlias = frozenset[object]
"""Sentences, each by its document and where it begins; of what has none, its words."""

_ALIKE = 0.5


class Grounds:
    """The passages of a task, cut into sentences."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = passages
        self._sentences = lru_cache(maxsize=None)(self._split)

    def of(self, evidence: Iterable[Evidence]) -> Places:
        """The sentences in which quotes stand; quotes that stand nowhere have none."""
        return frozenset(place for one in evidence for place in self._places(one))

    def of_statements(self, statements: Iterable[Statement]) -> Places:
        """The sentences that all of the statements rest on."""
        return self.of(one for statement in statements for one in statement.evidence)

    def of_statement(self, statement: Statement) -> Places:
        """The sentences that a statement rests on, or its words where it rests on none."""
        return self.of(statement.evidence) or frozenset(statement.text.casefold().split())

    def _places(self, evidence: Evidence) -> list[tuple[str, int]]:
        if not 0 <= evidence.passage < len(self._passages):
            return []
        passage = self._passages[evidence.passage]
        found = locate(evidence.quote, passage.text, near=evidence.hint)
        if found is None:
            return []
        quoted = Span(start=found.start, end=found.end)
        return [
            (passage.document_id, passage.start + one.start)
            for one in self._sentences(evidence.passage)
            if one.overlaps(quoted)
        ]

    def _split(self, number: int) -> list[Span]:
        return split(self._passages[number].text)


def alike(one: Places, other: Places) -> bool:
    """Whether most of what is under two statements is the same (Dice coefficient)."""
    return 2 * len(one & other) >= _ALIKE * (len(one) + len(other))


@dataclass(frozen=True, slots=True, kw_only=True)
class Group(Generic[Item]):
    """Items that say the same, at most one of each sample, in the order of the samples.

    ``members`` are by sample; ``rank`` is where they stand in their samples, by the median.
    """

    members: dict[int, Item]
    rank: int


def groups(
    samples: Sequence[Sequence[Item]], places: Callable[[Item], Places]
) -> list[Group[Item]]:
    """The items of several samples, those that are alike together, in the samples' order."""
    found: list[tuple[Places, dict[int, tuple[int, Item]]]] = []
    for number, sample in enumerate(samples):
        for rank, item in enumerate(sample):
            here = places(item)
            for kind, members in found:
                if number not in members and alike(here, kind):
                    members[number] = (rank, item)
                    break
            else:
                found.append((here, {number: (rank, item)}))
    made = [
        Group(
            members={number: item for number, (_, item) in members.items()},
            rank=median_low(rank for rank, _ in members.values()),
        )
        for _, members in found
    ]
    return sorted(made, key=lambda group: group.rank)
