"""What models were used for, added up in the catalog."""

from __future__ import annotations

import threading
from datetime import date

import pytest

from rag.catalog import Catalog
from rag.catalog.usage import UsageLedger
from rag.models.chat import Tokens
from rag.models.observe import Attempt, Purpose

DAY = 86_400.0
TOKENS = Tokens(input=100, output=10, cached=60, reasoning=3)


def attempt(
    model: str = "m", *, cost: float | None = 0.25, error: str | None = None, **purpose: str
) -> Attempt:
    return Attempt(
        model=model,
        purpose=Purpose(**({"tenant": "t"} | purpose)),  # type: ignore[arg-type]
        seconds=0.5,
        tokens=Tokens() if error else TOKENS,
        cost_usd=0.0 if error else cost,
        error=error,
    )


def test_calls_are_added_up_by_day_key_and_model(catalog: Catalog) -> None:
    now = 10 * DAY
    ledger = UsageLedger(catalog._database, clock=lambda: now)
    ledger.tell(attempt(job="job_1"))
    ledger.tell(attempt(job="job_2"))
    ledger.tell(attempt(error="rate_limited"))
    ledger.tell(attempt(key="key_a"))
    ledger.tell(attempt("unpriced", cost=None))
    ledger.tell(attempt(tenant="another"))
    now += DAY
    ledger.tell(attempt())

    again = UsageLedger(catalog._database, clock=lambda: now)  # another process
    rows = again.read("t", since=date(1970, 1, 1))
    assert [(row.day.day, row.key, row.model, row.calls) for row in rows] == [
        (12, "local", "m", 1),
        (11, "key_a", "m", 1),
        (11, "local", "m", 3),
        (11, "local", "unpriced", 1),
    ]
    assert rows[2].failures == {"rate_limited": 1}
    assert rows[2].tokens == TOKENS + TOKENS
    assert (rows[2].cost_usd, rows[2].seconds, rows[3].cost_usd) == (0.5, 1.5, None)
    assert [row.day.day for row in again.read("t", since=again.today)] == [12]

    assert again.spent_usd() == 1.25
    assert again.spent_usd(day=again.today) == 0.25
    assert again.spent_usd(key="key_a") == 0.25
    assert again.spent_usd(job="job_2") == 0.25
    assert again.spent_usd(job="job_3") == 0


def test_calls_at_once_are_all_counted(catalog: Catalog) -> None:
    threads = [
        threading.Thread(target=catalog.usage.tell, args=(attempt(cost=0.5),)) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (row,) = catalog.usage.read("t", since=catalog.usage.today)
    assert (row.calls, row.tokens.input) == (20, 2_000)
    assert row.cost_usd == pytest.approx(10.0)
