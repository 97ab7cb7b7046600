"""Work made of many items: what a kind of it does. It knows nothing of how items are kept.

Items come in rounds. Those of round 0 are listed first; when all of a round have ended, what
they came to may bring about the next, and when it does not, the work is finished. Every
function here may be called again for the same arguments, after a crash: it has to say the same
again, and model calls that it makes are then found among the kept replies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, runtime_checkable

from rag.models.budget import Budget
from rag.models.engine import Context
from rag.models.observe import LOCAL_KEY


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkSpec:
    """What was ordered, by whom, and what may be spent on it."""

    job: str
    body: Mapping[str, Any]
    tenant: str = "default"
    key: str = LOCAL_KEY
    budgets: tuple[Budget, ...] = ()

    @property
    def context(self) -> Context:
        """For whom tasks of this work run."""
        return Context(tenant=self.tenant, key=self.key, job=self.job, budgets=self.budgets)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewItem:
    """An item to be done. Positions of a round count upwards.

    ``payload`` is small and plain JSON. ``documents`` are those whose text it repeats: it goes
    when one of them is deleted.
    """

    position: int
    payload: Mapping[str, Any]
    documents: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An item that somebody is at work on."""

    round: int
    position: int
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Produced:
    """What an item, or all the work, came to: plain JSON, and whose text it repeats."""

    value: Mapping[str, Any]
    documents: frozenset[str] = field(default=frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """An item that was done, with what it came to."""

    round: int
    position: int
    payload: Mapping[str, Any]
    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """An item that failed; ``error`` holds ``code`` and ``message``."""

    round: int
    position: int
    payload: Mapping[str, Any]
    error: Mapping[str, Any]


class Work(Protocol):
    """A kind of work. Thread-safe.

    ``results`` and ``failures`` are read from where they are kept each time they are iterated,
    in the order of round and position, a few at a time.
    """

    def items(self, spec: WorkSpec, last: NewItem | None = None) -> Iterator[NewItem]:
        """The items of round 0; behind ``last``, if those up to it are kept since a crash.

        What they are made from may have changed since then.

        Raises:
            IbidemError: the work cannot be done; all of it fails.
        """
        ...

    def run(self, spec: WorkSpec, item: Item) -> Produced:
        """Do one item.

        Raises:
            BudgetExceeded: there is no money left; the work pauses, and the item waits.
            IbidemError: the item cannot be done; it fails alone.
        """
        ...

    def after(self, spec: WorkSpec, round: int, results: Iterable[Done]) -> Iterator[NewItem]:
        """The items of the next round, from the results of this one; none when it was the last."""
        ...

    def finish(
        self, spec: WorkSpec, results: Iterable[Done], failures: Iterable[Failed]
    ) -> Produced:
        """What the whole work came to, from the results of all rounds.

        Raises:
            IbidemError: nothing can be made of them; the work fails.
        """
        ...


CameTo: TypeAlias = Produced | Exception
"""What became of an item: what it came to, or what it failed of."""


@runtime_checkable
class WorkTogether(Work, Protocol):
    """Work whose items can be handed in together, and wait for their results together."""

    def run_together(self, spec: WorkSpec, items: Sequence[Item]) -> Iterator[tuple[Item, CameTo]]:
        """Do these items, each as soon as it can be done; one that fails, fails alone.

        Raises:
            IbidemError: what is left can be tried again.
        """
        ...
