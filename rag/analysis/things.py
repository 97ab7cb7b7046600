"""What is one thing in a tree of values: names spelled in several ways, records said in parts.

It is decided once all values are known, over the set of them: in which order they were found,
and in which parts of the text, changes nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any, TypeAlias

from rag.analysis.entities import definitions, folded, key_of, looks_like_name, same_names
from rag.analysis.reading import Place
from rag.analysis.tree import Candidate, Tree, first_place, joined, merged, said_by
from rag.pointers import below

Around: TypeAlias = Callable[[Place], str]
"""The text near a place, where a short form may be introduced."""
_Said: TypeAlias = Mapping[str, Any]
_Names: TypeAlias = Mapping[str, Mapping[Any, str]]
"""By pointer into an item, for the key of each name the one under which its thing is known."""

_SHARED = 0.5
"""Two records are of one thing when they share more than this of what the shorter one says."""


def resolved(tree: Tree, around: Around) -> Tree:
    """The tree with what is of one thing put together, and lists in the order of the text."""
    if tree["is"] == "object":
        return {**tree, "of": {name: resolved(one, around) for name, one in tree["of"].items()}}
    if tree["is"] == "leaf":
        return _spelled_once(tree, _same([tree], around).get("", {}))
    items = tree["of"]
    names = _same(items, around)
    groups = _grouped(items, [_said(item, names) for item in items])
    whole = [_as_one([items[at] for at in group], names) for group in groups]
    whole.sort(key=lambda one: (first_place(one), said_by(one)))
    return {**tree, "of": [resolved(one, around) for one in whole]}


def _grouped(items: Sequence[Tree], said: Sequence[_Said]) -> list[list[int]]:
    """Which items are of one thing, as positions; each is in one group.

    Two are when nothing that they both say differs, and they share more than half of what the
    shorter one says: that both name a payee does not make two payments one. An item that could
    belong to several of the longer ones stays by itself.
    """
    rarity = Counter(entry for one in said for entry in one.items())
    order = sorted(
        range(len(items)),
        key=lambda at: (-len(said[at]), first_place(items[at]), said_by(items[at])),
    )
    groups: list[list[int]] = []
    known: list[dict[str, Any]] = []
    by_entry: dict[tuple[str, Any], list[int]] = {}
    for at in order:
        mine = said[at]
        # What shares more than half of the entries shares one of any half of them: of the rarest.
        rarest = sorted(mine.items(), key=lambda entry: (rarity[entry], entry[0]))
        telling = rarest[: math.ceil(len(rarest) / 2)]
        near = dict.fromkeys(group for entry in telling for group in by_entry.get(entry, ()))
        fitting = [group for group in near if _agree(mine, known[group])]
        if len(fitting) == 1:
            (group,) = fitting
            groups[group].append(at)
        else:
            group = len(groups)
            groups.append([at])
            known.append({})
        for entry in mine.items():
            if entry[0] not in known[group]:
                known[group][entry[0]] = entry[1]
                by_entry.setdefault(entry, []).append(group)
    return groups


def _agree(shorter: _Said, longer: _Said) -> bool:
    both = shorter.keys() & longer.keys()
    if any(shorter[name] != longer[name] for name in both):
        return False
    return len(both) > _SHARED * len(shorter)


def _said(item: Tree, names: _Names) -> dict[str, Any]:
    """What an item says, by pointer; of a list within it, each value is an entry of its own."""
    said: dict[str, Any] = {}
    for pointer, one in _plain(item, ""):
        said[pointer] = key_of(_known_as(one["v"], names.get(pointer, {})))
    for pointer, inner in _lists(item, ""):
        said |= {f"{pointer}/*{one}": one for one in map(said_by, inner["of"])}
    return said


def _known_as(value: Any, names: Mapping[Any, str]) -> Any:
    return names.get(key_of(value), value)


def _as_one(items: Iterable[Tree], names: _Names) -> Tree:
    """Items of one thing as one, each name in it under one spelling."""
    whole = reduce(lambda one, other: merged(one, other) or one, items)
    return _spelled(whole, "", names)


def _spelled(tree: Tree, pointer: str, names: _Names) -> Tree:
    if tree["is"] == "leaf":
        return _spelled_once(tree, names.get(pointer, {}))
    if tree["is"] == "list":  # its names are looked at on their own
        return tree
    inner = {name: _spelled(one, below(pointer, name), names) for name, one in tree["of"].items()}
    return {**tree, "of": inner}


def _spelled_once(leaf: Tree, names: Mapping[Any, str]) -> Tree:
    """Spellings of one thing as one candidate, under the name by which it is known."""
    by_thing: dict[Any, list[Candidate]] = {}
    for one in leaf["of"]:
        by_thing.setdefault(key_of(_known_as(one["v"], names)), []).append(one)
    return {**leaf, "of": [_known(reduce(joined, of), names) for of in by_thing.values()]}


def _known(one: Candidate, names: Mapping[Any, str]) -> Candidate:
    name = _known_as(one["v"], names)
    others = {each for each in (one["v"], *one["also"]) if each != name}
    return {**one, "v": name, "also": sorted(others, key=str)}


def _same(items: Sequence[Tree], around: Around) -> _Names:
    """Which values of the items are names of one thing, by the pointers at which they stand."""
    found: dict[str, dict[Any, Candidate]] = {}
    for item in items:
        for pointer, one in _plain(item, ""):
            if isinstance(one["v"], str) and looks_like_name(one["v"]):
                known, key = found.setdefault(pointer, {}), key_of(one["v"])
                known[key] = joined(known[key], one) if key in known else one
    return {pointer: _things(of, around) for pointer, of in found.items() if len(of) > 1}


def _things(found: Mapping[Any, Candidate], around: Around) -> dict[Any, str]:
    """For the key of each name that is of one thing with others, the longest of them."""
    keys = sorted(found)
    names = [found[key]["v"] for key in keys]
    texts = {around(Place(*found[key]["at"][0])) for key in keys}
    known: dict[Any, str] = {}
    for group in same_names(names, definitions(sorted(texts), names)):
        of = [one for at in group for one in (names[at], *found[keys[at]]["also"])]
        longest = min(of, key=lambda one: (-len(folded(one)), one.isupper(), one))
        known |= {keys[at]: longest for at in group if len(group) > 1}
    return known


def _lists(tree: Tree, pointer: str) -> Iterator[tuple[str, Tree]]:
    """The lists within an item."""
    if tree["is"] == "list":
        yield pointer, tree
    elif tree["is"] == "object":
        for name, one in tree["of"].items():
            yield from _lists(one, below(pointer, name))


def _plain(tree: Tree, pointer: str) -> Iterator[tuple[str, Candidate]]:
    """The candidates of an item that stand in no list within it."""
    if tree["is"] == "leaf":
        yield from ((pointer, one) for one in tree["of"])
    elif tree["is"] == "object":
        for name, one in tree["of"].items():
            yield from _plain(one, below(pointer, name))
