"""JSON Schema: what a caller may ask for, what each provider takes of it, and who enforces it.

A provider's dialect is a part of JSON Schema. What it lacks is taken out of what is sent, and
`problems` sees to it afterwards: no reply counts as valid because a provider says so.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError

from rag.errors import InvalidRequest

MOST_DEPTH = 12
MOST_NODES = 2_000
_MOST_PROBLEMS = 10
_MOST_SHOWN = 200
_WITHIN = re.compile(r"#(?:/[^/]+)*")
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+")
_PHONE = re.compile(r"\+?[\d\s()./-]{5,}")
_URL = re.compile(r"https?://[^\s/$.?#].\S*", re.IGNORECASE)
_STRUCTURE = frozenset(
    {"type", "required", "additionalProperties", "enum", "const", "$ref", "title", "description"}
)
_SILENT = frozenset({"default", "examples", "$schema", "$id", "$comment"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dialect:
    """What a provider documents for its structured output.

    ``nullable``: every property has to be required, so optional ones become nullable.
    ``closed``: objects have the properties that are listed and no others.
    """

    keywords: frozenset[str]
    formats: frozenset[str]
    nullable: bool = False
    closed: bool = True


_COMMON_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
)
_BOUNDS = frozenset(
    {"pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
    | {"minItems", "maxItems"}
)
_OPENAI = _Dialect(keywords=_STRUCTURE | _BOUNDS, formats=_COMMON_FORMATS, nullable=True)
_ANTHROPIC = _Dialect(keywords=_STRUCTURE, formats=_COMMON_FORMATS | {"uri"})
_LOCAL = _Dialect(
    keywords=_STRUCTURE | _BOUNDS | {"minLength", "maxLength"},
    formats=_COMMON_FORMATS | {"uri"},
    closed=False,
)
# What the expressions of automata do not have: looking around, and back at what was matched.
_NO_AUTOMATON = re.compile(r"\(\?(?:[=!]|<[=!])|\\[1-9bB]")

Schema = Mapping[str, Any]


def check_schema(schema: Schema) -> None:
    """Refuse what is no JSON Schema (2020-12) of an object, or too large, or looks elsewhere.

    Raises:
        InvalidRequest: the message says what is wrong, and where.
    """
    for nodes, (path, node, depth) in enumerate(_walk(schema, (), 0)):
        place = "/".join(map(str, path)) or "the schema"
        if depth > MOST_DEPTH or nodes > MOST_NODES:
            raise InvalidRequest(
                f"The schema is larger than {MOST_NODES} nodes or deeper than {MOST_DEPTH}.",
                param="schema",
            )
        reference = node.get("$ref")
        if isinstance(reference, str) and not _WITHIN.fullmatch(reference):
            raise InvalidRequest(f"{place}: only references within the schema.", param="schema")
    if schema.get("type") != "object":
        raise InvalidRequest("The schema must be one of an object.", param="schema")
    try:
        Draft202012Validator.check_schema(dict(schema))
    except SchemaError as error:
        place = "/".join(map(str, error.absolute_path)) or "the schema"
        raise InvalidRequest(f"{place}: {error.message[:_MOST_SHOWN]}", param="schema") from error


def problems(value: Any, schema: Schema) -> list[str]:
    """What is wrong with a value, in sentences a model can act on; empty when it is valid."""
    validator = Draft202012Validator(dict(schema), format_checker=_FORMATS)
    found = sorted(validator.iter_errors(value), key=lambda error: list(map(str, error.path)))
    return [_sentence(error) for error in found[:_MOST_PROBLEMS]]


def for_openai(schema: Schema) -> dict[str, Any]:
    """The schema in OpenAI's strict form: every property required, optional ones nullable."""
    return _in_dialect(schema, _OPENAI)


def for_anthropic(schema: Schema) -> dict[str, Any]:
    """The schema in Anthropic's form: structure only; bounds go into the descriptions."""
    return _in_dialect(schema, _ANTHROPIC)


def for_local(schema: Schema) -> dict[str, Any]:
    """The schema as it can be followed token by token; the rest goes into the descriptions."""
    return _in_dialect(schema, _LOCAL)


def without_nulls(value: Any, schema: Schema) -> Any:
    """The value less the nulls that stand for properties which the schema lets be left out."""
    return _pruned(value, schema, schema)


