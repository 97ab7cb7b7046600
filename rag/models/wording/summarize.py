"""Summaries: a topic, findings and conclusions."""

from __future__ import annotations

from rag.models.schema import Schema
from rag.models.tasks import SummarizeTask, Summary
from rag.models.wording.base import Read, Said, Wording, statement, statements


def _schema(schema: Schema, task: SummarizeTask) -> Schema:
    properties = schema["properties"]
    findings = {**properties["key_findings"], "maxItems": task.findings}
    return {**schema, "properties": {**properties, "key_findings": findings}}


def _read(said: Said, task: SummarizeTask) -> Read[Summary]:
    return Read(
        value=Summary(
            main_topic=statement(said["main_topic"], task.passages),
            key_findings=statements(said["key_findings"], task.passages),
            conclusions=statements(said["conclusions"], task.passages),
        ),
        confidence=float(said["confidence"]),
    )


SUMMARIZE = Wording(
    name="summarize",
    read=_read,
    inputs=lambda task: {"query": task.query, "findings": task.findings},
    schema=_schema,
)
