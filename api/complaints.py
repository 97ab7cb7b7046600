"""What is wrong with a request's fields, in words for who sent it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SAID = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "dict_type": "must be an object",
    "enum": "must be {expected}",
    "extra_forbidden": "there is no such field",
    "finite_number": "must be a finite number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "is too large a number",
    "int_type": "must be a whole number",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "list_type": "must be a list",
    "literal_error": "must be {expected}",
    "missing": "is missing",
    "model_type": "must be an object",
    "string_too_long": "has more than {max_length} characters",
    "string_too_short": "has fewer than {min_length} characters",
    "string_type": "must be a text",
}
"""By Pydantic's types of errors; those that are not here keep Pydantic's words."""


def complaint(error: Mapping[str, Any]) -> str:
    """One error of a ``ValidationError`` as the end of a sentence, without what was sent."""
    said = _SAID.get(error["type"])
    if said is None:
        return str(error["msg"]).removeprefix("Value error, ").rstrip(".")
    return said.format_map(error.get("ctx", {}))
