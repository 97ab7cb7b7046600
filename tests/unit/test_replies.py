"""What a call costs the catalog: a reply and its price are stored together, and at once."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from rag.catalog import Catalog
from rag.errors import BudgetExceeded
from rag.models.budget import BudgetLimits, Budgets
from rag.models.calls import Calls
from rag.models.engine import Context
from rag.models.limits import Limits
from rag.models.observe import Attempt, Purpose
from rag.models.pricing import Price, Pricing
from rag.models.prompted import PromptedEngine
from rag.models.tasks import AnswerTask
from rag.types import Passage
from tests.scripted import Model
from tests.unit.test_catalog import TENANT, add, make_collection
from tests.unit.test_prompted import GOOD

PRICING = Pricing([Price(model="test:", input=10.0, output=100.0)])


@contextmanager
def counted(catalog: Catalog) -> Iterator[dict[str, int]]:
    """How often meanwhile something was asked of the catalog, written to it, and committed."""
    counts = {"reads": 0, "writes": 0, "commits": 0}

    def execute(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA", "SELECT pg_advisory", "SET LOCAL")):
            counts["reads" if statement.startswith("SELECT") else "writes"] += 1

    def commit(_connection: object) -> None:
        counts["commits"] += 1

    engine = catalog._database.engine
    sa.event.listen(engine, "before_cursor_execute", execute)
    sa.event.listen(engine, "commit", commit)
    yield counts
    sa.event.remove(engine, "before_cursor_execute", execute)
    sa.event.remove(engine, "commit", commit)


def ask(
    catalog: Catalog, document: str, question: str, model: Model, budgets: Budgets | None = None
) -> None:
    passage = Passage(
        document_id=document,
        document_title="Lease",
        start=0,
        end=24,
        text="The rent is 400 a month.",
        score=1,
    )
    calls = Calls(model, limits=Limits(), meter=catalog.usage, pricing=PRICING)
    engine = PromptedEngine(calls, replies=catalog.replies, secret=b"s")
    budgets = budgets or Budgets(BudgetLimits(day_usd=10.0), catalog.usage)
    context = Context(tenant=TENANT, key="k", budgets=budgets.of_request(key="k"))
    engine.run(AnswerTask(question=question, passages=(passage,)), context)


def test_a_new_call_is_one_commit_and_a_known_one_one_read(catalog: Catalog) -> None:
    document = add(catalog, make_collection(catalog), "lease").id
    model = Model(json.dumps(GOOD))
    ask(catalog, document, "First?", model)
    with counted(catalog) as new:
        ask(catalog, document, "Second?", model)
    # Other processes may have failed at the same task.
    failures = 1 if catalog._database.is_shared else 0
    # Whether the reply is known, the sum of the day, and whether the document is still there.
    assert new == {"reads": 3 + failures, "writes": 3, "commits": 1}
    with counted(catalog) as known:
        ask(catalog, document, "Second?", model)
    assert known == {"reads": 1 + failures, "writes": 0, "commits": 0}
    assert len(model.requests) == 2


def test_a_reply_and_its_price_are_stored_both_or_neither(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = add(catalog, make_collection(catalog), "lease").id
    model = Model(json.dumps(GOOD))
    with monkeypatch.context() as patch:
        # What is written last of all fails, as on a full disk.
        patch.setattr("rag.catalog.replies._INSERT_DOCUMENTS", sa.text("INSERT INTO nowhere"))
        with pytest.raises(sa.exc.DBAPIError):
            ask(catalog, document, "First?", model)
    assert not catalog.usage.read(TENANT, since=catalog.usage.today)
    ask(catalog, document, "First?", model)
    assert catalog.usage.spent_usd() == pytest.approx(0.002)
    assert len(model.requests) == 2, "nothing was kept of the first"


def test_what_was_bought_and_could_not_be_written_down_stays_set_aside(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = add(catalog, make_collection(catalog), "lease").id
    model = Model(json.dumps(GOOD))
    budgets = Budgets(BudgetLimits(day_usd=1.0), catalog.usage)
    with monkeypatch.context() as patch:
        patch.setattr("rag.catalog.replies._INSERT_DOCUMENTS", sa.text("INSERT INTO nowhere"))
        for number in range(50):
            # Nobody holds the budget of the day between one request and the next.
            gc.collect(1)
            with pytest.raises((sa.exc.DBAPIError, BudgetExceeded)) as caught:
                ask(catalog, document, f"{number}?", model, budgets)
            if caught.type is BudgetExceeded:
                break
    assert caught.type is BudgetExceeded
    assert 0 < len(model.requests) < 10, "each may cost more than 0.1 dollars"
    with pytest.raises(BudgetExceeded, match="set aside"):
        ask(catalog, document, "Again?", model, budgets)


def test_a_price_is_written_down_though_its_document_was_deleted(catalog: Catalog) -> None:
    document = add(catalog, make_collection(catalog), "lease").id
    catalog.versions.delete(TENANT, document)
    ask(catalog, document, "First?", Model(json.dumps(GOOD)))
    assert catalog.usage.spent_usd() == pytest.approx(0.002)
    with catalog._database.read() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM replies")).scalar() == 0


def test_what_a_thread_writes_within_a_write_fails_with_it(catalog: Catalog) -> None:
    def write() -> None:
        with catalog._database.write():
            catalog.usage.tell(Attempt(model="m", purpose=Purpose(), seconds=1.0, cost_usd=1.0))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert catalog.usage.spent_usd() == 0
