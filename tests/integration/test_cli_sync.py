"""`ibidem ingest --sync`: a collection in step with a folder, and never more removed than meant."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.client import storable_name
from api.commands import watch
from rag.catalog.sources import Sources
from rag.errors import StorageFull
from tests.conftest import make_home
from tests.integration.test_cli_service import read_until, running
from tests.terminal import Terminal

HERON = "The heron nests at the weir.\n"
LINNET = "The linnet sings on the gorse.\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Path:
    """One home for all."""
    return make_home(tmp_path_factory.mktemp("cli") / "home", models)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four files, of which one is ignored."""
    root = tmp_path / "birds"
    (root / "small").mkdir(parents=True)
    (root / "heron.txt").write_text(HERON)
    (root / "small" / "linnet.md").write_text(LINNET)
    (root / "small" / "wren.txt").write_text("The wren is loud.\n")
    (root / "notes.tmp").write_text("ignored")
    (root / ".ibidemignore").write_text("*.tmp\n")
    return root


class Kept:
    """A collection of this test's own and the folder that it is kept in step with."""

    def __init__(self, terminal: Terminal, folder: Path, name: str) -> None:
        self._terminal = terminal
        self._folder = folder
        self._name = name

    def sync(self, *options: str, code: int = 0) -> dict[str, list[str]]:
        """One round; names of files by what became of them."""
        where = ("--sync", "--collection", self._name)
        done = self._terminal.json("ingest", str(self._folder), *where, *options, code=code)
        found: dict[str, list[str]] = {}
        for one in done["documents"]:
            found.setdefault(one["status"], []).append(Path(one["path"]).name)
        return {status: sorted(names) for status, names in found.items()}

    def documents(self) -> dict[str, str]:
        """Ids of the collection's documents by name."""
        listed = self._terminal.json("docs", "list", "--collection", self._name)
        return {one["name"]: one["id"] for one in listed["data"]}


@pytest.fixture
def kept(terminal: Terminal, folder: Path, request: pytest.FixtureRequest) -> Kept:
    return Kept(terminal, folder, request.node.name)


