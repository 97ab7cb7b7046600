"""The provider on loopback that other tests and benchmarks count by."""

from __future__ import annotations

import json

import httpx2
import pytest

from rag.models.chat import ChatRequest, Role, Turn
from tests.analyses import output_of
from tests.ledger_server import serving


def test_what_the_provider_fails_of_is_over() -> None:
    message = {"role": "user", "content": "Neither a question nor a task."}
    with serving(0.0) as provider:
        for _ in range(3):
            with pytest.raises(httpx2.RemoteProtocolError):
                httpx2.post(f"{provider.url}/chat/completions", json={"messages": [message]})
        assert provider.total == 3
        assert provider.most_in_flight() == 1


def test_an_excerpt_without_a_sentence_is_quoted_whole() -> None:
    turn = Turn(role=Role.USER, text="[0a1b P1]\nReport\n\nPage 1\n[0a1b end P1]")
    schema = {"type": "object", "properties": {"main_topic": {"type": "object"}}}
    said = json.loads(output_of(ChatRequest(system="", turns=(turn,), schema=schema)))
    assert said["main_topic"]["evidence"] == [{"passage": "P1", "quote": "Page 1"}]
