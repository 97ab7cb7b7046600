"""Questions that lean on earlier ones, and those that stand by themselves."""

# The signs of other scripts are meant.
# ruff: noqa: RUF001
from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.models.offline.following import Told, standing_alone
from rag.models.offline.parting import MOST_PARTS, parts_of
from tests.realdata import REAL_DATA, needs_real_data

LEASE = "What does the Acme lease say about rent?"
FIRE = "When did the fire at the Ellerhude foundry break out?"
REVENUE = "What was the revenue of Water & Wastewater in the third quarter of 2024?"
OFFICER = "Who took over as Chief Financial Officer on 1 July 2024?"
BECAME = "Amara Lindqvist became Chief Financial Officer on 1 July 2024."
QUESTIONS = Path(__file__).parents[2] / "data" / "eval" / "questions.jsonl"


@pytest.mark.parametrize(
    ("before", "asked", "meant"),
    [
        (LEASE, "Who signed it?", "Who signed the Acme lease?"),
        (LEASE, "When does this lease end?", "When does the Acme lease end?"),
        (LEASE, "How long is its term?", "How long is the Acme lease's term?"),
        (LEASE, "And about the deposit?", "What does the Acme lease say about the deposit?"),
        (LEASE, "And the Beta lease?", "What does the Beta lease say about rent?"),
        (LEASE, "What about the deposit?", "What about the deposit, the Acme lease?"),
        ("What is the rent of the Puffin shed?", "And of the boat house?",
         "What is the rent of the boat house?"),
        (FIRE, "Why?", "Why did the fire at the Ellerhude foundry break out?"),
        (FIRE, "What did it cost?", "What did the fire at the Ellerhude foundry cost?"),
        (REVENUE, "And in 2023?", REVENUE.replace("2024", "2023")),
        (REVENUE, "And in the second quarter?", REVENUE.replace("third", "second")),
        (REVENUE, "What about Process Pumps?",
         REVENUE.replace("Water & Wastewater", "Process Pumps")),
        ("Which margin does the paper recommend for cold water?", "And for hydrocarbons?",
         "Which margin does the paper recommend for hydrocarbons?"),
        ("What is the annual fee that Pellcombe Water pays?", "And Greyfell Chemicals?",
         "What is the annual fee that Greyfell Chemicals pays?"),
        ("What is the annual fee that Greyfell Chemicals pays?", "When does it end?",
         "When does Greyfell Chemicals end?"),
        ("What does Greyfell Chemicals pay if the pump fails?", "Who signed it?",
         "Who signed Greyfell Chemicals?"),
        ("Which Pellcombe pump has the highest flow?", "Who makes it?",
         "Who makes Pellcombe pump?"),
        ("In which Nature article was this shown?", "Who wrote it?", "Who wrote Nature article?"),
        ("What is the fee that Pellcombe Water customers pay?", "When does it end?",
         "When does Pellcombe Water customers pay end?"),
        ("Should the oil filter before the pump be replaced?", "How often is it cleaned?",
         "How often is the oil filter cleaned?"),
        (OFFICER, "When did she join?", "When did Amara Lindqvist join?"),
        ("Wie hoch ist die Miete des Bootshauses?", "Wann ist sie fällig?",
         "Wann ist die Miete des Bootshauses fällig?"),
        ("Was war die Ursache des Brandes an Ofen 2?", "Und an Ofen 3?",
         "Was war die Ursache des Brandes an Ofen 3?"),
        ("Linnet 监测仪的通信距离是多少？", "它的电池寿命是多久？",
         "Linnet 监测仪的电池寿命是多久？"),
        ("Linnet 监测仪的通信距离是多少？", "那 TX-200 呢？", "TX-200的通信距离是多少？"),
    ],
)  # fmt: skip
def test_what_is_left_out_is_carried_over(before: str, asked: str, meant: str) -> None:
    found = standing_alone(asked, [Told(question=before, quotes=(BECAME,))])
    assert (found.question, found.leans, found.resolved) == (meant, True, True)


def test_a_name_from_further_back_comes_along() -> None:
    told = [Told(question=LEASE), Told(question="How long is the notice period?")]
    found = standing_alone("Can it be extended?", told)
    assert found.question == "Can the notice period (the Acme lease) be extended?"


