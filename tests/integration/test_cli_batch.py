"""`ibidem batch`: a file of questions on a home of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from api.commands import working
from rag.errors import IbidemError
from tests.terminal import Terminal


@pytest.fixture(scope="module")
def home(home_with_lease: Path) -> Path:
    """One home for all."""
    return home_with_lease


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    file = tmp_path / "questions.jsonl"
    asked = {"custom_id": "rent", "question": "What is the monthly rent?"}
    file.write_text(f'{json.dumps(asked)}\n{{"custom_id": "torn"\n')
    return file


def test_a_file_of_questions_is_answered_into_a_file(
    terminal: Terminal, questions: Path, tmp_path: Path
) -> None:
    report = tmp_path / "answers.html"
    assert terminal.run("batch", "run", str(questions), "--output", str(report)) == 1
    assert "1 of 2 lines is broken, and fails; the others are done:\n  Line 2: " in terminal.err
    assert "completed: 2/2" in terminal.out
    assert "failed: 1 invalid_request" in terminal.out
    assert "1,250 euros" in report.read_text()
    [listed] = terminal.json("batch", "list")["data"]
    assert (listed["name"], listed["request_counts"]["completed"]) == ("questions.jsonl", 1)
    assert terminal.run("batch", "results", listed["id"], "--format", "csv") == 0
    assert terminal.run("batch", "show", listed["id"]) == 0
    assert "request_counts: total 2, completed 1, failed 1\n" in terminal.out
    assert "failures invalid_request 1" in terminal.out
    assert terminal.run("jobs", "show", listed["job_id"]) == 0
    assert "progress:   2/2 items\n" in terminal.out
    assert terminal.run("batch", "cancel", listed["id"]) == 1
    assert "nothing left to cancel" in terminal.err
    assert terminal.run("batch", "resume", listed["id"]) == 1
    again = terminal.json("batch", "resume", listed["id"], "--retry-failed", code=1)
    assert again["status"] == "completed"


def test_the_display_can_be_left_and_come_back_to(
    terminal: Terminal, questions: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    report = tmp_path / "answers.csv"
    with monkeypatch.context() as patched:
        patched.setattr(working, "_pause", interrupt)
        assert terminal.run("batch", "run", str(questions), "--output", str(report)) == 130
    assert "ibidem jobs watch job_" in terminal.err
    batch = terminal.err.split(":")[0]
    assert f"`ibidem batch results {batch} --output {report}`" in terminal.err
    assert terminal.run("batch", "resume", batch, "--output", str(report)) == 1  # one line is torn
    assert "completed: 2/2" in terminal.out
    assert "1,250 euros" in report.read_text()


def test_a_job_is_resumed_where_no_service_runs(terminal: Terminal, questions: Path) -> None:
    assert terminal.run("batch", "run", str(questions), "--detach") == 0
    batch = terminal.out.strip()
    assert terminal.run("batch", "cancel", batch) == 0
    assert terminal.run("jobs", "resume", batch) == 0
    assert "No service runs" in terminal.err
    assert "is completed." in terminal.out
    assert terminal.run("jobs", "resume", batch) == 0
    assert "come to its end" in terminal.err
    assert terminal.json("jobs", "resume", batch, "--retry-failed")["status"] == "completed"


@pytest.mark.parametrize("how", [[], ["--budget-usd", "3"], ["--retry-failed"]])
def test_a_batch_left_behind_goes_on_when_it_is_resumed(
    terminal: Terminal, questions: Path, how: list[str]
) -> None:
    asked = questions.read_text().splitlines()[0]
    questions.write_text(asked)
    assert terminal.run("batch", "run", str(questions), "--detach") == 0
    assert terminal.run("batch", "resume", terminal.out.strip(), *how) == 0, terminal.err
    assert "completed: 1/1" in terminal.out


@pytest.mark.parametrize(
    ("output", "told"),
    [("nowhere/answers.csv", "no folder"), ("answers.docx", ".jsonl, .json, .csv, .xlsx, .html")],
)
def test_a_file_that_cannot_be_written_is_refused_before_the_work(
    terminal: Terminal, questions: Path, tmp_path: Path, output: str, told: str
) -> None:
    before = terminal.json("batch", "list")["data"]
    assert terminal.run("batch", "run", str(questions), "--output", str(tmp_path / output)) == 2
    assert told in terminal.err
    assert terminal.json("batch", "list")["data"] == before


def test_a_batch_left_behind_goes_on_when_it_is_watched(
    terminal: Terminal, questions: Path
) -> None:
    assert terminal.run("batch", "run", str(questions), "--detach") == 0
    batch = terminal.out.strip()
    assert terminal.run("jobs", "watch", batch) == 0
    [job, *_] = terminal.json("jobs", "list")["data"]
    assert (job["kind"], job["status"], job["progress"]["done"]) == ("batch", "completed", 2)


def test_who_watches_a_service_that_goes_is_told_how_to_come_back(
    terminal: Terminal, questions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_seconds: float) -> None:
        raise IbidemError("The service cannot be reached. Is it running?")

    with monkeypatch.context() as patched:
        patched.setattr(working, "_pause", gone)
        assert terminal.run("batch", "run", str(questions)) == 1
    assert "`ibidem jobs watch job_" in terminal.err
    assert terminal.err.endswith("error: The service cannot be reached. Is it running?\n")
