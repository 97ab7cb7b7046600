"""How tasks are put to language models: a table, with a module for each task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rag.models.tasks import AnswerTask, Task
from rag.models.wording.answer import ANSWER
from rag.models.wording.base import Read, Wording

__all__ = ["WORDINGS", "Read", "Wording"]

WORDINGS: Mapping[type[Task[Any]], Wording[Any, Any]] = {AnswerTask: ANSWER}
