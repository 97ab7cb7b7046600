"""How tasks are put to language models: a table, with a module for each task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rag.models.tasks import (
    AnswerTask,
    ClassifyTask,
    ExtractTask,
    ReasonTask,
    RewriteTask,
    SummarizeTask,
    Task,
    VerifyTask,
)
from rag.models.wording.answer import ANSWER
from rag.models.wording.base import Read, Wording
from rag.models.wording.classify import CLASSIFY
from rag.models.wording.extract import EXTRACT
from rag.models.wording.reason import REASON
from rag.models.wording.rewrite import REWRITE
from rag.models.wording.summarize import SUMMARIZE
from rag.models.wording.verify import VERIFY

__all__ = ["WORDINGS", "Read", "Wording", "inputs_of"]

WORDINGS: Mapping[type[Task[Any]], Wording[Any, Any]] = {
    AnswerTask: ANSWER,
    ExtractTask: EXTRACT,
    ClassifyTask: CLASSIFY,
    SummarizeTask: SUMMARIZE,
    ReasonTask: REASON,
    VerifyTask: VERIFY,
    RewriteTask: REWRITE,
}


def inputs_of(task: Task[Any]) -> Mapping[str, Any]:
    """What the prompts for a task take, but for the marker and the passages."""
    return {"instructions": task.instructions, **WORDINGS[type(task)].inputs(task)}
