"""Replies told piece by piece, through the real SDKs: whole in the end, and with the same rules."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from rag.answer import Answered, Cited, Delta, PassagesFound, Retracted, stream
from rag.errors import (
    MalformedReply,
    ModelAccessDenied,
    ModelError,
    ModelRejected,
    ModelTimeout,
    ModelUnavailable,
    RateLimited,
)
from rag.models import calls as calls_module
from rag.models.budget import Budget
from rag.models.calls import Calls, Meter
from rag.models.chat import Finish, StreamingBackend, Tokens
from rag.models.chat.compatible import CompatibleChat
from rag.models.chat.redacting import RedactingChat
from rag.models.limits import Limits
from rag.models.policy.consistency import VotingEngine
from rag.models.pricing import Price, Pricing
from rag.models.prompted import PromptedEngine
from rag.types import Passage
from tests.fakes import MemorySource
from tests.fault_server import Line, serving
from tests.providers import PROVIDERS, Ledger, Provider
from tests.scripted import Kept
from tests.unit.test_chat import REQUEST, calling, every_provider, says, status

httpx2 = pytest.importorskip("httpx2")
pytest.importorskip("openai")
pytest.importorskip("anthropic")

TEXT = '{"total": 1, "note": "one\\nand only"}'
USED = Tokens(input=100, output=20, cached=60, reasoning=7)
STREAM = {"content-type": "text/event-stream"}


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls_module, "_FIRST_PAUSE_S", 0.01)


def streams(provider: Provider, text: str = TEXT, *, finish: str = "complete") -> list[bytes]:
    """The events of a reply."""
    whole = provider.reply(text, finish=finish, tokens=USED)
    return [event.encode() for event in provider.events(whole, text)]


def sends(content: Any) -> Callable[[], Any]:
    return lambda: httpx2.Response(200, content=content, headers=STREAM)


def backend_of(provider: Provider, *answers: Callable[[], Any]) -> tuple[Any, Ledger]:
    ledger = Ledger(list(answers))
    backend = provider.backend(transport=httpx2.MockTransport(ledger))
    assert isinstance(backend, StreamingBackend)
    return backend, ledger


@every_provider
@pytest.mark.parametrize("finish", ["complete", "length", "refused", "filtered"])
def test_a_streamed_reply_is_the_one_that_comes_at_once(provider: Provider, finish: str) -> None:
    streamed, ledger = backend_of(provider, sends(iter(streams(provider, finish=finish))))
    at_once, _ = backend_of(provider, says(provider, TEXT, finish=finish, tokens=USED))
    told: list[str] = []
    reply = streamed.stream(REQUEST, timeout=5, tell=told.append)
    assert reply == at_once.complete(REQUEST, timeout=5)
    assert ledger.requests[0]["stream"] is True
    if reply.finish is not Finish.REFUSED:
        assert len(told) > 4
        assert "".join(told) == TEXT


def cut(provider: Provider) -> Iterator[bytes]:
    events = streams(provider)
    yield from events[: len(events) // 2]
    raise httpx2.ReadError("the connection is gone")


def without_end(provider: Provider) -> Iterator[bytes]:
    events = streams(provider)
    yield from events[: len(events) // 2]


def with_error(provider: Provider) -> Iterator[bytes]:
    yield from without_end(provider)
    yield an_error(provider, {"anthropic": "overloaded_error"}.get(provider.name, "server_error"))


def an_error(provider: Provider, code: str, message: str = "busy") -> bytes:
    """The event of an error, as the provider writes it."""
    if provider.name == "openai":
        said: Any = {"type": "error", "code": code, "message": message, "sequence_number": 9}
    elif provider.name == "anthropic":
        said = {"type": "error", "error": {"type": code, "message": message}}
    else:
        return f"data: {json.dumps({'error': {'code': code, 'message': message}})}\n\n".encode()
    return f"event: error\ndata: {json.dumps(said)}\n\n".encode()


def a_failure(provider: Provider, code: str, message: str = "busy") -> bytes:
    """The last event of a reply of OpenAI's that failed."""
    failed = {**provider.reply("", tokens=USED), "status": "failed", "output": []}
    failed["error"] = {"code": code, "message": message}
    said = {"type": "response.failed", "sequence_number": 9, "response": failed}
    return f"event: response.failed\ndata: {json.dumps(said)}\n\n".encode()


