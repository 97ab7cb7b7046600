"""The offline engine's tasks over random and odd passages: nothing crashes, every quote stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.models.engine import Context
from rag.models.offline.engine import OfflineEngine
from rag.models.tasks import (
    AnswerTask,
    ClassifyTask,
    Evidence,
    Label,
    Outcome,
    SummarizeTask,
    Task,
)
from rag.types import Passage
from tests.fakes import HashingEmbedder

ENGINE = OfflineEngine(HashingEmbedder())
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
        run(task)


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
    assert sum(value.scores.values()) == pytest.approx(1, abs=0.001)
    assert list(value.scores) == ["weather_report", "Invoice"]
    assert value.features[0].text.startswith("Sun and rain")


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
    twins = (Label(name="rain"), Label(name="rain fall"))
    assert (
        "fits almost as well"
        in run(ClassifyTask(passages=passages("wind"), labels=twins)).value.uncertainty
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
