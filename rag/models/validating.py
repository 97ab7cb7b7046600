"""Values against the JSON Schemas of others: nothing is fetched, and nothing takes without end.

The usual validator looks references up on the network, and matches patterns by trying again from
every place; a caller's schema can make an attack of either. This one knows nothing but the schema,
matches patterns by an automaton, in time linear in the text, and follows references a bounded
number of times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from functools import lru_cache
from itertools import count
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from pydantic_core import SchemaError, SchemaValidator, core_schema
from referencing import Registry

from rag.models.formats import FORMATS

_MOST_FOLLOWED = 50_000
_FOLLOWED: ContextVar[count[int] | None] = ContextVar("followed", default=None)
# They name the schema as a whole. A reference to the root would go on with the usual validator
# of what it names.
_NAMES = frozenset({"$schema", "$id"})


class Endless(Exception):
    """To check a value against a schema would take too long."""


def validator(schema: Mapping[str, Any]) -> Any:
    """A validator of jsonschema's kind; ``evolve`` makes those of the schema's parts."""
    bare = {key: one for key, one in schema.items() if key not in _NAMES}
    return _Validator(bare, format_checker=FORMATS, registry=Registry())


def errors(value: Any, schema: Mapping[str, Any]) -> list[ValidationError]:
    """What is wrong with a value.

    Raises:
        Endless: The value is nested so deeply, and the schema refers to itself so often.
    """
    token = _FOLLOWED.set(count())
    try:
        return list(validator(schema).iter_errors(value))
    except RecursionError:
        raise Endless from None
    finally:
        _FOLLOWED.reset(token)


def check_pattern(pattern: str) -> None:
    """See whether a regular expression can be matched by an automaton.

    Raises:
        ValueError: It cannot; the message says why.
    """
    try:
        _automaton(pattern)
    except SchemaError as error:
        told = str(error).strip().splitlines()[-1].strip().removeprefix("error: ")
        raise ValueError(told) from None


@lru_cache(maxsize=256)
def _automaton(pattern: str) -> SchemaValidator:
    return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))


def _matches(pattern: str, text: str) -> bool:
    """Whether a pattern occurs in a text."""
    return _automaton(pattern).isinstance_python(text)


def _reference(own: Any, reference: str, value: Any, schema: Any) -> Iterator[ValidationError]:
    followed = _FOLLOWED.get()
    if followed is not None and next(followed) >= _MOST_FOLLOWED:
        raise Endless
    yield from Draft202012Validator.VALIDATORS["$ref"](own, reference, value, schema)


def _pattern(own: Any, pattern: str, value: Any, schema: Any) -> Iterator[ValidationError]:
    if own.is_type(value, "string") and not _matches(pattern, value):
        yield ValidationError("The text does not match the pattern.")


def _pattern_properties(
    own: Any, patterns: Mapping[str, Any], value: Any, schema: Any
) -> Iterator[ValidationError]:
    if own.is_type(value, "object"):
        for pattern, inner in patterns.items():
            for name, one in value.items():
                if _matches(pattern, name):
                    yield from own.descend(one, inner, path=name, schema_path=pattern)


def _additional_properties(
    own: Any, inner: Any, value: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if own.is_type(value, "object"):
        known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
        for name, one in value.items():
            if name not in known and not any(_matches(pattern, name) for pattern in patterns):
                if inner is False:
                    yield ValidationError("There are further properties.")
                    return
                yield from own.descend(one, inner, path=name)


_Validator = extend(
    Draft202012Validator,
    {
        "$ref": _reference,
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
    },
)
