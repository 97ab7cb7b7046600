"""Questions, and what to look up for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rag.models.tasks import Queries, RewriteTask
from rag.models.wording.base import Read, Said, Wording, in_one_line, one_line_or_none

_LONGEST_QUESTION = 2_000
_NOT_IMAGINED = "The model imagined no passage."


def _inputs(task: RewriteTask) -> Mapping[str, Any]:
    return {
        "question": in_one_line(task.question, _LONGEST_QUESTION),
        "earlier": [
            {
                "question": in_one_line(one.question, _LONGEST_QUESTION),
                "passages": [f"P{place + 1}" for place in one.passages],
            }
            for one in task.earlier
        ],
        "imagine": task.imagine,
    }


def _read(said: Said, task: RewriteTask) -> Read[Queries]:
    """The question as it is meant; parts count when there are several that differ."""
    question = one_line_or_none(said["question"]) or task.question
    parts = tuple(dict.fromkeys(filter(None, map(one_line_or_none, said["parts"]))))
    passage = one_line_or_none(said["passage"]) if task.imagine else None
    return Read(
        value=Queries(question=question, parts=parts if len(parts) > 1 else (), passage=passage),
        confidence=float(said["confidence"]),
        notes=(_NOT_IMAGINED,) if task.imagine and passage is None else (),
    )


REWRITE = Wording(name="rewrite", read=_read, inputs=_inputs, output_tokens=1_024)
