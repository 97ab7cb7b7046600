"""`ibidem eval FILE`: a person's own questions on their own documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from api import cli
from rag.errors import InvalidRequest
from rag.questions import Found, Question, ranks, read_questions
from tests.conftest import make_home

LEASE = (
    "Lease of the boat house.\n\nThe monthly rent is 1,250 euros, due on the third working day.\n\n"
    "Either party may end the lease with a notice of ninety days in writing.\n"
)
ASKED: list[dict[str, Any]] = [
    {"question": "What is the monthly rent?", "document": "lease.txt", "answer": "1,250 euros"},
    {"question": "Wie hoch ist die Miete?", "answer": ["1,250 EUROS", "x"], "language": "de"},
    {"question": "How can the lease be ended?", "quote": "notice of  ninety days"},
    {"question": "What is the deposit?", "document": "lease", "quote": "a deposit of 500"},
    {"question": "Who insures the boat?", "document": "insurance.pdf"},
    {"question": "Which bank is paid?", "answer": "Bank of Nowhere"},
]


def test_says_what_is_found_and_why_the_rest_is_not(
    tmp_path: Path,
    models: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("IBIDEM_HOME", str(make_home(tmp_path / "home", models)))
    (tmp_path / "lease.txt").write_text(LEASE)
    asked = tmp_path / "asked.jsonl"
    asked.write_text("".join(json.dumps(one) + "\n" for one in ASKED))
    assert cli.invoke(["ingest", str(tmp_path / "lease.txt")]) == 0
    capsys.readouterr()
    assert cli.invoke(["eval", str(asked), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["cause"] for one in told["questions"]] == [
        None,
        None,
        None,
        "not_in_text",
        "no_such_document",
        "not_in_text",
    ]
    assert told["groups"]["de"]["measures"]["answer@10"]["mean"] == 1
    assert told["groups"]["all"]["measures"]["document@10"]["mean"] == pytest.approx(2 / 3)
    assert told["groups"]["all"]["measures"]["quote@10"]["mean"] == 0.5
    assert cli.invoke(["eval", str(asked)]) == 0
    printed = capsys.readouterr().out
    assert "1 of 6 no such document" in printed
    assert "What is the deposit?" in printed
    asked.write_text('{"question": "x", "quote": "y"}\n{"question": "x"}\n')
    assert cli.invoke(["eval", str(asked)]) == 2
    assert "Line 2 says nothing to compare with" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        (["{"], "Line 1 is not JSON"),
        (['{"question": "a", "answer": "b"}', "", "[]"], "Line 3 is no JSON object"),
        (['{"answer": "b"}'], "Line 1 has no `question`"),
        (['{"question": "a", "answer": 7}'], "Line 1: `answer` is a text or a list"),
        (['{"question": "a", "answer": "b", "language": 1}'], "Line 1: `language` is a text"),
        (["", " "], "no questions"),
    ],
)
def test_a_broken_line_is_named(lines: list[str], wrong: str) -> None:
    with pytest.raises(InvalidRequest, match=wrong):
        read_questions(lines, as_csv=False)


def test_csv_is_read_by_its_heading() -> None:
    lines = ["question,answer,note\n", '"What, then?",42,mine\n', "Who?,,\n"]
    assert read_questions(lines[:2], as_csv=True) == [Question(text="What, then?", answers=("42",))]
    with pytest.raises(InvalidRequest, match="Line 3 says nothing"):
        read_questions(lines, as_csv=True)
    with pytest.raises(InvalidRequest, match="one of them is `question`"):
        read_questions(["a,b\n"], as_csv=True)
    with pytest.raises(InvalidRequest, match="Line 2 has more cells"):
        read_questions(["question,answer\n", "a,b,c\n"], as_csv=True)


def test_the_first_passage_that_fits_counts() -> None:
    passages = [
        Found(names=("a.pdf", "Annual Report", "doc_1"), text="It \u201crose\u201d."),
        Found(names=("b.pdf", "Other", "doc_2"), text="By 5 %\nin 2024."),
    ]
    question = Question(text="?", documents=("B",), quotes=('"rose"',), answers=("5 % in", "no"))
    assert ranks(question, passages) == {"document": 2, "quote": 1, "answer": 2}
    assert ranks(Question(text="?", answers=("no",)), passages) == {"answer": None}
    assert ranks(Question(text="?", documents=("annual report",)), passages) == {"document": 1}
