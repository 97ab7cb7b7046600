"""How answers to the sample questions are judged."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.benchmarks.filings import figures, load_filings
from tests.benchmarks.questions import contains_answer, load_questions

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("text", "accepted", "contained"),
    [
        ("The provision is €380 thousand.", "380", True),
        ("The provision is €1,380 thousand.", "380", False),
        ("Revenue rose to €33.3 million", "33.3 million", True),
        ("a furnace, No. 2, burnt", "no", False),
        ("No, it does not.", "no", True),
        ("无线通信距离不超过 300 米", "300米", True),
        ("The LAW of the\nNetherlands;", "law of the Netherlands", True),
        ("one threefold thing", "three", False),
    ],
)
def test_an_answer_is_looked_for_as_whole_words(text: str, accepted: str, contained: bool) -> None:
    assert contains_answer(text, ["something else", accepted]) is contained


def test_every_answerable_sample_question_has_a_place_and_contains_its_own_answer() -> None:
    questions = load_questions(ROOT / "data" / "eval" / "questions.jsonl")
    assert sum(question.answerable for question in questions) == 30
    assert sum(not question.answerable for question in questions) == 10
    for question in questions:
        if question.answerable:
            assert contains_answer(question.accepted[-1], question.accepted), question.id
            assert all(spot.quote for spots in question.spots for spot in spots)
    compared = next(question for question in questions if question.id == "q13")
    assert [len(spots) for spots in compared.spots] == [1, 1]


def test_figures_are_alike_in_whatever_unit() -> None:
    assert figures("net cash of $23.198 billion") == figures("23,198") == {"23198"}
    assert figures("in 2023, 3% of 12 items, on June 25") == frozenset()


def test_only_reports_that_the_answer_names_count(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for name in ("2022 Q3 ABCD.pdf", "2023 Q1 ABCD.pdf", "2023 Q1 WXYZ.pdf"):
        (tmp_path / "docs" / name).touch()
    answers = ("It was $1,250.\nSOURCE(S): 2023 Q1 ABCD.pdf, page 999", "Unknown.")
    with (tmp_path / "qna_data.csv").open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Question", "Source Docs", "Question Type", "Source Chunk Type", "Answer"])
        for answer in answers:
            writer.writerow(["How much?", "*ABCD*", "Multi-Doc RAG", "Table", answer])
    named, open_to_all = load_filings(tmp_path)
    assert named.sources == {"2023 Q1 ABCD.pdf"}
    assert named.figures == {"125"}
    assert open_to_all.sources == {"2022 Q3 ABCD.pdf", "2023 Q1 ABCD.pdf"}
