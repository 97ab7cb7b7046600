"""Decisions of people on values of an analysis: they win over what was found, and say whose."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from rag.analysis.decisions import IN_LIST, Action, Decided
from rag.analysis.kinds.shapes import shape_of
from rag.analysis.requests import Kind, Request
from rag.errors import InvalidRequest, NotFound
from rag.models.schema import problems, problems_at
from rag.pointers import names_of, pointer_of

_ROW = frozenset({"document_id", "document_title", "document_name", "value", "confidence"})
_PROOF = ("evidence", "confidences", "spellings")
# What a classification says of the label that it chose.
_OF_PRIMARY: Mapping[str, Any] = {"confidence": None, "features": [], "uncertainty": None}


def reviewed(kind: Kind, result: Mapping[str, Any], decisions: Sequence[Decided]) -> dict[str, Any]:
    """A result in which corrections have taken the place of what was found.

    A corrected value has none of the quotes and no confidence of what was found before; instead
    ``corrected_by`` names who corrected it. Decisions on items of lists that are not there any
    more, as after failed parts were read once more, are left out, and ``notes`` say so.
    """
    made = copy.deepcopy(dict(result))
    made |= {"corrections": [], "corrected_by": {}, "notes": list(made["notes"])}
    standing: dict[tuple[str | None, str], Decided] = {}
    for decided in decisions:
        one = _placed(result["result"], decided)
        if one is not None and (one.action is Action.ACCEPT or _correct(kind, made, one)):
            standing[one.document_id, one.pointer] = one
        elif decided.action is Action.CORRECT:
            made["notes"].append(
                f"The correction of {decided.pointer} by {decided.key} was left out: what it was "
                "of is not in the result any more."
            )
    for doubt in made["review"]:
        found = standing.get((doubt["document_id"], doubt["at"]))
        doubt["decision"] = None if found is None else asdict(found)
        doubt["citations"] = result["evidence"].get(doubt["pointer"], [])
    return made


def check_correction(
    request: Request, result: Mapping[str, Any], doubt: Mapping[str, Any], value: Any
) -> None:
    """Refuse a value that the analysis could not have found.

    Args:
        request: What was asked for.
        result: What came of it, `reviewed`.
        doubt: Of its review list.
        value: What is to stand at the place of the doubt.

    Raises:
        InvalidRequest: The message says why.
        NotFound: There is nothing at this place any more.
    """
    at, document = doubt["at"], doubt["document_id"]
    for one in result["corrections"]:
        if one["document_id"] == document and at.startswith(f"{one['pointer']}/"):
            raise InvalidRequest(
                f"It is a part of {one['pointer'] or 'a value'} that {one['key']} corrected; "
                "correct that.",
                param="value",
            )
    _, root = _root(result["result"], document)
    after = copy.deepcopy(root)
    if not at and not (isinstance(root, dict) and isinstance(value, dict)):
        raise InvalidRequest("The whole value is corrected by another object.", param="value")
    if root is None or not _put(after, at, value):
        raise NotFound("There is no value at this place any more.", param="value")
    schema = shape_of(request)
    before = set(problems(root, schema))
    wrong = [one for one in problems(after, schema) if one not in before]
    if wrong := problems_at(after, schema, names_of(at)) or wrong:
        raise InvalidRequest(f"The value does not fit: {wrong[0]}.", param="value")
    if request.kind is Kind.CLASSIFICATION:
        names = [one.name for one in request.labels]
        if not {after["primary"], after["secondary"], *after["scores"]} - {None} <= set(names):
            raise InvalidRequest(f"The label must be one of: {', '.join(names)}.", param="value")


def mark_of(result: Mapping[str, Any], doubt: Mapping[str, Any], action: Action) -> str:
    """What a decision on a doubt is known again by; see `Decided`.

    Args:
        result: As it was found, without decisions.
        doubt: Of its review list.
        action: What is decided.
    """
    _, root = _root(result["result"], doubt["document_id"])
    found = _item(root, names_of(doubt["at"]))
    if found is not None:
        items, depth = found
        return IN_LIST + _hash(items[int(names_of(doubt["at"])[depth])])
    return _hash(_value_at(root, names_of(doubt["at"]))) if action is Action.ACCEPT else ""


def _placed(found: Any, decided: Decided) -> Decided | None:
    """A decision with the place at which what it is of stands now; ``None`` if it is gone."""
    _, root = _root(found, decided.document_id)
    if root is None or not decided.mark:
        return None if root is None else decided
    steps = names_of(decided.pointer)
    inside = _item(root, steps, there=False)
    if inside is None:
        same = decided.mark == _hash(_value_at(root, steps))
        return decided if same else None
    items, depth = inside
    marks = [IN_LIST + _hash(one) for one in items]
    place = int(steps[depth])
    if place >= len(marks) or marks[place] != decided.mark:
        if marks.count(decided.mark) != 1:
            return None
        steps[depth] = str(marks.index(decided.mark))
    return replace(decided, pointer=pointer_of(steps))


def _correct(kind: Kind, made: dict[str, Any], one: Decided) -> bool:
    """Put a correction into a result, and take out what was said of the value before it."""
    under, root = _root(made["result"], one.document_id)
    for other in made["corrections"]:
        if other["document_id"] == one.document_id and one.pointer.startswith(
            f"{other['pointer']}/"
        ):
            return False
    if root is None or not _put(root, one.pointer, copy.deepcopy(one.value)):
        return False
    pointers = [one.pointer]
    if kind is Kind.CLASSIFICATION and one.pointer == "/primary":
        root.update(copy.deepcopy(dict(_OF_PRIMARY)))
        pointers += [f"/{name}" for name in _OF_PRIMARY]
    known = any(_touches(at, under) for at in made["confidences"])
    for name in _PROOF:
        made[name] = {
            at: said
            for at, said in made[name].items()
            if not any(_touches(at, f"{under}{pointer}") for pointer in pointers)
        }
    made["not_mentioned"] = [
        at
        for at in made["not_mentioned"]
        if not _touches(at, under) or _value_at(root, names_of(at[len(under) :])) in (None, [], {})
    ]
    _recount(made, one.document_id, under, known=known, whole=not one.pointer)
    kept = [
        other
        for other in made["corrections"]
        if other["document_id"] != one.document_id or not _touches(other["pointer"], one.pointer)
    ]
    made["corrections"] = [*kept, asdict(one)]
    at = f"{under}{one.pointer}"
    by = {other: key for other, key in made["corrected_by"].items() if not _touches(other, at)}
    made["corrected_by"] = {**by, at: one.key}
    return True


def _recount(
    made: dict[str, Any], document_id: str | None, under: str, *, known: bool, whole: bool
) -> None:
    """How sure the rest of a document's value is, once a part of it was corrected."""
    left = [sure for at, sure in made["confidences"].items() if _touches(at, under)]
    rows = [one for one in _rows(made["result"]) if one["document_id"] == document_id]
    if known or whole:
        (rows[0] if rows else made)["confidence"] = min(left, default=None)
    if rows:
        sure = [one["confidence"] for one in _rows(made["result"])]
        made["confidence"] = min((one for one in sure if one is not None), default=None)