def or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of what it is of, or null."""
    kind = schema.get("type")
    if isinstance(kind, str) and "enum" not in schema and "const" not in schema:
        return schema if kind == "null" else {**schema, "type": [kind, "null"]}
    if isinstance(kind, list):
        return schema if "null" in kind else {**schema, "type": [*kind, "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def _walk(
    node: Any, path: tuple[Any, ...], depth: int
) -> Iterator[tuple[tuple[Any, ...], Schema, int]]:
    if isinstance(node, Mapping):
        yield path, node, depth
        for key, value in node.items():
            yield from _walk(value, (*path, key), depth + 1)
    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from _walk(value, (*path, place), depth + 1)


def _in_dialect(node: Schema | bool, dialect: _Dialect) -> dict[str, Any]:
    """One schema as a provider takes it; what it does not know is told in the description."""
    kept: dict[str, Any] = {}
    told: list[str] = []
    for key, value in node.items() if isinstance(node, Mapping) else ():  # ``true`` is a schema
        if (inner := _inner(key, value, dialect)) is not None:
            kept["anyOf" if key == "oneOf" else key] = inner
        elif _takes(dialect, key, value):
            kept[key] = value
        elif key not in _SILENT:
            told.append(f"{key}: {value}")
    if told:
        kept["description"] = " ".join([str(kept.get("description", "")), *told]).strip()
    if dialect.closed and ("properties" in kept or kept.get("type") == "object"):
        _close(kept, nullable=dialect.nullable)
    return kept


def _takes(dialect: _Dialect, key: str, value: Any) -> bool:
    if key == "format":
        return value in dialect.formats
    if key == "pattern" and not dialect.closed and _NO_AUTOMATON.search(str(value)):
        return False
    return key in dialect.keywords


def _inner(key: str, value: Any, dialect: _Dialect) -> Any:
    """The schemas under a keyword, translated; ``None`` for keywords that hold none."""
    if key in ("properties", "$defs") or (key == "patternProperties" and not dialect.closed):
        return {name: _in_dialect(one, dialect) for name, one in value.items()}
    if key == "items" or (key == "additionalProperties" and not dialect.closed):
        return _in_dialect(value, dialect) if isinstance(value, Mapping) else None
    if key in ("anyOf", "oneOf") or (key in ("allOf", "prefixItems") and not dialect.closed):
        return [_in_dialect(one, dialect) for one in value]
    return None


def _close(kept: dict[str, Any], *, nullable: bool) -> None:
    properties = kept.setdefault("properties", {})
    kept["additionalProperties"] = False
    if nullable:
        required = kept.get("required", ())
        for name in properties:
            if name not in required:
                properties[name] = or_null(properties[name])
        kept["required"] = list(properties)


def _pruned(value: Any, schema: Any, root: Schema) -> Any:
    schema = _resolved(schema, root)
    if isinstance(value, list):
        items = schema.get("items", {})
        return [_pruned(one, items, root) for one in value]
    if not isinstance(value, dict):
        return value
    properties, required = schema.get("properties", {}), schema.get("required", ())
    kept = {}
    for name, one in value.items():
        own = properties.get(name, {})
        optional = name in properties and name not in required
        if one is None and optional and not _takes_null(own, root):
            continue
        kept[name] = _pruned(one, own, root)
    return kept


def _takes_null(schema: Any, root: Schema) -> bool:
    return bool(Draft202012Validator(dict(root)).evolve(schema=schema).is_valid(None))


def _resolved(schema: Any, root: Schema) -> Schema:
    """A schema with its reference followed, and of several the one that is an object."""
    seen = 0
    while isinstance(schema, Mapping) and "$ref" in schema and seen < MOST_DEPTH:
        seen += 1
        target: Any = root
        for part in str(schema["$ref"]).split("/")[1:]:
            target = target.get(part, {}) if isinstance(target, Mapping) else {}
        schema = target
    if isinstance(schema, Mapping) and "anyOf" in schema:
        for one in schema["anyOf"]:
            found = _resolved(one, root)
            if found.get("properties") or found.get("items"):
                return found
    return schema if isinstance(schema, Mapping) else {}


def _sentence(error: ValidationError) -> str:
    place = "/".join(map(str, error.absolute_path)) or "the output"
    return f"{place}: {error.message[:_MOST_SHOWN]}"


def _format(name: str) -> Callable[[Callable[[str], bool]], Callable[[str], bool]]:
    def register(check: Callable[[str], bool]) -> Callable[[str], bool]:
        _FORMATS.checks(name, raises=ValueError)(
            lambda value: check(value) if isinstance(value, str) else True
        )
        return check

    return register


_FORMATS = FormatChecker(formats=())


@_format("date")
def _is_date(text: str) -> bool:
    return bool(dt.date.fromisoformat(text)) and len(text) == len("2024-01-31")


@_format("date-time")
def _is_moment(text: str) -> bool:
    return bool(dt.datetime.fromisoformat(text))


@_format("email")
def _is_email(text: str) -> bool:
    return bool(_EMAIL.fullmatch(text))


@_format("phone")
def _is_phone(text: str) -> bool:
    return bool(_PHONE.fullmatch(text)) and sum(map(str.isdigit, text)) >= 5


@_format("url")
@_format("uri")
def _is_url(text: str) -> bool:
    return bool(_URL.fullmatch(text))
