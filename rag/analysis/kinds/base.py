"""What each kind of analysis has to say for itself: its task, its merging, its result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Any, Protocol

from rag.analysis.reading import Place, Reading, Said, places
from rag.analysis.requests import Request
from rag.models.offline.opposition import opposed, other_names
from rag.models.offline.words import telling
from rag.models.tasks import Task
from rag.types import Passage

Body = dict[str, Any]
"""What is known of a stretch or of several, as JSON; each kind has its own shape of it."""

FINDINGS = 5
"""Key findings of a document, unless the request says otherwise."""

# Two statements are about one matter when they share this much of their telling words.
_SHARED = 0.5
_MOST_COMPARED, _MOST_PAIRS = 100, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Something that a person should look at: where, and why.

    ``alternatives`` are values that other places give.
    """

    pointer: str
    reason: str
    detail: str
    value: Any = None
    confidence: float | None = None
    alternatives: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A result. By JSON pointers into its value: places, confidences, and further spellings."""

    value: Mapping[str, Any]
    evidence: Mapping[str, Sequence[Place]]
    confidence: float | None
    confidences: Mapping[str, float] = field(default_factory=dict)
    spellings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    not_mentioned: Sequence[str] = ()
    doubts: Sequence[Doubt] = ()


class KindOf(Protocol):
    """A kind of analysis. All of it is repeatable: the same input gives the same."""

    def task(self, request: Request, passages: tuple[Passage, ...]) -> Task[Any]:
        """What an engine is to do with the passages of a stretch."""
        ...

    def read(self, request: Request, passages: tuple[Passage, ...], reading: Reading) -> Body:
        """What an engine makes of the passages of a stretch, as far as its quotes stand there."""
        ...

    def merge(self, request: Request, bodies: Sequence[Body], reading: Reading) -> Body:
        """One for several, in the order of the text."""
        ...

    def finish(self, request: Request, body: Body, reading: Reading) -> Finished:
        """The result."""
        ...


def weighted(bodies: Sequence[Body], name: str = "confidence") -> float | None:
    """The mean of what is known, by how much text it is of; ``None`` when nothing is."""
    known = [(one[name], one["characters"]) for one in bodies if one[name] is not None]
    whole = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / whole if whole else None


def characters(passages: Sequence[Passage]) -> int:
    """How much text passages are."""
    return sum(len(one.text) for one in passages)


def evidence_of(named: Mapping[str, Said]) -> dict[str, list[Place]]:
    """The places of statements by the pointers at which they stand in a result."""
    return {pointer: places(said) for pointer, said in named.items() if said["at"]}


def distinct(said: Sequence[Said]) -> list[Said]:
    """Statements that rest on the same places, or have the same words, once."""
    kept: dict[str, Said] = {}
    known: dict[tuple[Any, ...], str] = {}
    for one in said:
        words = " ".join(one["text"].casefold().split())
        spans = tuple(sorted(tuple(place[:3]) for place in one["at"]))
        first = known.setdefault(spans, words) if spans else words
        if first in kept or words in kept:
            at = first if first in kept else words
            both = {tuple(place): place for place in (*kept[at]["at"], *one["at"])}
            kept[at] = {**kept[at], "at": list(both.values())}
        else:
            kept[words] = one
    return list(kept.values())


def opposing(groups: Sequence[Sequence[Said]]) -> Iterator[dict[str, Any]]:
    """Pairs of statements from different groups of which not both can be true.

    Only the pairs most like each other are looked at.
    """
    known = [
        [(one, set(telling(one["text"]))) for one in group[:_MOST_COMPARED]] for group in groups
    ]
    alike = []
    for first, second in combinations(known, 2):
        for (one, words), (other, others) in product(first, second):
            shared = len(words & others) / (len(words | others) or 1)
            if shared >= _SHARED:
                alike.append((shared, one, other))
    alike.sort(key=lambda pair: -pair[0])
    for _, one, other in alike[:_MOST_PAIRS]:
        if other_names(one["text"], other["text"]):
            continue
        if (why := opposed(one["text"], other["text"])) is not None:
            yield {"one": one, "other": other, "why": why}


def pairs_once(pairs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Contradictions, each once, whichever side comes first."""
    kept: dict[frozenset[Any], dict[str, Any]] = {}
    for pair in pairs:
        sides = (pair["one"], pair["other"])
        spans = frozenset(tuple(sorted(tuple(at[:3]) for at in side["at"])) for side in sides)
        kept.setdefault(spans, pair)
    return list(kept.values())
