"""Budgets: never spent beyond their limit but for what calls in flight cost beyond estimates."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.catalog import Catalog
from rag.catalog.usage import UsageLedger
from rag.errors import BudgetExceeded
from rag.models.budget import Budget, BudgetLimits, Budgets, reserved
from rag.models.calls import Calls
from rag.models.chat import ChatReply, ChatRequest, Finish, Role, Tokens, Turn
from rag.models.limits import Allowance, Limits
from rag.models.observe import Purpose
from rag.models.pricing import Price, Pricing

DAY = 86_400.0
AT_ONCE = 16
"""Calls that one process has in flight, with those that wait for their place."""
REQUEST = ChatRequest(
    system="", turns=(Turn(role=Role.USER, text="?"),), max_output_tokens=1_000_000
)
PRICING = Pricing([Price(model="test:", input=0.0, output=1.0)])


@dataclass
class Model:
    """Writes a million tokens, a dollar's worth."""

    id: str = "test:model"
    provider: str = "test"
    revision: str = ""
    takes_temperature: bool = True
    written: int = 1_000_000
    calls: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def complete(self, request: ChatRequest, *, timeout: float) -> ChatReply:
        with self.lock:
            self.calls += 1
        time.sleep(0.002)
        tokens = Tokens(input=1, output=self.written)
        return ChatReply(text="", finish=Finish.COMPLETE, model="m", tokens=tokens)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.0, 3.0), st.floats(0.0, 6.0)), min_size=1, max_size=40),
    st.floats(0.5, 20.0),
)
def test_calls_at_once_never_exceed_a_budget_beyond_their_own_excess(
    spendings: list[tuple[float, float]], limit: float
) -> None:
    budget = Budget(limit, what="this test")

    def spend(estimate: float, cost: float) -> float:
        try:
            with reserved([budget], estimate) as settled:
                time.sleep(0)
                settled.usd = cost
        except BudgetExceeded:
            return 0.0
        return max(0.0, cost - estimate)

    with ThreadPoolExecutor(8) as threads:
        excess = list(threads.map(lambda one: spend(*one), spendings))
    # Eight calls are in flight at most, and later ones see what the earlier have cost.
    assert budget.spent_usd <= limit + sum(sorted(excess)[-8:]) + 1e-6


def asking(model: Model, ledger: UsageLedger, limits: BudgetLimits, times: int, key: str) -> int:
    """How many of so many calls at once were refused for want of money, by one process."""
    calls = Calls(model, limits=Limits(Allowance(concurrent=8)), meter=ledger, pricing=PRICING)
    budgets = Budgets(limits, ledger)

    def ask(_: int) -> bool:
        try:
            of_key = budgets.of_request(key=key)
            calls.call(REQUEST, budgets=of_key, purpose=Purpose(key=key))
        except BudgetExceeded:
            return True
        return False

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return sum(threads.map(ask, range(times)))


def test_a_day_holds_across_restarts_and_ends(catalog: Catalog) -> None:
    model, limits = Model(), BudgetLimits(day_usd=10.0)
    now = 0.0
    ledger = UsageLedger(catalog._database, clock=lambda: now)
    assert asking(model, ledger, limits, 6, "a") == 0
    again = UsageLedger(catalog._database, clock=lambda: now)
    assert asking(model, again, limits, 30, "b") == 26
    assert (model.calls, ledger.spent_usd()) == (10, 10.0)
    now += DAY
    assert asking(model, again, limits, 3, "a") == 0


def test_each_key_has_its_own(catalog: Catalog) -> None:
    limits = BudgetLimits(key_usd=2.0, day_usd=3.0)
    assert asking(Model(), catalog.usage, limits, 5, "a") == 3
    assert asking(Model(), catalog.usage, limits, 5, "b") == 4, "the day's is spent"


def test_processes_that_share_a_ledger_overshoot_by_calls_in_flight_only(
    catalog: Catalog,
) -> None:
    model, limits = Model(), BudgetLimits(day_usd=20.0)
    with ThreadPoolExecutor(2) as processes:
        for _ in range(2):
            processes.submit(asking, model, catalog.usage, limits, 60, "a")
    assert 20 <= model.calls <= 20 + AT_ONCE


def test_calls_dearer_than_estimated_overshoot_by_calls_in_flight_only(catalog: Catalog) -> None:
    model = Model(written=3_000_000)
    asking(model, catalog.usage, BudgetLimits(day_usd=20.0), 60, "a")
    assert catalog.usage.spent_usd() <= 20.0 + AT_ONCE * (3.0 - 1.0)


def test_a_job_goes_on_with_what_it_has_left(catalog: Catalog) -> None:
    calls = Calls(Model(), limits=Limits(), meter=catalog.usage, pricing=PRICING)
    for _ in range(2):
        job = Budgets(BudgetLimits(job_usd=2.0), catalog.usage).of_job("job_1", key="a")
        calls.call(REQUEST, budgets=job, purpose=Purpose(job="job_1"))
    job = Budgets(BudgetLimits(), catalog.usage).of_job("job_1", key="a", most_usd=2.5)
    with pytest.raises(BudgetExceeded, match=r"\$2.50 for the job job_1 .* \$2.00 is spent"):
        calls.call(REQUEST, budgets=job, purpose=Purpose(job="job_1"))
    other = Budgets(BudgetLimits(job_usd=2.0), catalog.usage).of_job("job_2", key="a")
    calls.call(REQUEST, budgets=other, purpose=Purpose(job="job_2"))


def test_the_smaller_of_two_limits_counts_for_a_request(catalog: Catalog) -> None:
    budgets = Budgets(BudgetLimits(request_usd=1.0), catalog.usage)
    calls = Calls(Model(), limits=Limits(), meter=catalog.usage, pricing=PRICING)
    with pytest.raises(BudgetExceeded, match=r"\$0.5000 for this request .* Ask for less"):
        calls.call(REQUEST, budgets=budgets.of_request(key="a", most_usd=0.5))
    mine = budgets.of_request(key="a", most_usd=7.0)
    calls.call(REQUEST, budgets=mine)
    with pytest.raises(BudgetExceeded):
        calls.call(REQUEST, budgets=mine)
    assert Budgets(BudgetLimits(), catalog.usage).of_request(key="a") == ()


def test_only_a_cost_that_cannot_be_written_down_stays_set_aside() -> None:
    def full() -> None:
        raise ZeroDivisionError

    for usd, left in ((0.5, 0.1), (None, 0.1), (0.0, 1.0)):
        budget = Budget(1.0, what="this test")
        with pytest.raises(ZeroDivisionError), reserved([budget], 0.9) as cost:
            cost.usd, cost.write = usd, full
        budget.reserve(left)
        with pytest.raises(BudgetExceeded):
            budget.reserve(0.1)


def test_a_failed_call_gives_back_what_was_set_aside() -> None:
    budget = Budget(1.0, what="this test")
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), reserved([budget], 0.9):
            raise ZeroDivisionError
    assert budget.spent_usd == 0
