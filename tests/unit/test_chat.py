"""What providers send and how they fail, through their real SDKs."""

from __future__ import annotations

import base64
import gzip
import importlib
import io
import json
import logging
import pkgutil
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image as pillow

from rag.catalog import Catalog
from rag.errors import (
    BudgetExceeded,
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
from rag.models.chat import ChatReply, ChatRequest, Finish, Image, Role, Tokens, Turn
from rag.models.chat.compatible import CompatibleChat
from rag.models.chat.failures import translate
from rag.models.chat.openai import OpenAIChat
from rag.models.limits import Allowance, Limits
from rag.models.pricing import Price, Pricing
from rag.models.tokens import TokenEstimate
from rag.types import Usage
from tests.providers import KEY, PROVIDERS, Ledger, Provider

httpx2 = pytest.importorskip("httpx2")
pytest.importorskip("openai")
pytest.importorskip("anthropic")

SCHEMA = {
    "type": "object",
    "properties": {"total": {"type": "number", "minimum": 0}, "note": {"type": "string"}},
    "required": ["total"],
}
REQUEST = ChatRequest(
    system="Be exact.", turns=(Turn(role=Role.USER, text="How much?"),), schema=SCHEMA
)

every_provider = pytest.mark.parametrize("provider", PROVIDERS, ids=lambda p: p.name)


def answering(provider: Provider, *answers: Callable[[], Any]) -> tuple[Any, Ledger]:
    ledger = Ledger(list(answers))
    return provider.backend(transport=httpx2.MockTransport(ledger)), ledger


def says(provider: Provider, text: str, **options: Any) -> Callable[[], Any]:
    return lambda: httpx2.Response(200, json=provider.reply(text, **options))


def status(code: int, message: str = "no", **headers: str) -> Callable[[], Any]:
    error = {"type": "error", "error": {"message": message, "type": "x", "code": "x"}}
    return lambda: httpx2.Response(code, json=error, headers=headers)


def calling(backend: Any, **options: Any) -> tuple[Calls, Meter]:
    meter = Meter()
    found: dict[str, Any] = {
        "meter": meter,
        "limits": Limits(),
        "pricing": Pricing(),
        "deadline_s": 5.0,
    }
    return Calls(backend, **(found | options)), meter


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    taken: list[float] = []
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=taken.append)
    monkeypatch.setattr(calls_module, "time", clock)
    return taken


@every_provider
def test_a_reply_is_read_whole(provider: Provider) -> None:
    tokens = Tokens(input=100, output=20, cached=60, reasoning=7)
    backend, ledger = answering(provider, says(provider, '{"total": 1}', tokens=tokens))
    reply = backend.complete(REQUEST, timeout=5)
    assert reply == ChatReply(
        text='{"total": 1}', finish=Finish.COMPLETE, model="big-2026-01-01", tokens=tokens
    )
    sent = json.dumps(ledger.requests[0])
    assert "Be exact." in sent
    assert "How much?" in sent
    assert '"additionalProperties": false' in sent


def drawn(width: int, height: int) -> Image:
    written = io.BytesIO()
    pillow.new("L", (width, height)).save(written, "PNG")
    return Image(caption="The page of P1.", png=written.getvalue())


@every_provider
def test_images_go_before_the_words_of_their_turn(provider: Provider) -> None:
    backend, ledger = answering(provider, says(provider, "{}"))
    image = drawn(4, 3)
    turn = Turn(role=Role.USER, text="How much?", images=(image,))
    backend.complete(ChatRequest(system="s", turns=(turn,)), timeout=5)
    sent = ledger.requests[0]
    *_, said = sent.get("messages") or sent["input"]
    caption, shown, question = said["content"]
    assert (caption["text"], question["text"]) == ("The page of P1.", "How much?")
    assert base64.b64encode(image.png).decode() in json.dumps(shown)
    assert backend.takes_images


def test_images_count_towards_what_a_call_may_take() -> None:
    def tokens(*images: Image) -> int:
        turn = Turn(role=Role.USER, text="How much?", images=images)
        return TokenEstimate().tokens(ChatRequest(system="", turns=(turn,)))

    assert drawn(1_000, 1_400).pixels == 1_400_000
    assert 1_400 < tokens(drawn(1_000, 1_400)) - tokens() < 2_500


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-4.1", True),
        ("gpt-4o-mini", True),
        ("gpt-5-chat-latest", True),
        ("gpt-5", False),
        ("gpt-5.1-mini-2026-01-01", False),
        ("ft:gpt-5-mini:org::id", False),
        ("o1", False),
        ("o3-pro", False),
        ("o4-mini", False),
        ("orca", True),
    ],
)
def test_models_that_reason_are_known_to_take_no_temperature(model: str, expected: bool) -> None:
    assert OpenAIChat(model, api_key=KEY).takes_temperature is expected
    compatible = CompatibleChat(f"openai/{model}", base_url="http://model.invalid/v1")
    assert compatible.takes_temperature is expected


