"""The table of faults: what a question to a language model comes to, through the real SDKs.

Each provider is a server on loopback that writes its own wire format. Each fault is met twice:
by a provider that gets over it, and by one that goes on like that. The end is the right answer
or the right error, within the deadline, and our books agree with the provider's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

from rag.catalog import Catalog
from rag.catalog.opening import open_sqlite
from rag.catalog.vectors import VectorStore
from rag.errors import (
    InvalidOutput,
    MalformedReply,
    ModelAccessDenied,
    ModelError,
    ModelRefused,
    ModelRejected,
    ModelTimeout,
    ModelUnavailable,
    OutputTruncated,
    RateLimited,
)
from rag.models import calls as calls_module
from rag.models.calls import Calls
from rag.models.chat import ChatBackend
from rag.models.drafts import Listener, Part
from rag.models.engine import Context
from rag.models.limits import Limits
from rag.models.pricing import Price, Pricing
from rag.models.prompted import PromptedEngine
from rag.models.tasks import AnswerTask, Statement
from rag.types import Passage
from tests.fault_server import CHARGED, Books, Fault, FaultServer, Line, serving
from tests.faults import FAULTS, measure
from tests.providers import PROVIDERS, Provider, Wire

pytest.importorskip("openai")
pytest.importorskip("anthropic")

GOOD = {
    "reasoning": 'P1 says "so",\nin one line.',
    "statements": [
        {"text": "It is 400 a month.", "evidence": [{"passage": "P1", "quote": "400 a month"}]}
    ],
    "confidence": 0.9,
}
TASK = AnswerTask(
    question="What is the rent?",
    passages=(
        Passage(
            document_id="",
            document_title="Lease",
            start=0,
            end=24,
            text="The rent is 400 a month.",
            score=1,
        ),
    ),
)


def good(line: Line) -> None:
    line.say(json.dumps(GOOD))


def written(line: Line) -> None:
    line.write(json.dumps(GOOD))


def says(text: str, finish: str = "complete") -> Fault:
    return lambda line: line.say(text, finish)


def status(code: int, message: str = "no", **headers: str) -> Fault:
    return lambda line: line.refuse(code, message, **headers)


def stuck(line: Line) -> None:
    line.head(200, 5_000)
    line.handler.wfile.write(line.reply(json.dumps(GOOD))[:40])
    line.hang()


def a_byte_at_a_time(line: Line) -> None:
    content = line.reply(json.dumps(GOOD))
    line.head(200, len(content))
    line.drip(content, 0.1)


def body_cut(line: Line) -> None:
    content = line.reply(json.dumps(GOOD))
    line.head(200, len(content))
    line.handler.wfile.write(content[: len(content) // 2])
    line.hang_up()


def of_ten_megabytes(line: Line) -> None:
    line.send(200, line.reply(json.dumps({**GOOD, "reasoning": "x" * (10 << 20)})))


@dataclass(frozen=True)
class Row:
    """A fault, what it ends in when it goes on, and whether the next reply mends it.

    ``unpaid`` is a fault of which the provider tells that it cost nothing; of others that bring
    no reply nobody knows.
    """

    fault: Fault
    ends: type[ModelError]
    mended: bool = True
    unpaid: bool = False

    @property
    def deadline_s(self) -> float:
        """Short where the fault takes all of it, and else no shorter than a busy machine needs."""
        if self.ends is ModelTimeout:
            return 0.3
        return 0.6 if self.ends is RateLimited else 20.0


TABLE = {
    "429": Row(status(429), RateLimited, unpaid=True),
    "429, again in 0.1 s": Row(status(429, retry_after="0.1"), RateLimited, unpaid=True),
    "429, again in 200 s": Row(
        status(429, retry_after="200"), RateLimited, mended=False, unpaid=True
    ),
    "500": Row(status(500), ModelUnavailable, unpaid=True),
    "503": Row(status(503), ModelUnavailable, unpaid=True),
    "hangs up": Row(Line.hang_up, ModelUnavailable),
    "hangs before it says anything": Row(Line.hang, ModelTimeout, mended=False),
    "hangs in its reply": Row(stuck, ModelTimeout, mended=False),
    "a byte at a time": Row(a_byte_at_a_time, ModelTimeout, mended=False),
    "body cut": Row(body_cut, ModelUnavailable),
    "a page of HTML": Row(lambda line: line.send(200, b"<html>"), MalformedReply),
    "another protocol": Row(lambda line: line.send(200, b"{}"), MalformedReply),
    "JSON nested 200,000 deep": Row(lambda line: line.send(200, b"[" * 200_000), MalformedReply),
    "10 MB": Row(of_ten_megabytes, ModelRejected, mended=False),
    "expired key": Row(status(401), ModelAccessDenied, mended=False, unpaid=True),
    "no money": Row(
        status(429, "insufficient_quota"), ModelAccessDenied, mended=False, unpaid=True
    ),
    "unknown model": Row(status(404), ModelRejected, mended=False, unpaid=True),
    "refusal": Row(says("I cannot help.", "refused"), ModelRefused, mended=False),
    "content filter": Row(says("", "filtered"), ModelRefused, mended=False),
    "cut off": Row(says(json.dumps(GOOD)[:60], "length"), OutputTruncated),
    "truncated JSON": Row(says(json.dumps(GOOD)[:60]), InvalidOutput),
    "garbage": Row(says("\x00\ufffd}{][ 42 "), InvalidOutput),
    "prose": Row(says("The rent is 400 a month."), InvalidOutput),
    "wrong schema": Row(says('{"answer": "400"}'), InvalidOutput),
    "a list": Row(says(f"[{json.dumps(GOOD)}]"), InvalidOutput),
    "a confidence of 7": Row(says(json.dumps({**GOOD, "confidence": 7})), InvalidOutput),
    "empty": Row(says(""), InvalidOutput),
    "blank": Row(says(" \n\n "), InvalidOutput),
    "null": Row(says("null"), InvalidOutput),
    "nested 20,000 deep": Row(says('{"a":' * 20_000), InvalidOutput),
    "a number of 5,000 digits": Row(
        says(json.dumps(GOOD).replace("0.9", "9" * 5_000)), InvalidOutput
    ),
}

every_fault = pytest.mark.parametrize("name", TABLE)


def streams(content: bytes) -> Fault:
    return lambda line: line.send(200, content, content_type="text/event-stream")


def begins(content: bytes) -> Fault:
    """The first half of a stream, and what comes then."""

    def fault(line: Line) -> None:
        events = line.events(json.dumps(GOOD))
        streams(b"".join(events[: len(events) // 2]) + content)(line)

    return fault


def with_field(name: str, value: Any) -> Fault:
    """A stream in which all fields of a name hold something else."""

    def spoilt(said: Any) -> Any:
        if isinstance(said, dict):
            return {key: value if key == name else spoilt(one) for key, one in said.items()}
        return [spoilt(one) for one in said] if isinstance(said, list) else said

    def fault(line: Line) -> None:
        written = b"".join(line.events(json.dumps(GOOD))).decode().splitlines()
        for number, one in enumerate(written):
            if one.startswith("data: {"):
                said = spoilt(json.loads(one.removeprefix("data: ")))
                written[number] = f"data: {json.dumps(said)}"
        streams("\n".join([*written, "", ""]).encode())(line)

    return fault


# The name of an event is read by one provider's package and passed over by the others.
EVENT = b"event: message_start\ndata: "
STREAMED = {
    "empty": Row(streams(b""), MalformedReply),
    "its end alone": Row(streams(b"data: [DONE]\n\n"), MalformedReply),
    "no fields": Row(streams(EVENT + b"{}\n\n"), MalformedReply),
    "null": Row(streams(EVENT + b"null\n\n"), MalformedReply),
    "a number": Row(streams(EVENT + b"5\n\n"), MalformedReply),
    "no JSON": Row(streams(EVENT + b"{nothing\n\n"), MalformedReply),
    "nested 200,000 deep": Row(streams(EVENT + b"[" * 200_000 + b"\n\n"), MalformedReply),
    "pieces of nothing": Row(with_field("delta", None), MalformedReply),
    "pieces of numbers": Row(with_field("delta", 5), MalformedReply),
    "no end": Row(begins(b""), MalformedReply, mended=False),
    "begun, then null": Row(begins(EVENT + b"null\n\n"), MalformedReply, mended=False),
    "begun, then nested 200,000 deep": Row(
        begins(EVENT + b"[" * 200_000 + b"\n\n"), MalformedReply, mended=False
    ),
}
every_streamed_fault = pytest.mark.parametrize("name", STREAMED)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls_module, "_FIRST_PAUSE_S", 0.05)


@dataclass(frozen=True)
class Connection:
    """A backend, and the server that it asks."""

    backend: ChatBackend
    server: FaultServer


@pytest.fixture(params=PROVIDERS, ids=lambda p: p.name, scope="module")
def connection(request: pytest.FixtureRequest) -> Iterator[Connection]:
    with serving(request.param) as server:
        backend: Any = request.param.backend(base_url=server.url)
        with closing(backend._client):
            yield Connection(backend, server)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """One for all: each question is of a tenant of its own."""
    folder = tmp_path_factory.mktemp("catalog")
    vectors = VectorStore(open_sqlite(folder / "vectors.db"))
    catalog = Catalog(open_sqlite(folder / "catalog.db"), vectors)
    yield catalog
    catalog.close()


def asked(
    catalog: Catalog,
    connection: Connection,
    tenant: str,
    deadline_s: float,
    *faults: Fault,
    listener: Listener | None = None,
) -> tuple[tuple[Statement, ...] | ModelError, Books]:
    """What the question comes to, within the deadline of each call that is made for it."""
    backend = connection.backend
    calls = Calls(
        backend,
        limits=Limits(),
        meter=catalog.usage,
        pricing=Pricing([Price(model=backend.id, input=3.0, output=15.0, cached=0.3)]),
        deadline_s=deadline_s,
    )
    engine = PromptedEngine(calls, replies=catalog.replies, secret=b"s")
    with connection.server.doing(*faults) as books:
        started = time.monotonic()
        try:
            end: Any = engine.run(TASK, Context(tenant=tenant, listener=listener)).value
        except ModelError as error:
            end = error
        # A reply ends a call; what is asked then has a deadline of its own.
        assert time.monotonic() - started < deadline_s * (1 + books.replies) + 0.5
    return end, books


def check_books(catalog: Catalog, tenant: str, books: Books, *, unknown: bool) -> None:
    """Our ledger has all the calls of the provider's, and all that it charged."""
    (used,) = catalog.usage.read(tenant, since=catalog.usage.today)
    assert used.calls == len(books.requests)
    assert used.calls - sum(used.failures.values()) == books.replies
    assert used.tokens == books.charged
    each = (600 * 3.0 + CHARGED.cached * 0.3 + CHARGED.output * 15.0) / 1e6
    cost = None if unknown else pytest.approx(books.replies * each)
    assert used.cost_usd == cost


