"""Self-consistency: several samples of a task, and what most of them say."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import BudgetExceeded, ModelError, ModelUnavailable
from rag.models.engine import Context
from rag.models.policy.consistency import VotingEngine
from rag.models.policy.fields import Ballot
from rag.models.policy.votes import vote
from rag.models.tasks import (
    AnswerTask,
    Argument,
    Classification,
    ClassifyTask,
    Evidence,
    Extraction,
    ExtractTask,
    Field,
    Label,
    Outcome,
    Reasoning,
    ReasonTask,
    Statement,
    SummarizeTask,
    Summary,
    Task,
    Verdict,
    Verification,
    VerifyTask,
)
from rag.types import Passage, Usage

TEXT = "The rent is 400 a month. It falls due on the first. Pets are not allowed."
PASSAGES = (
    Passage(document_id="d", document_title="Lease", start=100, end=173, text=TEXT, score=1),
    # The same words again, in a passage that overlaps the first.
    Passage(document_id="d", document_title="Lease", start=125, end=173, text=TEXT[25:], score=1),
)
ASK = AnswerTask(passages=PASSAGES, question="What is the rent?")
SCHEMA = {"type": "object", "properties": {}}


def says(quote: str, text: str = "So it is.", passage: int = 0) -> Statement:
    return Statement(text=text, evidence=(Evidence(passage=passage, quote=quote),))


class Sampled:
    """Gives each sample the next of some values, or fails of it."""

    id = "fake"

    def __init__(self, *values: Any) -> None:
        self._values = values
        self.together = threading.Barrier(len(values))

    def supports(self, task: type[Task[Any]]) -> bool:
        return task is AnswerTask

    def check(self, context: Context) -> Mapping[str, str]:
        return {self.id: "ok"}

    def run(self, task: Task[Any], context: Context) -> Outcome[Any]:
        self.together.wait(timeout=20)
        value = self._values[context.sample]
        if isinstance(value, Exception):
            raise value
        return Outcome(
            value=value,
            confidence=0.5,
            engine=self.id,
            usage=Usage(input_tokens=10, cost_usd=0.5),
            attempts=1,
            revision=f"model-{context.sample}",
        )


def run(*values: Any) -> Outcome[Any]:
    return VotingEngine(Sampled(*values), len(values)).run(ASK, Context())


def test_answers_that_rest_on_the_same_sentence_agree() -> None:
    outcome = run(
        (says("Pets are not"),),
        (says("400 a month"),),
        (says("The rent is 400", "400 monthly."),),
        (),
    )
    assert outcome.value == (says("400 a month"),)
    assert (outcome.confidence, outcome.engine, outcome.revision) == (0.5, "vote:4:fake", "model-1")
    assert (outcome.usage, outcome.attempts) == (Usage(input_tokens=40, cost_usd=2.0), 4)
    assert outcome.notes == (
        "1 of 4 samples found no answer.",
        "1 of 4 samples rest their answer on other places.",
    )


def test_overlapping_passages_are_one_place() -> None:
    outcome = run((says("Pets are not allowed"),), (says("not allowed", passage=1),))
    assert (outcome.confidence, outcome.notes) == (1.0, ())


def test_no_answer_is_one_when_most_samples_have_none() -> None:
    unfounded = (says("The rent is 900"), says("elsewhere", passage=7))
    outcome = run((says("400 a month"),), unfounded, ())
    assert outcome.value == ()
    assert outcome.confidence == pytest.approx(0.3333)
    assert run((), ()).confidence == 0.0


def test_samples_that_fail_agree_with_none() -> None:
    late = ModelUnavailable("fake is out of order.")
    outcome = run((says("400 a month"),), late, (says("400 a month"),))
    assert outcome.confidence == pytest.approx(0.6667)
    assert outcome.notes == ("1 of 3 samples failed: fake is out of order.",)


@pytest.mark.parametrize("kind", [ModelUnavailable, BudgetExceeded])
def test_what_failing_samples_spent_is_told(kind: type[ModelError]) -> None:
    errors = [kind("no"), kind("no")]
    for error in errors:
        error.usage = Usage(input_tokens=5, cost_usd=0.25)
    with pytest.raises(kind) as caught:
        run(*errors)
    assert caught.value.usage == Usage(input_tokens=10, cost_usd=0.5)


def test_no_money_for_a_sample_ends_the_task() -> None:
    with pytest.raises(BudgetExceeded) as caught:
        run((says("400 a month"),), BudgetExceeded("spent"))
    assert caught.value.usage == Usage(input_tokens=10, cost_usd=0.5)


def extraction(**value: Any) -> Extraction:
    """Each leaf rests on a quote that repeats it."""
    fields = {f"/{name}": field(inner) for name, inner in value.items() if inner is not None}
    return Extraction(value=value, fields=fields)


def field(value: Any) -> Field:
    return Field(evidence=(Evidence(passage=0, quote=str(value)),))


def test_fields_are_voted_on_one_by_one() -> None:
    samples = [
        extraction(rent=400, tenant="Ann  Lee", pets=None),
        extraction(rent=400.0, tenant="ann lee", pets=True, extra="x"),
        extraction(rent=380, tenant="Bob"),
    ]
    voted = vote(ExtractTask(passages=PASSAGES, schema=SCHEMA), samples, 3)
    assert voted.value.value == {"rent": 400, "tenant": "Ann  Lee"}
    assert [one.quote for one in voted.value.fields["/tenant"].evidence] == ["Ann  Lee", "ann lee"]
    assert voted.value.fields["/rent"].confidence == pytest.approx(2 / 3)
    assert voted.notes == (
        "Of 3 samples not all agree on: /rent (2), /tenant (2), /pets (2), /extra (2).",
    )
    assert (voted.best, voted.confidence) == (0, pytest.approx(0.6667))


def test_items_of_lists_are_matched_by_what_they_say() -> None:
    ann = {"name": "Ann", "role": "tenant", "age": 30}
    samples = [
        Extraction(
            value={"people": people},
            fields={f"/people/{n}/name": field(one["name"]) for n, one in enumerate(people)},
        )
        for people in (
            [{"name": "Bob", "role": "landlord", "age": 50}, ann],
            [{**ann, "age": 31}],
            [ann, {"name": "Bob", "role": "landlord", "age": 50}],
        )
    ]
    voted = vote(ExtractTask(passages=PASSAGES, schema=SCHEMA), samples, 3)
    assert voted.value.value == {"people": [{"name": "Bob", "role": "landlord", "age": 50}, ann]}
    assert [one.quote for one in voted.value.fields["/people/0/name"].evidence] == ["Bob"]
    assert "/people/1/age (2)" in voted.notes[0]


def test_a_choice_that_fits_no_schema_gives_way_to_one_sample() -> None:
    schema = {"type": "object", "oneOf": [{"required": ["a", "b"]}, {"required": ["c"]}]}
    samples = [extraction(a=1, b=2), extraction(c=3), extraction(a=1, b=9, d=0)]
    voted = vote(ExtractTask(passages=PASSAGES, schema=schema), samples, 5)
    assert voted.value.value == {"a": 1, "b": 2}
    samples = [extraction(a=1, b=2), extraction(c=3), extraction(b=2, a=7, d=0), extraction(c=3)]
    voted = vote(ExtractTask(passages=PASSAGES, schema=schema), samples, 4)
    assert voted.value in samples
    assert "does not fit together" in voted.notes[-1]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["a", "A ", "b"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["p", "q/~"]), inner)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from(["x", "y", "z"]), JSON)


@given(said=OBJECTS, others=st.lists(OBJECTS, max_size=2), at=st.integers(0, 2))
def test_what_most_samples_say_word_for_word_is_said(said: Any, others: list[Any], at: int) -> None:
    samples = [said] * (len(others) + 1)
    samples[at:at] = others
    values = [Extraction(value=value, fields={}) for value in samples]
    ballot = Ballot(values, len(values))
    merged = ballot.merged().value
    assert _folded(merged) == _folded(said)
    assert 0.5 < ballot.agreement <= 1


def _folded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _folded(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return list(map(_folded, value))
    return value.strip().casefold() if isinstance(value, str) else value


def labelled(primary: str, **scores: float) -> Classification:
    return Classification(primary=primary, secondary=None, scores=scores)


def test_labels_are_voted_on() -> None:
    task = ClassifyTask(passages=PASSAGES, labels=tuple(map(_label, ("lease", "invoice", "memo"))))
    samples = [
        labelled("invoice", lease=0.2, invoice=0.8),
        labelled("lease", lease=0.6, invoice=0.4),
        labelled("lease", lease=0.9, memo=0.1),
    ]
    voted = vote(task, samples, 4)
    assert (voted.value.primary, voted.value.secondary) == ("lease", "invoice")
    assert voted.value.scores == pytest.approx({"lease": 2 / 3, "invoice": 1 / 3, "memo": 0})
    assert (voted.best, voted.confidence) == (2, 0.5)
    assert voted.notes == ("Of 4 samples 2 choose lease, 1 choose invoice.",)


def _label(name: str) -> Label:
    return Label(name=name)


def test_verdicts_are_voted_on_and_a_tie_finds_nothing() -> None:
    task = VerifyTask(passages=PASSAGES, claim="The rent is 400.")
    yes = Verification(verdict=Verdict.SUPPORTED, evidence=says("400 a month").evidence)
    no = Verification(verdict=Verdict.CONTRADICTED, evidence=says("on the first").evidence)
    also = Verification(verdict=Verdict.SUPPORTED, evidence=says("The rent").evidence)
    voted = vote(task, [no, yes, also], 3)
    assert voted.value.verdict is Verdict.SUPPORTED
    assert [one.quote for one in voted.value.evidence] == ["400 a month", "The rent"]
    tie = vote(task, [no, yes], 2)
    assert tie.value == Verification(verdict=Verdict.NOT_FOUND, evidence=())
    assert tie.confidence == 0.0


def test_findings_are_voted_on_by_what_they_rest_on() -> None:
    task = SummarizeTask(passages=PASSAGES)
    rent, due, pets = says("400 a month"), says("falls due"), says("Pets")
    again = says("The rent is 400", "Rent: 400.")
    samples = [summary(pets, rent), summary(again, due), summary(rent, pets)]
    voted = vote(task, samples, 3)
    assert voted.value.key_findings == (rent, pets) or voted.value.key_findings == (pets, rent)
    assert voted.confidence == pytest.approx((1 + 2 / 3) / 2, abs=1e-4)
    assert voted.notes == ("Points left out that half of 3 samples lack: 1.",)
    apart = vote(task, [summary(rent), summary(due), summary(pets)], 3)
    assert apart.value == summary(rent)
    assert apart.confidence == pytest.approx(0.3333)
    assert "nothing in common" in apart.notes[0]


def summary(*findings: Statement) -> Summary:
    return Summary(main_topic=says("rent", "A lease."), key_findings=findings)


def test_arguments_are_voted_on_by_their_claims() -> None:
    def reasoning(*claims: Statement) -> Reasoning:
        arguments = tuple(Argument(claim=claim, premises=()) for claim in claims)
        return Reasoning(arguments=arguments, gaps=(Statement(text="No date.", evidence=()),))

    rent, due = says("400 a month"), says("falls due")
    samples: Sequence[Reasoning] = [reasoning(rent), reasoning(rent, due), reasoning()]
    voted = vote(ReasonTask(passages=PASSAGES), samples, 3)
    assert [one.claim for one in voted.value.arguments] == [rent]
    assert [one.text for one in voted.value.gaps] == ["No date."]
