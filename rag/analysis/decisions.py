"""What a person decides on a value of an analysis."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

IN_LIST = "item:"
"""What the marks of items of lists begin with; there may be others at their places later."""


class Action(StrEnum):
    """What somebody decided on a value."""

    ACCEPT = "accept"
    CORRECT = "correct"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision. ``pointer`` is into the value of the document, or of all without one.

    ``mark`` knows again what was decided on: the item of a list in which it stands, or what was
    accepted. It is empty for corrections of what has a name of its own.
    """

    document_id: str | None
    pointer: str
    action: Action
    value: Any
    note: str | None
    key: str
    """The public name of the API key of who decided."""
    mark: str = ""
    created_at: float = 0.0
