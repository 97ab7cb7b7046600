from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rag.computing import Computing
from rag.embedding import openai as adapter
from rag.embedding.openai import OpenAIEmbedder
from rag.errors import EmbeddingFailed

httpx2 = pytest.importorskip("httpx2")
sdk = pytest.importorskip("openai")

KEY = "sk-secret-0123456789"


class Server:
    """Answers by a function of the request's number, and remembers the requests."""

    def __init__(self, answer: Callable[[int, list[str]], Any]) -> None:
        self.inputs: list[list[str]] = []
        self.headers: list[Any] = []
        self._answer = answer

    def __call__(self, request: Any) -> Any:
        texts = json.loads(request.content)["input"]
        self.inputs.append(texts)
        self.headers.append(request.headers)
        return self._answer(len(self.inputs), texts)


def vectors(_: int, texts: list[str]) -> Any:
    data = [{"index": i, "embedding": [3.0, 4.0 * len(text)]} for i, text in enumerate(texts)]
    return httpx2.Response(200, json={"data": data})


def failing(status: int, times: int = 10**9, **headers: str) -> Callable[[int, list[str]], Any]:
    def answer(number: int, texts: list[str]) -> Any:
        if number > times:
            return vectors(number, texts)
        error = {"error": {"message": f"no, {KEY[:8]}***", "type": "x"}}
        return httpx2.Response(status, json=error, headers=headers)

    return answer


def embedder(
    server: Callable[[Any], Any], model: str = "m", deadline: float = 5.0
) -> OpenAIEmbedder:
    client = httpx2.Client(transport=httpx2.MockTransport(server))
    return OpenAIEmbedder(
        model, api_key=KEY, base_url="http://server/v1", http_client=client, deadline=deadline
    )


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    taken: list[float] = []
    monkeypatch.setattr(adapter.time, "sleep", taken.append)
    return taken


def test_vectors_are_normalized_and_the_key_is_sent() -> None:
    server = Server(vectors)
    found = embedder(server).embed_passages(["a"])
    np.testing.assert_allclose(found, [[0.6, 0.8]])
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


def test_others_have_their_turn_while_the_server_is_waited_for() -> None:
    computing = Computing()

    def answer(number: int, texts: list[str]) -> Any:
        had = threading.Event()

        def take() -> None:
            with computing.turn():
                had.set()

        threading.Thread(target=take).start()
        return vectors(number, texts) if had.wait(10) else httpx2.Response(400)

    with computing.turn():
        passages = embedder(Server(answer)).embed_passages(["a"])
        query = embedder(Server(answer)).embed_query("a")
    np.testing.assert_array_equal(passages[0], query)


def test_requests_are_bounded_in_texts_and_size() -> None:
    server = Server(vectors)
    embedder(server).embed_passages(["x"] * 600)
    assert [len(texts) for texts in server.inputs] == [256, 256, 88]
    server.inputs.clear()
    embedder(server).embed_passages(["word " * 300] * 100)
    assert sum(map(len, server.inputs)) == 100
    assert max(sum(map(len, texts)) for texts in server.inputs) <= 50_000


def test_long_texts_are_cut_at_the_window() -> None:
    server = Server(vectors)
    embedder(server).embed_passages(["word " * 5_000])
    assert server.inputs == [[("word " * 384).rstrip()]]


def test_families_keep_their_prompts() -> None:
    server = Server(vectors)
    e5 = embedder(server, "intfloat/e5-small-v2")
    e5.embed_query("cat")
    e5.embed_passages(["cat"])
    assert server.inputs == [["query: cat"], ["passage: cat"]]
    assert e5.window == 384 - 3


def test_known_models_have_a_dimension_without_a_request() -> None:
    server = Server(vectors)
    known = embedder(server, "text-embedding-3-small")
    assert (known.dimension, known.window) == (1536, 2000)
    assert server.inputs == []
    assert embedder(server).dimension == 2
    assert len(server.inputs) == 1


