"""Decisions of people on values of an analysis: they win over what was found, and say whose."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from rag.analysis.requests import Kind, Request
from rag.errors import InvalidRequest, NotFound
from rag.models.schema import problems


class Action(StrEnum):
    """What somebody decided on a value."""

    ACCEPT = "accept"
    CORRECT = "correct"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision. ``pointer`` is into the value of the document, or of all without one."""

    document_id: str | None
    pointer: str
    action: Action
    value: Any
    note: str | None
    key: str
    """The public name of the API key of who decided."""
    created_at: float = 0.0


def reviewed(result: Mapping[str, Any], decisions: Sequence[Decided]) -> dict[str, Any]:
    """A result in which corrections have taken the place of what was found."""
    made = copy.deepcopy(dict(result))
    by_place = {(one.document_id, one.pointer): one for one in decisions}
    for doubt in made["review"]:
        decided = by_place.get((doubt["document_id"], doubt["at"]))
        doubt["decision"] = None if decided is None else asdict(decided)
    for one in decisions:
        if one.action is Action.CORRECT:
            root = _value_of(made["result"], one.document_id)
            if root is not None:
                _put(root, one.pointer, one.value)
    made["corrections"] = [asdict(one) for one in decisions if one.action is Action.CORRECT]
    return made


def check_correction(
    request: Request, result: Mapping[str, Any], doubt: Mapping[str, Any], value: Any
) -> None:
    """Refuse a value that the analysis could not have found.

    Raises:
        InvalidRequest: The message says why.
        NotFound: There is nothing at this place any more.
    """
    root = _value_of(result["result"], doubt["document_id"])
    if root is None:
        raise NotFound("There is no value at this place any more.", param="value")
    after = copy.deepcopy(root)
    _put(after, doubt["at"], value)
    if request.kind is Kind.CLASSIFICATION and doubt["at"] == "/primary":
        names = [one.name for one in request.labels]
        if value not in names:
            raise InvalidRequest(f"The label must be one of: {', '.join(names)}.", param="value")
    elif request.kind is Kind.EXTRACTION:
        schema = request.record_schema
        before = set(problems(root, schema))
        wrong = [one for one in problems(after, schema) if one not in before]
        if wrong:
            raise InvalidRequest(f"The value does not fit: {wrong[0]}.", param="value")


def _value_of(result: Any, document_id: str | None) -> Any:
    """The value of a document in a result, or all of it."""
    if document_id is None:
        return result
    rows = result.get("documents", ())
    return next((one["value"] for one in rows if one["document_id"] == document_id), None)


def _put(root: Any, pointer: str, value: Any) -> None:
    """Put a value at a place; where a list or an object has none, it is added."""
    steps = [one.replace("~1", "/").replace("~0", "~") for one in pointer.split("/")[1:]]
    if not steps:
        if isinstance(root, dict) and isinstance(value, dict):
            root.clear()
            root.update(value)
            return
        raise InvalidRequest("The whole value is corrected by another object.", param="value")
    *above, last = steps
    for step in above:
        root = root[int(step)] if isinstance(root, list) else root.setdefault(step, {})
    if isinstance(root, list):
        root[int(last)] = value
    else:
        root[last] = value
