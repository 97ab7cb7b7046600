"""Asking a language model over REST: a real server of its own on loopback, the real SDK."""

from __future__ import annotations

import base64
import io
import json
import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from api.security import TENANT
from rag.models.observe import Attempt, Purpose
from tests.fault_server import serving as serving_faults
from tests.integration.conftest import LEASE, Opened
from tests.integration.test_rest_answers import read_events
from tests.pdfs import pdf, prose
from tests.providers import PROVIDERS, compatible_reply
from tests.scans import drawing, needs_tesseract, scan

pytest.importorskip("openai")

QUESTION = {"question": "How long is the notice to end the lease?"}


class Server(ThreadingHTTPServer):
    """Speaks chat completions; what it replies and has been asked is at hand."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[Any] = []
        self.status = 200
        self.text: str | Callable[[str], str] = ""

    @property
    def engine(self) -> str:
        return f"compatible:tiny@http://user:pass@127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        self.server.asked.append(json.loads(self.rfile.read(length)))
        text = self.server.text
        said = text(json.dumps(self.server.asked[-1])) if callable(text) else text
        body = json.dumps(compatible_reply(said)).encode()
        self.send_response(self.server.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@contextmanager
def serving() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def reply(quote: str) -> str:
    statement = {
        "text": "Ninety days, in writing.",
        "evidence": [{"passage": "P1", "quote": quote}],
    }
    return json.dumps({"reasoning": "secret thoughts", "statements": [statement], "confidence": 1})


def test_a_language_model_answers_with_located_quotes(open_rest: Callable[..., Opened]) -> None:
    with serving() as server, open_rest(work=True, engine=server.engine) as rest:
        document = rest.ready("lease.txt", LEASE.encode())
        server.text = reply("a notice of ninety days in writing")
        answer = rest.client.post("/v1/ask", json=QUESTION).json()
        assert answer["text"] == "Ninety days, in writing."
        citation = answer["sentences"][0]["citations"][0]
        assert citation["cited_text"] == "a notice of ninety days in writing"
        assert citation["document_id"] == document
        assert answer["prompt"]["name"] == "answer/chain-of-thought"
        assert answer["usage"] == {"input_tokens": 10, "output_tokens": 5, "cost_usd": None}
        assert "user:pass" not in json.dumps(answer)
        assert "secret thoughts" not in json.dumps(answer)

        again = rest.client.post("/v1/ask", json=QUESTION).json()
        assert again["text"] == answer["text"]
        assert again["usage"]["input_tokens"] == 0
        assert len(server.asked) == 1

        offline = rest.client.post("/v1/ask", json=QUESTION | {"engine": "offline"}).json()
        assert offline["engine"] == "offline"
        names = [one["id"] for one in rest.client.get("/v1/engines").json()["data"]]
        assert names == [answer["engine"], "offline"]

        rest.client.delete(f"/v1/documents/{document}").raise_for_status()
        rest.ready("lease.txt", LEASE.encode())
        rest.client.post("/v1/ask", json=QUESTION).raise_for_status()
        assert len(server.asked) == 2, "the reply went with its document"


def test_wishes_of_the_asker_reach_the_model_outside_of_all_marks(
    open_rest: Callable[..., Opened],
) -> None:
    with serving() as server, open_rest(work=True, engine=server.engine) as rest:
        rest.ready("lease.txt", LEASE.encode())
        server.text = reply("a notice of ninety days in writing")
        wish = "In one sentence, in German.\nBe formal."
        body = QUESTION | {"instructions": wish}
        answer = rest.client.post("/v1/ask", json=body).json()
        assert answer["request"]["instructions"] == wish
        assert not any("instructions" in note for note in answer["notes"])
        text = server.asked[0]["messages"][-1]["content"]
        before, marked, after = text.rpartition("end of P1]")
        assert marked
        assert wish in after
        assert wish not in before

        rest.client.post("/v1/ask", json=body).raise_for_status()
        assert len(server.asked) == 1, "the same wishes are the same call"
        plain = rest.client.post("/v1/ask", json=QUESTION).json()
        assert plain["request"]["instructions"] is None
        rest.client.post("/v1/ask", json=body | {"instructions": "At length."}).raise_for_status()
        assert len(server.asked) == 3, "other wishes are another call"

        older = rest.client.post("/v1/ask", json=body | {"prompt": "answer/strict@1"}).json()
        assert older["notes"] == ["The prompt answer/strict 1 takes no instructions; left aside."]
        offline = rest.client.post("/v1/ask", json=body | {"engine": "offline"}).json()
        assert [note for note in offline["notes"] if "instructions were left aside" in note]
        long = rest.client.post("/v1/ask", json=body | {"instructions": "x" * 4_001})
        assert (long.status_code, long.json()["error"]["param"]) == (422, "instructions")


def test_what_a_model_writes_is_streamed_and_taken_back_when_it_does_not_hold(
    open_rest: Callable[..., Opened],
) -> None:
    (compatible,) = [one for one in PROVIDERS if one.name == "compatible"]
    said = [("Free of charge.", "no charge at all"), ("Ninety days.", "notice of ninety days")]
    statements = [
        {"text": text, "evidence": [{"passage": "P1", "quote": quote}]} for text, quote in said
    ]
    written = json.dumps({"reasoning": "secret", "statements": statements, "confidence": 1})
    with (
        serving_faults(compatible) as server,
        server.doing(lambda line: line.write(written)),
        open_rest(work=True, engine=f"compatible:big@{server.url}") as rest,
    ):
        rest.ready("lease.txt", LEASE.encode())
        events = read_events(rest.client.post("/v1/ask", json=QUESTION | {"stream": True}).text)
        names = [name for name, _ in events]
        back = names.index("retract")
        assert names[:2] == ["passages", "delta"]
        assert events[back][1] == {"sentence": 0}
        after = [data for name, data in events[back:] if name == "delta"]
        assert "".join(one["text"] for one in after) == "Ninety days."
        assert {one["sentence"] for one in after} == {0}
        assert names[-3:] == ["citation", "answer", "done"]
        answer = events[-2][1]
        assert (answer["text"], answer["dropped_citations"]) == ("Ninety days.", 1)
        assert answer["usage"]["input_tokens"] == 1_000
        assert answer == rest.client.get(f"/v1/answers/{answer['id']}").json()
        assert "secret" not in json.dumps(events)
        (usage,) = rest.client.get("/v1/usage").json()["data"]
        assert (usage["calls"], usage["input_tokens"]) == (1, 1_000)


def test_engines_are_checked_and_their_use_is_counted(open_rest: Callable[..., Opened]) -> None:
    with serving() as server, open_rest(engine=server.engine) as rest:
        assert rest.client.get("/v1/usage").json()["data"] == []
        server.text = "ok"
        checked = rest.client.post("/v1/engines/check").json()["data"]
        assert [one["status"] for one in checked] == ["ok", "ok"]
        server.status = 401
        checked = rest.client.post("/v1/engines/check").json()["data"]
        assert [one["status"] == "ok" for one in checked] == [False, True]
        (usage,) = rest.client.get("/v1/usage").json()["data"]
        assert (usage["calls"], usage["failures"]) == (2, {"model_access_denied": 1})
        assert (usage["input_tokens"], usage["cost_usd"]) == (10, None)
        assert usage["key"] == "local"
        assert usage["id"] == f"{usage['day']}/local/{usage['model']}"


def test_how_engines_do_is_shown(open_rest: Callable[..., Opened]) -> None:
    with serving() as server, open_rest(work=True, engine=server.engine) as rest:
        assert rest.client.get("/v1/engines/stats").json()["data"] == []
        rest.ready("lease.txt", LEASE.encode())
        server.text = reply("a notice of ninety days in writing")
        rest.client.post("/v1/ask", json=QUESTION).raise_for_status()
        (one,) = rest.client.get("/v1/engines/stats").json()["data"]
        assert one["prompt"] == "answer/chain-of-thought"
        assert (one["calls"], one["repairs"], one["failures"]) == (1, 0, {})
        assert (one["citations_located"], one["locate_rate"]) == (1, 1.0)
        assert one["input_tokens"]["mean"] == 10
        assert 0 < one["support"] < 1
        metrics = rest.client.get("/metrics").text
        assert 'ibidem_model_calls_total{engine="compatible:tiny@http' in metrics
        assert "user:pass" not in metrics


def test_a_budget_says_so_when_it_does_not_suffice(
    open_rest: Callable[..., Opened], tmp_path: Path
) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text('[[price]]\nmodel = "compatible:"\ninput = 10.0\noutput = 100.0\n')
    key = "a-key-of-sixteen-or-more"
    with (
        serving() as server,
        open_rest(
            work=True,
            engine=server.engine,
            pricing=prices,
            api_keys=(key,),
            budget_usd=1.0,
            budget_key_usd=0.3,
        ) as rest,
    ):
        rest.client.headers["authorization"] = f"Bearer {key}"
        rest.ready("lease.txt", LEASE.encode())
        server.text = reply("a notice of ninety days in writing")
        small = rest.client.post("/v1/ask", json=QUESTION | {"budget_usd": 0.01})
        assert (small.status_code, small.json()["error"]["code"]) == (402, "budget_exceeded")
        assert "$0.0100 for this request" in small.json()["error"]["message"]
        assert server.asked == []
        free = QUESTION | {"budget_usd": 0.01, "engine": "offline"}
        assert rest.client.post("/v1/ask", json=free).status_code == 200

        assert rest.client.post("/v1/ask", json=QUESTION).json()["usage"]["cost_usd"] > 0
        (used,) = rest.client.get("/v1/usage").json()["data"]
        assert used["key"].startswith("key_")
        assert key not in json.dumps(used)
        rest.services.catalog.usage.tell(
            Attempt(model="m", purpose=Purpose(key=used["key"]), seconds=1.0, cost_usd=0.2)
        )
        spent = rest.client.post("/v1/ask", json={"question": "What is the rent?"})
        assert spent.status_code == 402
        assert "IBIDEM_BUDGET_KEY_USD" in spent.json()["error"]["message"]


def test_checking_engines_is_paid_by_the_key_that_asks(
    open_rest: Callable[..., Opened], tmp_path: Path
) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text('[[price]]\nmodel = "compatible:"\ninput = 10.0\noutput = 1000.0\n')
    key = "a-key-of-sixteen-or-more"
    with (
        serving() as server,
        open_rest(
            engine=server.engine, pricing=prices, api_keys=(key,), budget_key_usd=0.08
        ) as rest,
    ):
        rest.client.headers["authorization"] = f"Bearer {key}"
        server.text = "ok"
        first = rest.client.post("/v1/engines/check").json()["data"]
        assert [one["status"] for one in first] == ["ok", "ok"]
        (sent,) = server.asked
        assert sent["temperature"] == 0.0
        assert sent["response_format"]["type"] == "json_schema"
        (used,) = rest.client.get("/v1/usage").json()["data"]
        assert used["key"].startswith("key_")
        assert used["cost_usd"] > 0
        rest.services.catalog.usage.tell(
            Attempt(model="m", purpose=Purpose(key=used["key"]), seconds=1.0, cost_usd=0.05)
        )
        second = rest.client.post("/v1/engines/check").json()["data"]
        assert "IBIDEM_BUDGET_KEY_USD" in second[0]["status"]
        assert len(server.asked) == 1


def test_what_is_not_in_the_documents_is_not_said(open_rest: Callable[..., Opened]) -> None:
    with serving() as server, open_rest(work=True, engine=server.engine) as rest:
        rest.ready("lease.txt", LEASE.encode())
        server.text = reply("a notice of nine hundred years by carrier pigeon to the moon")
        answer = rest.client.post("/v1/ask", json=QUESTION).json()
        assert not answer["found"]
        assert answer["dropped_citations"] == 1
        assert answer["text"] == "Not found in these documents."


def test_offline_steps_in_and_says_so(open_rest: Callable[..., Opened]) -> None:
    with serving() as server, open_rest(work=True, engine=server.engine) as rest:
        rest.ready("lease.txt", LEASE.encode())
        server.status = 401
        answer = rest.client.post("/v1/ask", json=QUESTION).json()
        assert answer["engine"] == "offline"
        assert "offline stepped in" in answer["notes"][0]
        assert answer["found"]


def test_a_collection_is_answered_by_the_engine_that_it_is_pinned_to(
    open_rest: Callable[..., Opened],
) -> None:
    with serving() as server, open_rest(work=True, engines=(server.engine,)) as rest:
        pinned = f"compatible:tiny@http://127.0.0.1:{server.server_port}/v1"
        made = rest.client.post("/v1/collections", json={"name": "a", "engine": pinned}).json()
        assert made["engine"] == pinned
        rest.ready("lease.txt", LEASE.encode(), collection="a")
        server.text = reply("notice of ninety days in writing")
        body = {**QUESTION, "collection": made["id"]}
        answer = rest.client.post("/v1/ask", json=body).json()
        assert (answer["engine"], answer["revision"]) == (pinned, "big-2026-01-01")
        assert answer["prompt"]["version"] >= 1
        kept = rest.client.get(f"/v1/answers/{answer['id']}").json()
        assert kept["revision"] == "big-2026-01-01"
        other = rest.client.post("/v1/ask", json={**body, "engine": "offline"}).json()
        assert (other["engine"], other["revision"]) == ("offline", None)
        place = f"/v1/collections/{made['id']}"
        assert rest.client.patch(place, json={"name": "b"}).json()["engine"] == pinned
        assert rest.client.patch(place, json={"engine": None}).json()["engine"] is None
        assert rest.client.post("/v1/ask", json=body).json()["engine"] == "offline"
        # As if this service no longer had the model.
        rest.services.catalog.collections.update(TENANT, made["id"], engine="openai:gone")
        refused = rest.client.post("/v1/ask", json=body)
        assert refused.status_code == 409
        assert "openai:gone" in refused.json()["error"]["message"]
        assert rest.client.post("/v1/ask", json={**body, "engine": "offline"}).is_success


def test_pins_are_checked_when_they_are_set_and_have_to_agree(
    open_rest: Callable[..., Opened],
) -> None:
    with serving() as server, open_rest(engines=(server.engine,)) as rest:
        model = f"compatible:tiny@http://127.0.0.1:{server.server_port}/v1"
        wrong = rest.client.post("/v1/collections", json={"name": "a", "engine": "gpt"})
        assert (wrong.status_code, wrong.json()["error"]["param"]) == (422, "engine")
        assert "offline" in wrong.json()["error"]["message"]
        for name, engine in (("a", "offline"), ("b", model), ("c", None)):
            rest.client.post("/v1/collections", json={"name": name, "engine": engine})
        both = rest.client.post("/v1/ask", json={**QUESTION, "collections": ["a", "b"]})
        assert (both.status_code, both.json()["error"]["param"]) == (422, "engine")
        shared = rest.client.post("/v1/ask", json={**QUESTION, "collections": ["a", "c"]})
        assert shared.json()["engine"] == "offline"
        (first, *_) = rest.client.get("/v1/collections", params={"order": "asc"}).json()["data"]
        bad = rest.client.patch(f"/v1/collections/{first['id']}", json={"engine": "gpt"})
        assert bad.status_code == 422


def test_a_route_escalates_and_the_answer_says_why(open_rest: Callable[..., Opened]) -> None:
    with serving() as server, open_rest(work=True, engine=f"route:offline,{server.engine}") as rest:
        rest.ready("lease.txt", LEASE.encode())
        server.text = reply("north window")
        answer = rest.client.post("/v1/ask", json={"question": "Who mends panes of glass?"}).json()
        assert answer["decisions"][0]["engine"] == "offline"
        assert [one["taken"] for one in answer["decisions"]] == [False, True]
        assert answer["engine"].startswith("compatible:tiny")
        assert "offline was not enough" in answer["notes"][0]
        assert answer["found"]


def test_what_is_private_stays_here_and_quotes_are_located(
    open_rest: Callable[..., Opened], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.models.registry._is_elsewhere", lambda _: True)
    with serving() as server, open_rest(work=True, engine=server.engine, redact="email") as rest:
        rest.ready("lease.txt", b"Notices to end the lease go to ann@boats.example in writing.")

        def hidden(sent: str) -> str:
            assert "ann@boats" not in sent
            return re.findall(r"\[EMAIL_\w+\]", sent)[0]

        server.text = lambda sent: reply(f"lease go to {hidden(sent)}")
        body = {"question": "Where do notices to end the lease go?"}
        answer = rest.client.post("/v1/ask", json=body).json()
        (citation,) = answer["sentences"][0]["citations"]
        assert citation["cited_text"] == "lease go to ann@boats.example"


@needs_tesseract
def test_pages_whose_text_was_recognized_are_shown(open_rest: Callable[..., Opened]) -> None:
    scanned = drawing(scan(), 420, 595)
    mixed = pdf(prose(40, 500, ["Of pumps."]), scanned, page="/MediaBox [0 0 420 595]")
    with serving() as server, open_rest(work=True, engine=server.engine, page_images=3) as rest:
        rest.ready("mixed.pdf", mixed)
        server.text = reply("costs of 48,200 euros")
        body = {"question": "What do the new pumps cost?"}
        answer = rest.client.post("/v1/ask", json=body).json()
        said = server.asked[0]["messages"][-1]["content"]
        (shown,) = (part["image_url"]["url"] for part in said if part["type"] == "image_url")
        page = Image.open(io.BytesIO(base64.b64decode(shown.partition(",")[2])))
        assert page.size == (1100, 1558)
        assert "Pages shown as images beside the text recognized on them: 1." in answer["notes"]
        assert answer["found"]
        assert answer["sentences"][0]["citations"][0]["start_page_number"] == 2


def test_the_log_holds_no_text_of_documents_questions_or_replies(
    open_rest: Callable[..., Opened], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with serving() as server, open_rest(work=True, engine=server.engine) as rest:
        rest.ready("lease.txt", LEASE.encode())
        for server.status in (200, 400, 401):
            for server.text in (reply("a notice of ninety days in writing"), "no JSON, Ninety"):
                asked = QUESTION | {"question": f"{QUESTION['question']} {server.status}"}
                rest.client.post("/v1/ask", json=asked).raise_for_status()
    assert len(caplog.records) > 0
    for text in ("How long", "ninety days", "Ninety", "slipway", "secret thoughts", "user:pass"):
        assert text not in caplog.text
