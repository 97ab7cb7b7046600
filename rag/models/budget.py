"""Money that calls may spend: reserved before a call, settled after it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from rag.errors import BudgetExceeded


class Budget:
    """A sum in US dollars for a request, a job, a key or a day. Thread-safe.

    What is spent can exceed the limit by no more than the calls in flight cost beyond what
    was estimated for them.
    """

    def __init__(self, limit_usd: float, *, what: str) -> None:
        """``what`` names it in messages, such as ``this job``."""
        self._limit = limit_usd
        self._what = what
        self._spent = 0.0
        self._reserved = 0.0
        self._lock = threading.Lock()

    @property
    def spent_usd(self) -> float:
        """What calls that ended have cost."""
        return self._spent

    def reserve(self, estimate_usd: float | None) -> float:
        """Set money aside for a call; returns how much.

        Raises:
            BudgetExceeded: There is not enough left, or nobody knows what the call costs.
        """
        if estimate_usd is None:
            raise BudgetExceeded(
                f"The budget for {self._what} cannot be kept: the model has no known price. "
                "Add it to the file that IBIDEM_PRICING names, or take the budget away."
            )
        with self._lock:
            if self._spent + self._reserved + estimate_usd > self._limit:
                raise BudgetExceeded(
                    f"The budget of ${self._limit:.2f} for {self._what} is spent "
                    f"(${self._spent:.2f})."
                )
            self._reserved += estimate_usd
        return estimate_usd

    def settle(self, reserved_usd: float, cost_usd: float) -> None:
        """Put what a call has cost in the place of what was set aside for it."""
        with self._lock:
            self._reserved -= reserved_usd
            self._spent += cost_usd


@dataclass(slots=True)
class Cost:
    """What a call within `reserved` turned out to cost."""

    usd: float = 0.0


@contextmanager
def reserved(budgets: Sequence[Budget], estimate_usd: float | None) -> Iterator[Cost]:
    """Reserve in every budget, or in none; settled on leaving by the yielded cost.

    Raises:
        BudgetExceeded: One of them has not enough left.
    """
    cost = Cost()
    with ExitStack() as stack:
        for budget in budgets:
            aside = budget.reserve(estimate_usd)
            stack.callback(_settle, budget, aside, cost)
        yield cost


def _settle(budget: Budget, aside: float, cost: Cost) -> None:
    budget.settle(aside, cost.usd)
