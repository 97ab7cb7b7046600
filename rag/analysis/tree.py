"""Extracted values on their way to one: what each place says, side by side until the end.

A tree has the shape of the value. Its leaves hold every different value that was found there, with
all places that say so, so that merging loses nothing whatever the order, and what contradicts
itself is still there when a choice has to be made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rag.analysis.entities import definitions, folded, key_of, same_names
from rag.analysis.reading import Place
from rag.models.tasks import Field
from rag.pointers import below

Tree = dict[str, Any]
"""``object`` with trees by name, ``list`` of trees, or ``leaf`` with candidates, as JSON.

A candidate is a value ``v``, its other spellings ``also``, places ``at``, the highest confidence
``c``, and of how many stretches ``n`` it was read.
"""

_SHARED = 0.5
_PER_STRETCH = 0.02


def tree_of(
    value: Any, fields: Mapping[str, Field], located: Callable[[Field], list[Place]]
) -> Tree | None:
    """The tree of one extraction; of values whose quotes stand nowhere there is none."""
    return _grown(value, "", fields, located)


def merged(one: Tree | None, other: Tree | None) -> Tree | None:
    """Both in one: equal values once, with the places of both."""
    if one is None or other is None:
        return one or other
    if one["is"] != other["is"]:  # what is not by the schema; the richer one is nearer to it
        return max((one, other), key=lambda tree: sum(1 for _ in leaves(tree)))
    if one["is"] == "object":
        names = dict.fromkeys([*one["of"], *other["of"]])
        both = {name: merged(one["of"].get(name), other["of"].get(name)) for name in names}
        return {"is": "object", "of": both}
    if one["is"] == "leaf":
        return {"is": "leaf", "of": _candidates([*one["of"], *other["of"]])}
    return {"is": "list", "of": _items([*one["of"], *other["of"]])}


def resolved(tree: Tree, around: Callable[[Place], str]) -> Tree:
    """The tree with the names in each of its lists that are of one thing put together.

    ``around`` reads the text near a place, where a short form may be introduced.
    """
    if tree["is"] == "object":
        return {**tree, "of": {name: resolved(one, around) for name, one in tree["of"].items()}}
    if tree["is"] == "leaf":
        return tree
    items = [resolved(one, around) for one in tree["of"]]
    plain = [at for at, one in enumerate(items) if one["is"] == "leaf" and _is_text(one)]
    if len(plain) < 2:
        return {**tree, "of": items}
    names = [items[at]["of"][0]["v"] for at in plain]
    texts = {around(Place(*items[at]["of"][0]["at"][0])) for at in plain}
    groups = same_names(names, definitions(sorted(texts), names))
    kept = {min(plain[at] for at in group): _one_name([items[plain[at]] for at in group])
            for group in groups}  # fmt: skip
    gone = set(plain) - set(kept)
    return {**tree, "of": [kept.get(at, one) for at, one in enumerate(items) if at not in gone]}


def best(leaf: Tree) -> dict[str, Any]:
    """The candidate to choose: the surest, where several stretches agree a little surer."""
    return max(leaf["of"], key=_worth)


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
    candidate = {"v": value, "also": [], "at": at, "c": field.confidence, "n": 1}
    return {"is": "leaf", "of": [candidate]}


def _candidates(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each value once; of several spellings the one that came first."""
    by_key: dict[Any, dict[str, Any]] = {}
    for one in found:
        key = key_of(one["v"])
        by_key[key] = _joined(by_key[key], one) if key in by_key else one
    return list(by_key.values())


def _joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    places = {tuple(place[:3]): place for place in (*other["at"], *one["at"])}
    spelled = dict.fromkeys([*one["also"], other["v"], *other["also"]])
    sure = [each["c"] for each in (one, other) if each["c"] is not None]
    return {
        "v": one["v"],
        "also": [each for each in spelled if each != one["v"]],
        "at": sorted(places.values()),
        "c": max(sure, default=None),
        "n": one["n"] + other["n"],
    }


def _worth(candidate: dict[str, Any]) -> float:
    sure = candidate["c"]
    return (0.5 if sure is None else float(sure)) + _PER_STRETCH * float(candidate["n"])


def _items(found: Sequence[Tree]) -> list[Tree]:
    """Items of a list, those that say the same as one, in the order in which they came.

    Two records are one when nothing that they both say differs, and they share more than half of
    what the shorter one says: that both name a payee does not make two payments one.
    """
    kept: list[Tree] = []
    by_value: dict[Any, list[int]] = {}
    for item in found:
        said = _said(item)
        near = dict.fromkeys(at for each in said.items() for at in by_value.get(each, ()))
        same = next((at for at in near if _is_same(said, _said(kept[at]))), None)
        if same is None:
            same = len(kept)
            kept.append(item)
        else:
            kept[same] = merged(kept[same], item) or item
        for each in _said(kept[same]).items():
            known = by_value.setdefault(each, [])
            if same not in known:
                known.append(same)
    return kept


def _said(item: Tree) -> dict[str, Any]:
    """The values of an item by pointer, as they are compared."""
    return {pointer: key_of(best(leaf)["v"]) for pointer, leaf in leaves(item)}


def _is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    both = one.keys() & other.keys()
    if any(one[name] != other[name] for name in both):
        return False
    return len(both) > _SHARED * min(len(one), len(other))


def _is_text(leaf: Tree) -> bool:
    return isinstance(leaf["of"][0]["v"], str)


def _one_name(items: Sequence[Tree]) -> Tree:
    """Spellings of one name as one candidate, under the longest of them."""
    found = sorted((best(one) for one in items), key=lambda one: -len(folded(one["v"])))
    whole, *others = found
    for other in others:
        whole = _joined(whole, other)
    return {"is": "leaf", "of": [whole]}
