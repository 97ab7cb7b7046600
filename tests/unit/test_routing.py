"""Routing: the cheapest engine that can, and the next where it is not sure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from rag.errors import BudgetExceeded, InvalidOutput, ModelError, ModelUnavailable
from rag.models.chat import Tokens
from rag.models.engine import Context
from rag.models.policy.routing import Candidate, RoutingEngine
from rag.models.tasks import (
    AnswerTask,
    Evidence,
    Extraction,
    ExtractTask,
    Outcome,
    Statement,
    Task,
    VerifyTask,
)
from rag.types import Decision, Passage, Usage

PASSAGE = Passage(
    document_id="d",
    document_title="Lease",
    start=0,
    end=24,
    text="The rent is 400 a month.",
    score=1,
)
ASK = AnswerTask(passages=(PASSAGE,), question="What is the rent?")
NO_VALUE = Extraction(value={}, fields={})


def says(quote: str) -> tuple[Statement, ...]:
    return (Statement(text="It is.", evidence=(Evidence(passage=0, quote=quote),)),)


class Fixed:
    """Always gives one outcome, or fails of one error, and counts how often it is asked."""

    def __init__(self, name: str, said: Any, confidence: float | None = 0.9) -> None:
        self.id = name
        self.said = said
        self.confidence = confidence
        self.asked = 0

    def supports(self, task: type[Task[Any]]) -> bool:
        return task in (AnswerTask, ExtractTask)

    def check(self, context: Context) -> Mapping[str, str]:
        return {self.id: "ok"}

    def run(self, task: Task[Any], context: Context) -> Outcome[Any]:
        self.asked += 1
        usage = Usage(input_tokens=10, cost_usd=1.0)
        if isinstance(self.said, ModelError):
            self.said.usage = usage
            raise self.said
        return Outcome(
            value=self.said, confidence=self.confidence, engine=self.id, usage=usage, attempts=1
        )


def at(price: float | None, engine: Fixed, **reach: int) -> Candidate:
    def cost(tokens: Tokens) -> float | None:
        return None if price is None else price * (tokens.input + tokens.output)

    return Candidate(engine=engine, price=cost, **reach)


def test_the_cheapest_goes_first_and_is_enough_when_it_is_sure() -> None:
    unpriced, dear = Fixed("unpriced", says("400")), Fixed("dear", says("400"))
    cheap = Fixed("cheap", says("400 a month"), 0.6)
    route = RoutingEngine([at(None, unpriced), at(2.0, dear), at(1.0, cheap)])
    outcome = route.run(ASK, Context())
    assert (outcome.engine, outcome.notes) == ("cheap", ())
    assert (dear.asked, unpriced.asked) == (0, 0)
    (decision,) = outcome.decisions
    assert (decision.engine, decision.taken, decision.confidence) == ("cheap", True, 0.6)
    assert decision.estimated_usd is not None
    assert route.id == "route:unpriced,dear,cheap"


@pytest.mark.parametrize(
    ("said", "confidence", "why"),
    [
        (says("400"), 0.59, "Its confidence of 0.59 is below 0.60."),
        ((), 0.1, "Its confidence of 0.10 is below 0.60."),
        (says("The rent is 900"), 0.9, "None of its quotes stands in the passages."),
        (InvalidOutput("cheap gave no valid output."), None, "cheap gave no valid output."),
        (ModelUnavailable("cheap is out of order."), None, "cheap is out of order."),
    ],
)
def test_where_the_cheapest_falls_short_the_next_is_asked(
    said: Any, confidence: float | None, why: str
) -> None:
    cheap, dear = Fixed("cheap", said, confidence), Fixed("dear", says("400 a month"))
    outcome = RoutingEngine([at(1.0, cheap), at(2.0, dear)]).run(ASK, Context())
    assert outcome.engine == "dear"
    assert outcome.usage == Usage(input_tokens=20, cost_usd=2.0)
    assert outcome.notes == (f"cheap was not enough: {why}",)
    assert [(one.engine, one.taken, one.reason) for one in outcome.decisions] == [
        ("cheap", False, why),
        ("dear", True, "It is sure enough."),
    ]


def test_an_engine_without_an_opinion_is_believed() -> None:
    outcome = RoutingEngine([at(1.0, Fixed("cheap", says("400"), None))]).run(ASK, Context())
    assert outcome.confidence is None


def test_of_doubtful_outcomes_the_dearest_that_stands_is_given() -> None:
    engines = [
        Fixed("a", says("400"), 0.1),
        Fixed("b", says("The rent"), 0.2),
        Fixed("c", says("900"), 0.9),
        Fixed("d", ModelUnavailable("no")),
    ]
    route = RoutingEngine([at(price, one) for price, one in enumerate(engines, start=1)])
    outcome = route.run(ASK, Context())
    assert (outcome.engine, outcome.confidence) == ("b", 0.2)
    assert [one.taken for one in outcome.decisions] == [False, True, False, False]
    assert (outcome.usage.cost_usd, outcome.attempts) == (4.0, 3)


def test_what_an_engine_cannot_take_goes_past_it() -> None:
    nested = {"properties": {"rows": {"items": {"properties": {"a": {"type": "string"}}}}}}
    small, flat, big = (Fixed(name, NO_VALUE) for name in ("small", "flat", "big"))
    reach = [at(0.0, small, most_tokens=5), at(0.0, flat, most_depth=2), at(9.0, big)]
    outcome = RoutingEngine(reach).run(ExtractTask(passages=(PASSAGE,), schema=nested), Context())
    assert outcome.decisions[:2] == (
        Decision(engine="small", taken=False, reason="8 tokens are more than it takes (5)."),
        Decision(
            engine="flat",
            taken=False,
            reason="3 levels of the schema are more than it takes (2).",
        ),
    )
    assert (outcome.engine, small.asked, flat.asked) == ("big", 0, 0)
    one = RoutingEngine([at(0.0, small, most_passages=0), at(0.0, big)])
    assert one.run(ASK, Context()).engine == "big"


def test_what_is_too_large_for_all_is_still_done() -> None:
    small = Fixed("small", says("400"))
    outcome = RoutingEngine([at(1.0, small, most_tokens=5)]).run(ASK, Context())
    assert [one.taken for one in outcome.decisions] == [True]


def test_no_money_ends_the_route() -> None:
    broke = Fixed("dear", BudgetExceeded("spent"))
    route = RoutingEngine([at(1.0, Fixed("cheap", says("400"), 0.2)), at(2.0, broke)])
    with pytest.raises(BudgetExceeded) as caught:
        route.run(ASK, Context())
    assert caught.value.usage == Usage(input_tokens=20, cost_usd=2.0)


def test_when_all_fail_the_last_failure_is_told() -> None:
    first, last = Fixed("a", InvalidOutput("one")), Fixed("b", ModelUnavailable("two"))
    with pytest.raises(ModelUnavailable, match="two") as caught:
        RoutingEngine([at(1.0, first), at(2.0, last)]).run(ASK, Context())
    assert caught.value.usage == Usage(input_tokens=20, cost_usd=2.0)
    claim = VerifyTask(passages=(PASSAGE,), claim="Rent is due.")
    with pytest.raises(ModelError, match="No engine"):
        RoutingEngine([at(1.0, first)]).run(claim, Context())