def test_new_changed_and_deleted_files(
    kept: Kept, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kept.sync() == {"ready": ["heron.txt", "linnet.md", "wren.txt"]}
    before = kept.documents()

    (folder / "heron.txt").write_text("The heron has left the weir.\n")
    (folder / "small" / "wren.txt").unlink()
    (folder / "robin.txt").write_text("The robin stays all winter.\n")
    os.utime(folder / "small" / "linnet.md", (1, 1))
    assert kept.sync() == {
        "ready": ["heron.txt", "robin.txt"],
        "unchanged": ["linnet.md"],
        "removed": ["wren.txt"],
    }
    after = kept.documents()
    assert set(after) == {"heron.txt", "linnet.md", "robin.txt"}
    assert after["linnet.md"] == before["linnet.md"]
    assert after["heron.txt"] != before["heron.txt"]

    monkeypatch.setattr("api.client.Client.upload", lambda *_, **__: pytest.fail("was sent"))
    assert kept.sync() == {"unchanged": ["heron.txt", "linnet.md", "robin.txt"]}


def test_a_file_that_moved_keeps_its_document_and_brings_its_name(kept: Kept, folder: Path) -> None:
    kept.sync()
    before = kept.documents()
    (folder / "copy.txt").write_text(HERON)
    assert kept.sync()["unchanged"] == ["copy.txt", "heron.txt", "linnet.md", "wren.txt"]
    assert kept.documents() == before  # the file whose name it bears is there
    (folder / "heron.txt").unlink()
    (folder / "small" / "wren.txt").rename(folder / "jenny.txt")
    assert kept.sync("--allow-removal")["removed"] == ["heron.txt", "wren.txt"]
    assert kept.documents() == {
        "copy.txt": before["heron.txt"],
        "jenny.txt": before["wren.txt"],
        "linnet.md": before["linnet.md"],
    }


def test_a_file_that_makes_room_for_another_takes_its_name_along(
    kept: Kept, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.sync()
    before = kept.documents()
    (folder / "heron.txt").rename(folder / "heron.old.txt")
    (folder / "heron.txt").write_text("The heron has left the weir.\n")

    def interrupted(*_: object) -> bool:
        raise StorageFull()

    with monkeypatch.context() as patched:
        patched.setattr(Sources, "release", interrupted)
        assert kept._terminal.run("ingest", str(folder), "--sync", "--collection", kept._name) == 1
    kept.sync()
    after = kept.documents()
    assert set(after) == {"heron.old.txt", "heron.txt", "linnet.md", "wren.txt"}
    assert after["heron.old.txt"] == before["heron.txt"]


def test_a_folder_that_was_renamed_has_lost_nothing(
    kept: Kept, terminal: Terminal, folder: Path
) -> None:
    (folder / "heron.txt").rename(folder / "small" / "heron.txt")
    kept.sync()
    before = kept.documents()
    (folder / "small").rename(folder / "little")
    where = ("--sync", "--dry-run", "--collection", kept._name)
    assert terminal.run("ingest", str(folder), *where) == 0
    assert "--allow-removal" not in terminal.err
    found = kept.sync()
    assert found["unchanged"] == found["removed"] == ["heron.txt", "linnet.md", "wren.txt"]
    assert kept.documents() == before
    (folder / "little").rename(folder / "tiny")
    (folder / "tiny" / "wren.txt").unlink()
    (folder / "tiny" / "linnet.md").write_text("The linnet has left.\n")
    assert "removed" not in kept.sync(code=1)
    assert "2 of the 3 files" in terminal.err


def test_names_that_are_no_text_stay_apart(kept: Kept, folder: Path) -> None:
    (folder / "\\xff.txt").write_text("The rail calls at dusk.\n")
    (folder / os.fsdecode(b"\xff.txt")).write_text("The crake calls at night.\n")
    assert len(kept.sync()["ready"]) == 5
    assert len(kept.sync()["unchanged"]) == 5


@given(st.lists(st.binary(min_size=1, max_size=6), min_size=2, max_size=2, unique=True))
@example([b"\xff", b"\\xff"])
@example([b"\\\xff", b"\\\\xff"])
@example(["\udcff".encode("utf-8", "surrogatepass"), b"\\udcff"])
def test_no_two_files_are_sent_under_one_name(names: list[bytes]) -> None:
    first, second = (storable_name(os.fsdecode(name)) for name in names)
    assert first != second
    assert (first + second).encode()


def test_a_dry_run_changes_nothing(kept: Kept, terminal: Terminal, folder: Path) -> None:
    kept.sync()
    (folder / "heron.txt").unlink()
    (folder / "owl.txt").write_text("The owl hunts at night.\n")
    where = ("--sync", "--dry-run", "--collection", kept._name)
    (plan,) = terminal.json("ingest", str(folder), *where)["data"]
    assert plan["new"] == ["owl.txt"]
    assert plan["removed"] == ["heron.txt"]
    assert (plan["changed"], plan["unchanged"]) == ([], 2)
    assert "heron.txt" in kept.documents()


def test_a_folder_that_has_lost_most_of_its_files_loses_no_documents(
    kept: Kept, terminal: Terminal, folder: Path
) -> None:
    kept.sync()
    (folder / "heron.txt").unlink()
    (folder / "small" / "wren.txt").unlink()
    assert kept.sync(code=1) == {"unchanged": ["linnet.md"]}
    assert "more than half; their documents were kept" in terminal.err
    assert len(kept.documents()) == 3
    assert kept.sync("--allow-removal") == {
        "unchanged": ["linnet.md"],
        "removed": ["heron.txt", "wren.txt"],
    }
    assert set(kept.documents()) == {"linnet.md"}


def test_only_documents_of_the_folder_are_removed_and_with_their_last_file(
    kept: Kept, terminal: Terminal, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "by hand.txt").write_text(HERON)
    terminal.json("ingest", str(tmp_path / "by hand.txt"), "--collection", kept._name)
    (folder / "small" / "copy.md").write_text(LINNET)
    kept.sync()
    (folder / "heron.txt").unlink()  # also uploaded by hand
    (folder / "small" / "linnet.md").unlink()  # there is a copy
    assert kept.sync()["removed"] == ["heron.txt", "linnet.md"]
    assert set(kept.documents()) == {"by hand.txt", "copy.md", "wren.txt"}
    (folder / "small" / "copy.md").unlink()
    assert kept.sync()["removed"] == ["copy.md"]
    assert set(kept.documents()) == {"by hand.txt", "wren.txt"}


def test_patterns_limit_a_run_and_the_ignore_file_the_folder(kept: Kept, folder: Path) -> None:
    assert kept.sync("--exclude", "small/") == {"ready": ["heron.txt"]}
    assert kept.sync("--include", "*.md") == {"ready": ["linnet.md"]}
    assert kept.sync() == {"ready": ["wren.txt"], "unchanged": ["heron.txt", "linnet.md"]}
    (folder / ".ibidemignore").write_text("*.tmp\n*.md\n")
    assert kept.sync()["removed"] == ["linnet.md"]


def test_a_version_that_cannot_be_read_leaves_the_one_before(kept: Kept, folder: Path) -> None:
    (folder / "torn.json").write_text('{"kept": true}')
    kept.sync()
    (folder / "torn.json").write_text("   \n  ")
    assert kept.sync(code=1)["failed"] == ["torn.json"]
    assert kept.sync(code=1)["failed"] == ["torn.json"]  # and is not tried again
    listed: Any = kept._terminal.json("docs", "list", "--collection", kept._name)["data"]
    states = sorted(one["status"] for one in listed if one["name"] == "torn.json")
    assert states == ["failed", "ready"]
    (folder / "torn.json").write_text('{"mended": true}')
    assert kept.sync()["ready"] == ["torn.json"]
    assert len(kept.documents()) == 4
    listed = kept._terminal.json("docs", "list", "--collection", kept._name)["data"]
    assert len(listed) == 4


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["heron.txt", "--sync"], "takes folders only"),
        (["nowhere", "--sync"], "takes folders only"),
        ([".", "--watch"], "need --sync"),
        ([".", "--sync", "--watch", "--dry-run"], "exclude each other"),
    ],
)
def test_wrong_usage(
    terminal: Terminal,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(folder)
    assert terminal.run("ingest", *arguments) in (1, 2)
    assert says in terminal.err


def test_a_watched_folder_is_followed_until_ctrl_c(
    terminal: Terminal, folder: Path, home: Path
) -> None:
    where = ("--sync", "--watch", "--collection", "watched")
    with running(home, "ingest", str(folder), *where) as process:
        read_until(process, r"Watching .*\n")
        (folder / "owl.txt").write_text("The owl hunts at night.\n")
        read_until(process, r"owl\.txt: ready")
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=15)
        assert "Stopped watching.\n" in told
        assert process.returncode == 0
    listed = terminal.json("docs", "list", "--collection", "watched")["data"]
    assert "owl.txt" in {one["name"] for one in listed}