@pytest.mark.parametrize(
    "question",
    [
        "What is the Linnet pump and who makes it?",
        "Is it possible to end the lease?",
        "How long does it take to replace a seal?",
        "What did Tarrowby say about its revenue?",
        "Which country deployed its army in 1979?",
        "What does the tenant do with the slipway before leaving it?",
        "termination for convenience",
        "Which country's cars became sought after as they were fuel efficient?",
        "Was ist mit Kräften verbunden?",
        "其他国家支付的油价提高了多少倍?",
        "What is the purpose of this document?",
        "Is this agreement assignable?",
        "When it rains, what does the contractor do?",
        'What does "it" refer to in section 4?',
        "Explain this clause: the lessee shall pay.",
        'What does this mean: "force majeure"?',
        "And what is the rent of the boat house?",
        "  Who\tsigned the lease?  ",
        "",
    ],
)
def test_what_stands_by_itself_is_left_as_it_is(question: str) -> None:
    assert standing_alone(question, [Told(question=LEASE)]).question == question


def test_no_question_on_the_samples_is_changed() -> None:
    for line in QUESTIONS.read_text("utf-8").splitlines():
        question = json.loads(line)["question"]
        assert standing_alone(question, [Told(question=LEASE)]).question == question


@needs_real_data
def test_of_questions_that_people_wrote_hardly_any_is_changed() -> None:
    """Of the ten allowed, most do lean on something: "What did this concept contradict?"."""
    assert REAL_DATA is not None
    path = REAL_DATA / "retrieval" / "squad2-passages" / "queries.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        questions = [json.loads(line)["text"] for line in lines]
    changed = [one for one in questions if standing_alone(one, [Told(question=LEASE)]).leans]
    assert len(questions) > 1_000
    assert len(changed) <= 10, changed
    assert not [one for one in questions if parts_of(one)]


@given(
    question=st.text(max_size=80),
    before=st.lists(st.text(max_size=80), max_size=3),
)
def test_any_text_can_follow_any_other(question: str, before: list[str]) -> None:
    found = standing_alone(question, [Told(question=one) for one in before])
    assert found.question == question or found.leans
    if not any(one.strip() for one in before):
        assert found.question == question
    assert len(parts_of(question)) in {0, *range(2, MOST_PARTS + 1)}


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("What is the monthly rent and who signed the lease?",
         ("What is the monthly rent?", "Who signed the lease?")),
        ("Which law governs the Oudemeer agreement, and when does it end?",
         ("Which law governs the Oudemeer agreement?", "When does the Oudemeer agreement end?")),
        ("What is the rent? Who signed the lease?", ("What is the rent?", "Who signed the lease?")),
        ("Compare the rent of the Acme lease and the Beta lease",
         ("the rent of the Acme lease?", "the rent of the Beta lease?")),
        ("Compare the revenue in 2023 and 2024.", ("the revenue in 2023?", "the revenue in 2024?")),
        ("Compare the revenue of NVIDIA and Intel in Q3 2022.",
         ("the revenue of NVIDIA in Q3 2022?", "the revenue of Intel in Q3 2022?")),
        ("Compare the Acme and Beta leases", ("the Acme leases", "Beta leases")),
        ("What is the difference between the TX-125 and the TX-200?", ("the TX-125", "the TX-200")),
        ("How does the Oudemeer agreement differ from the Pellcombe agreement?",
         ("the Oudemeer agreement", "the Pellcombe agreement")),
        ("Was kostet die Pumpe und wer hat sie geliefert?",
         ("Was kostet die Pumpe?", "Wer hat die Pumpe geliefert?")),
        ("Vergleiche die Miete von Haus Nord und Haus Süd",
         ("die Miete von Haus Nord?", "die Miete von Haus Süd?")),
    ],
)  # fmt: skip
def test_a_question_of_several_parts_is_taken_apart(question: str, parts: tuple[str, ...]) -> None:
    assert parts_of(question) == parts


@pytest.mark.parametrize(
    "question",
    [
        "What was the revenue in 2023 and 2024?",
        "When and where was A. Lund born?",
        "Who is the man who founded Acme and who died in Rome?",
        "Explain what the rent is and who pays it.",
        "What is the difference?",
        "Who voted against ordering 640 casting sets from Brandel Castings?",
        "Which terms apply to research and development?",
    ],
)
def test_one_question_stays_one(question: str) -> None:
    assert parts_of(question) == ()
