"""The offline engine's tasks over random and odd passages: nothing crashes, every quote stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.errors import InvalidRequest
from rag.models.engine import Context
from rag.models.offline.engine import OfflineEngine
from rag.models.tasks import (
    AnswerTask,
    ClassifyTask,
    Evidence,
    ExtractTask,
    Label,
    Outcome,
    ReasonTask,
    SummarizeTask,
    Task,
    Verdict,
    VerifyTask,
)
from rag.types import Passage
from tests.fakes import HashingEmbedder

ENGINE = OfflineEngine(HashingEmbedder())
CONTRACT = {
    "type": "object",
    "required": ["signed_on", "parties"],
    "$defs": {
        "money": {
            "type": "object",
            "required": ["amount"],
            "properties": {
                "amount": {"type": "number", "description": "Price to be paid"},
                "currency": {"enum": ["EUR", "USD"]},
            },
        }
    },
    "properties": {
        "signed_on": {"type": "string", "format": "date", "description": "When it was signed"},
        "parties": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Between whom the contract is made",
        },
        "price": {"$ref": "#/$defs/money"},
        "deposit_percent": {"type": ["number", "null"], "maximum": 100},
        "contact_email": {"anyOf": [{"type": "string", "format": "email"}, {"type": "null"}]},
        "renews": {"type": "boolean", "description": "Whether the contract renews by itself"},
        "term/months": {"type": "integer", "description": "Months the contract lasts"},
        "notes": {"type": "string"},
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "article": {"type": "string"},
                    "quantity": {"type": "integer"},
                    "unit price": {"type": "number"},
                },
            },
        },
    },
}
LABELS = (Label(name="weather_report"), Label(name="Invoice", description="a request to pay"))


def passages(*texts: str) -> tuple[Passage, ...]:
    return tuple(
        Passage(
            document_id=f"doc_{place}",
            document_title="Report on the pump trials of 2024",
            start=0,
            end=len(text),
            text=text,
            score=1.0,
        )
        for place, text in enumerate(texts)
    )


def run(task: Task[Any]) -> Outcome[Any]:
    """Run a task, and check that every quote stands in its passage where the hint says."""
    outcome = ENGINE.run(task, Context())
    assert outcome.engine == "offline"
    assert outcome.usage.cost_usd == 0
    assert outcome.confidence is None or 0 <= outcome.confidence <= 1
    for one in evidence(outcome.value):
        text = task.passages[one.passage].text
        assert one.quote
        assert text[one.hint : one.hint + len(one.quote)] == one.quote
    return outcome


def evidence(value: Any) -> Iterator[Evidence]:
    if isinstance(value, Evidence):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from evidence(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from evidence(one)
    elif isinstance(value, tuple):
        for one in value:
            yield from evidence(one)


def tasks(given: tuple[Passage, ...]) -> list[Task[Any]]:
    return [
        AnswerTask(passages=given, question="Who signed the contract in 2024?"),
        SummarizeTask(passages=given),
        SummarizeTask(passages=given, query="contract", findings=2),
        ExtractTask(passages=given, schema=CONTRACT),
        ReasonTask(passages=given),
        VerifyTask(passages=given, claim="The contract was signed in March 2024."),
        ClassifyTask(passages=given, labels=LABELS),
        ClassifyTask(passages=given, labels=(Label(name="a", examples=("rain", "sun")), *LABELS)),
    ]


VOCABULARY = """
    The contract was signed because rain fell in March 2024 . However , costs of $1,200 rose
    12 % not Mr Adeyemi therefore a@b.example never decreased Decisions : | # - ? ! und nicht
    合同于2024年签署。 因此 weil деньги поэтому สัญญา 🙂
