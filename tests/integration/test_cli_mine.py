"""`ibidem bench --mine`: searches in a collection of one's own, timed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.terminal import Terminal


@pytest.fixture(scope="module")
def home(home_with_lease: Path) -> Path:
    """One home for all."""
    return home_with_lease


def test_its_own_sentences_are_found_and_timed(terminal: Terminal) -> None:
    told = terminal.json("bench", "--mine", "--queries", "5")
    assert (told["documents"], told["chunks"], told["queries"]) == (1, 1, 5)
    assert told["index"] == "exact"
    assert told["resident_bytes"] > 10_000_000
    assert list(told["search"]) == ["dense", "lexical", "hybrid"]
    for values in told["search"].values():
        assert 0 < values["p50_ms"] <= values["p95_ms"]
        assert (values["recall@1"], values["recall@10"]) == (1, 1)
    assert terminal.run("bench", "--mine", "--collection", "default", "--queries", "2") == 0
    first, *_, heading, _dense, _words, hybrid = terminal.out.splitlines()
    assert first == "documents: 1, chunks: 1, index: exact"
    assert heading.split() == ["p50_ms", "p95_ms", "recall@1", "recall@10"]
    assert hybrid.split()[0] == "hybrid"


def test_what_cannot_be_measured_is_said(terminal: Terminal, tmp_path: Path) -> None:
    assert terminal.run("bench", "--mine", "--collection", "nowhere") == 1
    assert "No collection 'nowhere'" in terminal.err
    (tmp_path / "few.txt").write_text("Two words.")
    terminal.run("ingest", str(tmp_path / "few.txt"), "--collection", "few")
    assert terminal.run("bench", "--mine", "--collection", "few") == 2
    assert "no sentence to search for" in terminal.err
    assert terminal.run("bench", "--mine", "--queries", "0") == 2
    assert "--queries" in terminal.err
