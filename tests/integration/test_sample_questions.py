"""The questions on the sample documents, from the file to the cited answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks.evaluate import main


def test_the_samples_are_found_and_cited(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "models").symlink_to(models)
    out = tmp_path / "report.json"
    folders = ["--cache", str(tmp_path), "--data", str(tmp_path / "none"), "--out", str(out)]
    assert main(folders) == 0
    report = json.loads(out.read_text("utf-8"))["samples"]
    scores = {
        name: value["mean"] for name, value in report["all"]["all"].items() if name != "questions"
    }
    # One of thirty asks of a report about a pump whose manual opens with its name.
    assert scores["document@8"] >= 0.96
    assert scores["quote@3"] >= 0.8
    assert scores["quote@8"] >= 0.9
    assert scores["in document"] >= 0.75
    assert scores["on quote"] >= 0.4
    assert scores["answer"] >= 0.7
    assert scores["found"] >= 0.8
    asked = len(report["questions"]) + len(report["skipped"])
    assert asked == 40
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 100
    assert all(name in printed for name in report["unread"])
    assert "qa/sec-10-q" in printed


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["sample"])
    assert "known are samples" in capsys.readouterr().err
