"""The engine that needs no language model: a table of tasks, each with a module of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from rag.embedding import Embedder
from rag.models.engine import Context, Forecast
from rag.models.offline import ID
from rag.models.offline.answering import Answering
from rag.models.offline.asking import open_asking
from rag.models.offline.classifying import Classifying
from rag.models.offline.extracting import Extracting
from rag.models.offline.reader import Reader
from rag.models.offline.reasoning import Arguing
from rag.models.offline.rewriting import rewrite
from rag.models.offline.summarizing import Summarizing
from rag.models.offline.verifying import Verifying
from rag.models.tasks import (
    AnswerTask,
    ClassifyTask,
    ExtractTask,
    Outcome,
    ReasonTask,
    RewriteTask,
    SummarizeTask,
    Task,
    Value,
    VerifyTask,
)

_NOT_FOLLOWED = (
    "The offline engine selects what the documents say, in their words; instructions were left "
    "aside."
)


class OfflineEngine:
    """Selects from the passages what a task asks for; everything it says stands in them."""

    def __init__(self, embedder: Embedder, reader: Reader | None = None) -> None:
        self._tasks: Mapping[type[Task[Any]], Callable[[Any], Outcome[Any]]] = {
            AnswerTask: Answering(embedder, reader).run,
            ClassifyTask: Classifying(embedder).run,
            ExtractTask: Extracting(embedder, open_asking(reader)).run,
            ReasonTask: Arguing(embedder).run,
            RewriteTask: rewrite,
            SummarizeTask: Summarizing(embedder).run,
            VerifyTask: Verifying(embedder).run,
        }

    @property
    def id(self) -> str:
        """Name under which answers report this engine."""
        return ID

    def supports(self, task: type[Task[Any]]) -> bool:
        """Whether this engine can run tasks of a type."""
        return task in self._tasks

    def check(self, context: Context) -> Mapping[str, str]:
        """Always ``ok``: there is nobody to be asked."""
        return {self.id: "ok"}

    def forecast(self, task: Task[Any], context: Context) -> Forecast:
        """Nothing of language models, and room for any text."""
        return Forecast()

    def run(self, task: Task[Value], context: Context) -> Outcome[Value]:
        """Do the task; it costs nothing, whoever asks."""
        outcome: Outcome[Value] = self._tasks[type(task)](task)
        if task.instructions is None or self._is_led_by(task):
            return outcome
        return replace(outcome, notes=(*outcome.notes, _NOT_FOLLOWED))

    def _is_led_by(self, task: Task[Any]) -> bool:
        """Whether the instructions say no more than what is looked for."""
        if isinstance(task, ExtractTask):
            said = task.instructions or ""
            fields = task.schema.get("properties", {}).values()
            return all(str(one.get("description") or "\0") in said for one in fields)
        return isinstance(task, SummarizeTask) and task.query is None
