"""One extraction out of several: each field is voted on for itself.

Values are compared without regard to case and white space. The items of a list have no names
to go by; those that share most of their values are taken to be the same item.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rag.models.policy.grounds import Places, groups
from rag.models.tasks import Evidence, Extraction, Field
from rag.pointers import below

_ABSENT = object()
_NOTHING = ("nothing",)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    """A value of one sample, and where it stands there."""

    sample: int
    pointer: str
    value: Any


@dataclass(slots=True)
class Ballot:
    """Votes on the fields of an extraction, of so many samples as were asked for.

    ``agreed`` counts by JSON pointer how many samples say what was chosen, and ``sided`` by
    sample how often it was with them.
    """

    samples: Sequence[Extraction]
    asked: int
    fields: dict[str, Field] = field(default_factory=dict)
    agreed: dict[str, int] = field(default_factory=dict)
    sided: dict[int, int] = field(default_factory=dict)

    def merged(self) -> Extraction:
        """What most samples say, field by field; of a tie, what the earlier sample says."""
        whole = [
            _Node(sample=number, pointer="", value=sample.value)
            for number, sample in enumerate(self.samples)
        ]
        return Extraction(value=self._object(whole, ""), fields=self.fields)

    @property
    def agreement(self) -> float:
        """The share of the samples that say what was chosen, on average over all fields."""
        counted = self.agreed.values() or [len(self.samples)]
        return sum(counted) / (self.asked * len(counted))

    def _choose(self, nodes: Sequence[_Node], at: str) -> Any:
        by_key: dict[Any, list[_Node]] = {}
        for node in nodes:
            by_key.setdefault(_key(node.value), []).append(node)
        chosen = max(by_key.values(), key=len)
        value = chosen[0].value
        if isinstance(value, Mapping):
            return self._object(chosen, at)
        if isinstance(value, list):
            return self._array(chosen, at)
        self.agreed[at] = len(chosen)
        for node in chosen:
            self.sided[node.sample] = self.sided.get(node.sample, 0) + 1
        if _key(value) == _NOTHING:
            nulls = sum(node.value is None for node in chosen)
            return None if 2 * nulls > len(chosen) else _ABSENT
        self.fields[at] = Field(
            evidence=self._evidence(chosen), confidence=len(chosen) / self.asked
        )
        return value

    def _object(self, nodes: Sequence[_Node], at: str) -> dict[str, Any]:
        made = {}
        for name in dict.fromkeys(name for node in nodes for name in node.value):
            inner = [
                _Node(
                    sample=node.sample,
                    pointer=below(node.pointer, name),
                    value=node.value.get(name, _ABSENT),
                )
                for node in nodes
            ]
            value = self._choose(inner, below(at, name))
            if value is not _ABSENT:
                made[name] = value
        return made

    def _array(self, nodes: Sequence[_Node], at: str) -> list[Any]:
        items = [
            [
                _Node(sample=node.sample, pointer=f"{node.pointer}/{place}", value=value)
                for place, value in enumerate(node.value)
            ]
            for node in nodes
        ]
        kept = [
            list(group.members.values())
            for group in groups(items, lambda node: _values(node.value))
            if 2 * len(group.members) > len(nodes)
        ]
        # Where items fell away, it is the list that the samples do not agree on.
        same = sum(len(one) == len(kept) for one in items)
        if same < len(nodes):
            self.agreed[at] = same
        return [self._choose(members, f"{at}/{place}") for place, members in enumerate(kept)]

    def _evidence(self, nodes: Sequence[_Node]) -> tuple[Evidence, ...]:
        found = [
            evidence
            for node in nodes
            if (said := self.samples[node.sample].fields.get(node.pointer))
            for evidence in said.evidence
        ]
        return tuple({(one.passage, one.quote): one for one in reversed(found)}.values())[::-1]


def _key(value: Any) -> Any:
    """What makes two values the same choice; of objects and lists it is settled inside."""
    if value is _ABSENT or value is None:
        return _NOTHING
    if isinstance(value, Mapping):
        return ("object",)
    if isinstance(value, list):
        return ("array",)
    if isinstance(value, str):
        return ("string", " ".join(unicodedata.normalize("NFKC", value).casefold().split()))
    return ("boolean" if isinstance(value, bool) else "number", value)


def _values(value: Any) -> Places:
    return frozenset(_leaves(value, ""))


def _leaves(value: Any, at: str) -> Iterator[object]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, f"{at}/{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, at)
    else:
        yield (at, _key(value))