def a_byte_at_a_time(provider: Provider) -> Iterator[bytes]:
    yield from without_end(provider)
    while True:
        time.sleep(0.05)
        yield b":"


def without_limit(provider: Provider) -> Iterator[bytes]:
    yield from without_end(provider)
    while True:
        yield b":" + b"x" * (1 << 20) + b"\n\n"


def garbage(provider: Provider) -> Iterator[bytes]:
    yield from without_end(provider)
    yield b"event: message_delta\ndata: {nothing\n\n"


BROKEN = [
    (cut, ModelUnavailable),
    (without_end, MalformedReply),
    (with_error, ModelUnavailable),
    (a_byte_at_a_time, ModelTimeout),
    (without_limit, ModelRejected),
    (garbage, MalformedReply),
]


@every_provider
@pytest.mark.parametrize(("fault", "expected"), BROKEN)
def test_what_breaks_after_the_first_word_is_an_error_and_not_tried_again(
    provider: Provider,
    fault: Callable[[Provider], Iterator[bytes]],
    expected: type[ModelError],
) -> None:
    backend, ledger = backend_of(provider, lambda: sends(fault(provider))())
    prices = Pricing([Price(model=f"{provider.name}:", input=1.0, output=1.0)])
    calls, meter = calling(backend, deadline_s=1.0, pricing=prices)
    budget = Budget(1.0, what="this test")
    told: list[str] = []
    started = time.monotonic()
    with pytest.raises(ModelError) as caught:
        calls.call(REQUEST, budgets=[budget], tell=told.append)
    assert type(caught.value) is expected
    assert time.monotonic() - started < 2.5
    assert "".join(told)
    assert TEXT.startswith("".join(told))
    assert len(ledger.requests) == 1
    # It may have to be paid, nobody knows how much: that stays set aside.
    assert meter.read()[backend.id].cost_usd is None
    assert budget.spent_usd == 0


@pytest.mark.parametrize(
    ("provider", "write", "code", "expected"),
    [
        (PROVIDERS[0], an_error, "rate_limit_exceeded", RateLimited),
        (PROVIDERS[0], an_error, "server_error", ModelUnavailable),
        (PROVIDERS[0], an_error, "insufficient_quota", ModelAccessDenied),
        (PROVIDERS[0], a_failure, "rate_limit_exceeded", RateLimited),
        (PROVIDERS[0], a_failure, "server_error", ModelUnavailable),
        (PROVIDERS[0], a_failure, "invalid_prompt", ModelRejected),
        (PROVIDERS[1], an_error, "rate_limit_error", RateLimited),
        (PROVIDERS[1], an_error, "overloaded_error", ModelUnavailable),
        (PROVIDERS[1], an_error, "invalid_request_error", ModelRejected),
        (PROVIDERS[2], an_error, "rate_limit_exceeded", RateLimited),
        (PROVIDERS[2], an_error, "500", ModelUnavailable),
    ],
)
def test_what_a_provider_reports_within_a_stream_is_its_error(
    provider: Provider,
    write: Callable[[Provider, str], bytes],
    code: str,
    expected: type[ModelError],
) -> None:
    events = [*without_end(provider), write(provider, code)]
    backend, ledger = backend_of(provider, sends(b"".join(events)))
    calls, meter = calling(backend)
    told: list[str] = []
    with pytest.raises(ModelError) as caught:
        calls.call(REQUEST, tell=told.append)
    assert type(caught.value) is expected
    assert "".join(told)
    assert len(ledger.requests) == 1
    metered = meter.read()[backend.id]
    assert metered.failures == {expected.code: 1}
    known = Tokens(input=USED.input, output=USED.output) if write is a_failure else Tokens()
    assert metered.tokens == known


def _without(events: list[bytes], name: bytes) -> list[bytes]:
    return [one for one in events if name not in one]


