"""Errors over HTTP: every class mapped, one form, nothing told that was not meant to be."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from api import errors
from rag.errors import IbidemError, InvalidFilter, Overloaded, StorageFull


def tree(root: type[IbidemError]) -> Iterator[type[IbidemError]]:
    yield root
    for child in root.__subclasses__():
        yield from tree(child)


def test_every_error_has_a_status() -> None:
    ours = {one for one in tree(IbidemError) if one.__module__.split(".")[0] in ("rag", "api")}
    assert ours - errors.STATUS.keys() == set()
    assert errors.STATUS.keys() - ours == set()
    assert all(400 <= status < 600 for status, _ in errors.STATUS.values())
    assert len({one.code for one in ours}) == len(ours)


@pytest.mark.parametrize("kind", list(errors.STATUS), ids=lambda kind: kind.code)
def test_every_error_has_the_form(kind: type[IbidemError]) -> None:
    body = errors.body(kind(param="name"), "req_1")["error"]
    assert isinstance(body, dict)
    assert body["code"] == kind.code
    assert body["type"].endswith("_error")
    assert body["message"].endswith((".", "`"))
    assert (body["param"], body["request_id"]) == ("name", "req_1")


def test_long_and_broken_input_is_not_sent_back_whole() -> None:
    error = InvalidFilter("filter." + "x" * 10**6, param="\ud800" * 10**6)
    reply = errors.response(error, "req_1")
    assert len(reply.body) < 3000
    assert b"\\\\ud800" in reply.body


def test_an_overloaded_service_says_when_to_return() -> None:
    assert errors.response(Overloaded(), "r").headers["retry-after"] == "1"


@pytest.mark.parametrize(
    "full",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        sa.exc.OperationalError("INSERT", {}, Exception("database or disk is full")),
    ],
)
def test_a_full_disk_is_recognized(full: Exception) -> None:
    assert isinstance(errors.translate(full, "r"), StorageFull)


def test_what_nobody_foresaw_is_logged_without_its_message(
    caplog: pytest.LogCaptureFixture,
) -> None:
    try:
        raise KeyError("a secret")
    except KeyError as error:
        with caplog.at_level(logging.ERROR):
            told = errors.translate(error, "req_7")
    assert type(told) is IbidemError
    assert "secret" not in told.message
    assert "req_7" in caplog.text
    assert "KeyError" in caplog.text
    assert "test_api_errors.py" in caplog.text
