"""BM25 indexes on disk: taken up again if they are whole, and rid of what was deleted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rag.lexical_store import LexicalStore, StoredLexical


def filled(folder: Path) -> StoredLexical:
    stored = LexicalStore(folder).open("col")
    stored.index.add(np.arange(3), ["alpha", "beta", "gamma beta"])
    stored.index.add(np.array([7]), ["delta"])
    stored.note(4)
    return stored


def segments(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*.term")}


def test_an_index_is_taken_up_again_with_the_change_it_is_in_step_with(tmp_path: Path) -> None:
    filled(tmp_path)
    again = LexicalStore(tmp_path).open("col")
    assert (again.seq, again.index.ids().tolist()) == (4, [0, 1, 2, 7])
    assert sorted(again.index.search("beta", 5).ids.tolist()) == [1, 2]
    LexicalStore(tmp_path).drop("col")
    assert LexicalStore(tmp_path).open("col").seq == 0


def test_what_was_never_finished_is_not_used(tmp_path: Path) -> None:
    stored = LexicalStore(tmp_path).open("col")
    stored.index.add(np.arange(3), ["alpha", "beta", "gamma"])
    again = LexicalStore(tmp_path).open("col")
    assert (again.seq, again.index.ids().tolist()) == (0, [])


@pytest.mark.parametrize(
    "pattern", ["meta.json", "ibidem.json", "*.term", "*.idx", "*.fast", "*.fieldnorm"]
)
@pytest.mark.parametrize("how", ["zeroed", "shortened", "gone"])
def test_a_damaged_index_is_not_used(pattern: str, how: str, tmp_path: Path) -> None:
    filled(tmp_path)
    path = next((tmp_path / "col").rglob(pattern))
    content = path.read_bytes()
    if how == "gone":
        path.unlink()
    elif how == "shortened":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.write_bytes(bytes(10) + content[10:])
    again = LexicalStore(tmp_path).open("col")
    assert (again.seq, again.index.ids().tolist()) == (0, [])
    again.index.add(np.arange(2), ["new", "newer"])
    again.note(9)
    assert LexicalStore(tmp_path).open("col").index.ids().tolist() == [0, 1]


def test_another_index_takes_its_place_without_what_was_deleted(tmp_path: Path) -> None:
    stored = filled(tmp_path)
    assert not stored.has_residue
    stored.index.remove(np.array([0]))
    assert stored.has_residue
    old = segments(tmp_path)
    fresh = stored.anew()
    fresh.index.add(np.array([1, 2, 7]), ["beta", "gamma beta", "delta"])
    fresh.note(5)
    stored.discard()
    assert old
    assert segments(tmp_path)
    assert not old & segments(tmp_path)
    again = LexicalStore(tmp_path).open("col")
    assert (again.seq, again.index.ids().tolist()) == (5, [1, 2, 7])
    assert not again.has_residue


def test_of_two_finished_ones_the_newer_counts(tmp_path: Path) -> None:
    stored = filled(tmp_path)
    fresh = stored.anew()
    fresh.index.add(np.array([8]), ["epsilon"])
    fresh.note(6)
    unfinished = fresh.anew()
    unfinished.index.add(np.array([9]), ["zeta"])
    again = LexicalStore(tmp_path).open("col")
    assert (again.seq, again.index.ids().tolist()) == (6, [8])
    assert len(list((tmp_path / "col").iterdir())) == 1