@every_fault
def test_a_fault_that_goes_on_ends_in_its_error(
    name: str, connection: Connection, catalog: Catalog
) -> None:
    row = TABLE[name]
    tenant = f"{connection.backend.id} {name}, going on"
    end, books = asked(catalog, connection, tenant, row.deadline_s, row.fault)
    assert type(end) is row.ends
    check_books(catalog, tenant, books, unknown=not row.unpaid and not books.replies)


@every_fault
def test_a_fault_that_passes_ends_in_the_answer_or_its_error(
    name: str, connection: Connection, catalog: Catalog
) -> None:
    row = TABLE[name]
    tenant = f"{connection.backend.id} {name}, passing"
    end, books = asked(catalog, connection, tenant, row.deadline_s, row.fault, good)
    if row.mended:
        assert [one.text for one in end] == ["It is 400 a month."]  # type: ignore[union-attr]
        assert len(books.requests) == 2
    else:
        assert type(end) is row.ends
    check_books(
        catalog, tenant, books, unknown=not row.unpaid and books.replies < len(books.requests)
    )


@every_streamed_fault
@pytest.mark.parametrize("passes", [False, True], ids=["going on", "passing"])
def test_a_fault_of_a_stream_ends_as_any_other(
    name: str, passes: bool, connection: Connection, catalog: Catalog
) -> None:
    row = STREAMED[name]
    tenant = f"{connection.backend.id} {name}, streamed, {passes}"
    faults = (row.fault, written) if passes else (row.fault,)
    told: list[Part] = []
    end, books = asked(catalog, connection, tenant, row.deadline_s, *faults, listener=told.append)
    if passes and row.mended:
        assert [one.text for one in end] == ["It is 400 a month."]  # type: ignore[union-attr]
    else:
        assert type(end) is row.ends
    assert all(request["stream"] for request in books.requests)
    assert len(books.requests) == 1 + row.mended
    check_books(catalog, tenant, books, unknown=True)


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda p: p.name)
def test_no_spoilt_reply_is_taken_for_another(provider: Provider) -> None:
    rows = measure(24, speaker=Wire(provider).speaker)
    assert list(rows) == list(FAULTS)
    for name, row in rows.items():
        assert row.cases, name
        assert (row.wrong, row.miscounted) == ([], []), name
        assert row.at_once + row.asked_again == row.cases, name
        assert row.asked_again == row.failed, name
