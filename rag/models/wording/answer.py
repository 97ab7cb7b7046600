"""Questions, and answers of a few statements."""

from __future__ import annotations

from rag.models.tasks import AnswerTask, Statement
from rag.models.wording.base import Read, Said, Wording, statements


def _read(said: Said, task: AnswerTask) -> Read[tuple[Statement, ...]]:
    return Read(
        value=statements(said["statements"], task.passages), confidence=float(said["confidence"])
    )


ANSWER = Wording(name="answer", read=_read, inputs=lambda task: {"question": task.question})
