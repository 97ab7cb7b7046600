"""Batches over REST: thousands of questions in a file, and what comes back of them."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx2
import openpyxl
import pytest

from api.batches import provider
from rag.errors import BudgetExceeded, ModelRefused
from rag.models.batches.opening import open_batches
from rag.models.chat.openai import OpenAIChat
from rag.models.engine import Context
from rag.models.registry import Resources
from rag.models.tasks import AnswerTask
from tests.batch_providers import FakeOpenAI
from tests.conftest import on_sqlite
from tests.integration.conftest import Opened, Rest
from tests.integration.test_rest_answers import read_events
from tests.providers import KEY

RENT = "What is the monthly rent of the boat house?"
SEAL = "How often is the seal of the Linnet pump replaced?"


def line(custom_id: str, question: str = RENT, **more: Any) -> str:
    return json.dumps({"custom_id": custom_id, "question": question, **more})


def send(rest: Rest, *lines: str, **options: Any) -> Any:
    headers = {"content-type": "application/jsonl", **options.pop("headers", {})}
    content = "\n".join(lines).encode()
    return rest.client.post("/v1/batches", content=content, params=options, headers=headers)


def finished(rest: Rest, *lines: str, **options: Any) -> Any:
    sent = send(rest, *lines, **options)
    assert sent.status_code == 202, sent.text
    rest.wait(sent.json()["job_id"])
    return rest.client.get(f"/v1/batches/{sent.json()['id']}").json()


def results(rest: Rest, batch: Any, format: str = "jsonl") -> Any:
    return rest.client.get(f"/v1/batches/{batch['id']}/results", params={"format": format})


def test_each_line_is_answered_and_a_broken_one_breaks_no_other(
    rest: Rest, lease: str, pump: str
) -> None:
    broken = ['{"custom_id": "q-2", "question": ', "[1]", '{"custom_id": "q-3"}']
    unusual = [line("q-1", SEAL), line("q-4", stream=True), line("q-5", collection="nowhere")]
    told = send(rest, line("q-1"), *broken).json()
    assert (told["broken_lines"], [one["line"] for one in told["broken"]]) == (3, [2, 3, 4])
    assert told["broken"][1]["message"] == "Line 3: it is not a JSON object."
    batch = finished(rest, line("q-1"), "", *broken, *unusual, line("é", SEAL), name="all.jsonl")
    assert (batch["status"], batch["name"]) == ("completed", "all.jsonl")
    assert batch["request_counts"] == {"total": 8, "completed": 2, "failed": 6}
    assert batch["work"]["failures"] == {"invalid_request": 5, "not_found": 1}
    rows = [json.loads(one) for one in results(rest, batch).text.splitlines()]
    assert [row["line"] for row in rows] == [1, 3, 4, 5, 6, 7, 8, 9]
    assert [row["custom_id"] for row in rows] == [
        *("q-1", None, None, "q-3", None, "q-4", "q-5", "é")
    ]
    messages = [row["error"]["message"] for row in rows[1:7]]
    assert [message.split(":")[0] for message in messages[:5]] == [
        f"Line {number}" for number in (3, 4, 5, 6, 7)
    ]
    assert "question" in messages[2]
    assert "line 1 already" in messages[3]
    first, last = rows[0]["response"], rows[-1]["response"]
    assert "1,250 euros" in first["text"]
    assert "8,000 hours" in last["text"]
    citation = last["sentences"][0]["citations"][0]
    assert (citation["document_id"], citation["start_page_number"]) == (pump, 2)
    listed = rest.client.get("/v1/batches", params={"limit": 1}).json()
    assert listed["data"] == [batch]
    assert listed["last_id"] == batch["id"]
    job = rest.client.get(f"/v1/jobs/{batch['job_id']}").json()
    assert (job["kind"], job["work"]) == ("batch", batch["work"])


def test_a_batch_is_sent_once_under_its_key(rest: Rest) -> None:
    keyed = {"Idempotency-Key": "b1"}
    first, again = (send(rest, line("a"), headers=keyed).json() for _ in range(2))
    assert first == again
    assert send(rest, line("b"), headers=keyed).status_code == 409


@pytest.mark.parametrize(
    ("lines", "options", "status", "param"),
    [
        ([" ", ""], {}, 422, None),
        ([line("a")], {"collection": "nowhere"}, 404, "collection"),
        ([line("a")], {"engine": "nobody"}, 422, "engine"),
        ([line("a")], {"budget_usd": 0}, 422, "budget_usd"),
    ],
)
def test_what_is_no_batch_is_refused(
    rest: Rest, lines: list[str], options: dict[str, Any], status: int, param: str | None
) -> None:
    before = rest.client.get("/v1/batches").json()["first_id"]
    refused = send(rest, *lines, **options)
    assert (refused.status_code, refused.json()["error"]["param"]) == (status, param)
    assert rest.client.get("/v1/batches").json()["first_id"] == before
    unknown = rest.client.get("/v1/batches/bat_" + "0" * 24)
    assert unknown.status_code == 404


def test_tables_and_a_report_say_the_same(rest: Rest, lease: str, pump: str) -> None:
    batch = finished(rest, line("=1+1"), line("p", SEAL), line("<b>", "<script>alert(1)</script>?"))
    listed = results(rest, batch, "json").json()["data"]
    assert [row["custom_id"] for row in listed] == ["=1+1", "p", "<b>"]
    table = list(
        csv.DictReader(io.StringIO(results(rest, batch, "csv").content.decode("utf-8-sig")))
    )
    assert [row["custom_id"] for row in table] == ["'=1+1", "p", "<b>"]
    assert table[1]["answer"] == listed[1]["response"]["text"]
    assert table[1]["citations"].startswith("Linnet manual, p. 2: “")
    book = openpyxl.load_workbook(io.BytesIO(results(rest, batch, "xlsx").content))
    sheet = list(book["Results"].values)
    assert sheet[0] == tuple(table[0])
    assert [row[0] for row in sheet[1:]] == ["=1+1", "p", "<b>"]
    assert sheet[2][4] == listed[1]["response"]["text"]
    reply = results(rest, batch, "html")
    assert reply.headers["content-type"].startswith("text/html")
    assert "<script" not in reply.text
    drawn = re.findall(r'src="data:image/png;base64,([^"]*)"', reply.text)
    assert drawn
    assert all(base64.b64decode(one).startswith(b"\x89PNG") for one in drawn)


def test_questions_and_analyses_go_in_one_batch(rest: Rest, lease: str, pump: str) -> None:
    fields = {"type": "object", "properties": {"monthly_rent": {"type": "integer"}}}
    lines = [
        line("q"),
        json.dumps({"custom_id": "x", "schema": fields, "documents": [lease]}),
        json.dumps({"custom_id": "s", "kind": "summary", "text": "The wren pump is blue. " * 9}),
        json.dumps({"custom_id": "gone", "kind": "summary", "documents": ["doc_" + "0" * 24]}),
        json.dumps({"custom_id": "bare", "kind": "classification", "text": "No labels."}),
    ]
    batch = finished(rest, *lines)
    assert batch["work"]["failures"] == {"not_found": 1, "invalid_request": 1}
    rows = {row["custom_id"]: row for row in results(rest, batch, "json").json()["data"]}
    found = rows["x"]["response"]
    assert found["result"]["documents"][0]["value"] == {"monthly_rent": 1250}
    [cited] = found["evidence"]["/documents/0/value/monthly_rent"][:1]
    assert (cited["document_id"], "1,250" in cited["cited_text"]) == (lease, True)
    assert rows["s"]["response"]["coverage"]["chunks_read"] == 1
    assert "label" in rows["bare"]["error"]["message"]
    assert "1250" in results(rest, batch, "csv").text
    assert "<mark>" in results(rest, batch, "html").text


def test_an_analysis_is_handed_out_as_files(rest: Rest, lease: str, pump: str) -> None:
    fields = {"monthly_rent": {"type": "integer"}, "notice": {"type": "string"}}
    body = {"schema": {"type": "object", "properties": fields}, "documents": [lease, pump]}
    sent = rest.client.post("/v1/analyses", json=body).json()
    rest.wait(sent["job_id"])
    place = f"/v1/analyses/{sent['id']}/results"
    text = rest.client.get(place, params={"format": "csv"}).content.decode("utf-8-sig")
    rows = {row["document_name"]: row for row in csv.DictReader(io.StringIO(text))}
    assert rows["lease.txt"]["monthly_rent"] == "1250"
    assert "1,250" in rows["lease.txt"]["citations"]
    assert rows["pump.pdf"]["monthly_rent"] == ""
    report = rest.client.get(place, params={"format": "html"}).text
    assert "monthly rent" in report
    assert re.search(r"<mark>[^<]*1,250[^<]*</mark>", report)
    book = openpyxl.load_workbook(
        io.BytesIO(rest.client.get(place, params={"format": "xlsx"}).content)
    )
    assert [row[2] for row in book["Results"].values][:2] == ["monthly_rent", 1250]
    body = {"kind": "summary", "documents": [pump]}
    sent = rest.client.post("/v1/analyses", json=body).json()
    rest.wait(sent["job_id"])
    place = f"/v1/analyses/{sent['id']}/results"
    listed = rest.client.get(place).json()["data"]
    assert any(one["citations"] for one in listed)
    report = rest.client.get(place, params={"format": "html"}).text
    assert re.search(r"<figure>.*data:image/png;base64,", report)


@on_sqlite
def test_a_batch_pauses_is_cancelled_and_goes_on(
    open_rest: Callable[..., Opened], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    go_on = threading.Event()
    with open_rest(work=True) as rest:
        real = rest.services.engine.run

        def run(task: AnswerTask, context: Context) -> Any:
            assert context.job is not None
            said.append(task.question)
            if task.question == "refuse":
                raise ModelRefused
            if task.question == "spend" and not go_on.is_set():
                raise BudgetExceeded("The budget of $1.00 for this job is too small.")
            return real(task, context)

        monkeypatch.setattr(rest.services.engine, "run", run)
        rest.ready("a.txt", b"The wren pump weighs eleven kilos.")
        paused = finished(rest, *(line(str(n), n) for n in ("one", "refuse", "spend", "two")))
        assert paused["status"] == "paused"
        assert paused["error"]["code"] == "budget_exceeded"
        place = f"/v1/batches/{paused['id']}"
        go_on.set()
        resumed = rest.client.post(f"{place}/resume", json={"budget_usd": 5}).json()
        assert resumed["status"] in ("queued", "in_progress", "completed")
        rest.wait(resumed["job_id"])
        done = rest.client.get(place).json()
        assert (done["status"], done["work"]["failures"]) == ("completed", {"model_refused": 1})
        assert done["work"]["budget_usd"] == 5
        assert rest.client.post(f"{place}/resume").status_code == 409
        assert rest.client.post(f"{place}/cancel").status_code == 409
        again = rest.client.post(f"{place}/resume", json={"retry_failed": True}).json()
        rest.wait(again["job_id"])
        assert said.count("refuse") == 2
        assert said.count("one") == 1
        events = read_events(rest.client.get(f"/v1/jobs/{done['job_id']}/events").text)
        assert [name for name, _ in events] == ["job", "done"]
        assert events[0][1]["progress"] == {"done": 4, "total": 4, "unit": "items"}


@on_sqlite
def test_answers_of_a_batch_go_with_the_document(open_rest: Callable[..., Opened]) -> None:
    with open_rest(work=True) as rest:
        document = rest.ready("a.txt", b"The wren pump weighs eleven kilos.")
        batch = finished(rest, line("a", "What does the wren pump weigh?"))
        assert "eleven" in results(rest, batch).text
        rest.client.delete(f"/v1/documents/{document}")
        row = json.loads(results(rest, batch).text)
        assert (row["status"], row["error"]["code"]) == ("failed", "document_deleted")


@on_sqlite
def test_questions_go_through_the_providers_batches(
    open_rest: Callable[..., Opened], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openai", reason="needs the extra `openai`; `make test` installs it")
    fake = FakeOpenAI(lambda _, number: SAID if number else ("errored", 400), ended=True)

    def chat(_name: str, _resources: Resources) -> OpenAIChat:
        return OpenAIChat("m", api_key=KEY, transport=httpx2.MockTransport(fake))

    monkeypatch.setattr(provider, "open_batches", partial(open_batches, open_chat=chat))
    monkeypatch.setattr(provider, "_LOOK_S", 0.01)
    with open_rest(work=True, engine="openai:m", openai_api_key=KEY) as rest:
        rest.ready("a.txt", b"The wren pump weighs eleven kilos without its base.")
        refused = send(rest, line("a"), engine="offline", executor="provider")
        assert refused.json()["error"]["param"] == "executor"
        lines = [line(str(n), f"What does wren pump {n} weigh?") for n in range(4)]
        done = finished(rest, *lines, '{"custom_id": "x", "kind": "summary", "text": "a"}',
                        executor="provider")  # fmt: skip
        assert done["status"] == "completed"
        assert done["request_counts"] == {"total": 5, "completed": 3, "failed": 2}
        assert done["work"]["failures"] == {"invalid_request": 1, "model_rejected": 1}
        rows = results(rest, done, "json").json()["data"]
        answers = [row["response"] for row in rows if row["response"]]
        assert {(one["engine"], one["text"]) for one in answers} == {("openai:m", "Eleven kilos.")}
        assert all(one["sentences"][0]["citations"] for one in answers)
    assert len(fake.asked) == 4  # in one batch, and nothing outside of it
    assert len(fake.batches) == 1


@on_sqlite
def test_each_line_of_a_providers_batch_goes_to_the_engine_that_it_names(
    open_rest: Callable[..., Opened], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openai", reason="needs the extra `openai`; `make test` installs it")
    fakes = {one: FakeOpenAI(lambda _, __: SAID, ended=True) for one in ("openai:m", "openai:n")}

    def chat(name: str, _resources: Resources) -> OpenAIChat:
        transport = httpx2.MockTransport(fakes[name])
        return OpenAIChat(name.removeprefix("openai:"), api_key=KEY, transport=transport)

    monkeypatch.setattr(provider, "open_batches", partial(open_batches, open_chat=chat))
    monkeypatch.setattr(provider, "_LOOK_S", 0.01)
    settings = {"engine": "openai:m", "engines": ("openai:n",), "openai_api_key": KEY}
    with open_rest(work=True, **settings) as rest:
        rest.ready("a.txt", b"The wren pump weighs eleven kilos without its base.")
        lines = [line(one, f"What does wren pump {one} weigh?", engine=f"openai:{one}")
                 for one in ("m", "n")]  # fmt: skip
        done = finished(rest, *lines, executor="provider")
        assert done["request_counts"] == {"total": 2, "completed": 2, "failed": 0}
        rows = results(rest, done, "json").json()["data"]
    assert [one["response"]["engine"] for one in rows] == ["openai:m", "openai:n"]
    assert [len(one.asked) for one in fakes.values()] == [1, 1]


SAID = json.dumps(
    {
        "reasoning": "P1 says so.",
        "statements": [
            {"text": "Eleven kilos.", "evidence": [{"passage": "P1", "quote": "eleven kilos"}]}
        ],
        "confidence": 0.9,
    }
)
