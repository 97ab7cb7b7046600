"""Provider batches, through the real SDKs: half the price, nothing bought twice or lost."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from rag.catalog import Catalog
from rag.catalog.batches import BatchStore
from rag.catalog.documents import NewDocument
from rag.errors import (
    BudgetExceeded,
    ConfigurationError,
    ModelError,
    ModelRejected,
    ModelUnavailable,
)
from rag.guard import PatternDetector
from rag.models.batches import executor
from rag.models.batches.opening import BatchEngine, open_batches
from rag.models.budget import BudgetLimits, Budgets
from rag.models.chat.anthropic import AnthropicChat
from rag.models.chat.openai import OpenAIChat
from rag.models.engine import Context
from rag.models.monitor import Monitor
from rag.models.observe import Observers
from rag.models.pricing import Price, Pricing
from rag.models.registry import Resources
from rag.models.tasks import AnswerTask, Outcome
from rag.types import Passage
from tests.batch_providers import FakeAnthropic, FakeBatches, FakeOpenAI
from tests.fakes import HashingEmbedder
from tests.providers import KEY

httpx2 = pytest.importorskip("httpx2")
pytest.importorskip("openai")
pytest.importorskip("anthropic")

TENANT = "t"
TEXT = "The rent is 400 a month."
GOOD = json.dumps(
    {
        "reasoning": "P1 says so.",
        "statements": [{"text": "400.", "evidence": [{"passage": "P1", "quote": "400 a month"}]}],
        "confidence": 0.9,
    }
)
CONTEXT = Context(tenant=TENANT)
PRICING = Pricing([Price(model=one, input=1.0, output=2.0) for one in ("openai:", "anthropic:")])


@dataclass
class Bench:
    """A provider, a catalog, and engines over both: each as a new process would open it."""

    fake: FakeBatches
    chat: Any
    catalog: Catalog
    document: str
    monitor: Monitor = field(default_factory=Monitor)
    on_pause: Callable[[], None] | None = None
    pauses: int = 0
    transport: Callable[[Any], Any] | None = None

    def engine(self) -> BatchEngine:
        resources = Resources(
            embedder=HashingEmbedder(),
            replies=self.catalog.replies,
            secret=b"s",
            meter=Observers([self.monitor, self.catalog.usage]),
            pricing=PRICING,
        )
        return open_batches(
            "m",
            resources,
            self.catalog.batches,
            open_chat=lambda *_: self.chat(
                "m", api_key=KEY, transport=httpx2.MockTransport(self.transport or self.fake)
            ),
            pause=self.pause,
        )

    def pause(self, _seconds: float) -> None:
        self.pauses += 1
        if self.on_pause is not None:
            self.on_pause()
        else:
            self.fake.ended = True

    def task(self, question: str) -> AnswerTask:
        passage = Passage(
            document_id=self.document, document_title="L", start=0, end=24, text=TEXT, score=1
        )
        return AnswerTask(question=question, passages=(passage,))

    def run(self, *questions: str, context: Context = CONTEXT) -> list[Any]:
        return self.engine().run([self.task(one) for one in questions], context)

    @property
    def open(self) -> int:
        model = self.engine().calls.backend.id
        return len(self.catalog.batches.open(model))


@pytest.fixture(params=[(FakeOpenAI, OpenAIChat), (FakeAnthropic, AnthropicChat)])
def bench(request: pytest.FixtureRequest, catalog: Catalog) -> Bench:
    fake, chat = request.param
    collection = catalog.collections.create(TENANT, "c", embedder="e", chunking={})
    new = NewDocument(
        collection=collection,
        sha256="0" * 64,
        name="d.txt",
        media_type="text/plain",
        size=1,
        metadata={},
    )
    document = catalog.documents.add(new, store=lambda: None)[0].id
    return Bench(fake(lambda _key, _number: GOOD), chat, catalog, document)


def stopped() -> None:
    raise KeyboardInterrupt


def outcomes(found: list[Any]) -> list[str]:
    return [one.value[0].text if isinstance(one, Outcome) else type(one).__name__ for one in found]


def test_many_tasks_are_one_batch_at_half_the_price(bench: Bench) -> None:
    found = bench.run("One?", "Two?", "Three?")
    assert outcomes(found) == ["400."] * 3
    assert (len(bench.fake.batches), len(bench.fake.asked)) == (1, 3)
    assert all(re.fullmatch("[0-9a-f]{64}", key) for key in bench.fake.asked)
    (used,) = bench.catalog.usage.read(TENANT, since=bench.catalog.usage.today)
    assert (used.calls, used.tokens.input) == (3, 30)
    assert used.cost_usd == pytest.approx(3 * (10 * 1.0 + 5 * 2.0) / 1e6 / 2)
    assert bench.monitor.read()[0].prompt == "answer/chain-of-thought"
    assert bench.open == 0
    bench.fake.ended = False
    assert outcomes(bench.run("Three?", "One?")) == ["400."] * 2
    assert len(bench.fake.asked) == 3, "replies are found known"


def test_what_the_provider_keeps_is_deleted(bench: Bench) -> None:
    bench.run("One?")
    assert bench.fake.files == {}
    left = [one["requests"] for one in bench.fake.batches.values()]
    assert isinstance(bench.fake, FakeOpenAI) or left == [[]]


def test_another_process_goes_on_with_what_was_handed_in(bench: Bench) -> None:
    bench.on_pause = stopped
    with pytest.raises(KeyboardInterrupt):
        bench.run("One?", "Two?")
    assert bench.open == 1
    with pytest.raises(KeyboardInterrupt):
        bench.run("One?", "Two?", "Three?")
    assert len(bench.fake.asked) == 3, "only the new one was handed in"
    bench.on_pause = None
    assert outcomes(bench.run("One?", "Two?", "Three?")) == ["400."] * 3
    assert (len(bench.fake.asked), bench.open) == (3, 0)


def test_a_batch_whose_id_was_lost_is_found_again(bench: Bench) -> None:
    bench.fake.lose_reply = True
    with pytest.raises(ModelUnavailable):
        bench.run("One?", "Two?")
    assert outcomes(bench.run("One?", "Two?")) == ["400."] * 2
    assert len(bench.fake.asked) == 2


def test_the_batches_of_other_applications_are_let_be(bench: Bench) -> None:
    other = [{"custom_id": "theirs-1"}, {"custom_id": "theirs-2"}]
    bench.fake.batches["batch_before"] = theirs = {
        "id": "batch_before",
        "requests": other,
        "metadata": {},
        "input": "file_theirs",
    }
    bench.fake.lose_reply = True
    with pytest.raises(ModelUnavailable):
        bench.run("One?", "Two?")
    bench.fake.batches["batch_after"] = {**theirs, "id": "batch_after"}
    bench.engine().batches.cancel()
    cancelled = [name for name, one in bench.fake.batches.items() if one.get("cancelled")]
    assert cancelled == (["batch_2"] if isinstance(bench.fake, FakeOpenAI) else [])
    bench.fake.ended = False
    assert outcomes(bench.run("One?", "Two?")) == ["400."] * 2
    assert len(bench.fake.asked) == 2
    assert bench.fake.batches["batch_before"]["requests"] == other
    assert bench.fake.batches["batch_after"]["requests"] == other


def test_what_never_arrived_is_handed_in_again(bench: Bench) -> None:
    begun = bench.fake.begun
    bench.fake.begun = lambda *_: httpx2.Response(503, json={})  # type: ignore[method-assign]
    with pytest.raises(ModelUnavailable):
        bench.run("One?")
    bench.fake.begun = begun  # type: ignore[method-assign]
    assert outcomes(bench.run("One?")) == ["400."]
    assert (len(bench.fake.asked), bench.open) == (1, 0)


def test_a_crash_while_replies_are_kept_loses_none(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = bench.catalog.replies.put

    def failing(*args: Any, **options: Any) -> None:
        if len(bench.fake.asked) and put(*args, **options) is None:
            raise KeyboardInterrupt

    monkeypatch.setattr(bench.catalog.replies, "put", failing)
    with pytest.raises(KeyboardInterrupt):
        bench.run("One?", "Two?")
    monkeypatch.setattr(bench.catalog.replies, "put", put)
    assert outcomes(bench.run("One?", "Two?")) == ["400."] * 2
    assert len(bench.fake.asked) == 2
    (used,) = bench.catalog.usage.read(TENANT, since=bench.catalog.usage.today)
    assert used.calls == 2


def test_each_call_fails_alone(bench: Bench) -> None:
    answers = [GOOD, ("error", 400), ("error", 503), ("expired",), ("unsaid",)]
    first = lambda: len(bench.fake.batches) == 1  # noqa: E731
    bench.fake.answer = lambda _key, number: answers[number] if first() else GOOD
    found = bench.run("One?", "Two?", "Three?", "Four?", "Five?")
    assert outcomes(found) == ["400.", "ModelRejected", "400.", "400.", "400."]
    assert len(bench.fake.asked) == 5 + 3, "what may pass is asked once more"
    failures: dict[str, int] = {}
    for one in bench.monitor.read():
        failures |= one.failures
    assert failures == {"model_rejected": 1, "model_unavailable": 1, "batch_expired": 2}
    assert bench.open == 0


def test_results_of_any_size_and_with_any_ends_of_lines_are_read(bench: Bench) -> None:
    said = json.loads(GOOD)
    said["reasoning"] = "\u2028\u2029\x85" + "x" * (5 << 20)
    bench.fake.answer = lambda _key, _number: json.dumps(said, ensure_ascii=False)
    assert outcomes(bench.run("One?", "Two?")) == ["400."] * 2
    assert (len(bench.fake.asked), bench.open) == (2, 0)


def test_a_line_that_cannot_be_read_fails_alone(bench: Bench) -> None:
    first = lambda: len(bench.fake.batches) == 1  # noqa: E731
    bench.fake.answer = lambda _key, number: ("torn",) if first() and number == 1 else GOOD
    assert outcomes(bench.run("One?", "Two?", "Three?")) == ["400."] * 3
    assert len(bench.fake.asked) == 4


class Torn(httpx2.SyncByteStream):
    """A reply whose connection ends in the middle of it."""

    def __iter__(self) -> Iterator[bytes]:
        yield b'{"custom_id": "'
        raise httpx2.ReadError("gone")


def test_a_batch_that_cannot_be_read_keeps_no_other_from_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "_MOST_REQUESTS", 1)
    torn = {"batch_1"}

    def answered(request: Any) -> Any:
        name = re.search("out-(batch_[0-9]+)|(batch_[0-9]+)/results", request.url.path)
        if name and (name[1] or name[2]) in torn:
            return httpx2.Response(200, stream=Torn())
        return bench.fake(request)

    bench.transport = answered
    with pytest.raises(ModelUnavailable, match="cannot be reached"):
        bench.run("One?", "Two?")
    assert bench.open == 1
    assert outcomes(bench.run("Two?")) == ["400."]
    torn.clear()
    assert outcomes(bench.run("One?")) == ["400."]
    assert (len(bench.fake.asked), bench.open) == (2, 0)


@pytest.mark.parametrize("step", ["waiting", "begin"])
def test_two_runs_at_once_hand_in_a_call_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    real = getattr(BatchStore, step)

    def overtaken(*args: Any, **options: Any) -> Any:
        monkeypatch.setattr(BatchStore, step, real)
        assert outcomes(bench.run("One?")) == ["400."]
        return real(*args, **options)

    monkeypatch.setattr(BatchStore, step, overtaken)
    assert outcomes(bench.run("One?", "Two?")) == ["400."] * 2
    assert len(bench.fake.asked) == 2


def test_a_call_that_another_run_hands_in_meanwhile_is_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = BatchStore.begin

    def overtaken(*args: Any, **options: Any) -> Any:
        monkeypatch.setattr(BatchStore, "begin", real)
        bench.on_pause = stopped
        with pytest.raises(KeyboardInterrupt):
            bench.run("One?")
        bench.on_pause = None
        return real(*args, **options)

    monkeypatch.setattr(BatchStore, "begin", overtaken)
    assert outcomes(bench.run("One?", "Two?")) == ["400."] * 2
    assert len(bench.fake.asked) == 2


def test_what_fails_twice_is_given_up(bench: Bench) -> None:
    bench.fake.answer = lambda _key, _number: ("expired",)
    (error,) = bench.run("One?")
    assert isinstance(error, ModelUnavailable)
    assert "within the time of its batch" in error.message
    assert len(bench.fake.asked) == 2


def test_a_cancelled_batch_brings_what_was_replied_until_then(bench: Bench) -> None:
    replied = [GOOD, ("cancelled",)]
    bench.fake.answer = lambda _key, number: replied[number]
    bench.on_pause = lambda: bench.engine().batches.cancel()
    found = bench.run("One?", "Two?")
    assert outcomes(found)[0] == "400."
    assert isinstance(found[1], ModelError)
    assert "cancelled" in found[1].message
    (batch,) = bench.fake.batches.values()
    assert batch["cancelled"]


def test_invalid_output_is_repaired_in_a_batch_of_its_own(bench: Bench) -> None:
    bench.fake.answer = lambda *_: "no JSON" if len(bench.fake.batches) == 1 else GOOD
    assert outcomes(bench.run("One?")) == ["400."]
    assert len(bench.fake.batches) == 2
    assert bench.monitor.read()[0].repairs == 1


def test_large_numbers_are_handed_in_in_parts(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "_MOST_REQUESTS", 2)
    assert outcomes(bench.run(*"abcde")) == ["400."] * 5
    assert [len(set(bench.fake.asked)), len(bench.fake.batches)] == [5, 3]


def test_a_budget_holds_for_batches_under_way(bench: Bench) -> None:
    budgets = Budgets(BudgetLimits(day_usd=0.01), bench.catalog.usage)
    context = Context(tenant=TENANT, budgets=budgets.of_request(key="local"))
    bench.on_pause = stopped
    with pytest.raises(KeyboardInterrupt):
        bench.run("One?", "Two?", context=context)
    aside = bench.catalog.usage.spent_usd()
    assert 0.002 < aside < 0.01
    again = Budgets(BudgetLimits(day_usd=0.01), bench.catalog.usage)
    context = Context(tenant=TENANT, budgets=again.of_request(key="local"))
    with pytest.raises(BudgetExceeded):
        bench.run(*"abcdefgh", context=context)
    bench.on_pause = None
    bench.run("One?", "Two?", context=context)
    assert bench.catalog.usage.spent_usd() == pytest.approx(2 * 20 / 1e6 / 2)


def test_replies_with_text_of_a_deleted_document_are_not_kept(bench: Bench) -> None:
    bench.on_pause = stopped
    with pytest.raises(KeyboardInterrupt):
        bench.run("One?")
    bench.catalog.versions.delete(TENANT, bench.document)
    bench.fake.ended = True
    assert bench.engine().batches.collect() == {}
    assert bench.catalog.replies.get(TENANT, bench.fake.asked[0]) is None


def test_a_batch_that_is_refused_as_a_whole_says_so(bench: Bench) -> None:
    bench.fake.begun = lambda *_: httpx2.Response(400, json={})  # type: ignore[method-assign]
    with pytest.raises(ModelRejected):
        bench.run("One?")
    assert bench.open == 0


def test_nothing_is_sent_that_would_have_to_be_hidden() -> None:
    hiding = Resources(embedder=HashingEmbedder(), detector=PatternDetector(["email"]))
    with pytest.raises(ConfigurationError, match="IBIDEM_REDACT=none"):
        open_batches("openai:m", hiding, None)  # type: ignore[arg-type]
    plain = Resources(embedder=HashingEmbedder())
    with pytest.raises(ConfigurationError, match="has no batches"):
        open_batches("compatible:m@http://model.invalid/v1", plain, None)  # type: ignore[arg-type]
