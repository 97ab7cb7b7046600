"""From what a model wrote to a value that is valid, or to sentences on what is wrong with it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from rag.models.schema import Schema, problems, without_nulls

_NONE = "The output is not JSON{}; reply with one JSON object and nothing else."
_SEVERAL = "The output holds JSON objects that differ; reply with one of them and nothing else."
_IN_A_SENTENCE = (
    "The output says something about a JSON object; reply with one JSON object and nothing else."
)
_DEEP = "The output is nested too deeply."
_ECHO = "The output is the schema itself; reply with an object that the schema describes."
_THOUGHT, _THOUGHT_OUT = "<think>", "</think>"
# Strings may hold line breaks here, and stand between single quotes, as Python writes them.
_TOKEN = re.compile(
    r"""\s*+(?:(?P<string>"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+')"""
    r"""|(?P<mark>[{}\[\],:])|(?P<word>[^\s{}\[\],:"']++))""",
    re.DOTALL,
)
_IN_SINGLE_QUOTES = re.compile(r'\\.|"', re.DOTALL)
# What an object stands between that is itself a part of something larger, cut or not.
_PART_BEFORE = re.compile(r'(?:"\s*:|[\[,])\s*\Z')
_PART_AFTER = re.compile(r"\s*[\]},:]")
_BEFORE = 100
# An answer begins a line or comes after a colon, and ends its line; fences may be around it. One
# that stands inside of a sentence may be what the sentence denies.
_ALONE_BEFORE = re.compile(r"(?:\A|[\n:>\ufeff])[^\S\n]*(?:`{3}\w*\s*|`)?\Z")
_ALONE_AFTER = re.compile(r"[^\S\n]*`*[^\S\n]*(?:\n|\Z)")
# Of whole numbers; those that are longer are none to what computes with fractions.
_MOST_DIGITS = 300
_PYTHON = {"True": "true", "False": "false", "None": "null"}


class _Unreadable(ValueError):
    """What cannot be read as exactly one value; the message is told to the model."""


def parse(text: str, schema: Schema) -> tuple[Any, list[str]]:
    """The value that a text holds, and what is wrong with it; nothing is, when it is valid.

    What servers add that do not constrain their models is no fault: words and fences around
    the object, on lines of their own; thoughts before it; the object twice. Nor is what can be
    read in one way only: line breaks within strings, a comma before a closing bracket, Python's
    quotes and constants. No value is guessed: for everything else the model is asked again.
    """
    found, why = _read(text)
    if why:
        return None, [why]
    if _is_echo(found, schema):
        return None, [_ECHO]
    try:
        value = without_nulls(found, schema)
    except RecursionError:
        return None, [_DEEP]
    return value, problems(value, schema)


def _read(text: str) -> tuple[Any, str | None]:
    """The one value in a text, or why there is none."""
    try:
        value = _loads(text.strip())
    except (ValueError, RecursionError):
        pass
    else:
        return (value, None) if not isinstance(value, str) else _one_object(value)
    if not text.lstrip().startswith("{"):
        text = text.rpartition(_THOUGHT_OUT)[2]
    return _one_object(text)


def _one_object(text: str) -> tuple[Any, str | None]:
    try:
        found = list(_objects(text))
    except _Unreadable as error:
        return None, _NONE.format(f" ({error})")
    except (ValueError, RecursionError):
        return None, _NONE.format("")
    if not found:
        return None, _NONE.format("")
    if len({json.dumps(one, sort_keys=True) for one, _ in found}) > 1:
        return None, _SEVERAL
    if not all(alone for _, alone in found):
        return None, _IN_A_SENTENCE
    return found[0][0], None


def _objects(text: str) -> Iterator[tuple[Any, bool]]:
    """The objects of a text that are not part of another, and whether each stands alone.

    Raises:
        ValueError: One of them does not end, or cannot be read, or all is cut so that only a
            part is one: no part is an answer.
    """
    start = text.find("{")
    if _THOUGHT in text[: max(start, 0)]:
        raise _Unreadable("only thoughts")
    while start >= 0:
        tokens, end = _tokens(text, start)
        if any(one == ":" or one[0] == '"' for one in tokens) or len(tokens) == len("{}"):
            before = text[max(0, start - _BEFORE) : start]
            if _PART_BEFORE.search(before) or _PART_AFTER.match(text, end):
                raise _Unreadable("an object in it is a part of something")
            alone = _ALONE_BEFORE.search(before) and _ALONE_AFTER.match(text, end)
            yield _loads(" ".join(tokens)), bool(alone)
        start = text.find("{", end)


def _tokens(text: str, start: int) -> tuple[list[str], int]:
    """What stands from an opening bracket to its closing one, in strict JSON, and its end."""
    found: list[str] = []
    depth = 0
    while depth or not found:
        match = _TOKEN.match(text, start)
        if match is None:
            raise _Unreadable("an object or a string in it does not end")
        start = match.end()
        one = match[match.lastgroup or 0]
        if match.lastgroup == "string":
            one = _strict(one)
        elif one in "{[":
            depth += 1
        elif one in "}]":
            depth -= 1
            if found[-1] == "," and found[-2] not in ("{", "[", ","):
                found.pop()
        found.append(_PYTHON.get(one, one))
    return found, start


def _strict(string: str) -> str:
    """A string as JSON writes it."""
    if string[0] == "'":
        inner = _IN_SINGLE_QUOTES.sub(
            lambda match: {"\\'": "'", '"': '\\"'}.get(match[0], match[0]), string[1:-1]
        )
        string = f'"{inner}"'
    return json.dumps(json.loads(string, strict=False))


def _loads(text: str) -> Any:
    """JSON in which no name stands for two values and every number is one.

    Raises:
        ValueError: The text is none.
    """
    return json.loads(
        text,
        parse_constant=_refuse,
        parse_float=_finite,
        parse_int=_whole,
        object_pairs_hook=_object,
    )


def _refuse(constant: str) -> Any:
    raise _Unreadable(f"{constant} is no number")


def _finite(number: str) -> float:
    value = float(number)
    if math.isinf(value):
        raise _Unreadable("a number is too large")
    return value


def _whole(number: str) -> int:
    if len(number) > _MOST_DIGITS:
        raise _Unreadable("a number is too large")
    return int(number)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs) and any(made[name] != value for name, value in pairs):
        raise _Unreadable("a name stands for two values")
    return made


def _is_echo(value: Any, schema: Schema) -> bool:
    """Whether a model gave back the schema; one that allows further properties allows that."""
    return (
        isinstance(value, dict)
        and value.get("type") == "object"
        and isinstance(value.get("properties"), dict)
        and "properties" not in schema.get("properties", {})
    )
