"""`ibidem chat`: on a terminal and from a file, to its end and beyond."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from api.commands import chat
from tests.conftest import make_home
from tests.terminal import LEASE, Terminal

PUFFIN = "Lease of the Puffin shed. The monthly rent of the Puffin shed is 310 euros.\n"
RENT = "What is the monthly rent of the Puffin shed?"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Path:
    """One home for all."""
    return make_home(tmp_path_factory.mktemp("chat") / "home", models)


@pytest.fixture
def leases(terminal: Terminal, tmp_path: Path) -> None:
    """Two leases in the collection `boats`."""
    (tmp_path / "lease.txt").write_text(LEASE)
    (tmp_path / "puffin.txt").write_text(PUFFIN)
    assert terminal.run("ingest", str(tmp_path), "--collection", "boats") == 0


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes standard input hold some lines."""
    return lambda *lines: monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))


def test_lines_of_a_file_are_one_conversation(
    terminal: Terminal, leases: None, pipe: Callable[..., None]
) -> None:
    pipe(RENT, "", "And of the boat house?")
    assert terminal.run("chat", "--collection", "boats") == 0
    assert "310 euros" in terminal.out
    assert "understood as: What is the monthly rent of the boat house?" in terminal.err
    talk = terminal.err.split("--continue ")[-1].split()[0]

    pipe("When is it due?")
    (answer,) = (json.loads(one) for one in run_json(terminal, "--continue", talk))
    assert "boat house" in answer["queries"]["standalone_question"]
    assert "2 questions so far; the last was: And of the boat house?" in terminal.err


def run_json(terminal: Terminal, *arguments: str) -> list[str]:
    assert terminal.run("chat", *arguments, "--json") == 0, terminal.err
    return terminal.out.splitlines()


def test_what_fails_is_told_and_the_rest_is_asked(
    terminal: Terminal, leases: None, pipe: Callable[..., None]
) -> None:
    pipe("x" * 10_001, RENT)
    assert terminal.run("chat", "--collection", "boats") == 1
    assert "error: question" in terminal.err
    assert "310 euros" in terminal.out
    pipe(RENT)
    assert terminal.run("chat", "--collection", "nowhere") == 1
    assert "nowhere" in terminal.err
    assert "--continue" not in terminal.err
    pipe(RENT)
    assert terminal.run("chat", "--continue", "con_" + "0" * 24) == 1
    assert terminal.run("chat", "--continue", "con_x", "--collection", "boats") == 2
    pipe()
    assert terminal.run("chat") == 0
    assert terminal.out == terminal.err == ""


def test_on_a_terminal_ctrl_c_gives_up_a_line_and_ctrl_d_ends(
    terminal: Terminal, leases: None, pipe: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = iter([KeyboardInterrupt(), "  ", RENT, EOFError()])

    def type_(prompt: str) -> str:
        assert prompt == "> "
        one = next(typed)
        if isinstance(one, BaseException):
            raise one
        return one

    pipe()
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(chat, "input", type_, raising=False)
    assert terminal.run("chat", "--collection", "boats") == 0
    assert "Ctrl-D ends" in terminal.err
    assert "310 euros" in terminal.out


def test_an_answer_that_is_not_waited_for_ends_the_conversation_in_good_order(
    terminal: Terminal, leases: None, pipe: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_self: object, question: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(chat._Talk, "_answer", interrupted)
    pipe(RENT)
    assert terminal.run("chat", "--collection", "boats") == 130