def test_units_are_at_most_four_bytes() -> None:
    text = "internationalization 1234567 naïve 中文 😀 Ωμέγα"
    offsets = embedder(Server(vectors)).token_offsets(text)
    pieces = [text[start:end] for start, end in offsets]
    assert pieces[:5] == ["inte", "rnat", "iona", "liza", "tion"]
    assert "".join(pieces) == text.replace(" ", "")
    assert max(len(piece.encode()) for piece in pieces) <= 4


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503])
def test_passing_failures_are_tried_again(pauses: list[float], status: int) -> None:
    server = Server(failing(status, times=2))
    assert embedder(server).embed_query("a").shape == (2,)
    assert len(server.inputs) == 3
    assert 0.25 <= pauses[0] <= 0.5 <= pauses[1] <= 1.0


def test_retry_after_is_obeyed_within_the_deadline(pauses: list[float]) -> None:
    server = Server(failing(429, times=1, **{"retry-after": "2"}))
    embedder(server).embed_query("a")
    assert pauses == [2.0]


def test_retry_after_beyond_the_deadline_fails_at_once(pauses: list[float]) -> None:
    server = Server(failing(429, **{"retry-after": "3600"}))
    with pytest.raises(EmbeddingFailed, match="openai:m@http://server/v1 could not embed"):
        embedder(server).embed_query("a")
    assert (len(server.inputs), pauses) == (1, [])


@pytest.mark.parametrize("status", [400, 404, 422])
def test_refusals_are_final(status: int) -> None:
    server = Server(failing(status))
    with pytest.raises(EmbeddingFailed, match="no, "):
        embedder(server).embed_query("a")
    assert len(server.inputs) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_not_repeated(status: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(EmbeddingFailed, match="API key was refused") as caught:
        embedder(Server(failing(status))).embed_query("a")
    assert "sk-" not in str(caught.value)
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    "body",
    [
        {"data": []},
        {"data": [{"index": 1, "embedding": [1.0]}]},
        {"data": [{"index": 0, "embedding": "abc"}]},
        {"data": [{"index": 0}]},
        {"data": [{"index": 0, "embedding": []}]},
        {"data": [{"index": 0, "embedding": [0.0, 0.0]}]},
        {"data": None},
        {},
        [],
        "text",
    ],
)
def test_malformed_answers_are_refused(body: Any) -> None:
    server = Server(lambda *_: httpx2.Response(200, json=body))
    with pytest.raises(EmbeddingFailed):
        embedder(server).embed_query("a")


def test_answers_that_are_not_json_are_refused() -> None:
    kinds = ["application/json", "text/html"]
    for kind in kinds:
        page = httpx2.Response(200, content=b"<html>", headers={"content-type": kind})
        with pytest.raises(EmbeddingFailed):
            embedder(Server(lambda *_, page=page: page)).embed_query("a")


@pytest.mark.parametrize("name", [n for n in dir(sdk) if n.endswith("Error")])
def test_every_error_of_the_sdk_is_mapped(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    kind = getattr(sdk, name)
    error = kind.__new__(kind)
    Exception.__init__(error, "boom")
    if issubclass(kind, sdk.APIStatusError):
        error.status_code = 500

    def create(**_: Any) -> None:
        raise error

    broken = embedder(Server(vectors), deadline=0.2)
    monkeypatch.setattr(broken._client.embeddings, "create", create)
    with pytest.raises(EmbeddingFailed):
        broken.embed_query("a")


@pytest.mark.parametrize("name", ["ConnectError", "ReadTimeout", "ReadError"])
def test_lost_connections_are_tried_again(name: str) -> None:
    def answer(number: int, texts: list[str]) -> Any:
        if number == 1:
            raise getattr(httpx2, name)("lost")
        return vectors(number, texts)

    server = Server(answer)
    assert embedder(server).embed_query("a").shape == (2,)
    assert len(server.inputs) == 2
