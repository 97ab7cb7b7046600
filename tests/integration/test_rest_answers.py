"""Searching and asking over REST: plain, streamed, and under load."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rag.errors import ConfigurationError, StoreDamaged
from rag.models.engine import Context
from rag.models.tasks import AnswerTask
from tests.cross_encoders import make_cross_encoder
from tests.integration.conftest import LEASE, Opened, Rest
from tests.readers import make_reader

QUESTION = {"question": "How long is the notice to end the lease?"}


def read_events(text: str) -> list[tuple[str, Any]]:
    found = []
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_a_search_finds_the_passage(rest: Rest, lease: str, pump: str, mode: str) -> None:
    body = {"query": "bronze casing of the pump", "mode": mode, "top_k": 3}
    found = rest.client.post("/v1/search", json=body).json()
    best = found["passages"][0]
    assert (found["object"], found["mode"]) == ("search", mode)
    assert best["document_id"] == pump
    assert (
        set(best["scores"])
        == {
            "hybrid": {"dense", "lexical", "opening", "fused"},
            "dense": {"dense"},
            "lexical": {"lexical"},
        }[mode]
    )
    text = rest.client.get(
        f"/v1/documents/{pump}/text",
        params={"start": best["start_char_index"], "end": best["end_char_index"]},
    ).json()["text"]
    assert text == best["text"]


def test_a_filter_is_applied_inside_the_search(rest: Rest, lease: str, pump: str) -> None:
    body = {"query": "bronze casing of the pump", "filter": {"year": {"$gt": 2022}}, "top_k": 1}
    found = rest.client.post("/v1/search", json=body).json()["passages"]
    assert [passage["document_id"] for passage in found] == [lease]


def test_reranking_shows_its_scores(
    open_rest: Callable[..., Opened], tmp_path: Path, models: Path
) -> None:
    fitted = {"rerank": {"relevant": 0.1, "read": 0.0, "rank": 1.0, "constant": 0.0}}
    folder = make_reader(tmp_path / "reader", fitted)
    with open_rest(reader=str(folder), rerank="reader", work=True) as rest:
        rest.ready("cats.txt", b"The cat sat on the mat. A dog sat on the tax revenue.")
        asked = {"query": "cat on the mat"}
        (found,) = rest.client.post("/v1/search", json=asked).json()["passages"]
        assert found["score"] == found["scores"]["rerank"]
        (plain,) = rest.client.post("/v1/search", json=asked | {"rerank": False}).json()["passages"]
        assert "rerank" not in plain["scores"]
        answer = rest.client.post("/v1/ask", json={"question": "Who sat on the mat?"}).json()
        assert answer["request"]["rerank"]
        assert "rerank" in answer["passages"][0]["scores"]


def test_a_service_may_rerank_with_a_cross_encoder(
    open_rest: Callable[..., Opened], tmp_path: Path
) -> None:
    pytest.importorskip("sentence_transformers")
    model = make_cross_encoder(tmp_path / "model")
    with open_rest(reader="none", rerank=f"cross-encoder:{model}", work=True) as rest:
        for number, text in enumerate(("The cat sat on the mat.", "A dog.", "Tax revenue.")):
            rest.ready(f"{number}.txt", text.encode())
        found = rest.client.post("/v1/search", json={"query": "cat"}).json()["passages"]
        scores = [one["scores"]["rerank"] for one in found]
        assert len(found) == 3
        assert scores == sorted(scores, reverse=True) == [one["score"] for one in found]
        assert {"dense", "fused"} <= found[0]["scores"].keys()


def test_reranking_is_refused_where_nothing_reranks(open_rest: Callable[..., Opened]) -> None:
    with open_rest(reader="none") as rest:
        reply = rest.client.post("/v1/search", json={"query": "cat", "rerank": True})
        assert (reply.status_code, reply.json()["error"]["param"]) == (422, "rerank")


def test_a_service_set_to_rerank_needs_what_reranks(open_rest: Callable[..., Opened]) -> None:
    with (
        pytest.raises(ConfigurationError, match="IBIDEM_RERANK"),
        open_rest(reader="none", rerank="reader"),
    ):
        pass


def test_every_sentence_of_an_answer_opens_at_its_place(rest: Rest, lease: str) -> None:
    answer = rest.client.post("/v1/ask", json=QUESTION).json()
    assert answer["found"]
    assert answer["engine"] == "offline"
    assert "ninety days" in answer["text"]
    assert answer["sentences"]
    for sentence in answer["sentences"]:
        for citation in sentence["citations"]:
            start, end = citation["start_char_index"], citation["end_char_index"]
            assert LEASE[start:end] == citation["cited_text"]
            assert citation["located"] in ("exact", "normalized", "fuzzy")
    assert {"retrieve", "engine", "locate", "total"} <= set(answer["timings"])
    again = rest.client.get(f"/v1/answers/{answer['id']}").json()
    assert again == answer
    assert again["request"]["top_k"] == 8
    assert again["passages"]


def test_an_answer_goes_with_the_document_that_it_quotes(rest: Rest) -> None:
    document = rest.ready("heron.txt", b"The heron pump hums at ninety hertz in winter.")
    asked = {"question": "At how many hertz does the heron pump hum?"}
    answer = rest.client.post("/v1/ask", json=asked).json()
    assert "ninety hertz" in answer["text"]
    rest.client.delete(f"/v1/documents/{document}")
    assert rest.client.get(f"/v1/answers/{answer['id']}").status_code == 404


def test_a_question_under_a_key_is_answered_once(rest: Rest) -> None:
    document = rest.ready("wren.txt", b"The wren pump weighs eleven kilos without its base.")

    def ask(**body: Any) -> Any:
        asked = {"question": "How many kilos does the wren pump weigh?", **body}
        return rest.client.post("/v1/ask", json=asked, headers={"Idempotency-Key": "q1"})

    first, again = ask(), ask()
    assert (again.text, again.headers["idempotent-replayed"]) == (first.text, "true")
    assert "eleven kilos" in first.json()["text"]
    assert ask(top_k=1).status_code == 409
    streamed = ask(stream=True)
    assert (streamed.status_code, streamed.json()["error"]["param"]) == (422, "Idempotency-Key")
    rest.client.delete(f"/v1/documents/{document}")
    assert "eleven" not in ask().text


def test_what_the_documents_do_not_say_is_not_found(rest: Rest, lease: str, pump: str) -> None:
    question = "Which football club won the cup final in Lisbon?"
    answer = rest.client.post("/v1/ask", json={"question": question}).json()
    assert (answer["found"], answer["sentences"]) == (False, [])
    assert answer["text"].startswith("Not found")


def test_a_streamed_answer_is_the_plain_one_in_pieces(rest: Rest, lease: str) -> None:
    plain = rest.client.post("/v1/ask", json=QUESTION).json()
    reply = rest.client.post("/v1/ask", json={**QUESTION, "stream": True})
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.headers["cache-control"] == "no-store"
    events = read_events(reply.text)
    names = [name for name, _ in events]
    assert names[0] == "passages"
    assert names[-2:] == ["answer", "done"]
    assert set(names) == {"passages", "delta", "citation", "answer", "done"}
    streamed = events[-2][1]
    assert "".join(data["text"] for name, data in events if name == "delta") == streamed["text"]
    cited: list[list[Any]] = [[] for _ in streamed["sentences"]]
    for name, data in events:
        if name == "citation":
            cited[data["sentence"]].append(data["citation"])
    assert cited == [sentence["citations"] for sentence in streamed["sentences"]]
    varying = ("id", "timings", "created_at")
    assert {k: v for k, v in streamed.items() if k not in varying} == {
        k: v for k, v in plain.items() if k not in varying
    }
    assert rest.client.get(f"/v1/answers/{streamed['id']}").json() == streamed


def test_a_failure_within_a_stream_is_an_event(
    rest: Rest, lease: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_task: AnswerTask, _context: Context) -> None:
        raise StoreDamaged("It is broken.")

    monkeypatch.setattr(rest.services.engine, "run", fail)
    reply = rest.client.post("/v1/ask", json={**QUESTION, "stream": True})
    events = read_events(reply.text)
    assert [name for name, _ in events] == ["passages", "error", "done"]
    error = events[1][1]["error"]
    assert (error["code"], error["message"]) == ("store_damaged", "It is broken.")
    assert error["request_id"] == reply.headers["x-request-id"]
    monkeypatch.undo()
    assert rest.client.post("/v1/ask", json=QUESTION).status_code == 200


def test_beyond_the_queue_requests_are_turned_away_and_told_when_to_return(
    rest: Rest, lease: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Searches stand still until all have come: as many as there are places get an answer."""
    go_on = threading.Event()
    search = rest.services.retriever.search

    def slow(request: Any) -> Any:
        go_on.wait(30)
        return search(request)

    monkeypatch.setattr(rest.services.retriever, "search", slow)
    replies: list[Any] = []

    def ask(number: int) -> None:
        body = {**QUESTION, "stream": number % 2 == 0}
        replies.append(rest.client.post("/v1/ask", json=body))
        if sum(reply.status_code == 503 for reply in replies) == 10:
            go_on.set()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = sorted(reply.status_code for reply in replies)
    assert statuses == [200] * 20 + [503] * 10
    turned_away = next(reply for reply in replies if reply.status_code == 503)
    assert turned_away.headers["retry-after"] == "1"
    assert turned_away.json()["error"]["code"] == "overloaded"
    monkeypatch.undo()
    again = [rest.client.post("/v1/ask", json=QUESTION).status_code for _ in range(25)]
    assert again == [200] * 25
