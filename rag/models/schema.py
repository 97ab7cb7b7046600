"""JSON Schema: what a caller may ask for, what each provider takes of it, and who enforces it.

A provider's dialect is a part of JSON Schema. What it lacks is taken out of what is sent, and
`problems` sees to it afterwards: no reply counts as valid because a provider says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError, best_match

from rag.errors import InvalidRequest
from rag.models.formats import FORMATS
from rag.models.references import check_references, place, schemas, target
from rag.models.validating import Endless, check_pattern, errors, validator

MOST_DEPTH = 12
MOST_NODES = 2_000
_MOST_PROBLEMS = 10
_TYPES = "string, number, integer, boolean, array, object, null"
_MOST_SHOWN = 200
_WITHIN = re.compile(r"#(?:/[^/]+)*")
_STRUCTURE = frozenset(
    {"type", "required", "additionalProperties", "enum", "const", "$ref", "title", "description"}
)
# They look up schemas by names that could be anywhere, or be found to mean another each time.
_ELSEWHERE = frozenset({"$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor"})
_WHOLE = frozenset({"$schema", "$id"})
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
_STATED = (
    _BOUNDS
    | {"type", "enum", "const", "format", "minLength", "maxLength", "uniqueItems"}
    | {"minProperties", "maxProperties"}
)
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
    """Refuse what is no JSON Schema (2020-12) of an object, or is too large, or looks elsewhere.

    Also refused is what could not be checked, or not in bounded time: formats that are not known,
    patterns that no automaton matches, references that go round.

    Raises:
        InvalidRequest: the message says what is wrong, and where.
    """
    _check_size(schema)
    if schema.get("type") != "object":
        raise _refused('The schema must be of an object: give it "type": "object".')
    try:
        # Patterns and formats are looked at below, as they will be when a value is checked.
        Draft202012Validator.check_schema(dict(schema), format_checker=FormatChecker(()))
    except SchemaError as error:
        path = tuple(map(str, error.absolute_path))
        of_type = error.validator == "anyOf" and path[-1] == "type"  # and not a field of that name
        unknown = f"{str(error.instance)[:_MOST_SHOWN]!r} is none of the types {_TYPES}"
        why = unknown if of_type else error.message[:_MOST_SHOWN]
        raise _refused(f"{place(path)}: {why}.") from error
    found = dict(schemas(schema))
    for position, node in found.items():
        if isinstance(node, Mapping) and (why := _unfit(node, inner=bool(position))):
            raise _refused(f"{place(position)}: {why}")
    try:
        check_references(found)
    except ValueError as error:
        raise _refused(str(error)) from error


def problems(value: Any, schema: Schema) -> list[str]:
    """What is wrong with a value, in sentences a model can act on; empty when it is valid.

    They name places and rules of the schema, and nothing that only the value says: what a model
    wrote may be a document's words.
    """
    try:
        found = sorted(errors(value, schema), key=lambda error: list(map(str, error.path)))
    except Endless:
        return ["The output is nested too deeply."]
    return list(dict.fromkeys(map(_sentence, found[:_MOST_PROBLEMS])))


def problems_at(value: Any, schema: Schema, steps: Sequence[str]) -> list[str]:
    """What is wrong with the part of a value to which the steps lead, as `problems` tells it."""
    try:
        found = list(errors(value, schema))
    except Endless:
        return ["The output is nested too deeply."]
    there = [one for one in found if [*map(str, one.absolute_path)][: len(steps)] == [*steps]]
    return list(map(_sentence, there[:_MOST_PROBLEMS]))


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


def _check_size(schema: Any) -> None:
    nodes = 0
    waiting = [(schema, 0)]
    while waiting:
        node, depth = waiting.pop()
        nodes += isinstance(node, Mapping)
        if depth > MOST_DEPTH or nodes > MOST_NODES:
            raise _refused(
                f"The schema is larger than {MOST_NODES} nodes or deeper than {MOST_DEPTH}."
            )
        inner = node.values() if isinstance(node, Mapping) else node
        if isinstance(node, Mapping | list):
            waiting += [(one, depth + 1) for one in inner if isinstance(one, Mapping | list)]


def _unfit(node: Schema, *, inner: bool) -> str | None:
    """Why a schema cannot be asked for, though it is one."""
    if elsewhere := sorted((_ELSEWHERE | (_WHOLE if inner else frozenset())) & set(node)):
        return f"{elsewhere[0]} is not taken{' but at the root' if elsewhere[0] in _WHOLE else ''}."
    if not _WITHIN.fullmatch(node.get("$ref", "#")):
        return "only references within the schema."
    if node.get("format", "date") not in FORMATS.checkers:
        return f"this format is not known; there are: {', '.join(FORMATS.checkers)}."
    if "unevaluatedProperties" in node and "patternProperties" in node:
        return "unevaluatedProperties is not taken beside patternProperties."
    for pattern in (node.get("pattern"), *node.get("patternProperties", ())):
        if pattern is not None:
            try:
                check_pattern(pattern)
            except ValueError as error:
                return f"the pattern {pattern[:_MOST_SHOWN]} is not taken: {error}."
    return None


def _refused(why: str) -> InvalidRequest:
    return InvalidRequest(why, param="schema")


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
    return bool(validator(root).evolve(schema=schema).is_valid(None))


def _resolved(schema: Any, root: Schema) -> Schema:
    """A schema with its reference followed, and of several the one that is an object."""
    seen = 0
    while isinstance(schema, Mapping) and "$ref" in schema and seen < MOST_DEPTH:
        seen += 1
        to: Any = root
        for part in target(schema["$ref"]):
            to = to.get(part, {}) if isinstance(to, Mapping) else {}
        schema = to
    if isinstance(schema, Mapping) and "anyOf" in schema:
        for one in schema["anyOf"]:
            found = _resolved(one, root)
            if found.get("properties") or found.get("items"):
                return found
    return schema if isinstance(schema, Mapping) else {}


def _sentence(error: ValidationError) -> str:
    error = best_match([error])
    listed = list(error.absolute_schema_path)
    # Names that the schema leaves open are the model's.
    steps = (one if isinstance(one, int) or one in listed else "*" for one in error.absolute_path)
    return f"{'/'.join(map(str, steps)) or 'the output'}: {_rule(error)[:_MOST_SHOWN]}"


def _rule(error: ValidationError) -> str:
    if error.validator == "required":
        return str(error.message)  # it says what is missing, which the schema does
    if error.validator in _STATED:
        told = json.dumps(error.validator_value, ensure_ascii=False)
        return f"must keep to {error.validator}: {told}"
    if error.validator in ("additionalProperties", "unevaluatedProperties"):
        return "holds properties that the schema does not list"
    return f"must keep to {error.validator or 'the schema'}, as the schema has it"
