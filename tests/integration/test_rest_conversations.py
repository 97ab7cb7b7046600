"""Conversations over REST: questions that lean on those before them, kept with their answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from api import door
from api.security import TENANT
from rag.catalog.conversations import MOST_MESSAGES
from tests.integration.conftest import Opened, Rest
from tests.integration.test_rest_answers import read_events
from tests.integration.test_rest_engines import serving

BOATHOUSE = (
    b"Lease of the Fulmar boat house. The monthly rent of the Fulmar boat house is 1,250 euros, "
    b"due on the third working day. The lease was signed by Ada Quill in March 2021."
)
SHED = (
    b"Lease of the Puffin shed. The monthly rent of the Puffin shed is 310 euros. "
    b"The lease of the shed was signed by Bo Marsh."
)


@pytest.fixture(scope="module")
def leases(rest: Rest) -> str:
    """A collection of two leases that differ in their names."""
    made = rest.client.post("/v1/collections", json={"name": "leases"}).json()
    rest.ready("fulmar.txt", BOATHOUSE, collection="leases", metadata={"year": 2021})
    rest.ready("puffin.txt", SHED, collection="leases", metadata={"year": 2023})
    return str(made["id"])


def begin(rest: Rest, **body: Any) -> str:
    reply = rest.client.post("/v1/conversations", json=body)
    assert reply.status_code == 201, reply.text
    return str(reply.json()["id"])


def say(rest: Rest, conversation: str, question: str, **body: Any) -> Any:
    path = f"/v1/conversations/{conversation}/messages"
    reply = rest.client.post(path, json={"question": question, **body})
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_a_question_leans_on_the_one_before(rest: Rest, leases: str) -> None:
    talk = begin(rest, collection="leases", title="Boats")
    first = say(rest, talk, "What is the monthly rent of the Puffin shed?")
    assert "310" in first["text"]
    assert first["queries"]["standalone_question"] == first["question"]
    second = say(rest, talk, "And of the Fulmar boat house?")
    asked = "What is the monthly rent of the Fulmar boat house?"
    assert (second["question"], second["queries"]["standalone_question"]) == (
        "And of the Fulmar boat house?",
        asked,
    )
    assert "1,250" in second["text"]
    third = rest.client.post(
        "/v1/ask", json={"question": "Who signed its lease?", "conversation": talk}
    ).json()
    assert "Fulmar" in third["queries"]["standalone_question"]
    assert third["request"]["conversation"] == talk
    assert third["request"]["collections"] == [leases]

    shown = rest.client.get(f"/v1/conversations/{talk}").json()
    assert (shown["object"], shown["title"], shown["message_count"]) == ("conversation", "Boats", 3)
    assert [one["answer"]["id"] for one in shown["messages"]] == [
        one["id"] for one in (first, second, third)
    ]
    page = rest.client.get(f"/v1/conversations/{talk}/messages", params={"limit": 2}).json()
    assert page["has_more"]
    rest_of = rest.client.get(
        f"/v1/conversations/{talk}/messages", params={"after": page["last_id"]}
    ).json()
    assert [one["question"] for one in rest_of["data"]] == ["Who signed its lease?"]
    (newest,) = rest.client.get(
        f"/v1/conversations/{talk}/messages", params={"limit": 1, "order": "desc"}
    ).json()["data"]
    assert newest == rest_of["data"][0]
    listed = rest.client.get("/v1/conversations").json()["data"]
    assert talk in [one["id"] for one in listed]
    assert "messages" not in listed[0]


def test_a_filter_holds_for_all_questions(rest: Rest, leases: str) -> None:
    talk = begin(rest, collections=["leases"], filter={"year": {"$gt": 2022}})
    answer = say(rest, talk, "What is the monthly rent of the Fulmar boat house?")
    assert {one["document_title"] for one in answer["passages"]} == {"puffin.txt"}
    wrong = rest.client.post("/v1/conversations", json={"filter": {"year": {"$near": 1}}})
    assert wrong.status_code == 422


def test_a_streamed_message_is_kept_like_any_other(rest: Rest, leases: str) -> None:
    talk = begin(rest, collection="leases")
    say(rest, talk, "What is the monthly rent of the Puffin shed?")
    body = {"question": "Who signed its lease?", "stream": True}
    reply = rest.client.post(f"/v1/conversations/{talk}/messages", json=body)
    events = read_events(reply.text)
    assert events[0][0] == "passages"
    assert "Puffin shed" in events[0][1]["queries"]["standalone_question"]
    streamed = events[-2][1]
    kept = rest.client.get(f"/v1/conversations/{talk}").json()["messages"]
    assert kept[-1]["answer"] == streamed


def test_a_message_under_a_key_is_added_once(rest: Rest, leases: str) -> None:
    key = {"Idempotency-Key": "c1"}
    made = [
        rest.client.post("/v1/conversations", json={"collection": "leases"}, headers=key)
        for _ in range(2)
    ]
    assert made[0].text == made[1].text
    talk = made[0].json()["id"]
    path = f"/v1/conversations/{talk}/messages"
    body = {"question": "What is the monthly rent of the Puffin shed?"}
    first, again = (
        rest.client.post(path, json=body, headers={"Idempotency-Key": "m1"}) for _ in range(2)
    )
    assert (again.text, again.headers["idempotent-replayed"]) == (first.text, "true")
    assert rest.client.get(f"/v1/conversations/{talk}").json()["message_count"] == 1


def test_nothing_of_a_deleted_document_stays_in_a_conversation(rest: Rest) -> None:
    """Also not a name that an answer gave, and by which a later question was completed."""
    rest.client.post("/v1/collections", json={"name": "gone"})
    signer = rest.ready(
        "a.txt", b"The Gannet lease was signed by Zadie Thrushcross.", collection="gone"
    )
    rest.ready("b.txt", b"All who sign leases work in the Lerwick office.", collection="gone")
    talk = begin(rest, collection="gone")
    first = say(rest, talk, "Who signed the Gannet lease?")
    assert "Zadie" in first["text"]
    second = say(rest, talk, "Where does she work?", top_k=1)
    assert "Zadie Thrushcross" in second["queries"]["standalone_question"]
    rest.client.delete(f"/v1/documents/{signer}").raise_for_status()
    shown = rest.client.get(f"/v1/conversations/{talk}")
    assert "Zadie" not in shown.text
    assert [one["question"] for one in shown.json()["messages"]] == [
        "Who signed the Gannet lease?",
        "Where does she work?",
    ]
    assert [one["answer"] for one in shown.json()["messages"]] == [None, None]
    third = say(rest, talk, "Where do people who sign leases work?")
    assert "Lerwick" in third["text"]


def test_what_came_by_way_of_other_questions_goes_with_its_document_too(
    rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.conversing._REMEMBERED", 1)
    rest.client.post("/v1/collections", json={"name": "afar"})
    lease = b"The Gannet lease was signed by Zadie Thrushcross."
    signer = rest.ready("a.txt", lease, collection="afar", metadata={"read": True})
    office = b"People work in the Lerwick office because of the harbour."
    rest.ready("b.txt", office, collection="afar", metadata={"read": True})
    talk = begin(rest, collection="afar", filter={"read": True})
    say(rest, talk, "Who signed the Gannet lease?")
    hidden = rest.client.patch(f"/v1/documents/{signer}", json={"metadata": {"read": False}})
    hidden.raise_for_status()
    for question in ("Where does she work?", "Why?"):
        answer = say(rest, talk, question)
        assert "Zadie Thrushcross" in answer["queries"]["standalone_question"]
        assert [one["document_title"] for one in answer["passages"]] == ["b.txt"]
    rest.client.delete(f"/v1/documents/{signer}").raise_for_status()
    assert "Zadie" not in rest.client.get(f"/v1/conversations/{talk}").text


def test_a_deleted_conversation_takes_its_answers_along(rest: Rest, leases: str) -> None:
    talk = begin(rest, collection="leases")
    answer = say(rest, talk, "What is the monthly rent of the Puffin shed?")
    assert rest.client.delete(f"/v1/conversations/{talk}").json() == {
        "id": talk,
        "object": "conversation",
        "deleted": True,
    }
    for path in (f"conversations/{talk}", f"conversations/{talk}/messages"):
        assert rest.client.get(f"/v1/{path}").status_code == 404
    assert rest.client.get(f"/v1/answers/{answer['id']}").status_code == 404
    asked = {"question": "And now?", "conversation": talk}
    assert rest.client.post("/v1/ask", json=asked).status_code == 404


def test_another_tenant_sees_nothing_of_it(rest: Rest, leases: str) -> None:
    talk = begin(rest, collection="leases")
    app = rest.client.app
    app.dependency_overrides[door._tenant] = lambda: "other"  # type: ignore[attr-defined]
    try:
        ask = {"question": "What is the rent?", "conversation": talk}
        replies = [
            rest.client.get(f"/v1/conversations/{talk}"),
            rest.client.get(f"/v1/conversations/{talk}/messages"),
            rest.client.post("/v1/ask", json=ask),
            rest.client.get("/v1/conversations", params={"after": talk}),
            rest.client.delete(f"/v1/conversations/{talk}"),
        ]
        assert [one.status_code for one in replies] == [404] * 5
        assert rest.client.get("/v1/conversations").json()["data"] == []
    finally:
        app.dependency_overrides.clear()  # type: ignore[attr-defined]
    assert rest.client.get(f"/v1/conversations/{talk}").status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"collection": "leases"}, 422, "collection"),
        ({"filter": {"year": 1}}, 422, "filter"),
        ({"conversation": "con_x"}, 404, "conversation"),
        ({"engine": "nobody"}, 422, "engine"),
    ],
)
def test_what_cannot_be_asked_is_told(
    rest: Rest, leases: str, body: dict[str, Any], status: int, param: str
) -> None:
    talk = begin(rest, collection="leases")
    reply = rest.client.post("/v1/ask", json={"question": "Why?", "conversation": talk, **body})
    assert (reply.status_code, reply.json()["error"]["param"]) == (status, param)
    assert rest.client.get(f"/v1/conversations/{talk}").json()["message_count"] == 0


@pytest.mark.parametrize("after", ["msg_" + "0" * 24, "\0", "con_1"])
def test_there_is_nothing_behind_what_is_no_message(rest: Rest, leases: str, after: str) -> None:
    talk = begin(rest, collection="leases")
    path = f"/v1/conversations/{talk}/messages"
    assert rest.client.get(path, params={"after": after}).status_code == 404


def test_a_conversation_about_a_deleted_collection_ends(rest: Rest) -> None:
    made = rest.client.post("/v1/collections", json={"name": "short-lived"}).json()
    talk = begin(rest, collection="short-lived")
    rest.client.delete(f"/v1/collections/{made['id']}").raise_for_status()
    reply = rest.client.post("/v1/ask", json={"question": "Why?", "conversation": talk})
    assert reply.status_code == 409
    assert "deleted" in reply.json()["error"]["message"]


def test_a_full_conversation_takes_no_more(rest: Rest, leases: str) -> None:
    talk = begin(rest, collection="leases")
    conversations = rest.services.catalog.conversations
    for number in range(MOST_MESSAGES):
        conversations.add(
            TENANT, talk, question=f"q{number}", answer_id="ans_none", keep=lambda: None
        )
    reply = rest.client.post("/v1/ask", json={"question": "Why?", "conversation": talk})
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "conflict")
    assert "new one" in reply.json()["error"]["message"]


def rewriting(question: str, **changes: Any) -> str:
    said = {"question": question, "parts": [], "passage": None, "confidence": 0.9}
    return json.dumps({"reasoning": "", **said, **changes})


def answering(quote: str) -> str:
    statement = {"text": quote, "evidence": [{"passage": "P1", "quote": quote}]}
    return json.dumps({"reasoning": "", "statements": [statement], "confidence": 1})


def is_rewriting(asked: str) -> bool:
    return "prepare questions for a search" in asked or "Do not answer the question" in asked


def test_a_model_rewrites_what_leans_on_earlier_questions(
    open_rest: Callable[..., Opened],
) -> None:
    pytest.importorskip("openai")
    with serving() as server, open_rest(work=True, engine=server.engine) as rest:
        rest.ready("fulmar.txt", BOATHOUSE)
        talk = begin(rest)
        server.text = answering("1,250 euros")
        first = say(rest, talk, "What is the monthly rent?")
        assert len(server.asked) == 1, "a first question leans on nothing"
        meant = "On which day is the monthly rent of the Fulmar boat house due?"
        server.text = lambda asked: (
            rewriting(meant) if is_rewriting(asked) else answering("the third working day")
        )
        second = say(rest, talk, "And the day?")
        assert second["queries"]["standalone_question"] == meant
        assert second["text"] == "the third working day"
        asked = json.dumps(server.asked[1])
        assert "1,250 euros" in asked, "the model sees what was quoted"
        assert meant in json.dumps(server.asked[2])
        spent = second["usage"]["input_tokens"]
        assert spent == 2 * first["usage"]["input_tokens"]

        server.text = lambda asked: (
            "no JSON" if is_rewriting(asked) else answering("signed by Ada Quill")
        )
        third = say(rest, talk, "Who signed it?")
        assert "Fulmar boat house" in third["queries"]["standalone_question"]
        assert any("offline stepped in" in note for note in third["notes"])
        assert third["text"] == "signed by Ada Quill"


def test_a_passage_is_made_up_to_search_with_and_never_cited(
    open_rest: Callable[..., Opened],
) -> None:
    pytest.importorskip("openai")
    with serving() as server, open_rest(work=True, engine=server.engine) as rest:
        rest.ready("fulmar.txt", BOATHOUSE)
        made_up = "Rent is payable on the third working day of the month."
        server.text = rewriting("When must one pay?", passage=made_up)
        body = {"query": "When must one pay?", "expand": "hyde"}
        found = rest.client.post("/v1/search", json=body).json()
        assert found["queries"]["hypothetical_passage"] == made_up
        assert found["usage"]["input_tokens"] > 0
        assert "queries" in found["passages"][0]["scores"]
        server.text = lambda asked: (
            rewriting("When must one pay?", passage=made_up)
            if is_rewriting(asked)
            else answering("payable on the third working day")
        )
        asked = {"question": "When must one pay?", "expand": "hyde"}
        answer = rest.client.post("/v1/ask", json=asked).json()
        assert (answer["found"], answer["dropped_citations"]) == (False, 1)
        refused = rest.client.post("/v1/ask", json=asked | {"engine": "offline"})
        assert (refused.status_code, refused.json()["error"]["param"]) == (422, "expand")


def test_an_engine_takes_questions_apart_when_asked_to(open_rest: Callable[..., Opened]) -> None:
    pytest.importorskip("openai")
    with serving() as server, open_rest(work=True, engine=server.engine) as rest:
        rest.ready("fulmar.txt", BOATHOUSE)
        server.text = rewriting("Rent, signer?", parts=["What is the rent?", "Who signed?"])
        body = {"query": "Rent, signer?", "decompose": "engine"}
        found = rest.client.post("/v1/search", json=body).json()
        assert found["queries"]["subqueries"] == ["What is the rent?", "Who signed?"]
        plain = rest.client.post("/v1/search", json={"query": "Rent, signer?"}).json()
        assert plain["queries"]["subqueries"] == []
        assert len(server.asked) == 1


def test_each_part_of_a_question_is_looked_up_and_answered(rest: Rest, leases: str) -> None:
    question = "What is the monthly rent of the Puffin shed and who signed the Fulmar lease?"
    body = {"question": question, "collection": "leases", "top_k": 2}
    answer = rest.client.post("/v1/ask", json=body).json()
    assert answer["queries"]["subqueries"] == [
        "What is the monthly rent of the Puffin shed?",
        "Who signed the Fulmar lease?",
    ]
    assert "310 euros" in answer["text"]
    assert "Ada Quill" in answer["text"]
    whole = rest.client.post("/v1/ask", json=body | {"decompose": "none"}).json()
    assert whole["queries"]["subqueries"] == []
    found = rest.client.post(
        "/v1/search", json={"query": question, "collection": "leases", "top_k": 3}
    ).json()
    assert found["queries"]["subqueries"] == answer["queries"]["subqueries"]
    assert found["passages"][0]["score"] == found["passages"][0]["scores"]["queries"]
