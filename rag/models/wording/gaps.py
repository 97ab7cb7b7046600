"""A caller's schema in which what documents do not mention can be left open.

A schema says what a record looks like when all is known. A model that is held to it has to
make up what a document does not mention; here it can say ``null`` instead.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from rag.errors import InvalidRequest
from rag.models.references import target
from rag.models.schema import Schema, or_null
from rag.models.validating import validator

_ONE = frozenset({"items", "additionalProperties", "then", "else"})
_SEVERAL = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_BY_NAME = frozenset({"properties", "patternProperties"})
_AS_IT_IS = frozenset({"if", "not", "contains", "propertyNames", "dependentSchemas"})
_ELSEWHERE = frozenset({"$defs", "definitions", "$schema", "$id"})
# Beside these, properties that an object does not list itself may belong to it.
_OPEN = frozenset({"additionalProperties", "patternProperties", "unevaluatedProperties"})
_COMPOSED = frozenset({"anyOf", "oneOf", "$ref", "if", "dependentSchemas"})
_NOTHING: tuple[Any, ...] = (None, [], {})


def with_gaps(
    schema: Schema, *, taken: Collection[str] = ()
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The schema for a place inside of another, and the definitions that it refers to.

    Required properties may be ``null``, unless nothing can be said of them already: by an
    empty list or object. Members of lists may not: what is not mentioned is not in the list.
    Objects have no properties but those that they list, unless the schema says otherwise.
    Definitions are for the ``$defs`` of the other schema, under names that are not ``taken``.

    Raises:
        InvalidRequest: It refers to something that is not in it.
    """
    opened = _Opened(schema, taken)
    return opened.schema(schema), opened.definitions


class _Opened:
    """The definitions that were come upon so far, each under a name of its own."""

    def __init__(self, root: Schema, taken: Collection[str]) -> None:
        self.definitions: dict[str, Any] = {}
        self._root = root
        self._taken = set(taken)
        self._names: dict[str, str] = {}
        self._validator = validator(root)
        self._composes = _composes(root)

    def schema(self, node: Any) -> Any:
        if not isinstance(node, Mapping):
            return node
        kept = {key: self._under(key, one) for key, one in node.items() if key not in _ELSEWHERE}
        if "oneOf" in kept and "anyOf" not in kept:
            # Where nothing is known, more than one of them fits.
            kept["anyOf"] = kept.pop("oneOf")
        if "properties" in node and not self._composes and not _OPEN & set(node):
            kept["additionalProperties"] = False
        required = node.get("required", ())
        for name, own in node.get("properties", {}).items():
            if name in required and not self._can_be_empty(own):
                kept["properties"][name] = or_null(kept["properties"][name])
        return kept

    def _under(self, key: str, value: Any) -> Any:
        if key == "$ref":
            return f"#/$defs/{self._name(str(value))}"
        if key in _ONE:
            return self.schema(value)
        if key in _SEVERAL:
            return [self.schema(one) for one in value]
        if key in _BY_NAME:
            return {name: self.schema(one) for name, one in value.items()}
        return self._renamed(value) if key in _AS_IT_IS else value

    def _renamed(self, node: Any) -> Any:
        """A schema that has to stay as it is, but for the names that it refers to."""
        if isinstance(node, list):
            return [self._renamed(one) for one in node]
        if not isinstance(node, Mapping):
            return node
        return {
            key: self._under(key, one) if key == "$ref" else self._renamed(one)
            for key, one in node.items()
        }

    def _can_be_empty(self, own: Schema) -> bool:
        validator = self._validator.evolve(schema=own)
        return any(validator.is_valid(one) for one in _NOTHING)

    def _name(self, reference: str) -> str:
        """The name under which the target of a reference is defined."""
        if reference not in self._names:
            target, last = self._target(reference)
            name, number = last, 1
            while name in self._taken:
                number += 1
                name = f"{last}_{number}"
            self._taken.add(name)
            self._names[reference] = name  # first, for targets that refer to themselves
            self.definitions[name] = self.schema(target)
        return self._names[reference]

    def _target(self, reference: str) -> tuple[Any, str]:
        found: Any = self._root
        step = "record"
        for step in target(reference):
            try:
                found = found[int(step) if isinstance(found, list) else step]
            except (KeyError, IndexError, ValueError, TypeError):
                raise InvalidRequest(
                    f"The schema refers to {reference}, which is not in it.", param="schema"
                ) from None
        return found, "".join(c if c.isalnum() else "_" for c in step)


def _composes(node: Any) -> bool:
    """Whether any object's properties stand in several schemas, none of which knows all."""
    if isinstance(node, list):
        return any(map(_composes, node))
    if not isinstance(node, Mapping):
        return False
    several = "allOf" in node or ("properties" in node and not _COMPOSED.isdisjoint(node))
    return several or any(map(_composes, node.values()))