@pytest.mark.parametrize("provider", [PROVIDERS[0], PROVIDERS[2]], ids=lambda p: p.name)
@pytest.mark.parametrize("param", ["temperature", None])
def test_a_temperature_that_is_refused_is_left_out_from_then_on(
    provider: Provider, param: str | None
) -> None:
    error = {"message": "Unsupported parameter: 'temperature'", "param": param, "code": "x"}
    backend, ledger = answering(
        provider,
        lambda: httpx2.Response(400, json={"error": error}),
        says(provider, "{}"),
    )
    assert backend.takes_temperature
    warm = replace(REQUEST, temperature=0.0)
    assert backend.complete(warm, timeout=5).text == "{}"
    assert ["temperature" in sent for sent in ledger.requests] == [True, False]
    assert not backend.takes_temperature


@pytest.mark.parametrize("provider", [PROVIDERS[0], PROVIDERS[2]], ids=lambda p: p.name)
def test_no_other_refusal_is_blamed_on_the_temperature(provider: Provider) -> None:
    backend, ledger = answering(provider, status(400, "the schema is too deep"))
    with pytest.raises(ModelRejected):
        backend.complete(replace(REQUEST, temperature=0.0), timeout=5)
    assert len(ledger.requests) == 1
    assert backend.takes_temperature


@every_provider
@pytest.mark.parametrize("finish", ["length", "refused", "filtered"])
def test_how_a_reply_ended_is_told(provider: Provider, finish: str) -> None:
    backend, _ = answering(provider, says(provider, "I", finish=finish))
    found = backend.complete(REQUEST, timeout=5).finish
    assert found in ({Finish(finish)} | ({Finish.REFUSED} if finish == "filtered" else set()))


# Made once: packing it takes longer than the deadlines below.
BOMB = gzip.compress(b" " * (64 << 20), 1)
STATUSES = [
    (status(400), ModelRejected),
    (status(401, f"bad key {KEY[:8]}"), ModelAccessDenied),
    (status(402), ModelAccessDenied),
    (status(403), ModelAccessDenied),
    (status(404), ModelRejected),
    (status(408), ModelUnavailable),
    (status(409), ModelUnavailable),
    (status(413), ModelRejected),
    (status(422), ModelRejected),
    (status(429), RateLimited),
    (status(429, "insufficient_quota"), ModelAccessDenied),
    (status(500), ModelUnavailable),
    (status(503), ModelUnavailable),
    (status(529), ModelUnavailable),
    (lambda: httpx2.Response(200, text="<html>"), MalformedReply),
    (
        lambda: httpx2.Response(200, text="{}", headers={"content-type": "text/plain"}),
        MalformedReply,
    ),
    (
        lambda: httpx2.Response(
            200, content=b'{"id": "x", "outp', headers={"content-type": "application/json"}
        ),
        MalformedReply,
    ),
    (lambda: httpx2.Response(200, json={}), MalformedReply),
    (lambda: httpx2.Response(200, json=[]), MalformedReply),
    (lambda: httpx2.Response(200, content=iter([b"x" * (1 << 20)] * 10)), ModelRejected),
    (
        lambda: httpx2.Response(
            200,
            content=BOMB,
            headers={"content-type": "application/json", "content-encoding": "gzip"},
        ),
        ModelRejected,
    ),
    (lambda: httpx2.Response(200), MalformedReply),
]


@every_provider
@pytest.mark.parametrize(("answer", "expected"), STATUSES)
def test_each_failure_has_its_error(
    provider: Provider, answer: Callable[[], Any], expected: type[ModelError]
) -> None:
    backend, _ = answering(provider, answer)
    with pytest.raises(ModelError) as caught:
        backend.complete(REQUEST, timeout=5)
    assert type(caught.value) is expected
    assert KEY[:8] not in caught.value.message


@every_provider
@pytest.mark.parametrize(("answer", "expected"), STATUSES)
def test_no_failure_passes_for_a_reply_or_outlasts_the_deadline(
    provider: Provider, answer: Callable[[], Any], expected: type[ModelError]
) -> None:
    backend, ledger = answering(provider, answer)
    calls, meter = calling(backend, deadline_s=0.25)
    started = time.monotonic()
    with pytest.raises(expected):
        calls.call(REQUEST)
    assert time.monotonic() - started < 0.75
    metered = meter.read()[backend.id]
    assert metered.calls == sum(metered.failures.values()) == len(ledger.requests)


