"""Random schemas whose values are bounded, and random values that are valid by them."""

from __future__ import annotations

import random
from typing import Any

_NAMES = ["name", "total", "due date", "größe", "x", "items"]
# What is awkward inside of JSON, or looks like a part of it.
_WORDS = ["a", "ü😀", "12", "", "x\ny", "\n", '"b"', 'a"', "it's", "{x}", "[1,", "},", "//z", "\\d"]


def bounded(rng: random.Random, depth: int) -> dict[str, Any]:
    """A random schema none of whose values can grow without end."""
    kinds = ["string", "integer", "boolean", "null", "enum", "const"]
    kinds += ["object", "object", "array", "anyOf"] if depth else []
    kind = rng.choice(kinds)
    if kind == "string":
        return {"type": "string", "maxLength": rng.randint(0, 8)}
    if kind == "integer":
        low = rng.randint(-50, 50)
        return {"type": "integer", "minimum": low, "maximum": low + rng.randint(0, 500)}
    if kind == "enum":
        return {"enum": rng.sample(["a", "b c", "ü", 1, 2.5, None, True], 3)}
    if kind == "const":
        return {"const": rng.choice(["x", 7, False])}
    if kind == "array":
        least = rng.randint(0, 2)
        items = bounded(rng, depth - 1)
        return {
            "type": "array",
            "items": items,
            "minItems": least,
            "maxItems": least + rng.randint(0, 2),
        }
    if kind == "anyOf":
        return {"anyOf": [bounded(rng, depth - 1), bounded(rng, depth - 1)]}
    if kind == "object":
        return an_object(rng, depth)
    return {"type": kind}


def an_object(rng: random.Random, depth: int) -> dict[str, Any]:
    """A random schema of an object of known properties, some of them required."""
    names = rng.sample(_NAMES, rng.randint(1, 4))
    return {
        "type": "object",
        "properties": {name: bounded(rng, depth - 1) for name in names},
        "required": [name for name in names if rng.random() < 0.7],
        "additionalProperties": False,
    }


def loosened(rng: random.Random, schema: Any) -> Any:
    """The schema with some of its objects open, or without anything that is required."""
    if isinstance(schema, list):
        return [loosened(rng, one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: loosened(rng, one) for name, one in schema.items()}
    if made.get("type") == "object" and "properties" in made:
        if rng.random() < 0.5:
            made.pop("additionalProperties", None)
        if rng.random() < 0.5:
            made["required"] = []
    return made


def a_value(rng: random.Random, schema: Any) -> Any:
    """A random value that is valid by a schema of this module."""
    if "enum" in schema:
        return rng.choice(schema["enum"])
    if "const" in schema:
        return schema["const"]
    if "anyOf" in schema:
        return a_value(rng, rng.choice(schema["anyOf"]))
    kind = schema["type"]
    if kind == "object":
        required = schema["required"]
        return {
            name: a_value(rng, one)
            for name, one in schema["properties"].items()
            if name in required or rng.random() < 0.6
        }
    if kind == "array":
        count = rng.randint(schema["minItems"], schema["maxItems"])
        return [a_value(rng, schema["items"]) for _ in range(count)]
    if kind == "integer":
        return rng.randint(schema["minimum"], schema["maximum"])
    if kind == "string":
        return rng.choice([word for word in _WORDS if len(word) <= schema["maxLength"]])
    return rng.random() < 0.5 if kind == "boolean" else None
