"""A real OpenAI-compatible server over a real model, driven by the real SDK, by us, end to end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rag.errors import ModelAccessDenied, ModelRejected
from rag.models.calls import Calls, Meter
from rag.models.chat import ChatRequest, Finish, Role, Turn
from rag.models.chat.compatible import CompatibleChat
from rag.models.chat.local import LocalChat
from rag.models.chat.openai import OpenAIChat
from rag.models.engine import Context
from rag.models.limits import Limits
from rag.models.pricing import Pricing
from rag.models.prompted import PromptedEngine
from rag.models.replies import NoReplies
from rag.models.schema import problems
from rag.models.tasks import AnswerTask
from rag.types import Passage
from tests.conftest import on_sqlite
from tests.integration.conftest import LEASE, Opened
from tests.model_server import MODEL, ModelServer, serving
from tests.tiny_model import make_tiny_model

pytest.importorskip("torch", reason="needs torch; `make test` installs it")
pytest.importorskip("llguidance", reason="needs the extra `local`; `make test` installs it")
pytest.importorskip("openai", reason="needs the extra `openai`; `make test` installs it")

import openai

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

KEY = "sk-of-the-test-server"
ASKED: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Go."}]
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "kind": {"enum": ["buyer", "seller"]},
        "shares": {
            "type": "array",
            "minItems": 2,
            "maxItems": 3,
            "items": {"type": "integer", "minimum": 3, "maximum": 40},
        },
    },
    "required": ["name", "kind", "shares"],
    "additionalProperties": False,
}
FORMAT: Any = {
    "type": "json_schema",
    "json_schema": {"name": "output", "schema": SCHEMA, "strict": True},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    folder = tmp_path_factory.mktemp("served") / MODEL
    chat = LocalChat(str(make_tiny_model(folder, window=32_768, terse=True)))
    with serving(chat, key=KEY) as server:
        yield server


@pytest.fixture
def client(server: ModelServer) -> Iterator[Any]:
    with openai.OpenAI(base_url=server.url, api_key=KEY, max_retries=0) as client:
        yield client


def test_models_are_listed(client: Any) -> None:
    assert [model.id for model in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).id == MODEL


def test_the_sdk_chats(client: Any) -> None:
    reply = client.chat.completions.create(model=MODEL, messages=ASKED, max_tokens=12)
    assert reply.choices[0].finish_reason in ("stop", "length")
    assert 0 < reply.usage.completion_tokens <= 12
    assert reply.usage.prompt_tokens > 10
    again = client.responses.create(
        model=MODEL, instructions="Be brief.", input="Go.", max_output_tokens=12, temperature=0
    )
    assert again.output_text
    assert again.usage.output_tokens <= 12


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_output_is_held_to_its_schema(client: Any, temperature: float) -> None:
    options: Any = {"model": MODEL, "temperature": temperature}
    for _ in range(3):
        chat = client.chat.completions.create(messages=ASKED, response_format=FORMAT, **options)
        format_ = {"type": "json_schema", "name": "output", "schema": SCHEMA, "strict": True}
        response = client.responses.create(input=ASKED, text={"format": format_}, **options)
        for text in (chat.choices[0].message.content, response.output_text):
            assert problems(json.loads(text), SCHEMA) == []


def test_the_sdk_reads_a_stream(client: Any) -> None:
    options: Any = {"model": MODEL, "temperature": 0, "stream": True}
    chunks = list(
        client.chat.completions.create(
            messages=ASKED,
            response_format=FORMAT,
            stream_options={"include_usage": True},
            **options,
        )
    )
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert len([piece for piece in pieces if piece]) > 3
    assert problems(json.loads("".join(pieces)), SCHEMA) == []
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage.completion_tokens > 10

    events = list(client.responses.create(input="Go.", max_output_tokens=9, **options))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    said = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert events[-1].response.output_text == said
    assert events[-1].type in ("response.completed", "response.incomplete")


@pytest.mark.parametrize(
    ("change", "expected", "code"),
    [
        ({"model": "gpt-9"}, "NotFoundError", "model_not_found"),
        ({"messages": []}, "BadRequestError", "missing_required_parameter"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "BadRequestError", "invalid_value"),
        ({"max_tokens": 90_000}, "BadRequestError", "context_length_exceeded"),
        (
            {"messages": [{"role": "user", "content": "long " * 20_000}]},
            "BadRequestError",
            "context_length_exceeded",
        ),
        (
            {"messages": [{"role": "user", "content": "x" * (5 << 20)}]},
            "APIStatusError",
            "request_too_large",
        ),
        ({"response_format": {"type": "json_object"}}, "BadRequestError", "unsupported_value"),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "x", "schema": {"type": "strang"}},
                }
            },
            "BadRequestError",
            "invalid_json_schema",
        ),
    ],
)
def test_what_is_wrong_is_told_as_the_sdk_expects(
    client: Any, change: Any, expected: str, code: str
) -> None:
    with pytest.raises(getattr(openai, expected)) as caught:
        client.chat.completions.create(**({"model": MODEL, "messages": ASKED} | change))
    assert caught.value.code == code
    statuses = {"model_not_found": 404, "request_too_large": 413}
    assert caught.value.status_code == statuses.get(code, 400)


def test_another_key_is_refused(server: ModelServer) -> None:
    with (
        openai.OpenAI(base_url=server.url, api_key="sk-wrong", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError),
    ):
        client.models.list()


def request(**options: Any) -> ChatRequest:
    given: dict[str, Any] = {"schema": SCHEMA, "temperature": 0.0}
    turns = (Turn(role=Role.USER, text="Go."),)
    return ChatRequest(system="Be brief.", turns=turns, **(given | options))


@pytest.mark.parametrize("kind", [CompatibleChat, OpenAIChat])
def test_our_backends_speak_with_it(server: ModelServer, kind: Any) -> None:
    backend = kind(MODEL, base_url=server.url, api_key=KEY)
    reply = backend.complete(request(), timeout=60)
    assert reply.finish is Finish.COMPLETE
    assert problems(json.loads(reply.text), SCHEMA) == []
    assert (reply.model, reply.tokens.output > 10) == (MODEL, True)
    told: list[str] = []
    assert backend.stream(request(), timeout=60, tell=told.append) == reply
    assert len(told) > 3
    assert "".join(told) == reply.text
    cut = backend.complete(request(max_output_tokens=3), timeout=60)
    assert (cut.finish, cut.tokens.output) == (Finish.LENGTH, 3)
    with pytest.raises(ModelRejected, match="window"):
        backend.complete(request(max_output_tokens=90_000), timeout=60)
    with pytest.raises(ModelAccessDenied):
        kind(MODEL, base_url=server.url, api_key="sk-wrong").complete(request(), timeout=60)
    with pytest.raises(ModelRejected, match="404"):
        kind("gpt-9", base_url=server.url, api_key=KEY).complete(request(), timeout=60)


def test_a_task_is_done_by_it(server: ModelServer) -> None:
    backend = CompatibleChat(MODEL, base_url=server.url, api_key=KEY)
    meter = Meter()
    calls = Calls(backend, limits=Limits(), meter=meter, pricing=Pricing())
    engine = PromptedEngine(calls, replies=NoReplies(), secret=b"s")
    assert engine.check(Context()) == {backend.id: "ok"}
    passage = Passage(
        document_id="d", document_title="Lease", start=0, end=len(LEASE), text=LEASE, score=1.0
    )
    task = AnswerTask(question="How long is the notice?", passages=(passage,))
    outcome = engine.run(task, Context())
    assert outcome.prompt is not None
    assert outcome.attempts == 1
    assert outcome.usage.output_tokens > 10
    assert meter.read()[backend.id].calls == 2


@on_sqlite
def test_a_service_answers_with_it(server: ModelServer, open_rest: Callable[..., Opened]) -> None:
    engine = f"compatible:{MODEL}@{server.url}"
    with open_rest(work=True, engine=engine, compatible_api_key=KEY) as rest:
        document = rest.ready("lease.txt", LEASE.encode())
        answer = rest.client.post("/v1/ask", json={"question": "How long is the notice?"}).json()
        assert answer["engine"] == engine
        assert answer["notes"] == []
        assert answer["prompt"]["name"] == "answer/chain-of-thought"
        assert answer["usage"]["output_tokens"] > 10
        # A model of random weights says what it likes; what is shown of it stands in the text.
        for sentence in answer["sentences"]:
            for one in sentence["citations"]:
                place = slice(one["start_char_index"], one["end_char_index"])
                assert one["document_id"] == document
                assert one["cited_text"] == LEASE[place]
        checked = rest.client.post("/v1/engines/check").json()["data"]
        assert [one["status"] for one in checked] == ["ok", "ok"]
