"""Extracted values on their way to one: what each place says, side by side until the end.

A tree has the shape of the value. Its leaves hold every different value that was found there, with
all places that say so, so that merging loses nothing whatever the order, and what contradicts
itself is still there when a choice has to be made.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rag.analysis.entities import key_of
from rag.analysis.reading import Place
from rag.models.tasks import Field
from rag.pointers import below

Tree = dict[str, Any]
"""``object`` with trees by name, ``list`` of trees, or ``leaf`` with candidates, as JSON.

"""
Candidate = dict[str, Any]
"""A value ``v``, its other spellings ``also``, places ``at`` in their order, the highest confidence
``c``, and of how many stretches ``n`` it was read.
"""

_RICHER = ("leaf", "list", "object")
_PER_STRETCH = 0.02


def tree_of(
    value: Any, fields: Mapping[str, Field], located: Callable[[Field], list[Place]]
) -> Tree | None:
    """The tree of one extraction; of values whose quotes stand nowhere there is none."""
    return _grown(value, "", fields, located)


def merged(one: Tree | None, other: Tree | None) -> Tree | None:
    """Both in one: equal values once, with the places of both.

    It comes to the same in whatever order, and grouped however, trees are merged.
    """
    if one is None or other is None:
        return one or other
    if one["is"] != other["is"]:  # what is not by the schema; the richer shape is nearer to it
        return max((one, other), key=lambda tree: _RICHER.index(tree["is"]))
    if one["is"] == "object":
        names = sorted({*one["of"], *other["of"]})
        both = {name: merged(one["of"].get(name), other["of"].get(name)) for name in names}
        return {"is": "object", "of": both}
    if one["is"] == "leaf":
        return {"is": "leaf", "of": _candidates([*one["of"], *other["of"]])}
    return {"is": "list", "of": _items([*one["of"], *other["of"]])}


def best(leaf: Tree) -> dict[str, Any]:
    """The candidate to choose: the surest, where several stretches agree a little surer."""
    return min(leaf["of"], key=lambda one: (-_worth(one), *_standing(one)))


def said_by(tree: Tree) -> str:
    """What a tree says, wherever it stands: the same for trees that say the same."""
    if tree["is"] == "leaf":
        said: Any = sorted(_key(one["v"]) for one in tree["of"])
    elif tree["is"] == "list":
        said = sorted(map(said_by, tree["of"]))
    else:
        said = {name: said_by(one) for name, one in sorted(tree["of"].items())}
    return json.dumps([tree["is"], said], ensure_ascii=False)


def first_place(tree: Tree) -> list[Any]:
    """Where the first of its values stands."""
    return min(list(one["at"][0][:3]) for _, leaf in leaves(tree) for one in leaf["of"])


def joined(one: Candidate, other: Candidate) -> Candidate:
    """Two candidates as one, under the spelling that stands first, with the places of both."""
    places: dict[Any, Any] = {}
    for place in sorted([*one["at"], *other["at"]], key=_doubtful):
        places.setdefault(tuple(place[:3]), list(place))
    first = min(one, other, key=_standing)
    spelled = {json.dumps(each): each for of in (one, other) for each in (of["v"], *of["also"])}
    spelled.pop(json.dumps(first["v"]))
    sure = [each["c"] for each in (one, other) if each["c"] is not None]
    return {
        "v": first["v"],
        "also": [spelled[each] for each in sorted(spelled)],
        "at": [places[at] for at in sorted(places)],
        "c": max(sure, default=None),
        "n": one["n"] + other["n"],
    }


def leaves(tree: Tree, pointer: str = "") -> Iterator[tuple[str, Tree]]:
    """The leaves by JSON pointer."""
    if tree["is"] == "leaf":
        yield pointer, tree
        return
    named = tree["of"].items() if tree["is"] == "object" else enumerate(tree["of"])
    for name, one in named:
        yield from leaves(one, below(pointer, name))


def value_of(tree: Tree) -> Any:
    """The value that is chosen leaf by leaf."""
    if tree["is"] == "object":
        return {name: value_of(one) for name, one in tree["of"].items()}
    if tree["is"] == "list":
        return [value_of(one) for one in tree["of"]]
    return best(tree)["v"]


def _grown(
    value: Any,
    pointer: str,
    fields: Mapping[str, Field],
    located: Callable[[Field], list[Place]],
) -> Tree | None:
    if isinstance(value, Mapping):
        grown = {
            name: _grown(one, below(pointer, name), fields, located) for name, one in value.items()
        }
        kept = {name: one for name, one in grown.items() if one is not None}
        return {"is": "object", "of": kept} if kept else None
    if isinstance(value, list):
        inner = (_grown(one, f"{pointer}/{at}", fields, located) for at, one in enumerate(value))
        items = [one for one in inner if one is not None]
        return {"is": "list", "of": _items(items)} if items else None
    field = fields.get(pointer)
    at = located(field) if field is not None and value is not None else []
    if field is None or not at:
        return None
    places = sorted(map(list, at), key=lambda place: place[:3])
    candidate = {"v": value, "also": [], "at": places, "c": field.confidence, "n": 1}
    return {"is": "leaf", "of": [candidate]}


def _candidates(found: Sequence[Candidate]) -> list[Candidate]:
    """Each value once."""
    by_key: dict[str, Candidate] = {}
    for one in found:
        key = _key(one["v"])
        by_key[key] = joined(by_key[key], one) if key in by_key else one
    return sorted(by_key.values(), key=_standing)


def _items(found: Sequence[Tree]) -> list[Tree]:
    """Items of a list, those that say just the same as one.

    Which of the others are of one thing is seen when all are known; see `rag.analysis.things`.
    """
    by_said: dict[str, Tree] = {}
    for item in found:
        said = said_by(item)
        by_said[said] = (merged(by_said[said], item) or item) if said in by_said else item
    return [by_said[said] for said in sorted(by_said)]


def _worth(candidate: Candidate) -> float:
    sure = candidate["c"]
    return (0.5 if sure is None else float(sure)) + _PER_STRETCH * float(candidate["n"])


def _standing(candidate: Candidate) -> tuple[list[Any], str]:
    """Where a value stands first; of two at one place, the same is always before the other."""
    return list(candidate["at"][0][:3]), json.dumps(candidate["v"])


def _doubtful(place: Sequence[Any]) -> tuple[bool, float, str]:
    """How surely a quote was found, and supports the value: the surest first."""
    _, _, _, located, *support = place
    known = support[0] if support else None
    return located != "exact", -1.0 if known is None else -float(known), located


def _key(value: Any) -> str:
    kind, said = key_of(value)
    whole = isinstance(said, float) and said.is_integer()
    return json.dumps([kind, int(said) if whole else said], ensure_ascii=False)
