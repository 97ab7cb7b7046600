"""Labels to choose from, and those that come into question."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rag.errors import InvalidRequest
from rag.models.schema import Schema
from rag.models.tasks import Classification, ClassifyTask
from rag.models.wording.base import (
    Read,
    Said,
    Wording,
    in_one_line,
    one_line_or_none,
    statements,
)

_LONGEST_EXAMPLE = 500


def _inputs(task: ClassifyTask) -> Mapping[str, Any]:
    return {
        "labels": [
            {
                "name": json.dumps(label.name, ensure_ascii=False),
                "description": one_line_or_none(label.description),
                "examples": [in_one_line(one, _LONGEST_EXAMPLE) for one in label.examples],
            }
            for label in task.labels
        ]
    }


def _schema(schema: Schema, task: ClassifyTask) -> Schema:
    """The labels' names are all that a label can be.

    Raises:
        InvalidRequest: There are none, or two of one name.
    """
    names = [label.name for label in task.labels]
    if not names or len(set(names)) < len(names):
        raise InvalidRequest(
            "Give at least one label, each with a name of its own.", param="labels"
        )
    properties = schema["properties"]
    choice = properties["labels"]["items"]
    name = {**choice["properties"]["label"], "enum": names}
    choice = {**choice, "properties": {**choice["properties"], "label": name}}
    labels = {**properties["labels"], "items": choice}
    return {**schema, "properties": {**properties, "labels": labels}}


def _read(said: Said, task: ClassifyTask) -> Read[Classification]:
    """The labels by probability; of those not named, nobody knows more than that it is low."""
    given: dict[str, float] = {}
    for one in said["labels"]:
        given.setdefault(one["label"], float(one["probability"]))
    whole = max(1.0, sum(given.values()))
    order = sorted(given, key=lambda label: -given[label])
    scores = {label: round(given[label] / whole, 6) for label in order}
    return Read(
        value=Classification(
            primary=order[0],
            secondary=order[1] if len(order) > 1 else None,
            scores=scores,
            features=statements(said["features"], task.passages),
            uncertainty=one_line_or_none(said["uncertainty"]),
        ),
        confidence=scores[order[0]],
    )


CLASSIFY = Wording(name="classify", read=_read, inputs=_inputs, schema=_schema)
