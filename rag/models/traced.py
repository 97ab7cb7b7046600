"""An engine whose tasks are traced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rag.models.engine import Context, Engine, Forecast
from rag.models.tasks import Outcome, Task, Value
from rag.trace import Tracer, span


class TracedEngine:
    """Another engine, each of whose tasks is a span."""

    def __init__(self, engine: Engine, tracer: Tracer) -> None:
        self._engine = engine
        self._tracer = tracer

    @property
    def id(self) -> str:
        """The other engine's."""
        return self._engine.id

    def supports(self, task: type[Task[Any]]) -> bool:
        """Whether the other engine can run tasks of a type."""
        return self._engine.supports(task)

    def check(self, context: Context) -> Mapping[str, str]:
        """What the other engine says of its models."""
        return self._engine.check(context)

    def forecast(self, task: Task[Any], context: Context) -> Forecast:
        """What the other engine forecasts."""
        return self._engine.forecast(task, context)

    def run(self, task: Task[Value], context: Context) -> Outcome[Value]:
        """Have the other engine do the task."""
        kind = type(task).__name__.removesuffix("Task").lower()
        with span(self._tracer, "task", task=kind, passages=len(task.passages)) as one:
            outcome = self._engine.run(task, context)
            prompt = outcome.prompt
            one.tell(
                engine=outcome.engine,
                prompt=prompt.name if prompt else None,
                prompt_version=prompt.version if prompt else None,
                attempts=outcome.attempts,
                input_tokens=outcome.usage.input_tokens,
                output_tokens=outcome.usage.output_tokens,
                cost_usd=outcome.usage.cost_usd,
            )
            return outcome
