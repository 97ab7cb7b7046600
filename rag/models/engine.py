"""The one protocol through which passages are understood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from rag.models.budget import Budget
from rag.models.observe import LOCAL_KEY, Purpose
from rag.models.tasks import Outcome, Task, Value
from rag.types import PromptUsed

if TYPE_CHECKING:
    from rag.models.drafts import Listener
    from rag.models.prompts import Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """For whom a task runs, and what it may spend. The tenant is part of every content key.

    ``sample`` tells several runs of one task apart, which are then independent of one another:
    another temperature, or another prompt. It is part of the content key too, so that the same
    samples are the same calls. An engine that is not random has but one.
    """

    tenant: str = "default"
    budgets: tuple[Budget, ...] = ()
    sample: int = 0
    key: str = LOCAL_KEY
    """The public name of the API key that asks."""
    job: str | None = None
    """The job that the task is a part of."""
    prompt: Prompt | None = None
    """What to ask with in place of an engine's own, for tasks that it is a prompt of."""
    documents: frozenset[str] = frozenset()
    """Whose text a task repeats besides that of its passages, as a question that was completed
    by an answer does; what is kept of the task goes with them, too."""
    listener: Listener | None = None
    """Is told what an engine says while it says it, by engines that can; see `rag.models.drafts`.
    What counts is the outcome."""

    def purpose(self, prompt: PromptUsed, *, repair: bool = False) -> Purpose:
        """What a call with a prompt is made for."""
        return Purpose(tenant=self.tenant, key=self.key, job=self.job, prompt=prompt, repair=repair)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a task takes of language models when each is asked once, before any is asked.

    ``input_tokens`` are about as many as will be counted; ``most_output_tokens`` and ``most_usd``
    are upper bounds, the latter ``None`` where a price is unknown. ``room`` is how many bytes of
    text the passages of such a task can have in all, ``None`` for any number.
    """

    calls: int = 0
    input_tokens: int = 0
    most_output_tokens: int = 0
    most_usd: float | None = 0.0
    room: int | None = None

    def __add__(self, other: Forecast) -> Forecast:
        known = self.most_usd is not None and other.most_usd is not None
        return Forecast(
            calls=self.calls + other.calls,
            input_tokens=self.input_tokens + other.input_tokens,
            most_output_tokens=self.most_output_tokens + other.most_output_tokens,
            most_usd=(self.most_usd or 0) + (other.most_usd or 0) if known else None,
        )

    def times(self, number: int) -> Forecast:
        """The same so many times over."""
        return replace(
            self,
            calls=self.calls * number,
            input_tokens=self.input_tokens * number,
            most_output_tokens=self.most_output_tokens * number,
            most_usd=None if self.most_usd is None else self.most_usd * number,
        )


class Engine(Protocol):
    """Runs tasks. Thread-safe."""

    @property
    def id(self) -> str:
        """Name under which answers report this engine."""
        ...

    def supports(self, task: type[Task[Any]]) -> bool:
        """Whether this engine can run tasks of a type."""
        ...

    def check(self, context: Context) -> Mapping[str, str]:
        """Whether each model behind this engine can be asked: ``ok``, or what is wrong.

        Makes one tiny call of each, for whom and within the budgets that the context says.
        """
        ...

    def forecast(self, task: Task[Any], context: Context) -> Forecast:
        """What running a task will take, and how much text there is room for; asks nobody."""
        ...

    def run(self, task: Task[Value], context: Context) -> Outcome[Value]:
        """Do the task. Quotes in the outcome are claims until they have been located."""
        ...
