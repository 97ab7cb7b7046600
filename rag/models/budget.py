"""Money that calls may spend: reserved before a call, settled after it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any, Protocol
from weakref import WeakValueDictionary

from rag.errors import BudgetExceeded


class Budget:
    """A sum in US dollars for a request, a job, a key or a day. Thread-safe.

    What is spent can exceed the limit by no more than the calls in flight cost beyond what
    was estimated for them.
    """

    def __init__(
        self,
        limit_usd: float,
        *,
        what: str,
        remedy: str = "Ask for less, or allow more.",
        spent: Callable[[], float] | None = None,
        left_aside: Callable[[Budget], object] = lambda _: None,
    ) -> None:
        """Begin with nothing spent.

        Args:
            limit_usd: The sum.
            what: Names it in messages, such as ``this job``.
            remedy: What those can do who meet its end.
            spent: Reads what was spent where each call is written down, before it is settled
                here, so that others who write there count too; else it is added up here.
            left_aside: Is told when money stays set aside after its call: nothing else than
                this budget knows of it.
        """
        self._limit = limit_usd
        self._what = what
        self._remedy = remedy
        self._elsewhere = spent
        self._left_aside = left_aside
        self._here = 0.0
        self._reserved = 0.0
        self.lock = threading.RLock()
        """Held while what was set aside gives way to what is written down."""

    @property
    def spent_usd(self) -> float:
        """What calls that ended have cost."""
        return self._here if self._elsewhere is None else self._elsewhere()

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
        with self.lock:
            spent = self.spent_usd
            # A call that costs nothing is within every budget, also one that is overdrawn.
            if estimate_usd and spent + self._reserved + estimate_usd > self._limit:
                raise BudgetExceeded(
                    f"The budget of {_usd(self._limit)} for {self._what} is too small for this "
                    f"call, which may cost {_usd(estimate_usd)}: {_usd(spent)} is spent and "
                    f"{_usd(self._reserved)} set aside for calls under way. {self._remedy}"
                )
            self._reserved += estimate_usd
        return estimate_usd

    def settle(self, reserved_usd: float, cost_usd: float | None) -> None:
        """Put what a call has cost in the place of what was set aside for it.

        Where nobody knows what it has cost, that stays set aside.
        """
        if cost_usd is None:
            self._left_aside(self)
            return
        with self.lock:
            self._reserved -= reserved_usd
            self._here += cost_usd


@dataclass(slots=True)
class Cost:
    """What a call within `reserved` turned out to cost; ``None`` if nobody knows.

    ``write`` writes it down where the budgets look it up.
    """

    usd: float | None = 0.0
    write: Callable[[], None] = lambda: None


@contextmanager
def reserved(budgets: Sequence[Budget], estimate_usd: float | None) -> Iterator[Cost]:
    """Reserve in every budget, or in none; settled on leaving by the yielded cost.

    A cost that cannot be written down stays set aside.

    Nobody who reserves meanwhile sees a cost both written down and still set aside, nor neither.

    Raises:
        BudgetExceeded: One of them has not enough left.
    """
    cost = Cost()
    aside: list[tuple[Budget, float]] = []
    try:
        for budget in budgets:
            aside.append((budget, budget.reserve(estimate_usd)))
        yield cost
    finally:
        with ExitStack() as held:
            for budget, _ in aside:
                held.enter_context(budget.lock)
            try:
                cost.write()
            except BaseException:
                if cost.usd:  # it has to be paid, and is written down nowhere
                    cost.usd = None
                raise
            finally:
                for budget, amount in aside:
                    budget.settle(amount, cost.usd)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLimits:
    """US dollars that may be spent; ``None`` is no limit. A key's is for a day, too."""

    request_usd: float | None = None
    job_usd: float | None = None
    key_usd: float | None = None
    day_usd: float | None = None


class Ledger(Protocol):
    """Where it is written down what calls have cost."""

    @property
    def today(self) -> date:
        """The day that calls made now belong to."""
        ...

    def spent_usd(
        self, *, day: date | None = None, key: str | None = None, job: str | None = None
    ) -> float:
        """What is known to be spent, of all that is given: on a day, by a key, for a job."""
        ...


class Budgets:
    """The budgets that a request or a job has to keep to. Thread-safe.

    Those of a job, a key and a day are shared by all who spend from them, and go by the ledger,
    so that they hold across restarts and for all processes that write to it; what another
    process has set aside for calls in flight is not seen.
    """

    def __init__(self, limits: BudgetLimits, ledger: Ledger) -> None:
        self._limits = limits
        self._ledger = ledger
        # Kept while somebody spends from them: they know what is set aside.
        self._shared: WeakValueDictionary[tuple[object, ...], Budget] = WeakValueDictionary()
        # What nobody knows the cost of, or could not be written down, is known nowhere else.
        self._unsettled: set[Budget] = set()
        self._lock = threading.Lock()

    def of_request(self, *, key: str, most_usd: float | None = None) -> tuple[Budget, ...]:
        """What calls for one request of a key may spend: ``most_usd``, when the caller says."""
        given = [one for one in (most_usd, self._limits.request_usd) if one is not None]
        mine = [Budget(min(given), what="this request")] if given else []
        return (*mine, *self._of_day(key))

    def of_job(self, job: str, *, key: str, most_usd: float | None = None) -> tuple[Budget, ...]:
        """What calls for one job of a key may spend in all, however often it is resumed."""
        given = [one for one in (most_usd, self._limits.job_usd) if one is not None]
        what, remedy = f"the job {job}", "Resume it with a larger budget."
        mine = [self._shared_budget(min(given), what, remedy, job=job)] if given else []
        return (*mine, *self._of_day(key))

    def _of_day(self, key: str) -> Iterator[Budget]:
        limits, day = self._limits, self._ledger.today
        wait = "Ask again after midnight (UTC), or set"
        if limits.key_usd is not None:
            remedy = f"{wait} IBIDEM_BUDGET_KEY_USD higher."
            what = "this API key today"
            yield self._shared_budget(limits.key_usd, what, remedy, day=day, key=key)
        if limits.day_usd is not None:
            remedy = f"{wait} IBIDEM_BUDGET_USD higher."
            yield self._shared_budget(limits.day_usd, "today", remedy, day=day)

    def _shared_budget(self, limit: float, what: str, remedy: str, **scope: Any) -> Budget:
        """The budget for a scope of the ledger, the same for all while any of them holds it."""
        place = (limit, *sorted(scope.items()))
        with self._lock:
            found = self._shared.get(place)
            if found is None:
                spent = partial(self._ledger.spent_usd, **scope)
                found = Budget(
                    limit,
                    what=what,
                    remedy=remedy,
                    spent=spent,
                    left_aside=self._unsettled.add,
                )
                self._shared[place] = found
            return found


def _usd(amount: float) -> str:
    return f"${amount:.2f}" if amount >= 1 or not amount else f"${amount:.4f}"