@pytest.mark.parametrize(
    ("provider", "spoilt"),
    [
        (PROVIDERS[1], lambda events: _without(events, b"message_start")),
        (PROVIDERS[1], lambda events: _without(events, b"content_block_start")),
        (PROVIDERS[1], lambda events: [b'event: x\ndata: {"type": "message_start"}\n\n']),
        (PROVIDERS[1], lambda events: events[::-1]),
        (PROVIDERS[2], lambda events: [b'data: {"choices": [{}]}\n\n']),
        (PROVIDERS[2], lambda events: [b'data: {"choices": [{"delta": {"content": 5}}]}\n\n']),
    ],
)
def test_events_that_make_no_reply_are_malformed(
    provider: Provider, spoilt: Callable[[list[bytes]], list[bytes]]
) -> None:
    backend, ledger = backend_of(provider, sends(b"".join(spoilt(streams(provider)))))
    calls, meter = calling(backend)
    with pytest.raises(MalformedReply):
        calls.call(REQUEST, tell=pytest.fail)
    assert meter.read()[backend.id].failures == {"malformed_reply": len(ledger.requests)}


@every_provider
@pytest.mark.parametrize("error", [ValueError, TypeError, RecursionError])
def test_what_goes_wrong_with_a_listener_is_not_the_models_doing(
    provider: Provider, error: type[Exception]
) -> None:
    backend, _ = backend_of(provider, sends(iter(streams(provider))))

    def tell(_: str) -> None:
        raise error("of the listener")

    with pytest.raises(error, match="of the listener"):
        backend.stream(REQUEST, timeout=5, tell=tell)


@every_provider
def test_what_fails_before_the_first_word_is_tried_again(provider: Provider) -> None:
    backend, ledger = backend_of(provider, status(503), sends(iter(streams(provider))))
    calls, meter = calling(backend)
    told: list[str] = []
    called = calls.call(REQUEST, tell=told.append)
    assert (called.attempts, "".join(told), called.reply.text) == (2, TEXT, TEXT)
    assert len(ledger.requests) == 2
    assert meter.read()[backend.id].tokens == USED


def test_a_server_that_refuses_to_stream_is_asked_at_once() -> None:
    provider = PROVIDERS[2]
    refused = status(422, "stream_options: extra fields not permitted")
    backend, ledger = backend_of(provider, refused, says(provider, TEXT, tokens=USED))
    calls, meter = calling(backend)
    for _ in range(2):
        assert calls.call(REQUEST, tell=pytest.fail).reply.text == TEXT
    assert ["stream" in request for request in ledger.requests] == [True, False, False]
    metered = meter.read()[backend.id]
    assert (metered.calls, metered.failures) == (3, {"model_unavailable": 1})
    assert metered.tokens == USED + USED


@pytest.mark.parametrize(
    "refused", [status(400, "the schema is too deep"), status(404, "no stream here")]
)
def test_what_a_server_refuses_for_another_reason_is_not_asked_again(
    refused: Callable[[], Any],
) -> None:
    ledger = Ledger([refused])
    backend = CompatibleChat(
        "big-stream",
        base_url="http://stream.invalid/v1",
        transport=httpx2.MockTransport(ledger),
    )
    calls, meter = calling(backend)
    with pytest.raises(ModelRejected):
        calls.call(REQUEST, tell=pytest.fail)
    assert len(ledger.requests) == meter.read()[backend.id].calls == 1


def test_what_a_server_says_at_once_though_asked_to_stream_is_taken() -> None:
    provider = PROVIDERS[2]
    backend, ledger = backend_of(provider, says(provider, TEXT, tokens=USED))
    at_once, _ = backend_of(provider, says(provider, TEXT, tokens=USED))
    reply = backend.stream(REQUEST, timeout=5, tell=pytest.fail)
    assert reply == at_once.complete(REQUEST, timeout=5)
    assert len(ledger.requests) == 1
    for content in (b"<html>", b"[]", b"{}", b""):
        backend, _ = backend_of(provider, lambda body=content: httpx2.Response(200, content=body))
        with pytest.raises(MalformedReply):
            backend.stream(REQUEST, timeout=5, tell=pytest.fail)


