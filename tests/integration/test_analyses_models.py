"""Analyses by a language model on a service: nothing is bought twice, and budgets pause."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import api.carrying
from rag.analysis.library import StoredTexts
from rag.types import Block
from tests.integration.conftest import Opened, Rest
from tests.quoting import QuotingServer, quoting

NUMBER = 12


@pytest.fixture
def server() -> Iterator[QuotingServer]:
    with quoting() as server:
        yield server


@pytest.fixture
def models_rest(
    open_rest: Callable[..., Opened], server: QuotingServer, tmp_path: Path
) -> Iterator[Rest]:
    pricing = tmp_path / "prices.toml"
    pricing.write_text('[[price]]\nmodel = "compatible:quoting"\ninput = 10.0\noutput = 10.0\n')
    with open_rest(work=True, engine=server.engine, pricing=pricing, calls=4) as rest:
        yield rest


def text(number: int, version: int = 1) -> bytes:
    said = f"Report {number} of version {version} is about pump {number}. "
    return (said + f"It moved {number + 40} litres of brine a minute, as was agreed. " * 6).encode()


def reports(count: int) -> dict[str, bytes]:
    return {f"r{number}.txt": text(number) for number in range(count)}


def ordered(rest: Rest, **body: Any) -> Any:
    reply = rest.client.post("/v1/analyses", json=body)
    assert reply.status_code == 202, reply.text
    return reply.json()


def ended(rest: Rest, analysis: Any) -> Any:
    rest.wait(analysis["job_id"])
    return rest.client.get(f"/v1/analyses/{analysis['id']}").json()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_nothing_is_bought_twice_and_a_change_only_where_it_is(
    models_rest: Rest, server: QuotingServer
) -> None:
    documents = models_rest.all_ready(reports(NUMBER))
    body = {"kind": "summary", "collection": "default"}
    first = ended(models_rest, ordered(models_rest, **body))
    assert first["status"] == "completed", first
    assert first["calls"] == len(server.calls) == NUMBER + 3  # two merges of six, and one of two
    assert first["usage"]["cost_usd"] == pytest.approx(first["work"]["cost_usd"]) != 0
    assert first["coverage"]["chunks_read"] == NUMBER
    again = ended(models_rest, ordered(models_rest, **body))
    assert again["result"] == first["result"]
    assert len(server.calls) == first["calls"]

    # Uploaded before the old one goes: what was bought for the others stands anyway.
    models_rest.ready(f"r{NUMBER - 1}.txt", text(NUMBER - 1, version=2))
    models_rest.client.delete(f"/v1/documents/{documents[-1]}")
    ended(models_rest, ordered(models_rest, **body))
    # Its own, and two merges above it; two more without it, for the results that it was in.
    assert len(server.calls) <= first["calls"] + 3 + 2


def test_a_spent_budget_pauses_and_a_larger_one_goes_on(
    models_rest: Rest, server: QuotingServer
) -> None:
    models_rest.all_ready(reports(NUMBER))
    body = {"kind": "summary", "collection": "default"}
    told = models_rest.client.post("/v1/analyses", json={**body, "dry_run": True}).json()
    assert (told["calls"], len(server.calls)) == (NUMBER + 3, 0)
    analysis = ordered(models_rest, **body, budget_usd=told["most_cost_usd"] / 8)
    paused = ended(models_rest, analysis)
    assert (paused["status"], paused["error"]["code"]) == ("paused", "budget_exceeded")
    assert paused["work"]["cost_usd"] <= told["most_cost_usd"] / 8
    until(lambda: len(server.calls) > 0)  # another part may have had the budget, just now
    assert len(server.calls) < NUMBER + 3
    more = {"budget_usd": told["most_cost_usd"]}
    models_rest.client.post(f"/v1/analyses/{analysis['id']}/resume", json=more)
    done = ended(models_rest, analysis)
    assert done["status"] == "completed"
    assert len(server.calls) == NUMBER + 3
    assert done["usage"]["input_tokens"] == pytest.approx(told["input_tokens"], rel=0.15)


def test_a_document_deleted_while_its_analysis_runs_is_named_and_the_others_stand(
    models_rest: Rest, server: QuotingServer
) -> None:
    documents = models_rest.all_ready(reports(NUMBER))
    server.gate.clear()
    labels = [{"name": "contract"}, {"name": "letter"}]
    analysis = ordered(models_rest, kind="classification", documents=documents, labels=labels)
    deadline = time.monotonic() + 30
    while len(server.calls) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(server.calls) == 4
    models_rest.client.delete(f"/v1/documents/{documents[-1]}")
    server.gate.set()
    done = ended(models_rest, analysis)
    assert done["status"] == "completed"
    assert len(done["result"]["documents"]) == NUMBER - 1
    coverage = done["coverage"]
    assert (coverage["chunks_read"], coverage["failures"]) == (NUMBER - 1, {"not_found": 1})
    assert coverage["failed"][0]["document_id"] == documents[-1]


def test_a_cancelled_analysis_goes_on_where_it_was(
    models_rest: Rest, server: QuotingServer
) -> None:
    models_rest.all_ready(reports(NUMBER))
    server.gate.clear()
    analysis = ordered(models_rest, kind="summary", collection="default")
    deadline = time.monotonic() + 30
    while len(server.calls) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    models_rest.client.post(f"/v1/analyses/{analysis['id']}/cancel")
    server.gate.set()
    assert ended(models_rest, analysis)["status"] == "cancelled"
    models_rest.client.post(f"/v1/analyses/{analysis['id']}/resume")
    assert ended(models_rest, analysis)["status"] == "completed"
    assert len(server.calls) == NUMBER + 3


def test_a_document_deleted_while_it_is_merged_takes_no_other_with_it(
    models_rest: Rest, server: QuotingServer
) -> None:
    documents = models_rest.all_ready(reports(NUMBER))
    server.at_once = NUMBER  # what reads is answered, what merges waits
    server.gate.clear()
    analysis = ordered(models_rest, kind="summary", collection="default")
    until(lambda: len(server.calls) == NUMBER + 2)
    models_rest.client.delete(f"/v1/documents/{documents[0]}")
    server.gate.set()
    done = ended(models_rest, analysis)
    assert done["status"] == "completed", done
    coverage = done["coverage"]
    assert (coverage["chunks_read"], coverage["chunks_total"]) == (NUMBER - 1, NUMBER)
    assert coverage["failures"] == {"document_deleted": 1}
    assert len(server.calls) == NUMBER + 2 + 2  # one of the two merges stands
    merged = json.dumps([one for one in server.calls[NUMBER:] if "pump 0." not in one])
    assert [n for n in range(NUMBER) if f"pump {n}." in merged] == list(range(1, NUMBER))


@pytest.mark.parametrize(
    ("kind", "over"), [("classification", "each"), ("summary", "all"), ("report", "all")]
)
def test_a_result_over_many_documents_stands_without_one_that_is_deleted(
    models_rest: Rest, server: QuotingServer, kind: str, over: str
) -> None:
    documents = models_rest.all_ready(reports(NUMBER))
    body: dict[str, Any] = {"kind": kind, "over": over, "documents": documents}
    if kind == "classification":
        body["labels"] = [{"name": "contract"}, {"name": "letter"}]
    done = ended(models_rest, ordered(models_rest, **body))
    assert (done["coverage"]["chunks_read"], done["notes"]) == (NUMBER, [])
    gone = next(one["document_id"] for found in done["evidence"].values() for one in found)
    number, calls = documents.index(gone), len(server.calls)
    models_rest.client.delete(f"/v1/documents/{gone}")
    after = ended(models_rest, done)
    assert (after["status"], after["error"]) == ("completed", None)
    coverage = after["coverage"]
    assert (coverage["chunks_read"], coverage["chunks_total"]) == (NUMBER - 1, NUMBER)
    (failed,) = coverage["failed"]
    assert (failed["document_id"], failed["code"]) == (gone, "document_deleted")
    assert [gone in one for one in after["notes"]] == [True]
    left = [one for one in documents if one != gone]
    if over == "each":
        assert [one["document_id"] for one in after["result"]["documents"]] == left
        assert len(server.calls) == calls
    assert after["evidence"]
    for path in ("", "/results?format=jsonl", "/chunks", "/review"):
        shown = models_rest.client.get(f"/v1/analyses/{done['id']}{path}").text
        assert f"Report {number} of" not in shown
        assert f"{number + 40} litres" not in shown
    for one in left:
        models_rest.client.delete(f"/v1/documents/{one}")
    nothing = ended(models_rest, done)
    assert (nothing["status"], nothing["result"]) == ("failed", None)
    assert "deleted" in nothing["error"]["message"]


def test_a_line_of_a_batch_keeps_no_text_of_a_document_that_went_while_it_was_read(
    models_rest: Rest, server: QuotingServer
) -> None:
    documents = models_rest.all_ready(reports(3))
    server.at_once = 1
    server.gate.clear()
    line = {"custom_id": "a", "kind": "summary", "over": "each", "collection": "default"}
    sent = models_rest.client.post("/v1/batches", content=json.dumps(line).encode()).json()
    until(lambda: len(server.calls) == 2)
    read = next(n for n in range(3) if f"pump {n}." in server.calls[0])
    models_rest.client.delete(f"/v1/documents/{documents[read]}")
    server.gate.set()
    models_rest.wait(sent["job_id"])
    kept = models_rest.client.get(f"/v1/batches/{sent['id']}/results").text
    assert "document_deleted" in kept
    assert f"pump {read}." not in kept
    assert f"{read + 40} litres" not in kept


def test_a_document_deleted_before_its_analysis_begins_fails_alone(
    models_rest: Rest, server: QuotingServer
) -> None:
    documents = models_rest.all_ready(reports(6))
    server.gate.clear()
    labels = [{"name": "contract"}, {"name": "letter"}]
    ordered(models_rest, kind="classification", documents=documents[:4], labels=labels)
    until(lambda: len(server.calls) == 4)  # as many as there are calls at once
    queued = ordered(models_rest, kind="classification", documents=documents[3:], labels=labels)
    models_rest.client.delete(f"/v1/documents/{documents[5]}")
    server.gate.set()
    done = ended(models_rest, queued)
    assert done["status"] == "completed", done
    assert [one["document_id"] for one in done["result"]["documents"]] == documents[3:5]
    assert done["coverage"]["failures"] == {"not_found": 1}
    assert done["coverage"]["failed"][0]["document_id"] == documents[5]


@pytest.mark.parametrize("over", ["each", "all"])
def test_a_listing_goes_on_behind_what_was_listed_whatever_was_deleted_since(
    open_rest: Callable[..., Opened], monkeypatch: pytest.MonkeyPatch, over: str
) -> None:
    """Four documents are listed when the process dies, and of those two are deleted."""
    monkeypatch.setattr(api.carrying, "_BATCH", 2)
    monkeypatch.setattr(api.carrying, "_FIRST_PAUSE_S", 0.1)
    listed: list[str] = []
    blocks = StoredTexts.blocks
    with open_rest(work=True) as rest:
        documents = rest.all_ready(reports(7))

        def dying(self: StoredTexts, document_id: str) -> Sequence[Block]:
            listed.append(document_id)
            if len(listed) == 6:
                for gone in (documents[0], documents[3]):
                    rest.client.delete(f"/v1/documents/{gone}")
                raise OSError("as if the process had died")
            return blocks(self, document_id)

        monkeypatch.setattr(StoredTexts, "blocks", dying)
        body = {"kind": "summary", "over": over, "collection": "default"}
        done = ended(rest, ordered(rest, **body))
    assert done["status"] == "completed", done
    if over == "each":
        shown = [one["document_id"] for one in done["result"]["documents"]]
        assert shown == [documents[n] for n in (1, 2, 4, 5, 6)]
    assert done["coverage"]["chunks_read"] == 5
    gone = {one["document_id"] for one in done["coverage"]["failed"]}
    assert gone == {documents[0], documents[3]}
    assert done["coverage"]["chunks_total"] == 7


@pytest.mark.parametrize("over", ["each", "all"])
def test_documents_of_a_collection_that_cannot_be_read_are_named(
    open_rest: Callable[..., Opened], over: str
) -> None:
    with open_rest(work=True) as rest:
        unreadable = rest.ready("b.pdf", b"%PDF-1.7 nonsense")
        refused = rest.client.post(
            "/v1/analyses", json={"kind": "summary", "collection": "default"}
        )
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "not_found")
        sound = rest.ready("a.txt", text(1))
        done = ended(rest, ordered(rest, kind="summary", over=over, collection="default"))
        told = rest.client.post(
            "/v1/analyses", json={"kind": "summary", "collection": "default", "dry_run": True}
        ).json()
    assert done["status"] == "completed", done
    coverage = done["coverage"]
    assert (coverage["chunks_read"], coverage["chunks_total"]) == (1, 2)
    assert [one["document_id"] for one in coverage["failed"]] == [unreadable]
    assert "cannot be analyzed" in coverage["failed"][0]["message"]
    cited = {one["document_id"] for found in done["evidence"].values() for one in found}
    assert cited == {sound}
    assert (told["documents"], told["chunks"]) == (1, 1)
