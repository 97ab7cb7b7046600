"""What is counted of calls, by engine and prompt, and how Prometheus reads it."""

from __future__ import annotations

import json
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from api.metrics_models import ModelCollector
from rag.errors import InvalidOutput, ModelRefused, RateLimited
from rag.models.calls import Calls
from rag.models.chat import Finish, Tokens
from rag.models.limits import Limits
from rag.models.monitor import LATEST, Monitor, Performance
from rag.models.observe import Attempt, Checked, Purpose
from rag.models.pricing import Pricing
from rag.models.prompted import PromptedEngine
from rag.models.prompts import find
from rag.models.replies import NoReplies
from rag.types import PromptUsed
from tests.scripted import Model
from tests.unit.test_prompted import GOOD, run

BAD = "no JSON"


def watched(*replies: str | Finish | Exception) -> Performance:
    """What a monitor says of the first prompt after one task."""
    monitor = Monitor()
    calls = Calls(Model(*replies), limits=Limits(), meter=monitor, pricing=Pricing())
    with suppress(InvalidOutput, ModelRefused):
        run(PromptedEngine(calls, replies=NoReplies(), secret=b"s"))
    return next(one for one in monitor.read() if one.prompt == "answer/chain-of-thought")


def test_calls_repairs_and_failures_are_counted_by_prompt() -> None:
    one = watched(RateLimited(), BAD, json.dumps(GOOD))
    newest = find("answer/chain-of-thought").version
    assert (one.engine, one.prompt, one.version) == (
        "test:model",
        "answer/chain-of-thought",
        newest,
    )
    assert (one.calls, one.repairs, dict(one.failures)) == (3, 1, {"rate_limited": 1})
    assert (one.input_tokens.count, one.input_tokens.total) == (2, 200)
    assert one.output_tokens.mean == 10
    assert one.seconds.count == 2


def test_what_stays_invalid_counts_as_failed() -> None:
    one = watched(BAD)
    assert (one.calls, one.repairs, dict(one.failures)) == (3, 2, {"invalid_output": 1})


def test_refusals_and_cut_off_replies_are_told_apart() -> None:
    assert watched(Finish.FILTERED).refusals == 1
    one = watched(Finish.LENGTH, json.dumps(GOOD))
    assert (one.calls, one.truncations, one.refusals) == (2, 1, 0)


def test_quotes_are_counted_with_how_well_they_support() -> None:
    monitor = Monitor()
    prompt = PromptUsed(name="answer/strict", version=2, sha256="")
    for _ in range(2):
        monitor.tell(Checked(engine="e", prompt=prompt, located=3, dropped=1, support=(0.25, 0.75)))
    monitor.tell(Checked(engine="offline", prompt=None, located=0, dropped=0))
    one, offline = monitor.read()
    assert (one.locate_rate, one.support.mean) == (0.75, 0.5)
    assert (offline.prompt, offline.locate_rate, offline.support.mean) == (None, None, None)

    registry = CollectorRegistry()
    registry.register(ModelCollector(monitor))
    shown = generate_latest(registry).decode()
    labels = 'engine="e",prompt="answer/strict",version="2"'
    assert f"ibidem_model_citations_located_total{{{labels}}} 6.0" in shown
    assert 'ibidem_model_citation_support_bucket{engine="e",le="0.3",prompt=' in shown
    assert f"ibidem_model_citation_support_count{{{labels}}} 4.0" in shown


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=1_200), st.floats(0.01, 1.0))
def test_a_quantile_is_one_of_the_latest_values(values: list[int], q: float) -> None:
    monitor = Monitor()
    for value in values:
        tokens = Tokens(input=value, output=1)
        monitor.tell(
            Attempt(
                model="m",
                purpose=Purpose(),
                seconds=1.0,
                finish=Finish.COMPLETE,
                tokens=tokens,
            )
        )
    (one,) = monitor.read()
    found = one.input_tokens.quantile(q)
    latest = values[-LATEST:]
    assert found in latest
    assert sum(value <= found for value in latest) >= q * len(latest) - 1e-6
    assert sum(value < found for value in latest) < q * len(latest) + 1e-6
    assert one.input_tokens.count == len(values)
    assert one.support.quantile(q) is None