@every_provider
def test_nobody_there(provider: Provider) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    backend = provider.backend(base_url=f"http://127.0.0.1:{port}")
    with pytest.raises(ModelUnavailable, match="reached"):
        backend.complete(REQUEST, timeout=2)


@contextmanager
def server(respond: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server on loopback that does to each connection what it is told to."""
    listening = socket.create_server(("127.0.0.1", 0))
    stopped = threading.Event()

    def serve() -> None:
        while not stopped.is_set():
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    def talk(connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(65536)
                respond(connection)
                stopped.wait(20)
            except OSError:
                pass

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        stopped.set()
        listening.close()


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n"


def silent(_: socket.socket) -> None:
    """Hangs before it says anything."""


def stuck(connection: socket.socket) -> None:
    connection.sendall(HEAD + b'{"id"')


def trickle(connection: socket.socket, piece: bytes) -> None:
    for _ in range(200):
        connection.sendall(piece)
        time.sleep(0.1)


def trickling(connection: socket.socket) -> None:
    connection.sendall(HEAD)
    trickle(connection, b" ")


def dripping_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
    trickle(connection, b"a")


def interim_replies(connection: socket.socket) -> None:
    trickle(connection, b"HTTP/1.1 103 Early Hints\r\nx: y\r\n\r\n")


def late_and_stuck(connection: socket.socket) -> None:
    """Its time is counted anew neither with the headers nor with a piece of the body."""
    connection.sendall(HEAD)
    time.sleep(0.35)
    connection.sendall(b" ")


@every_provider
@pytest.mark.parametrize(
    "fault", [silent, stuck, trickling, dripping_headers, interim_replies, late_and_stuck]
)
def test_no_fault_outlasts_its_time(
    provider: Provider, fault: Callable[[socket.socket], None]
) -> None:
    with server(fault) as address:
        backend = provider.backend(base_url=address)
        started = time.monotonic()
        with pytest.raises(ModelTimeout):
            calling(backend, deadline_s=0.4)[0].call(REQUEST)
        assert time.monotonic() - started < 0.9


@every_provider
def test_a_request_that_is_read_slowly_ends_in_time(provider: Provider) -> None:
    def reading(connection: socket.socket) -> None:
        while connection.recv(4096):
            time.sleep(0.05)

    turn = Turn(role=Role.USER, text="x" * (32 << 20))
    with server(reading) as address:
        backend = provider.backend(base_url=address)
        started = time.monotonic()
        with pytest.raises(ModelTimeout):
            backend.complete(ChatRequest(system="s", turns=(turn,)), timeout=0.8)
        assert time.monotonic() - started < 2


@every_provider
def test_what_may_pass_is_tried_again(provider: Provider, pauses: list[float]) -> None:
    backend, ledger = answering(
        provider,
        status(503),
        status(429),
        status(429, **{"retry-after": "3"}),
        says(provider, "yes"),
    )
    calls, meter = calling(backend, deadline_s=30.0)
    called = calls.call(REQUEST)
    assert (called.reply.text, called.attempts) == ("yes", 4)
    assert len(ledger.requests) == 4
    assert pauses[2] >= 3
    metered = meter.read()[backend.id]
    assert (metered.calls, dict(metered.failures)) == (
        4,
        {"model_unavailable": 1, "rate_limited": 2},
    )
    assert metered.tokens == Tokens(input=10, output=5)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(status(401), ModelAccessDenied), (status(400), ModelRejected)],
)
def test_what_will_not_pass_is_not_tried_again(
    answer: Callable[[], Any], expected: type[ModelError], pauses: list[float]
) -> None:
    backend, ledger = answering(PROVIDERS[0], answer)
    with pytest.raises(expected):
        calling(backend)[0].call(REQUEST)
    assert len(ledger.requests) == 1
    assert not pauses


def test_what_cannot_be_reached_is_given_up_soon(pauses: list[float]) -> None:
    backend, ledger = answering(PROVIDERS[0], *[status(503)] * 9)
    with pytest.raises(ModelUnavailable):
        calling(backend, deadline_s=500.0)[0].call(REQUEST)
    assert len(ledger.requests) == 4
    assert sum(pauses) < 5


def test_nobody_waits_longer_than_the_deadline(pauses: list[float]) -> None:
    backend, ledger = answering(PROVIDERS[0], status(429, **{"retry-after": "200"}))
    with pytest.raises(RateLimited):
        calling(backend, deadline_s=500.0)[0].call(REQUEST)
    assert len(ledger.requests) == 1
    assert not pauses


@every_provider
def test_the_books_agree_with_the_provider_under_faults(
    provider: Provider, catalog: Catalog, pauses: list[float]
) -> None:
    tokens = Tokens(input=1000, output=100, cached=400)
    # No more of the first two than any one call bears.
    faults = [status(503), status(500), status(503), *[status(429)] * 12]
    backend, ledger = answering(provider, *faults, says(provider, "a", tokens=tokens))
    pricing = Pricing([Price(model=f"{provider.name}:", input=3.0, output=15.0, cached=0.3)])
    calls, _ = calling(backend, pricing=pricing, meter=catalog.usage, deadline_s=60.0)
    with ThreadPoolExecutor(20) as threads:
        called = list(threads.map(lambda _: calls.call(REQUEST), range(20)))
    (used,) = catalog.usage.read("default", since=catalog.usage.today)
    failed = sum(used.failures.values())
    assert used.calls == len(ledger.requests) == sum(one.attempts for one in called)
    assert used.calls - failed == 20
    assert used.tokens == Tokens(input=20_000, output=2_000, cached=8_000)
    each = (600 * 3.0 + 400 * 0.3 + 100 * 15.0) / 1e6
    assert used.cost_usd == pytest.approx(20 * each)


@every_provider
def test_a_reply_of_no_sense_is_paid_and_asked_for_once_more(
    provider: Provider, pauses: list[float]
) -> None:
    reply = provider.reply("x", tokens=Tokens(input=1_000, output=500))
    for part in (reply, *reply.get("choices", ())):
        part.update({name: "new" for name in ("status", "stop_reason") if name in part})
        part.update({"finish_reason": "new"} if "finish_reason" in part else {})
    backend, ledger = answering(provider, lambda: httpx2.Response(200, json=reply))
    pricing = Pricing([Price(model=f"{provider.name}:", input=1_000.0, output=1_000.0)])
    calls, meter = calling(backend, pricing=pricing, deadline_s=60.0)
    budget = Budget(100.0, what="this job")
    with pytest.raises(MalformedReply) as caught:
        calls.call(REQUEST, budgets=[budget])
    assert len(ledger.requests) == 2
    assert caught.value.usage == Usage(input_tokens=2_000, output_tokens=1_000, cost_usd=3.0)
    assert meter.read()[backend.id].cost_usd == 3.0
    assert budget.spent_usd == 3.0


def test_money_stays_aside_for_what_may_have_to_be_paid(pauses: list[float]) -> None:
    provider = PROVIDERS[0]

    def lost() -> Any:
        raise httpx2.ReadError("the connection is gone")

    def unreachable() -> Any:
        raise httpx2.ConnectError("nobody is there")

    pricing = Pricing([Price(model="openai:", input=0.0, output=1_000.0)])
    request = replace(REQUEST, max_output_tokens=1_000)  # a dollar
    for answer, left in ((unreachable, 0), (lost, 1)):
        backend, _ = answering(provider, answer, says(provider, "a"))
        calls, meter = calling(backend, pricing=pricing, deadline_s=60.0)
        budget = Budget(2.5, what="this job")
        called = calls.call(request, budgets=[budget])
        assert called.attempts == 2
        assert (called.spent.cost_usd is None) is bool(left)
        assert (meter.read()[backend.id].cost_usd is None) is bool(left)
        budget.reserve(2.4 - left)
        with pytest.raises(BudgetExceeded):
            budget.reserve(0.2)


def test_our_own_limit_is_no_call() -> None:
    backend, ledger = answering(PROVIDERS[0], says(PROVIDERS[0], "a"))
    calls, meter = calling(backend, limits=Limits(Allowance(calls_per_minute=1)), deadline_s=0.5)
    calls.call(REQUEST)
    started = time.monotonic()
    with pytest.raises(RateLimited, match="a minute"):
        calls.call(REQUEST)
    assert time.monotonic() - started < 0.4
    assert len(ledger.requests) == meter.read()[backend.id].calls == 1


def test_who_waited_long_for_a_place_asks_whether_another_has_the_reply(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calls_module, "_LOOK_AGAIN_S", 0.05)
    backend, ledger = answering(PROVIDERS[0], says(PROVIDERS[0], "a"))
    limits = Limits(Allowance(concurrent=1))
    calls, meter = calling(backend, limits=limits)
    theirs = ChatReply(text="theirs", finish=Finish.COMPLETE, model="m")
    said: list[str] = []

    def call() -> None:
        said.append(calls.call(REQUEST, known=lambda: theirs).reply.text)

    thread = threading.Thread(target=call)
    with limits.place(1, deadline=time.monotonic() + 5):
        thread.start()
        time.sleep(0.2)
    thread.join()
    call()
    assert said == ["theirs", "a"]
    assert len(ledger.requests) == meter.read()[backend.id].calls == 1


def test_an_unknown_price_is_unknown() -> None:
    backend, _ = answering(PROVIDERS[0], says(PROVIDERS[0], "a"))
    calls, meter = calling(backend)
    assert calls.call(REQUEST).spent.cost_usd is None
    assert meter.read()[backend.id].cost_usd is None
    with pytest.raises(BudgetExceeded, match="IBIDEM_PRICING"):
        calls.call(REQUEST, budgets=[Budget(1.0, what="this job")])


def test_a_budget_is_exceeded_by_no_more_than_what_is_in_flight() -> None:
    provider = PROVIDERS[0]
    backend, ledger = answering(
        provider, says(provider, "a", tokens=Tokens(input=100, output=1_000))
    )
    pricing = Pricing([Price(model="openai:", input=0.0, output=1_000.0)])
    calls, _ = calling(backend, pricing=pricing)
    budget = Budget(10.0, what="this job")
    request = ChatRequest(system="", turns=REQUEST.turns, max_output_tokens=1_000)
    failures = []

    def spend() -> None:
        try:
            calls.call(request, budgets=[budget])
        except BudgetExceeded as error:
            failures.append(error)

    threads = [threading.Thread(target=spend) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert budget.spent_usd == pytest.approx(10.0)
    assert len(ledger.requests) == 10
    assert len(failures) == 30


def test_many_calls_run_at_once() -> None:
    class Slow:
        id = "slow"
        provider = "slow"
        revision = ""
        takes_temperature = True
        takes_images = False

        def complete(self, request: ChatRequest, *, timeout: float) -> ChatReply:
            time.sleep(0.5)
            return ChatReply(text="", finish=Finish.COMPLETE, model="slow")

    calls, _ = calling(Slow(), limits=Limits(Allowance(concurrent=50)))
    started = time.monotonic()
    threads = [threading.Thread(target=calls.call, args=(REQUEST,)) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0.9 < time.monotonic() - started < 4


def test_no_text_reaches_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for provider in PROVIDERS:
            backend, _ = answering(provider, says(provider, "the reply"), status(400))
            backend.complete(REQUEST, timeout=5)
            with pytest.raises(ModelRejected):
                backend.complete(REQUEST, timeout=5)
    assert "How much?" not in caplog.text
    assert "the reply" not in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize("package", ["openai", "anthropic"])
def test_every_exception_of_the_sdks_is_known(package: str) -> None:
    """Also of their modules that nobody imports by name, as long as it can come out of a call."""
    sdk = pytest.importorskip(package)
    for module in pkgutil.walk_packages(sdk.__path__, f"{package}."):
        if not re.search(r"\.(cli|__main__|_extras)\b|\.lib\.", module.name):
            with suppress(ImportError):  # of what is not installed
                importlib.import_module(module.name)
    request = httpx2.Request("POST", "http://model.invalid")
    unknown, kinds = [], _kinds(getattr(sdk, "OpenAIError", None) or sdk.AnthropicError)
    assert len(kinds) > 20
    for kind in kinds:
        error = kind.__new__(kind)
        error.request = request
        error.status_code = getattr(kind, "status_code", 400)
        error.response = httpx2.Response(error.status_code, request=request)
        error.body = None
        if type(translate(error, sdk, "m")) is ModelError and not _is_base(kind.__name__):
            unknown.append(kind.__name__)
    assert unknown == []


def _kinds(base: type[Exception]) -> set[type[Exception]]:
    """Every kind of an exception, but those of tools that a model may call, which we have none."""
    below = {one for kind in base.__subclasses__() for one in _kinds(kind)}
    return {kind for kind in {base, *below} if ".lib.tools." not in kind.__module__}


def _is_base(name: str) -> bool:
    """Classes that are only ever raised as one of their subclasses, or not by a call of ours."""
    others = r"Agent|WebSocket|.*Webhook|_AmbiguousModule|APIRemovedInV1|MissingDependency"
    misused = ("MutuallyExclusiveAuthError", "StreamAlreadyConsumed")
    bases = ("OpenAIError", "AnthropicError", "APIError")
    return name in (*bases, *misused) or re.match(others, name) is not None
