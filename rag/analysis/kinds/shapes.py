"""What results look like, as JSON Schemas: documented, and what every result is checked against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rag.analysis.requests import Kind, Request

Schema = Mapping[str, Any]


def _text(told: str) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "description": told}


def _maybe(told: str) -> dict[str, Any]:
    return {"type": ["string", "null"], "description": told}


def _list(items: Schema, told: str) -> dict[str, Any]:
    return {"type": "array", "items": items, "description": told}


def _object(**properties: Schema) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_CONTRADICTIONS = _list(
    _object(
        one=_text("One side."),
        other=_text("The other."),
        why=_maybe("Why not both can be true."),
    ),
    "Statements of which not both can be true, each with its own evidence.",
)
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}

_SHAPES: Mapping[Kind, Schema] = {
    Kind.SUMMARY: _object(
        main_topic=_maybe("What the text is about; null when nothing could be located."),
        key_findings=_list(_text("A sentence."), "The most important first."),
        conclusions=_list(_text("A sentence."), "What the text itself concludes."),
        contradictions=_CONTRADICTIONS,
    ),
    Kind.REASONING: _object(
        arguments=_list(
            _object(
                claim=_text("What is claimed."),
                premises=_list(_text("A sentence."), "What it is argued from."),
                strength={
                    "type": ["integer", "null"],
                    "minimum": 1,
                    "maximum": 10,
                    "description": "How strong the argument is; null when nobody judged it.",
                },
            ),
            "In the order of the text.",
        ),
        flow=_maybe("How one thing follows from another."),
        gaps=_list(_text("A sentence."), "What is taken for granted, or lacks support."),
        contradictions=_CONTRADICTIONS,
        evidence_quality=_maybe("How good the evidence is that the text gives."),
        assessment=_maybe("How well it argues as a whole."),
    ),
    Kind.CLASSIFICATION: _object(
        primary=_text("The label that fits best."),
        secondary=_maybe("The next best."),
        confidence={**_SHARE, "type": ["number", "null"]},
        scores={
            "type": "object",
            "additionalProperties": _SHARE,
            "description": "Probabilities by label; what is left to 1 is that none of them fits.",
        },
        features=_list(_text("A sentence."), "What led to the primary label."),
        uncertainty=_maybe("What speaks against it."),
    ),
    Kind.REPORT: _object(
        title=_maybe("What the documents are about."),
        sections=_list(
            _object(
                heading=_text("Its topic."),
                paragraphs=_list(_text("A sentence."), "Each with its own evidence."),
            ),
            "By topic, the most important first.",
        ),
        contradictions=_CONTRADICTIONS,
    ),
}


def shape_of(request: Request) -> Schema:
    """The schema of what comes of a request for one document, or for all of them together.

    Of an extraction it is the caller's, in which what is not mentioned may be missing, or null.
    """
    if request.kind is Kind.EXTRACTION:
        return request.record_schema
    return _SHAPES[request.kind]