def _touches(pointer: str, other: str) -> bool:
    """Whether one of two places is the other, or within it."""
    return f"{pointer}/".startswith(f"{other}/") or f"{other}/".startswith(f"{pointer}/")


def _rows(result: Any) -> Iterator[dict[str, Any]]:
    """The rows of a result of each document."""
    rows = result.get("documents") if isinstance(result, Mapping) else None
    if isinstance(rows, list) and all(isinstance(one, dict) and one.keys() == _ROW for one in rows):
        yield from rows


def _root(result: Any, document_id: str | None) -> tuple[str, Any]:
    """The value of a document in a result, or all of it, and its place."""
    rows = list(_rows(result))
    for place, row in enumerate(rows):
        if row["document_id"] == document_id:
            return f"/documents/{place}/value", row["value"]
    return "", None if rows or document_id is not None else result


def _item(root: Any, steps: Sequence[str], *, there: bool = True) -> tuple[list[Any], int] | None:
    """The outermost list on the way to a place, and which of the steps is into it."""
    for depth, step in enumerate(steps):
        if isinstance(root, list):
            inside = step.isdecimal() and (not there or int(step) < len(root))
            return (root, depth) if inside else None
        if not isinstance(root, Mapping):
            return None
        root = root.get(step)
    return None


def _value_at(root: Any, steps: Sequence[str]) -> Any:
    for step in steps:
        if isinstance(root, list):
            root = root[int(step)] if step.isdecimal() and int(step) < len(root) else None
        else:
            root = root.get(step) if isinstance(root, Mapping) else None
    return root


def _hash(value: Any) -> str:
    said = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(said.encode()).hexdigest()


def _put(root: Any, pointer: str, value: Any) -> bool:
    """Put a value at a place; where an object has none, it is added. Whether there is the place."""
    steps = names_of(pointer)
    if not steps:
        if not (isinstance(root, dict) and isinstance(value, dict)):
            return False
        root.clear()
        root.update(value)
        return True
    *above, last = steps
    for step in above:
        root = root.setdefault(step, {}) if isinstance(root, dict) else _value_at(root, [step])
    if isinstance(root, list) and last.isdecimal() and int(last) < len(root):
        root[int(last)] = value
    elif isinstance(root, dict):
        root[last] = value
    else:
        return False
    return True
