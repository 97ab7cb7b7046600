"""Patterns as in a .gitignore, and what a walk through a folder finds and leaves out."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from api.commands.folder import Selection, scan
from api.commands.patterns import Patterns

PATHS = ("a", "b.txt", "a.b/b.txt", "x/a", "x/b.txt", "x/y/a", "x/y/[b].txt", "x/!a", "z/z/z")


@pytest.mark.parametrize(
    ("lines", "path", "named"),
    [
        (["*.tmp"], "x/y/note.tmp", True),
        (["*.tmp"], "tmp/note.md", False),
        (["/*.md"], "top.md", True),
        (["/*.md"], "x/top.md", False),
        (["x/*.md"], "x/a.md", True),
        (["x/*.md"], "x/y/a.md", False),
        (["x/**/a.md"], "x/a.md", True),
        (["x/**/a.md"], "x/y/z/a.md", True),
        (["x/**"], "x", False),
        (["**/y"], "y", True),
        (["*.txt", "!keep.txt"], "keep.txt", False),
        (["!keep.txt", "*.txt"], "keep.txt", True),
        (["# *.txt", "", "   "], "a.txt", False),
        (["\\#a", "b\\ "], "#a", True),
        (["b\\ "], "b ", True),
        (["[a-c]?.t[!x]t"], "b1.tyt", True),
        (["[z-a]"], "z", False),
        (["folder/"], "folder", False),
    ],
)
def test_patterns(lines: list[str], path: str, named: bool) -> None:
    assert Patterns(lines).match(path) is named


_GIT = ("git", "-c")
_LIST = ("ls-files", "-o", "--exclude-standard")
_PIECES = st.sampled_from(
    ["a", "b", "x", "y", "z", ".txt", "*", "**", "?", "/", "[a-y]", "!", "\\"]
)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which git can be asked."""
    folder = tmp_path_factory.mktemp("checkout")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    for path in PATHS:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    return folder


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(_PIECES, max_size=5).map("".join), min_size=1, max_size=3))
@example(["x//"])  # only one slash at an end has a meaning; with two, nothing is named
@example(["//x"])
@example(["/a**", "!a*"])
@example(["/***", "!a*"])
@example(["/x**/a", "y/**"])
def test_patterns_mean_what_they_mean_to_git(checkout: Path, lines: list[str]) -> None:
    (checkout / ".ibidemignore").write_text("\n".join(lines) + "\n")
    asked = subprocess.run(
        [*_GIT, f"core.excludesFile={checkout}/.ibidemignore", *_LIST],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=True,
    )
    seen = {line.strip('"') for line in asked.stdout.splitlines()} - {".ibidemignore"}
    assert set(scan(checkout, Selection()).files) == seen


def test_what_is_no_file_is_left_out_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.txt").write_text("a")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "link.txt").symlink_to(tmp_path / "sub" / "a.txt")
    (tmp_path / "broken.txt").symlink_to(tmp_path / "none")
    (tmp_path / ".hidden").write_text("h")
    os.mkfifo(tmp_path / "pipe")
    folder = scan(tmp_path, Selection())
    assert set(folder.files) == {"link.txt", "sub/a.txt"}
    assert folder.files["sub/a.txt"].size == 1
    told = {Path(one.path).name: (one.status, one.error or {}) for one in folder.left_out}
    assert {name: (status, error["code"]) for name, (status, error) in told.items()} == {
        "loop": ("skipped", "link"),
        "broken.txt": ("failed", "unreadable"),
        ".hidden": ("skipped", "hidden"),
        "pipe": ("skipped", "no_file"),
    }
    assert folder.is_unseen("broken.txt")


def test_what_a_run_does_not_look_at_is_not_taken_for_gone(tmp_path: Path) -> None:
    for name in ("a.txt", "b.md", "drafts/c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    selection = Selection(include=Patterns(["*.txt"]), exclude=Patterns(["drafts/"]))
    folder = scan(tmp_path, selection)
    assert set(folder.files) == {"a.txt"}
    assert all(folder.is_unseen(path) for path in ("b.md", "drafts/c.txt", "drafts/new/d.txt"))
    assert not folder.is_unseen("gone.txt")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        scan(tmp_path / "none", Selection())
