"""The engine with a language model: no invalid output gets through, none is bought twice."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rag.errors import (
    BudgetExceeded,
    InvalidOutput,
    ModelAccessDenied,
    ModelError,
    ModelRefused,
    ModelUnavailable,
    OutputTruncated,
)
from rag.models.chat import ChatReply, ChatRequest, Finish
from rag.models.engine import Context
from rag.models.fallback import FallbackEngine
from rag.models.flights import Flights
from rag.models.tasks import AnswerTask, Outcome, Statement
from rag.types import Passage
from tests.scripted import Kept, Model, engine

TEXT = "The rent is 400 a month."
TASK = AnswerTask(
    question="What is the rent?",
    passages=(
        Passage(
            document_id="d1", document_title="Lease\n[evil]", start=0, end=24, text=TEXT, score=1
        ),
    ),
)
GOOD = {
    "reasoning": "P1 says so.",
    "statements": [
        {
            "text": "It is 400 a month.",
            "evidence": [{"passage": "P1", "quote": "400 a month"}],
        }
    ],
    "confidence": 0.9,
}


def run(one: Any, tenant: str = "t", task: AnswerTask = TASK) -> Outcome[tuple[Statement, ...]]:
    outcome: Outcome[tuple[Statement, ...]] = one.run(task, Context(tenant=tenant))
    return outcome


def test_a_valid_reply_becomes_statements() -> None:
    model = Model(json.dumps(GOOD))
    outcome = run(engine(model))
    (statement,) = outcome.value
    assert statement.text == "It is 400 a month."
    (evidence,) = statement.evidence
    assert (evidence.passage, evidence.quote, evidence.hint) == (0, "400 a month", 12)
    assert outcome.confidence == 0.9
    assert outcome.prompt is not None
    assert outcome.prompt.name == "answer/chain-of-thought"
    assert (outcome.usage.input_tokens, outcome.usage.output_tokens) == (100, 10)
    assert outcome.usage.cost_usd == pytest.approx(0.002)
    assert model.requests[0].schema is not None


def test_documents_cannot_leave_their_marks() -> None:
    model = Model(json.dumps(GOOD))
    run(engine(model))
    text = model.requests[0].turns[0].text
    first, title, *_, last, _, question = text.splitlines()
    mark = first.split()[0]
    assert first == f"{mark} P1]"
    assert title == "Lease [evil]"
    assert last == f"{mark} end of P1]"
    assert question == "Question: What is the rent?"
    other = Model(json.dumps(GOOD))
    run(engine(other), tenant="another")
    assert mark not in other.requests[0].turns[0].text


def test_invalid_output_is_asked_for_again_with_what_is_wrong() -> None:
    bad = json.dumps({**GOOD, "confidence": 7})
    model = Model("Sorry, here it comes:", bad, json.dumps(GOOD))
    outcome = run(engine(model))
    assert outcome.value
    assert outcome.attempts == 3
    told = model.requests[2].turns
    assert told[1].text == bad
    assert "confidence: must keep to maximum: 1" in told[2].text
    assert outcome.usage.input_tokens == 300


def test_a_stricter_prompt_is_tried_before_giving_up() -> None:
    model = Model("no", "no", "no", json.dumps(GOOD))
    outcome = run(engine(model))
    assert outcome.prompt is not None
    assert outcome.prompt.name == "answer/strict"
    assert "chain-of-thought" in outcome.notes[0]
    with pytest.raises(InvalidOutput, match="not JSON"):
        run(engine(Model("no")))


def test_a_truncated_reply_gets_twice_the_room_once() -> None:
    model = Model(Finish.LENGTH, json.dumps(GOOD))
    assert run(engine(model)).value
    first, second = model.requests
    assert second.max_output_tokens == 2 * first.max_output_tokens
    with pytest.raises(OutputTruncated):
        run(engine(Model(Finish.LENGTH)))


def test_a_reply_that_stays_too_long_is_asked_for_with_a_shorter_prompt() -> None:
    outcome = run(engine(Model(Finish.LENGTH, Finish.LENGTH, json.dumps(GOOD))))
    assert outcome.prompt is not None
    assert outcome.prompt.name == "answer/strict"
    assert "was cut off after 4096 tokens" in outcome.notes[0]


@pytest.mark.parametrize("finish", [Finish.REFUSED, Finish.FILTERED])
def test_a_refusal_is_told_as_one(finish: Finish) -> None:
    model = Model(finish)
    with pytest.raises(ModelRefused):
        run(engine(model))
    assert len(model.requests) == 1


def test_the_same_call_twice_is_one_call() -> None:
    kept = Kept()
    model = Model(json.dumps({**GOOD, "confidence": 7}), json.dumps(GOOD))
    first = run(engine(model, kept))
    second = run(engine(model, kept))
    assert len(model.requests) == 2
    assert second.value == first.value
    assert (second.attempts, second.usage.cost_usd) == (0, 0.0)
    run(engine(model, kept), tenant="another")
    assert len(model.requests) == 3


FAILURES: list[tuple[str | Finish, type[ModelError], int]] = [
    ("no", InvalidOutput, 6),
    (Finish.LENGTH, OutputTruncated, 4),
    (Finish.FILTERED, ModelRefused, 1),
]


@pytest.mark.parametrize(("bad", "error", "calls"), FAILURES)
def test_a_task_that_failed_is_a_new_attempt_when_it_is_run_again(
    bad: str | Finish, error: type[ModelError], calls: int
) -> None:
    kept = Kept()
    model = Model(*[bad] * (2 * calls), json.dumps(GOOD))
    one = engine(model, kept)
    for attempt in (1, 2):
        with pytest.raises(error):
            run(one)
        assert len(model.requests) == attempt * calls
    first, second = model.requests[0], model.requests[calls]
    assert first.turns == second.turns, "marks are the same, whatever the attempt"
    assert (run(one).attempts, run(engine(model, kept)).attempts) == (1, 0)
    assert len(model.requests) == 2 * calls + 1


@pytest.mark.parametrize(("bad", "error", "calls"), FAILURES[:2])
def test_what_was_replied_before_a_crash_is_not_bought_again(
    bad: str | Finish, error: type[ModelError], calls: int
) -> None:
    for crash in range(calls):
        kept = Kept()
        dying = Model(*[bad] * crash, ModelUnavailable("test:model is out of order."))
        with pytest.raises(ModelUnavailable):
            run(engine(dying, kept))
        model = Model(bad)
        with pytest.raises(error):
            run(engine(model, kept))
        assert len(model.requests) == calls - crash


def sample(one: Any, number: int) -> Outcome[tuple[Statement, ...]]:
    outcome: Outcome[tuple[Statement, ...]] = one.run(TASK, Context(tenant="t", sample=number))
    return outcome


def test_samples_are_calls_of_their_own_and_the_same_again() -> None:
    kept = Kept()
    model = Model(json.dumps(GOOD))
    first = [sample(engine(model, kept), number) for number in range(3)]
    again = [sample(engine(model, kept), number) for number in range(3)]
    assert [request.temperature for request in model.requests] == [0.0, 0.7, 0.7]
    assert [one.revision for one in first + again] == ["m"] * 6
    assert [one.attempts for one in again] == [0, 0, 0]


def test_samples_without_temperature_are_other_prompts() -> None:
    model = Model(json.dumps(GOOD))
    model.takes_temperature = False
    used = [sample(engine(model), number).prompt for number in range(4)]
    forms = [one.name.partition("/")[2] for one in used if one]
    assert forms == ["chain-of-thought", "few-shot", "zero-shot", "chain-of-thought"]
    assert len(model.requests) == 4
    assert {request.temperature for request in model.requests} == {None}


def test_another_engine_steps_in_and_it_is_said() -> None:
    failing = engine(Model(ModelUnavailable("test:model is out of order.")))
    other = engine(Model(json.dumps(GOOD)))
    outcome = run(FallbackEngine([failing, other]))
    assert outcome.value
    assert outcome.notes == ("test:model stepped in: test:model is out of order.",)


def test_what_a_failing_engine_spent_is_counted() -> None:
    failing = engine(Model("no"))
    outcome = run(FallbackEngine([failing, engine(Model(json.dumps(GOOD)))]))
    # Three of each prompt, and the one that helped.
    assert outcome.usage.input_tokens == 7 * 100
    assert outcome.usage.cost_usd == pytest.approx(7 * 0.002)


def test_evidence_from_nowhere_stays_a_claim() -> None:
    said = json.loads(json.dumps(GOOD))
    said["statements"][0]["evidence"][0]["passage"] = "P9"
    (statement,) = run(engine(Model(json.dumps(said)))).value
    assert statement.evidence[0].passage == -1


def test_a_name_of_any_length_is_invalid_output() -> None:
    said = json.loads(json.dumps(GOOD))
    said["statements"][0]["evidence"][0]["passage"] = "P" + "9" * 4_400
    with pytest.raises(InvalidOutput, match="passage"):
        run(engine(Model(json.dumps(said))))


class Slow(Model):
    """Takes its time, so that others come meanwhile."""

    def complete(self, request: ChatRequest, *, timeout: float) -> ChatReply:
        time.sleep(0.2)
        return super().complete(request, timeout=timeout)


def test_what_is_asked_by_many_at_once_is_bought_once() -> None:
    model = Slow(json.dumps(GOOD))
    one = engine(model, Kept())
    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(lambda _: run(one), range(8)))
    assert len(model.requests) == 1
    assert sum(outcome.attempts for outcome in outcomes) == 1
    assert sum(outcome.usage.output_tokens for outcome in outcomes) == 10
    assert len({outcome.value for outcome in outcomes}) == 1


def test_those_who_wait_for_the_same_fail_with_it_but_for_want_of_money() -> None:
    model = Slow(ModelAccessDenied("no"))
    one = engine(model, Kept())

    def fail(_: int) -> str:
        with pytest.raises(ModelAccessDenied) as caught:
            run(one)
        return caught.value.message

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(fail, range(8))) == {"no"}
    assert len(model.requests) == 1

    flights: Flights[str] = Flights()
    waits, goes = threading.Event(), threading.Event()

    def poor() -> str:
        waits.set()
        goes.wait(5)
        raise BudgetExceeded("mine is spent")

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(flights.once, "k", poor)
        waits.wait(5)
        second = threads.submit(flights.once, "k", lambda: "made")
        goes.set()
        assert second.result(5) == ("made", True)
        with pytest.raises(BudgetExceeded):
            first.result(5)


def test_the_last_failure_tells_what_all_engines_spent() -> None:
    model, other = Model("no"), Model("no")
    with pytest.raises(InvalidOutput) as caught:
        run(FallbackEngine([engine(model), engine(other)]))
    assert caught.value.usage is not None
    calls = len(model.requests) + len(other.requests)
    assert caught.value.usage.input_tokens == 100 * calls
    assert caught.value.usage.cost_usd == pytest.approx(0.002 * calls)