GOOD = {
    "reasoning": "P1 says so.",
    "statements": [
        {"text": "It is 400.", "evidence": [{"passage": "P1", "quote": "400 a month"}]},
        {"text": "It is free.", "evidence": [{"passage": "P1", "quote": "free of charge"}]},
        {"text": "It is a rent.", "evidence": [{"passage": "P1", "quote": "The rent"}]},
    ],
    "confidence": 0.9,
}
LEASE = "The rent is 400 a month."
PASSAGE = Passage(
    document_id="d1", document_title="Lease", start=0, end=len(LEASE), text=LEASE, score=1
)
ASKED: dict[str, Any] = {"passages": [PASSAGE], "source": MemorySource({"d1": LEASE}), "live": True}


def engine_over(backend: Any, kept: Kept | None = None) -> PromptedEngine:
    calls = Calls(backend, limits=Limits(), meter=Meter(), pricing=Pricing(), deadline_s=20.0)
    return PromptedEngine(calls, replies=kept or Kept(), secret=b"s")


@every_provider
def test_an_answer_is_told_while_the_model_still_writes(provider: Provider) -> None:
    """The second half of the reply is not written before the first sentence was read here."""
    go_on, kept = threading.Event(), Kept()

    def write(line: Line) -> None:
        line.write(json.dumps(GOOD, indent=8), until=go_on)

    with serving(provider) as server:
        backend: Any = provider.backend(base_url=server.url)
        with closing(backend._client), server.doing(write) as books:
            events = stream("What?", engine=engine_over(backend, kept), **ASKED)
            assert isinstance(next(events), PassagesFound)
            words = []
            while isinstance(one := next(events), Delta):
                words.append(one.text)
            assert "".join(words) == "It is 400."
            assert isinstance(one, Cited)
            assert not go_on.is_set()
            go_on.set()
            *rest, last = events
            assert [one.sentence for one in rest if isinstance(one, Retracted)] == [1]
            assert isinstance(last, Answered)
            assert last.answer.text == "It is 400. It is a rent."
            assert last.answer.dropped_citations == 1
            assert (last.answer.usage.input_tokens, len(books.requests)) == (1_000, 1)

            known = list(stream("What?", engine=engine_over(backend, kept), **ASKED))
            assert [type(one) for one in known[1:-1]] == [Delta, Cited] * 2, "all at once"
            assert len(books.requests) == 1, "no recorded reply is bought again"


def test_what_is_not_valid_in_the_end_is_taken_back() -> None:
    provider = PROVIDERS[2]
    bad = json.dumps({**GOOD, "confidence": 7})
    better = json.dumps({**GOOD, "statements": GOOD["statements"][2:]})  # type: ignore[index]
    backend, ledger = backend_of(
        provider, sends(iter(streams(provider, bad))), sends(iter(streams(provider, better)))
    )
    told = list(stream("What?", engine=engine_over(backend), **ASKED))
    whole_back = [
        number
        for number, one in enumerate(told)
        if isinstance(one, Retracted) and one.sentence == 0
    ]
    assert len(whole_back) == 1
    rest = told[whole_back[0] + 1 :]
    assert "".join(one.text for one in rest if isinstance(one, Delta)) == "It is a rent."
    assert len(ledger.requests) == 2


def test_what_cannot_be_told_yet_is_asked_for_at_once() -> None:
    provider = PROVIDERS[2]

    class Detector:
        id = "none"

        def find(self, text: str) -> list[Any]:
            return []

    for made in (
        lambda backend: VotingEngine(engine_over(backend), 2),
        lambda backend: engine_over(RedactingChat(backend, Detector(), b"s")),
    ):
        backend, ledger = backend_of(provider, says(provider, json.dumps(GOOD)))
        *_, last = stream("What?", engine=made(backend), **ASKED)
        assert isinstance(last, Answered)
        assert last.answer.text == "It is 400. It is a rent."
        assert not any("stream" in request for request in ledger.requests)
