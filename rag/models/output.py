"""From what a model wrote to a value that is valid, or to sentences on what is wrong with it."""

from __future__ import annotations

import json
import re
from typing import Any

from rag.models.schema import Schema, problems, without_nulls

_FENCE = re.compile(r"```(?:json)?[ \t]*\n(.*?)\n?[ \t]*```", re.DOTALL)
_MOST_BRACES = 50


def parse(text: str, schema: Schema) -> tuple[Any, list[str]]:
    """The value that a text holds, and what is wrong with it; nothing is, when it is valid.

    A fence around the JSON and words before or after it are no fault: servers that do not
    constrain their models add them. Nothing else is mended here; the model is asked again.
    """
    found, value = _json_in(text)
    if not found:
        return None, ["The output is not JSON; reply with one JSON object and nothing else."]
    value = without_nulls(value, schema)
    return value, problems(value, schema)


def _json_in(text: str) -> tuple[bool, Any]:
    fenced = _FENCE.findall(text)
    for candidate in (text.strip(), *fenced):
        try:
            return True, json.loads(candidate, parse_constant=_refuse)
        except (ValueError, RecursionError):
            continue
    decoder = json.JSONDecoder(parse_constant=_refuse)
    for brace in list(re.finditer(r"\{", text))[:_MOST_BRACES]:
        try:
            return True, decoder.raw_decode(text, brace.start())[0]
        except (ValueError, RecursionError):
            continue
    return False, None


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")
