"""Engines in a row: where one fails, the next steps in, and the outcome says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rag.errors import BudgetExceeded, ModelError
from rag.models.engine import Context, Engine, Forecast
from rag.models.tasks import Outcome, Task, Value
from rag.types import Usage


class FallbackEngine:
    """Runs a task on the first of its engines that can."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        """Take the engines in order of preference, at least one."""
        self._engines = engines

    @property
    def id(self) -> str:
        """The first engine's; an outcome names the one that it is from."""
        return self._engines[0].id

    def supports(self, task: type[Task[Any]]) -> bool:
        """Whether any of the engines can run tasks of a type."""
        return any(engine.supports(task) for engine in self._engines)

    def check(self, context: Context) -> Mapping[str, str]:
        """What each of the engines says of itself."""
        return {
            name: said for engine in self._engines for name, said in engine.check(context).items()
        }

    def forecast(self, task: Task[Any], context: Context) -> Forecast:
        """What the first engine that can do it forecasts."""
        able = [engine for engine in self._engines if engine.supports(type(task))]
        return able[0].forecast(task, context) if able else Forecast()

    def run(self, task: Task[Value], context: Context) -> Outcome[Value]:
        """Do the task, with a note on each engine that could not.

        Raises:
            BudgetExceeded: There is no money left; nothing steps in for that.
            ModelError: What the last engine failed of.
        """
        notes: list[str] = []
        spent = Usage()
        able = [engine for engine in self._engines if engine.supports(type(task))]
        for place, engine in enumerate(able):
            try:
                outcome = engine.run(task, context)
            except ModelError as error:
                spent += error.usage or Usage()
                if isinstance(error, BudgetExceeded) or place == len(able) - 1:
                    error.usage = spent
                    raise
                notes.append(f"{able[place + 1].id} stepped in: {error.message}")
            else:
                usage = spent + outcome.usage
                return replace(outcome, usage=usage, notes=(*notes, *outcome.notes))
        raise ModelError("No engine can do this.")
