"""One owner for each home."""

from __future__ import annotations

import fcntl
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from api.commands.common import connected
from api.commands.patience import when_free
from api.home import Home
from rag.errors import HomeBusy


def test_a_home_has_one_owner_that_says_where_it_listens(tmp_path: Path) -> None:
    home = Home(path=tmp_path / "new" / "home")
    assert home.owner() == {}
    with home.owned(address="http://127.0.0.1:8000"):
        assert home.owner()["address"] == "http://127.0.0.1:8000"
        with pytest.raises(HomeBusy, match=r"a service on http://127.0.0.1:8000") as caught:
            home.owned().__enter__()
        assert str(home.path) in caught.value.message
    assert home.owner() == {}
    with home.owned():
        assert home.owner()["address"] is None


def test_an_owner_that_just_starts_is_an_owner(tmp_path: Path) -> None:
    home = Home(path=tmp_path)
    with (tmp_path / "owner").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert home.owner() == {"pid": None}
        with pytest.raises(HomeBusy, match="just starting"):
            home.owned().__enter__()


def test_who_only_asks_does_not_keep_an_owner_out(tmp_path: Path) -> None:
    home = Home(path=tmp_path)
    with (tmp_path / "owner").open("w") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        release = threading.Timer(0.05, fcntl.flock, (asking, fcntl.LOCK_UN))
        release.start()
        with home.owned():
            assert home.owner() != {}
        release.join()


def test_a_command_waits_for_who_is_using_the_home(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(path=tmp_path)
    with ExitStack() as using, ExitStack() as entered:
        using.enter_context(home.owned())
        release = threading.Timer(0.6, using.close)
        release.start()
        when_free(lambda: entered.enter_context(home.owned()), home.user)
        release.join()
        told = capsys.readouterr().err
        assert told.startswith("Waiting for process ")
        assert told.count("\n") == 1
        with pytest.raises(HomeBusy):
            when_free(home.owned().__enter__, lambda: None)
        monkeypatch.setattr("api.commands.patience._IN_USE_S", 0.05)
        with pytest.raises(HomeBusy, match="Stop it"):
            when_free(lambda: home.owned().__enter__(), home.user)


def test_the_first_start_is_told_by_who_prepares_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IBIDEM_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("api.commands.patience._IN_USE_S", 1.0)
    with Home(path=tmp_path / "home").owned(), pytest.raises(HomeBusy), connected(None):
        pass
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith("Waiting for process ")
