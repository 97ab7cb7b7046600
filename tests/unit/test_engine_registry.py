"""Engines by name."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from rag.errors import ConfigurationError, RateLimited
from rag.guard import PatternDetector
from rag.models.chat.redacting import RedactingChat
from rag.models.limits import ProviderLimits, read_limits
from rag.models.registry import Resources, open_backend, open_engine
from tests.fakes import HashingEmbedder

RESOURCES = Resources(
    embedder=HashingEmbedder(), openai_api_key="sk-0123456789", anthropic_api_key="sk-0123456789"
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("openai:big", "openai:big"),
        ("anthropic:big", "anthropic:big"),
        (
            "compatible:org/m:7b@http://u:p@localhost:1/v1?x=y",
            "compatible:org/m:7b@http://localhost:1/v1",
        ),
        ("local:/models/m?bits=4&adapter=/a/fine", "local:/models/m+fine"),
    ],
)
def test_names_open_models(name: str, expected: str) -> None:
    if name.startswith(("openai", "compatible")):
        pytest.importorskip("openai")
    if name.startswith("anthropic"):
        pytest.importorskip("anthropic")
    assert open_backend(name, RESOURCES).id == expected


@pytest.mark.parametrize(
    "name",
    [
        "",
        "openai",
        "openai:",
        "gpt",
        "compatible:m",
        "compatible:m@ftp://x",
        "local:",
        "local:m?x=1",
        "local:m?bits=3",
        "route:",
        "route:offline,gpt",
        "vote:x:openai:big",
        "vote:3:gpt",
        "revise:gpt",
        "openai:big#window=x@y",
        "compatible:big@http://127.0.0.1:1/v1#window=many",
    ],
)
def test_an_unknown_name_lists_what_there_is(name: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"are: offline, openai|known are adapter|#window= takes"
    ) as caught:
        open_engine(name or "?", RESOURCES)
    assert len(caught.value.message) < 250


def test_a_key_that_is_missing_is_asked_for() -> None:
    pytest.importorskip("openai")
    with pytest.raises(ConfigurationError, match="IBIDEM_OPENAI_API_KEY"):
        open_engine("openai:big", Resources(embedder=HashingEmbedder()))


def test_offline_needs_nothing_and_stands_behind_the_others() -> None:
    pytest.importorskip("openai")
    assert open_engine("offline", RESOURCES).id == "offline"
    engine = open_engine("openai:a, openai:b", RESOURCES)
    assert engine.id == "openai:a"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vote:5:anthropic:big, offline", "vote:5:anthropic:big"),
        ("route:offline,openai:big", "route:offline,openai:big"),
        ("route:openai:big,vote:3:openai:big", "route:openai:big,vote:3:openai:big"),
        ("route:offline, offline", "route:offline"),
        ("revise:openai:big#window=32000", "revise:openai:big"),
        ("vote:3:revise:anthropic:big", "vote:3:revise:anthropic:big"),
    ],
)
def test_names_say_how_engines_work_together(name: str, expected: str) -> None:
    pytest.importorskip("openai")
    pytest.importorskip("anthropic")
    assert open_engine(name, RESOURCES).id == expected


def test_a_window_without_room_for_a_prompt_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="2048"):
        open_engine("openai:big#window=100", RESOURCES)


@pytest.mark.parametrize("name", ["vote:1:openai:big", "vote:21:openai:big", "vote:3:offline"])
def test_votes_that_make_no_sense_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        open_engine(name, RESOURCES)


@pytest.mark.parametrize(
    ("name", "hides"),
    [
        ("openai:big", True),
        ("anthropic:big", True),
        ("compatible:m@http://models.example/v1", True),
        ("compatible:m@http://10.0.0.7:8000/v1", True),
        ("compatible:m@http://127.0.0.1:8000/v1", False),
        ("compatible:m@http://localhost:8000/v1", False),
        ("compatible:m@http://[::1]:8000/v1", False),
        ("local:/models/m", False),
    ],
)
def test_only_models_elsewhere_are_kept_from_what_is_private(name: str, hides: bool) -> None:
    pytest.importorskip("openai")
    pytest.importorskip("anthropic")
    resources = replace(RESOURCES, detector=PatternDetector(["email"]))
    assert isinstance(open_backend(name, resources), RedactingChat) is hides
    assert not isinstance(open_backend(name, RESOURCES), RedactingChat)


@pytest.mark.parametrize(
    "name",
    [
        "compatible:@http://user:S3CRET@host/v1",
        "vote:99:compatible:m@http://user:S3CRET@host/v1",
        "compatible:m@http://user:S3CRET@host/v1#window=5",
    ],
)
def test_a_mistyped_name_does_not_tell_its_password(name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_engine(name, RESOURCES)
    assert "S3CRET" not in caught.value.message


def test_limits_are_set_by_provider() -> None:
    told = read_limits("openai=2,60/min,1000tok/min; http://localhost:8000/v1=1")
    limits = ProviderLimits(told)
    soon = time.monotonic() + 0.05
    of_hosted, one = limits.of("openai"), limits.of("http://localhost:8000/v1")
    with (
        of_hosted.place(900, deadline=soon),
        pytest.raises(RateLimited, match="a minute"),
        of_hosted.place(900, deadline=soon),
    ):
        raise AssertionError("there are no more tokens")
    with (
        one.place(10**9, deadline=soon),
        pytest.raises(RateLimited, match="under way"),
        one.place(1, deadline=soon),
    ):
        raise AssertionError("there is one place")


@pytest.mark.parametrize("text", ["openai", "openai=0", "openai=2,5", "=3", "openai=1;", "a=1/min"])
def test_limits_of_another_form_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="IBIDEM_LIMITS"):
        read_limits(text)