def test_watching_misses_no_file_and_outlives_a_folder_that_vanishes(
    terminal: Terminal, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, away = tmp_path / "others", tmp_path / "away"
    other.mkdir()
    (other / "swift.txt").write_text("The swift sleeps on the wing.\n")
    send = watch.ingest_files
    rounds: list[set[str]] = []

    def send_slowly(client: Any, files: Any, *given: Any) -> Any:
        rounds.append({file.name for file, _ in files})
        sent = send(client, files, *given)
        if len(rounds) == 1:
            (folder / "late.txt").write_text("The late bird came during the first round.\n")
        return sent

    def between_looks() -> Iterator[None]:
        yield
        folder.rename(away)
        (other / "swift.txt").write_text("The swift has left.\n")
        yield
        away.rename(folder)
        (folder / "owl.txt").write_text("The owl hunts at night.\n")
        yield
        raise KeyboardInterrupt

    looks = between_looks()
    clock = SimpleNamespace(sleep=lambda _: next(looks), monotonic=time.monotonic)
    monkeypatch.setattr(watch, "time", clock)
    monkeypatch.setattr(watch, "ingest_files", send_slowly)
    where = ("--sync", "--watch", "--allow-removal", "--collection", "vanishing")
    assert terminal.run("ingest", str(folder), str(other), *where) == 0, terminal.err
    told = terminal.err
    assert f"{folder} cannot be read" in told
    assert "Stopped watching.\n" in told
    assert rounds[1:] == [{"late.txt"}, {"swift.txt"}, {"owl.txt"}]
    listed = terminal.json("docs", "list", "--collection", "vanishing")["data"]
    assert len(listed) == 6
