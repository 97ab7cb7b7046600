"""Errors over HTTP: every class mapped, one form, nothing told that was not meant to be."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from typing import Any, Literal

import pytest
import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from api import errors
from api.complaints import complaint
from rag.errors import IbidemError, InvalidFilter, Overloaded, ShuttingDown, StorageFull


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


def test_complaints_are_sentences_and_repeat_no_value() -> None:
    class Asked(BaseModel):
        model_config = ConfigDict(extra="forbid")
        query: str
        mode: Literal["dense", "hybrid"] = "dense"
        top_k: int = Field(1, ge=1, le=50)
        parts: list[str] = Field([], max_length=1)

    def told(**sent: Any) -> str:
        with pytest.raises(ValidationError) as caught:
            Asked(**sent)
        return complaint(caught.value.errors()[0])

    assert told() == "is missing"
    assert told(query="a", colour="red") == "there is no such field"
    assert told(query=7) == "must be a text"
    assert told(query="a", mode="x") == "must be 'dense' or 'hybrid'"
    assert told(query="a", top_k="five") == "must be a whole number"
    assert told(query="a", top_k=1e300) == "is too large a number"
    assert told(query="a", top_k=0) == "must be at least 1"
    assert told(query="a", top_k=51) == "must be at most 50"
    assert "at most 1 item" in told(query="a", parts=["b", "c"])


def test_an_overloaded_service_says_when_to_return() -> None:
    assert errors.response(Overloaded(), "r").headers["retry-after"] == "1"
    stopping = errors.response(ShuttingDown(), "r")
    assert (stopping.status_code, stopping.headers["retry-after"]) == (503, "5")
    assert b"send the request again" in stopping.body


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
