"""Self-consistency: a task is done several times over, and the samples vote.

Wang et al., "Self-Consistency Improves Chain of Thought Reasoning in Language Models", 2023.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from typing import Any

from rag.computing import waiting
from rag.errors import BudgetExceeded, ModelError
from rag.models.engine import Context, Engine, Forecast
from rag.models.policy.votes import vote
from rag.models.tasks import Outcome, Task, Value
from rag.types import Usage

MOST_SAMPLES = 20
_PARALLEL = 8


class VotingEngine:
    """Runs each task so many times on an engine, and gives what most of the samples say.

    Samples are told apart by `Context.sample`. The first is the one that the engine alone
    would give, so that its reply may be known already.
    """

    def __init__(self, engine: Engine, samples: int) -> None:
        """``samples`` are run at the same time, but no more than eight."""
        self._engine = engine
        self._samples = samples

    @property
    def id(self) -> str:
        """The engine's name and how often it is asked."""
        return f"vote:{self._samples}:{self._engine.id}"

    def supports(self, task: type[Task[Any]]) -> bool:
        """Whether the engine can run tasks of a type."""
        return self._engine.supports(task)

    def check(self, context: Context) -> Mapping[str, str]:
        """What the engine says of itself."""
        return self._engine.check(context)

    def forecast(self, task: Task[Any], context: Context) -> Forecast:
        """As many times what the engine forecasts as there are samples."""
        return self._engine.forecast(task, context).times(self._samples)

    def run(self, task: Task[Value], context: Context) -> Outcome[Value]:
        """Do the task; the confidence is the share of the samples that agree.

        Raises:
            BudgetExceeded: There is no money left for one of the samples.
            ModelError: What the first sample failed of, when all have failed.
        """
        started = time.perf_counter()
        made, failed = self._sample(task, context)
        usage = _spent(made, failed)
        broke = next((error for error in failed if isinstance(error, BudgetExceeded)), None)
        if broke or not made:
            error = broke or failed[0]
            error.usage = usage
            raise error
        voted = vote(task, [one.value for one in made], self._samples)
        notes = [*voted.notes, *(note for one in made for note in one.notes)]
        if failed:
            count = f"{len(failed)} of {self._samples}"
            notes.append(f"{count} samples failed: {failed[0].message}")
        return replace(
            made[voted.best],
            value=voted.value,
            confidence=voted.confidence,
            engine=self.id,
            usage=usage,
            attempts=sum(one.attempts for one in made),
            timings={"samples": round((time.perf_counter() - started) * 1000, 3)},
            notes=tuple(dict.fromkeys(notes)),
        )

    def _sample(
        self, task: Task[Value], context: Context
    ) -> tuple[list[Outcome[Value]], list[ModelError]]:
        """The outcomes, in the order of the samples, and what the others failed of."""
        with waiting(), ThreadPoolExecutor(min(self._samples, _PARALLEL), "sample") as pool:
            first = context.sample * self._samples
            alone = replace(context, listener=None)  # what one sample says is not yet said
            under_way: list[Future[Outcome[Value]]] = [
                # A trace goes on in the threads.
                pool.submit(copy_context().run, self._engine.run, task, replace(alone, sample=n))
                for n in range(first, first + self._samples)
            ]
        made: list[Outcome[Value]] = []
        failed: list[ModelError] = []
        for one in under_way:
            try:
                made.append(one.result())
            except ModelError as error:
                failed.append(error)
        return made, failed


def _spent(made: Sequence[Outcome[Any]], failed: Sequence[ModelError]) -> Usage:
    known = [one.usage for one in made] + [error.usage for error in failed if error.usage]
    return sum(known, Usage())