"""
SPACES = (" ", "\n", "\n\n", "\t", "\x0c", "\u00a0", "e\u0301")
WORDS = st.sampled_from([*VOCABULARY.split(), *SPACES])
TEXTS = st.lists(WORDS, max_size=60).map(" ".join) | st.text(max_size=80)


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS, max_size=4))
def test_every_quote_stands_at_its_place(texts: list[str]) -> None:
    for task in tasks(passages(*texts)):
        for one in evidence(run(task).value):
            text = task.passages[one.passage].text
            assert text[one.hint : one.hint + len(one.quote)] == one.quote


@pytest.mark.parametrize("text", ["", " \n", ".", "a", "因此", "| | |", "\ufeff", "No."])
def test_nearly_nothing_is_no_reason_to_fail(text: str) -> None:
    for task in (*tasks(passages(text)), *tasks(()), *tasks(passages(text, text))):
        run(task)


REPORT = (
    "# Introduction\n\nThis report describes the pump trials of 2024 in Tarrowby. "
    "The trials of the pumps took place in the works at Tarrowby over six weeks.\n\n"
    "# Results\n\nThe failure rate of the pumps fell by 40 percent with the new seals. "
    "Visitors were offered tea and cake on both days of the trials. "
    "Noise of the pumps decreased to 62 decibels in all trials.\n\n"
    "# Conclusions\n\nThe new seals should be fitted to all pumps before the winter."
)


def test_a_summary_has_a_topic_findings_and_conclusions() -> None:
    value = run(SummarizeTask(passages=passages(REPORT), findings=3)).value
    assert value.main_topic.text.startswith("This report describes the pump trials")
    assert len(value.key_findings) == 3
    found = " ".join(one.text for one in value.key_findings)
    assert "failure rate" in found
    assert "tea and cake" not in found
    assert [one.text for one in value.conclusions] == [
        "The new seals should be fitted to all pumps before the winter."
    ]
    said = [value.main_topic, *value.key_findings, *value.conclusions]
    assert len({one.text for one in said}) == len(said)


def test_numbered_paragraphs_are_no_rows() -> None:
    text = "3.1\tThe customer pays the fee every month.\nPumps\t12\t14\t15\nValves\t9\t8\t7"
    value = run(SummarizeTask(passages=passages(text))).value
    assert value.main_topic.text == "3.1 The customer pays the fee every month."
    assert value.key_findings == ()


@pytest.mark.parametrize("field", ["query", "instructions"])
def test_a_summary_attends_to_what_is_asked(field: str) -> None:
    task = SummarizeTask(passages=passages(REPORT), findings=1, **{field: "tea for visitors"})
    value = run(task).value
    assert value.main_topic.text.startswith("Visitors were offered tea")


def test_a_long_text_is_summarized_in_part_and_says_so() -> None:
    long = " ".join(f"Pump number {n} ran for {n} hours without a fault." for n in range(300))
    outcome = run(SummarizeTask(passages=passages(long, "The weather was fine in all of May.")))
    assert outcome.notes == ("101 of 301 sentences were compared by words only.",)


def test_labels_are_chosen_by_what_they_are_called() -> None:
    text = "Sun and rain: the report on the weather of the week. Please pay the dentist."
    value = run(ClassifyTask(passages=passages(text), labels=LABELS)).value
    assert value.primary == "weather_report"
    assert value.secondary == "Invoice"
    assert 0.5 < sum(value.scores.values()) < 1  # what is left is that none of them fits
    assert list(value.scores) == ["weather_report", "Invoice"]
    assert value.features[0].text.startswith("Sun and rain")


def test_a_text_that_no_label_fits_has_an_unlikely_one() -> None:
    outcome = run(ClassifyTask(passages=passages("Please see the dentist."), labels=LABELS))
    assert (outcome.confidence or 1) < 0.25
    assert "No label fits well" in (outcome.value.uncertainty or "")


def test_examples_say_more_than_names() -> None:
    labels = (
        Label(name="x1", examples=("the invoice is due", "pay the invoice by May")),
        Label(name="x2", examples=("heavy rain in May", "rain and wind")),
    )
    assert run(ClassifyTask(passages=passages("more rain"), labels=labels)).value.primary == "x2"
    some = (labels[0], Label(name="rain"))
    assert run(ClassifyTask(passages=passages("more rain"), labels=some)).value.primary == "rain"


def test_labels_are_embedded_once() -> None:
    embedder = Counting()
    engine = OfflineEngine(embedder)
    for text in ("rain", "an invoice"):
        engine.run(ClassifyTask(passages=passages(text), labels=LABELS), Context())
    assert embedder.seen.count("weather report") == 1


class Counting(HashingEmbedder):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def embed_passages(self, texts: Any) -> Any:
        self.seen += texts
        return super().embed_passages(texts)


def test_what_speaks_against_a_label_is_said() -> None:
    twins = (Label(name="rain and wind"), Label(name="wind and rain"))
    assert (
        "fits almost as well"
        in run(ClassifyTask(passages=passages("rain"), labels=twins)).value.uncertainty
    )
    nothing = run(ClassifyTask(passages=passages(" "), labels=LABELS)).value
    assert nothing.uncertainty == "There are no words to go by."
    assert nothing.scores == {"weather_report": 0.5, "Invoice": 0.5}
    sure = (Label(name="rain and wind in May"), Label(name="pay me"), Label(name="no"))
    outcome = run(ClassifyTask(passages=passages("rain and wind in May"), labels=sure))
    assert outcome.value.uncertainty is None
    assert outcome.confidence == outcome.value.scores["rain and wind in May"]
    with pytest.raises(ValueError, match="no labels"):
        run(ClassifyTask(passages=passages("rain"), labels=()))


AGREEMENT = (
    "This contract is made between Tarrowby Pumps Ltd and Ann van der Berg. "
    "It was signed on 3 May 2024 in Lyon. "
    "The price to be paid is EUR 12,500.50, of which 20 % are due as a deposit. "
    "The contract lasts for eighteen (18) months and does not renew by itself.\n\n"
    "Contact email: ann@example.org\n"
    "Notes: keep the pumps dry\n\n"
    "| Article | Quantity | Unit price |\n|---|---|---|\n"
    "| TX-125 | 2 | 1,200.00 |\n| Seal kit | 12 | 8.50 |\n"
)


def test_fields_are_filled_with_values_of_their_types() -> None:
    outcome = run(ExtractTask(passages=passages(AGREEMENT), schema=CONTRACT))
    assert outcome.value.value == {
        "signed_on": "2024-05-03",
        "parties": ["Tarrowby Pumps Ltd", "Ann van der Berg"],
        "price": {"amount": 12500.5, "currency": "EUR"},
        "deposit_percent": 20,
        "contact_email": "ann@example.org",
        "renews": False,
        "term/months": 18,
        "notes": "keep the pumps dry",
        "items": [
            {"article": "TX-125", "quantity": 2, "unit price": 1200},
            {"article": "Seal kit", "quantity": 12, "unit price": 8.5},
        ],
    }
    fields = outcome.value.fields
    assert {"/signed_on", "/parties/1", "/price/amount", "/term~1months", "/items/1/quantity"} <= {
        *fields
    }
    assert "3 May 2024" in fields["/signed_on"].evidence[0].quote
    assert 0 < (fields["/signed_on"].confidence or 0) <= 1
    assert fields["/items/0/article"].confidence is None


def test_fields_are_found_by_their_names_alone() -> None:
    text = (
        "Framework agreement. It is made as of 3 March 2024 by and between Tarrowby Pumps plc and "
        "Linnet Controls GmbH. Nobody owes the other anything yet. Payment of invoices is due "
        "within thirty days. It shall be construed under the laws of Denmark. It remains in "
        "effect for two years."
    )
    names = ("effective_date", "governing_law", "payment_terms", "term")
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in names}}
    assert run(ExtractTask(passages=passages(text), schema=schema)).value.value == {
        "effective_date": "3 March 2024",
        "governing_law": "Denmark",
        "payment_terms": "Payment of invoices is due within thirty days.",
        "term": "2 years",
    }


def filled(text: str, **fields: str) -> object:
    properties = {name: {"type": kind} for name, kind in fields.items()}
    schema = {"type": "object", "properties": properties}
    return run(ExtractTask(passages=passages(text), schema=schema)).value.value


@pytest.mark.parametrize(
    "text",
    [
        "Payment terms: payment terms",
        "Payment terms: the terms of payment.",
        "Payment terms: ________",
    ],
)
def test_a_value_says_more_than_its_field_is_called(text: str) -> None:
    assert filled(text, payment_terms="string") == {}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("number_of_pumps", "Number of pumps: see Annex 3"),
        ("employees", "The employees are listed in Section 7 and under Article 12(a)."),
        ("quarters", "A report for quarters goes on Form 10-Q to quarters of the 401(k) plan."),
        ("trucks", "The trucks go by Route 66 with the Boeing 747 team, trucks all of them."),
        ("pages", "The pages are told on page 17, which is one of the pages."),
        ("seals", "The seals were replaced for the 5th time."),
    ],
)
def test_numbers_of_names_count_nothing(name: str, text: str) -> None:
    assert filled(text, **{name: "integer"}) == {}


def test_a_value_goes_on_behind_a_full_line() -> None:
    text = (
        "Delivery terms: all pumps are sent to the buyer at its own cost, once it has paid for\n"
        "them in full and has said where to.\n"
    )
    assert filled(text, delivery_terms="string") == {
        "delivery_terms": "all pumps are sent to the buyer at its own cost, once it has paid for "
        "them in full and has said where to."
    }
    text = "Delivery terms: free of charge\nThe buyer pays for the pumps."
    assert filled(text, delivery_terms="string") == {"delivery_terms": "free of charge"}


def test_numbers_are_taken_by_what_they_measure() -> None:
    text = "The fee is $300, or EUR 280. In 2019 the 12 employees had a share of 5 %."
    assert filled(text, fee_in_euros="number", employees="integer") == {
        "fee_in_euros": 280,
        "employees": 12,
    }
    assert filled("See Section 7 of it.", section="integer") == {"section": 7}
    text = "Pay is 100% for employees. There are 12 employees in number at the site."
    assert filled(text, number_of_employees="string") == {"number_of_employees": "12"}
    assert filled("| Staff | Pumps |\n|---|---|\n| 12 | 3 |\nTotal Staff 12", staff="integer") == {
        "staff": 12
    }


def test_what_is_not_mentioned_is_left_out_or_null() -> None:
    outcome = run(ExtractTask(passages=passages("It rained in the hills."), schema=CONTRACT))
    assert outcome.value.value == {"signed_on": None, "parties": None}
    assert outcome.value.fields == {}
    assert outcome.confidence is None


@pytest.mark.parametrize(("said", "value"), [("yes", True), ("Nein", False), ("often", None)])
def test_a_label_says_yes_or_no(said: str, value: bool | None) -> None:
    schema = {"type": "object", "properties": {"fully_insured": {"type": "boolean"}}}
    text = f"Name: Ann Lee\nFully insured: {said}\n"
    found = run(ExtractTask(passages=passages(text), schema=schema)).value.value
    assert found.get("fully_insured") is value


def test_choices_are_taken_as_the_schema_writes_them() -> None:
    schema = {
        "type": "object",
        "properties": {"status": {"enum": ["IN_PROGRESS", "done"], "description": "State of work"}},
    }
    text = "The state of the work is now in progress. Tea is at four."
    found = run(ExtractTask(passages=passages(text), schema=schema)).value.value
    assert found == {"status": "IN_PROGRESS"}


def test_a_schema_that_refers_to_itself_is_filled_once() -> None:
    again = {name: {"$ref": "#"} for name in ("left", "middle", "right")}
    schema = {
        "type": "object",
        "properties": {**again, "email": {"type": "string", "format": "email"}},
    }
    text = "Contact email: ann@example.org"
    assert run(ExtractTask(passages=passages(text), schema=schema)).value.value == {
        "email": "ann@example.org"
    }


def test_fields_keep_to_definitions_too() -> None:
    text = passages("Contact email: ann@example.org")
    for pattern, found in (("org$", {"email": "ann@example.org"}), ("^bob", {})):
        schema = {
            "type": "object",
            "$defs": {"own": {"pattern": pattern}},
            "properties": {
                "email": {"type": "string", "format": "email", "allOf": [{"$ref": "#/$defs/own"}]}
            },
        }
        assert run(ExtractTask(passages=text, schema=schema)).value.value == found


def test_what_cannot_be_checked_is_refused() -> None:
    schema = {"type": "object", "properties": {"email": {"pattern": "(?=a)"}}}
    with pytest.raises(InvalidRequest):
        run(ExtractTask(passages=passages("ann@example.org"), schema=schema))


def test_a_sentence_that_states_several_fields_is_an_object() -> None:
    schema = {
        "type": "object",
        "properties": {
            "payments": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["date", "amount", "by"],
                    "properties": {
                        "date": {"type": "string", "format": "date"},
                        "amount": {"type": "number"},
                        "by": {"type": "string", "description": "Person who paid"},
                    },
                },
            }
        },
    }
    text = "Ann Lee paid $40 on 1 May 2024. The sun shone. On 2 May 2024 it was 12 dollars."
    value = run(ExtractTask(passages=passages(text), schema=schema)).value
    assert value.value["payments"] == [
        {"date": "2024-05-01", "amount": 40, "by": "Ann Lee"},
        {"date": "2024-05-02", "amount": 12, "by": None},
    ]
    assert set(value.fields) == {
        "/payments/0/date", "/payments/0/amount", "/payments/0/by",
        "/payments/1/date", "/payments/1/amount",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "claim", "premise"),
    [
        ("The seals failed because the ring was worn.", "The seals failed", "the ring was worn."),
        ("Because the ring was worn, the seals failed.", "the seals failed.", "the ring was worn"),
        ("Rain fell for six days. Therefore the site was closed.",
         "Therefore the site was closed.", "Rain fell for six days."),
        ("The pumps stood still all day. This was because of the strike in the harbour.",
         "The pumps stood still all day.", "the strike in the harbour."),
        ("Der Verkauf stieg, weil die Preise gesenkt wurden.",
         "Der Verkauf stieg", "die Preise gesenkt wurden."),
        ("Vibration stayed at two units. It was in all runs therefore below the limit.",
         "It was in all runs therefore below the limit.", "Vibration stayed at two units."),
        ("Rain fell for six days, and thus the site was closed.",
         "the site was closed.", "Rain fell for six days, and"),
        ("Die Preise sanken im Mai. Daher stieg der Verkauf der Pumpen.",
         "Daher stieg der Verkauf der Pumpen.", "Die Preise sanken im Mai."),
        ("Les ventes ont augmenté parce que les prix ont baissé.",
         "Les ventes ont augmenté", "les prix ont baissé."),
        ("密封件失效因为密封圈已经磨损。", "密封件失效", "密封圈已经磨损。"),
    ],
)  # fmt: skip
def test_claims_and_their_premises(text: str, claim: str, premise: str) -> None:
    (argument,) = run(ReasonTask(passages=passages(text))).value.arguments
    assert argument.claim.text == claim
    assert [one.text for one in argument.premises] == [premise]
    assert argument.strength is None


@pytest.mark.parametrize(
    "text", ["The works have stood here since 2019 and the mill too.", "He took the car to work."]
)
def test_what_is_no_argument(text: str) -> None:
    value = run(ReasonTask(passages=passages(text))).value
    assert value.arguments == value.gaps == ()
    assert value.flow is value.assessment is value.evidence_quality is None


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ("The board approved the budget for the new mill.",
         "The board did not approve the budget for the new mill.", "denies"),
        ("Sales of pumps in Lyon increased in May.",
         "Sales of pumps in Lyon decreased in May.", "opposite"),
        ("The pump weighs 420 kg with its base plate.",
         "The pump weighs 380 kg with its base plate.", "figures"),
    ],
)  # fmt: skip
def test_contradictions_quote_both_sides(one: str, other: str, why: str) -> None:
    text = f"{one} The weather was fine on all days of the fair."
    value = run(ReasonTask(passages=passages(text, other))).value
    (found,) = value.contradictions
    assert (found.one.text, found.other.text) == (one, other)
    assert found.one.evidence[0].passage == 0
    assert found.other.evidence[0].passage == 1
    assert why in found.why


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Sales of pumps were 420 units in 2023.", "Sales of pumps were 380 units in 2024."),
        ("In Lyon the pump weighs 420 kg.", "In Oslo the pump weighs 380 kg."),
        ("The pump weighs 420 kg.", "The pump weighs 420 kg with its plate."),
        (
            "We set aside 0.4 million euros for the seals.",
            "We set aside 380 thousand euros for the seals.",
        ),
        (
            "# Valves\n\nRevenue in May rose by 5.9 percent.",
            "# Pumps\n\nRevenue in May rose by 3.1 percent.",
        ),
        ("Pumps 46,280 43,710 90,185", "Pumps 31,415 30,120 59,395"),
    ],
)
def test_what_differs_is_not_always_a_contradiction(one: str, other: str) -> None:
    assert run(ReasonTask(passages=passages(one, other))).value.contradictions == ()


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        ("The failure rate of the pumps fell by 40 percent.", Verdict.SUPPORTED),
        ("The failure rate of the pumps fell by 60 percent.", Verdict.CONTRADICTED),
        ("The failure rate of the pumps did not fall by 40 percent.", Verdict.CONTRADICTED),
        ("The failure rate of the pumps fell by 40 percent in Oslo.", Verdict.NOT_FOUND),
        ("The pumps were sold to a mill in Norway.", Verdict.NOT_FOUND),
        ("?", Verdict.NOT_FOUND),
    ],
)
def test_claims_are_judged_by_the_closest_sentence(claim: str, verdict: Verdict) -> None:
    value = run(VerifyTask(passages=passages(REPORT), claim=claim)).value
    assert value.verdict is verdict
    quotes = [one.quote for one in value.evidence]
    expected = ["The failure rate of the pumps fell by 40 percent with the new seals."]
    assert quotes == (expected if verdict is not Verdict.NOT_FOUND else [])
