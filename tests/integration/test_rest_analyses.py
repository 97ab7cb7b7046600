"""Analyses over REST: taken in, carried out, reviewed; and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from rag.analysis.decisions import Decided
from rag.catalog.reviews import Reviews
from tests.integration.conftest import LEASE, Rest

TERMS = {
    "type": "object",
    "properties": {
        "monthly_rent": {"type": "integer", "description": "the monthly rent in euros"},
        "notice": {"type": "string", "description": "notice to end the lease"},
        "insurer": {"type": "string", "description": "who insures the aircraft"},
    },
}


def analyze(rest: Rest, **body: Any) -> Any:
    reply = rest.client.post("/v1/analyses", json=body)
    assert reply.status_code == 202, reply.text
    job = rest.wait(reply.json()["job_id"])
    shown = rest.client.get(f"/v1/analyses/{reply.json()['id']}").json()
    assert job["status"] == shown["status"]
    return shown


def test_an_extraction_from_a_document_names_the_places_that_say_so(rest: Rest, lease: str) -> None:
    shown = analyze(rest, schema=TERMS, documents=[lease])
    assert (shown["kind"], shown["status"]) == ("extraction", "completed")
    (row,) = shown["result"]["documents"]
    assert row["document_id"] == lease
    assert row["value"]["monthly_rent"] == 1250
    (cited, *_) = shown["evidence"]["/documents/0/value/monthly_rent"]
    text = rest.client.get(f"/v1/documents/{lease}/text").json()["text"]
    start, end = cited["start_char_index"], cited["end_char_index"]
    assert text[start:end] == cited["cited_text"]
    assert "1,250" in cited["cited_text"]
    assert shown["coverage"] == {"chunks_read": 1, "chunks_total": 1, "failed": [], "failures": {}}
    assert shown["usage"]["cost_usd"] == 0
    assert shown["work"]["cost_usd"] == 0
    assert shown["processing_time"] >= 0


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "summary"},
        {"kind": "reasoning"},
        {"kind": "extraction", "instructions": "the monthly rent and the notice"},
        {"kind": "classification", "labels": [{"name": "lease"}, {"name": "weather report"}]},
    ],
)
def test_every_kind_works_on_a_text_a_document_and_a_collection(
    rest: Rest, lease: str, pump: str, body: dict[str, Any]
) -> None:
    for scope in ({"text": LEASE}, {"documents": [lease]}, {"collection": "default"}):
        shown = analyze(rest, **body, **scope)
        assert shown["status"] == "completed", shown["error"]
        assert shown["coverage"]["chunks_read"] == shown["coverage"]["chunks_total"] > 0
        assert shown["result"] is not None
    filtered = analyze(rest, **body, collection="default", filter={"kind": "manual"}, over="each")
    assert [one["document_id"] for one in filtered["result"]["documents"]] == [pump]
    again = analyze(rest, **filtered["request"])
    assert (again["request"], again["result"]) == (filtered["request"], filtered["result"])


def test_what_is_doubtful_is_reviewed_and_the_correction_wins(rest: Rest, lease: str) -> None:
    shown = analyze(rest, schema=TERMS, documents=[lease], confidence_threshold=1)
    review = f"/v1/analyses/{shown['id']}/review"
    listed = rest.client.get(review).json()["data"]
    assert shown["in_review"] == len(listed) >= 1
    rent = next(one for one in listed if one["pointer"].endswith("/monthly_rent"))
    assert (rent["reason"], rent["value"], rent["decision"]) == ("low_confidence", 1250, None)
    assert rent["citations"]

    wrong = rest.client.post(
        f"{review}/{rent['number']}", json={"action": "correct", "value": "many"}
    )
    assert wrong.status_code == 422
    assert "does not fit" in wrong.json()["error"]["message"]
    for body in ({"action": "correct"}, {"action": "accept", "value": 3}):
        assert rest.client.post(f"{review}/{rent['number']}", json=body).status_code == 422
    assert rest.client.post(f"{review}/999", json={"action": "accept"}).status_code == 404

    for value in (1200, 1300):  # somebody thinks again
        body = {"action": "correct", "value": value, "note": "as amended"}
        done = rest.client.post(f"{review}/{rent['number']}", json=body).json()
        assert done["decision"]["value"] == value
    again = rest.client.get(f"/v1/analyses/{shown['id']}").json()
    assert again["result"]["documents"][0]["value"]["monthly_rent"] == 1300
    (correction,) = again["corrections"]
    assert (correction["value"], correction["note"]) == (1300, "as amended")
    assert correction["key"]
    assert again["in_review"] == shown["in_review"] - 1
    assert again["corrected_by"] == {rent["pointer"]: correction["key"]}
    assert rent["pointer"] in shown["evidence"]
    for said in ("evidence", "confidences", "spellings"):
        assert rent["pointer"] not in again[said]
    (decided,) = rest.client.get(review, params={"decided": True}).json()["data"]
    assert (decided["value"], decided["citations"]) == (1250, rent["citations"])
    for file in ("json", "csv", "xlsx", "html"):
        told = rest.client.get(f"/v1/analyses/{shown['id']}/results", params={"format": file})
        assert told.status_code == 200
        if file != "xlsx":
            assert correction["key"] in told.text
            assert "1300" in told.text
        if file in ("json", "csv"):  # the report shows the words around other quotes
            assert "1,250" not in told.text
    left = rest.client.get(review, params={"decided": False}).json()["data"]
    assert rent["number"] not in [one["number"] for one in left]


def test_documents_are_compared_and_values_counted_with_corrections(
    rest: Rest, lease: str, pump: str
) -> None:
    other = rest.ready("mill.txt", b"Lease of the mill. The monthly rent is 900 euros a month.")
    shown = analyze(rest, schema=TERMS, documents=[lease, other], confidence_threshold=1)
    path = f"/v1/analyses/{shown['id']}"
    rents = next(
        one
        for one in rest.client.get(f"{path}/comparison").json()["fields"]
        if one["field"] == "monthly_rent"
    )
    assert (rents["values"], rents["same"]) == ([1250, 900], False)
    review = rest.client.get(f"{path}/review").json()["data"]
    mill = next(one for one in review if one["pointer"] == "/documents/1/value/monthly_rent")
    body: dict[str, Any] = {"action": "correct", "value": 950}
    rest.client.post(f"{path}/review/{mill['number']}", json=body)
    body = {"operations": [{"op": op, "of": "/monthly_rent"} for op in ("sum", "min", "count")]}
    total, least, count = rest.client.post(f"{path}/aggregate", json=body).json()["data"]
    assert (total["value"], least["value"], count["distinct"]) == (2200, 950, 2)
    assert least["entries"][0]["document_id"] == other
    body = {"operations": [{"op": "guess", "of": "/monthly_rent"}]}
    assert rest.client.post(f"{path}/aggregate", json=body).status_code == 422
    whole = analyze(rest, kind="summary", documents=[lease])
    assert rest.client.get(f"/v1/analyses/{whole['id']}/comparison").status_code == 422
    rest.client.delete(f"/v1/documents/{other}")


def test_each_part_says_what_was_found_in_it(rest: Rest) -> None:
    text = "\n\n".join(f"Chapter {n}. The pump {n} was repaired on day {n}." for n in range(2_000))
    labels = [{"name": "repair report"}, {"name": "lease"}]
    for body in ({"kind": "summary"}, {"kind": "classification", "labels": labels}):
        shown = analyze(rest, text=text, **body)
        total = shown["coverage"]["chunks_total"]
        path = f"/v1/analyses/{shown['id']}/chunks"
        first = rest.client.get(path, params={"limit": 1}).json()
        assert total > 1
        assert first["has_more"]
        found = rest.client.get(path, params={"limit": 100}).json()["data"]
        assert len(found) == total
        assert {one["status"] for one in found} == {"completed"}
        assert all(one["value"].keys() == shown["result"].keys() for one in found)
        ends = [(one["start_char_index"], one["end_char_index"]) for one in found]
        assert (ends[0][0], ends[-1][1]) == (0, len(text))
        rest_of = rest.client.get(path, params={"limit": 100, "after": first["last_id"]}).json()
        assert rest_of["data"] == found[1:]


def test_a_dry_run_does_nothing(rest: Rest, lease: str) -> None:
    before = rest.client.get("/v1/analyses").json()["data"]
    reply = rest.client.post(
        "/v1/analyses", json={"kind": "summary", "documents": [lease], "dry_run": True}
    )
    told = reply.json()
    assert reply.status_code == 200
    assert (told["documents"], told["chunks"], told["merges"]) == (1, 1, 0)
    assert (told["calls"], told["input_tokens"], told["most_cost_usd"]) == (0, 0, 0)
    assert rest.client.get("/v1/analyses").json()["data"] == before


def test_what_could_not_be_read_is_said_with_the_result(rest: Rest) -> None:
    rest.client.post("/v1/collections", json={"name": "torn"})
    rest.ready("torn.pdf", b"%PDF-1.4 torn", collection="torn")
    rest.ready("lease.txt", LEASE.encode(), collection="torn")
    order = {"kind": "summary", "collection": "torn"}
    forecast = rest.client.post("/v1/analyses", json={**order, "dry_run": True}).json()
    shown = analyze(rest, **order)
    assert "could not be read, and are left out: 1." in forecast["notes"][0]
    assert shown["notes"][:1] == forecast["notes"]


def test_what_is_not_read_yet_is_counted(idle: Rest) -> None:
    for number in range(2):
        idle.upload(f"{number}.txt", f"What comes as number {number}.".encode())
    reply = idle.client.post("/v1/analyses", json={"kind": "summary", "collection": "default"})
    assert reply.status_code == 404
    assert "not read yet, and are left out: 2;" in reply.json()["error"]["message"]


def test_analyses_are_listed_and_found_by_their_own_ids(rest: Rest, lease: str) -> None:
    shown = analyze(rest, kind="summary", documents=[lease])
    listed = rest.client.get("/v1/analyses", params={"limit": 1}).json()
    assert [one["id"] for one in listed["data"]] == [shown["id"]]
    assert "result" not in listed["data"][0]
    assert rest.client.get(f"/v1/jobs/{shown['job_id']}").json()["kind"] == "analysis"
    assert rest.client.get(f"/v1/batches/bat_{shown['id'][4:]}").status_code == 404
    assert rest.client.post(f"/v1/analyses/{shown['id']}/cancel").status_code == 409
    assert rest.client.post(f"/v1/analyses/{shown['id']}/resume").status_code == 409


def test_an_analysis_goes_when_its_document_is_deleted(rest: Rest) -> None:
    document = rest.ready("gone.txt", b"The rent of the mill is 900 euros a month.")
    shown = analyze(rest, schema=TERMS, documents=[document], confidence_threshold=1)
    assert shown["result"]["documents"][0]["value"]["monthly_rent"] == 900
    doubt = rest.client.get(f"/v1/analyses/{shown['id']}/review").json()["data"][0]
    body = {"action": "accept", "note": "the mill's"}
    rest.client.post(f"/v1/analyses/{shown['id']}/review/{doubt['number']}", json=body)
    rest.client.delete(f"/v1/documents/{document}")
    rest.wait(shown["job_id"])
    after = rest.client.get(f"/v1/analyses/{shown['id']}").json()
    assert (after["status"], after["result"], after["corrections"]) == ("failed", None, [])
    assert "deleted" in after["error"]["message"]
    assert rest.client.get(f"/v1/analyses/{shown['id']}/review").status_code == 409


def test_a_decision_that_comes_with_the_deletion_of_its_document_is_not_kept(
    rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = rest.ready("gone.txt", b"The rent of the mill is 900 euros a month.")
    shown = analyze(rest, schema=TERMS, documents=[document], confidence_threshold=1)
    reviews, stored = rest.services.catalog.reviews, Reviews.put

    def put(self: Reviews, job_id: str, decided: Decided) -> None:
        rest.services.catalog.versions.delete("default", document)
        stored(self, job_id, decided)

    monkeypatch.setattr(Reviews, "put", put)
    body = {"action": "correct", "value": 901, "note": "not 900"}
    late = rest.client.post(f"/v1/analyses/{shown['id']}/review/0", json=body)
    assert (late.status_code, late.json()["error"]["code"]) == (409, "conflict")
    assert reviews.of(shown["job_id"]) == []


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"kind": "summary"}, 422, "one of these"),
        ({"kind": "summary", "text": ""}, 422, "empty"),
        ({"kind": "summary", "text": "a", "collection": "default"}, 422, "one of these"),
        ({"kind": "summary", "documents": ["doc_" + "0" * 24]}, 404, "doc_000"),
        ({"kind": "summary", "collection": "nowhere"}, 404, "nowhere"),
        (
            {"kind": "summary", "collection": "default", "filter": {"year": {"$odd": 1}}},
            422,
            "$odd",
        ),
        ({"kind": "summary", "collection": "default", "filter": {"year": 1066}}, 404, "nothing"),
        ({"kind": "classification", "text": "a"}, 422, "two labels"),
        ({"kind": "extraction", "text": "a"}, 422, "needs a schema"),
        (
            {"text": "a", "schema": {"type": "object", "properties": {"a": {"type": "odd"}}}},
            422,
            "odd",
        ),
        ({"text": "a", "schema": {**TERMS, "description": "x" * 1_000_000}}, 413, ""),
        ({"text": "a", "schema": {**TERMS, "description": "x" * 200_000}}, 422, "bytes"),
        ({"kind": "summary", "text": "a", "engine": "nobody"}, 422, "nobody"),
        ({"kind": "poem", "text": "a"}, 422, "kind"),
    ],
)
def test_what_cannot_be_done_is_refused_at_once(
    rest: Rest, lease: str, body: dict[str, Any], status: int, words: str
) -> None:
    reply = rest.client.post("/v1/analyses", json=body)
    assert reply.status_code == status, reply.text
    assert words in reply.json()["error"]["message"]
