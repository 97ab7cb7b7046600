"""`ibidem analyze` on a home of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.test_cli import PUMP
from tests.terminal import LEASE, Terminal


@pytest.fixture(scope="module")
def home(home_with_lease: Path) -> Path:
    """One home for all."""
    return home_with_lease


def test_fields_are_extracted_reviewed_and_corrected(terminal: Terminal, tmp_path: Path) -> None:
    rent = {"type": "integer", "description": "the monthly rent in euros"}
    schema = tmp_path / "fields.json"
    schema.write_text(json.dumps({"type": "object", "properties": {"monthly_rent": rent}}))
    order = ("analyze", "run", "extraction", "--collection", "default", "--schema", str(schema))
    assert terminal.run(*order, "--confidence-threshold", "1") == 0
    assert "monthly_rent: 1250" in terminal.out
    assert "Read 1 of 1 parts" in terminal.out
    assert "completed: 1/1" in terminal.err
    [listed] = terminal.json("analyze", "list")["data"]
    assert terminal.run("analyze", "review", listed["id"]) == 0
    assert "low confidence" in terminal.out
    corrected = ("analyze", "review", listed["id"], "--correct", "0", "1300", "--note", "amended")
    assert terminal.run(*corrected, "--accept", "0") == 2
    assert "one at a time" in terminal.err
    large = 999_999_999_999_999_999_999_999_999
    assert terminal.run("analyze", "review", listed["id"], "--correct", "0", str(large)) == 0
    shown = terminal.json("analyze", "show", listed["id"])
    assert shown["result"]["documents"][0]["value"] == {"monthly_rent": large}
    assert terminal.run("analyze", "aggregate", listed["id"], "sum", "/monthly_rent") == 0
    assert f"sum: {large}\n" in terminal.out
    (doubt,) = terminal.json(*corrected)["data"]
    assert (doubt["decision"]["value"], doubt["decision"]["note"]) == (1300, "amended")
    assert terminal.run("analyze", "review", listed["id"]) == 0
    heading, row = terminal.out.splitlines()
    assert heading.split()[:3] == ["NO.", "STATE", "DOCUMENT"]
    assert row.split()[:3] == ["0", "corrected", "lease.txt"]
    shown = terminal.json("analyze", "show", listed["id"])
    assert shown["result"]["documents"][0]["value"] == {"monthly_rent": 1300}
    assert terminal.run("analyze", "show", listed["id"]) == 0
    assert "monthly_rent: 1300  (corrected by " in terminal.out
    assert terminal.run("analyze", "compare", listed["id"]) == 0
    assert "monthly_rent" in terminal.out
    assert terminal.run("analyze", "aggregate", listed["id"], "sum", "/monthly_rent") == 0
    assert "sum: 1300" in terminal.out
    assert terminal.run("analyze", "aggregate", listed["id"], "group", "/nonsense") == 2
    assert "no field at /nonsense; it has /monthly_rent" in terminal.err
    report = tmp_path / "found.html"
    assert terminal.run("analyze", "results", listed["id"], "--output", str(report)) == 0
    assert "1300" in report.read_text()


def test_a_text_is_classified_and_forecast(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "note.txt"
    file.write_text("Rain and wind will come from the west, and the sea will be rough.")
    order = ("analyze", "run", "classification", "--text", str(file), "--label", "lease=a contract")
    assert terminal.run(*order, "--label", "weather report", "--dry-run") == 0
    assert "would read 1 text in 1 part, with 0 calls" in terminal.out
    made = terminal.json(*order, "--label", "weather report")
    assert made["result"]["primary"] == "weather report"


def test_what_cannot_be_done_is_said(terminal: Terminal, tmp_path: Path) -> None:
    assert terminal.run("analyze", "run", "summary") == 2
    assert "one of these" in terminal.err
    assert terminal.run("analyze", "run", "summary", "--collection", "nowhere") == 1
    assert terminal.run("analyze", "run", "extraction", "--collection", "default") == 2
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    assert terminal.run("analyze", "run", "extraction", "--schema", str(broken)) == 2
    assert "not JSON" in terminal.err
    broken.write_text("[]")
    assert terminal.run("analyze", "run", "extraction", "--schema", str(broken)) == 2
    assert "no JSON Schema" in terminal.err
    manual = tmp_path / "manual.pdf"
    manual.write_bytes(PUMP)
    assert terminal.run("analyze", "run", "summary", "--text", str(manual)) == 2
    assert "not plain text" in terminal.err
    assert "ibidem ingest" in terminal.err


def test_five_documents_are_compared_row_by_row(terminal: Terminal, tmp_path: Path) -> None:
    folder = tmp_path / "leases"
    folder.mkdir()
    for number in range(1, 6):
        text = f"Lease of boat house {number}.\n\nThe lease begins on {number} May 2021.\n"
        (folder / f"lease{number}.txt").write_text(text)
    terminal.run("ingest", str(folder), "--collection", "leases")
    order = ("analyze", "run", "extraction", "--collection", "leases", "--detach")
    assert terminal.run(*order, "--instructions", "begin date of the lease") == 0
    analysis = terminal.out.strip()
    assert terminal.run("jobs", "watch", analysis) == 0
    assert f"`ibidem analyze show {analysis}`" in terminal.err
    assert terminal.run("analyze", "compare", analysis) == 0
    heading, *rows = terminal.out.splitlines()
    assert heading == "DOCUMENT    * begin_date_of_the_lease"
    assert [row.split()[0] for row in rows] == [f"lease{one}.txt" for one in range(1, 6)]
    pointer = "/begin_date_of_the_lease"
    assert terminal.run("analyze", "aggregate", analysis, "timeline", pointer) == 0
    assert "2021-05-01" in terminal.out
    assert "lease1.txt" in terminal.out
    assert "doc_" not in terminal.out
    words = tmp_path / "words.txt"
    words.write_text("The tenant is Marta Brandt.")
    order = ("analyze", "run", "summary", "--text", str(words), "--detach")
    assert terminal.run(*order) == 0
    analysis = terminal.out.strip()
    assert terminal.run("jobs", "watch", analysis) == 0
    assert terminal.run("analyze", "aggregate", analysis, "sum", "/main_topic") == 1
    assert "could not be read as numbers" in terminal.out
    assert "sum:" not in terminal.out


def test_an_analysis_left_behind_goes_on_when_it_is_resumed(terminal: Terminal) -> None:
    order = ("analyze", "run", "summary", "--collection", "default")
    assert terminal.run(*order, "--detach") == 0
    assert terminal.run("analyze", "resume", terminal.out.strip()) == 0, terminal.err
    assert "Read 1 of 1 parts" in terminal.out


def test_documents_that_could_not_be_read_are_said(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "lease.txt").write_text(LEASE)
    (tmp_path / "torn.pdf").write_bytes(PUMP[:300])
    terminal.run("ingest", str(tmp_path), "--collection", "torn")
    assert terminal.run("analyze", "run", "summary", "--collection", "torn") == 1
    assert "could not be read, and are left out: 1." in terminal.err
    assert "Read 1 of 2 parts" in terminal.out
    assert "the PDF is damaged" in terminal.out


@pytest.mark.parametrize(
    ("schema", "how", "told"),
    [
        ('{"type": "object", "minProperties": NaN}', [], "not finite"),
        ('{"type": "object", "title": "\\ud800"}', [], "no Unicode"),
        ('{"type": "object"}', ["--budget-usd", "nan"], "not finite"),
        ('{"type": "object"}', ["--budget-usd", "inf"], "not finite"),
        (json.dumps({"type": "object", "title": "x" * 1_000_000}), [], "larger than 1 MB"),
    ],
)
def test_what_cannot_be_sent_is_said_in_a_sentence(
    terminal: Terminal, tmp_path: Path, schema: str, how: list[str], told: str
) -> None:
    file, text = tmp_path / "schema.json", tmp_path / "text.txt"
    file.write_text(schema)
    text.write_text("The price is 5.")
    given = ("--schema", str(file), "--text", str(text))
    assert terminal.run("analyze", "run", "extraction", *given, *how) in (1, 2)
    assert terminal.err.startswith("error: ")
    assert told in terminal.err
    assert terminal.err.count("\n") == 1
