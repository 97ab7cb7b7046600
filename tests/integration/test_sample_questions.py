"""The questions on the sample documents, from the file to the cited answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.evaluate import run_samples


def test_the_samples_are_found_and_cited(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = run_samples(models)
    scores = {
        name: value["mean"] for name, value in report["all"]["all"].items() if name != "questions"
    }
    assert scores["document@8"] == 1
    assert scores["quote@3"] >= 0.8
    assert scores["quote@8"] >= 0.9
    assert scores["in document"] >= 0.75
    assert scores["on quote"] >= 0.4
    asked = len(report["questions"]) + len(report["skipped"])
    assert asked == 40
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 100
    assert all(name in printed for name in report["unread"])
