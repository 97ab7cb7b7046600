"""Collections, idempotency keys, jobs and their events over REST."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from ingest.originals import Upload
from tests.integration.conftest import LEASE, Rest


def test_a_collection_lives_and_dies_with_its_documents(rest: Rest) -> None:
    made = rest.client.post(
        "/v1/collections",
        json={
            "name": "boats",
            "chunking": {"strategy": "recursive", "size": 16, "overlap": 4},
            "metadata_schema": {"year": "integer"},
        },
    )
    assert made.status_code == 201
    collection = made.json()["id"]
    document = rest.ready("a.txt", b"word " * 60, collection="boats", metadata={"year": 1999})
    shown = rest.client.get(f"/v1/collections/{collection}").json()
    assert shown["documents"] == {"queued": 0, "processing": 0, "ready": 1, "failed": 0}
    assert shown["chunk_count"] > 3
    wrong = rest.upload("b.txt", b"b", collection=collection, metadata={"year": "1999"})
    assert wrong.status_code == 422
    body = {"query": "word", "mode": "lexical", "collection": "boats"}
    assert rest.client.post("/v1/search", json=body).json()["passages"]
    gone = rest.client.delete(f"/v1/collections/{collection}")
    assert gone.json() == {"id": collection, "object": "collection", "deleted": True}
    assert rest.client.get(f"/v1/documents/{document}").status_code == 404
    assert rest.client.post("/v1/search", json=body).status_code == 404
    assert not list(rest.services.originals.all())


def test_a_collection_is_indexed_anew_and_set_back(rest: Rest) -> None:
    client = rest.client
    chunking = {"strategy": "fixed", "size": 60, "overlap": 0}
    made = client.post("/v1/collections", json={"name": "sheds", "chunking": chunking}).json()
    assert (made["generation"], made["building"], made["previous"]) == (1, None, None)
    path = f"/v1/collections/{made['id']}"
    document = rest.ready("a.txt", LEASE.encode(), collection="sheds")
    before = client.get(f"/v1/documents/{document}/chunks").json()["data"]
    order = {"chunking": {"strategy": "fixed", "size": 16, "overlap": 0}}
    headers = {"Idempotency-Key": "sheds-anew"}
    job = client.post(f"{path}/reindex", json=order, headers=headers)
    assert job.status_code == 202
    assert job.json()["collection_id"] == made["id"]
    again = client.post(f"{path}/reindex", json=order, headers=headers)
    assert again.json()["id"] == job.json()["id"]
    with client.stream("GET", f"/v1/jobs/{job.json()['id']}/events") as events:
        assert list(events.iter_lines())[-3:-1] == ["event: done", "data: {}"]
    shown = client.get(path).json()
    assert (shown["generation"], shown["building"]) == (2, None)
    assert shown["chunking"]["size"] == 16
    assert shown["previous"]["generation"] == 1
    assert shown["previous"]["chunking"]["size"] == 60
    assert client.get(f"/v1/documents/{document}/chunks").json()["data"] != before
    assert client.post(f"{path}/reindex", json=order).status_code == 422
    wrong = {"embedder": "openai:any@http://127.0.0.1:9"}
    assert client.post(f"{path}/reindex", json=wrong).status_code == 422
    back = client.post(f"{path}/rollback").json()
    assert rest.wait(back["id"])["status"] == "completed"
    assert client.get(path).json()["generation"] == 1
    assert client.get(f"/v1/documents/{document}/chunks").json()["data"] == before
    query = {"query": "monthly rent", "collection": "sheds"}
    assert "1,250 euros" in client.post("/v1/search", json=query).json()["passages"][0]["text"]
    assert client.delete(path).status_code == 200


def test_one_index_is_built_at_a_time(idle: Rest) -> None:
    made = idle.client.post("/v1/collections", json={"name": "sheds"}).json()
    path = f"/v1/collections/{made['id']}"
    assert idle.client.post(f"{path}/rollback").status_code == 409
    order = {"chunking": {"size": 16}}
    job = idle.client.post(f"{path}/reindex", json=order).json()
    assert idle.client.get(path).json()["building"]["job_id"] == job["id"]
    refused = idle.client.post(f"{path}/reindex", json=order)
    assert refused.status_code == 409
    assert job["id"] in refused.json()["error"]["message"]
    cancelled = idle.client.post(f"/v1/jobs/{job['id']}/cancel").json()
    assert cancelled["status"] == "cancelled"
    assert idle.client.post(f"/v1/jobs/{job['id']}/resume", json={}).status_code == 409
    assert idle.client.post(f"{path}/reindex", json=order).status_code == 202


def test_reading_makes_no_collection(idle: Rest) -> None:
    def empty() -> bool:
        return idle.client.get("/v1/collections").json()["data"] == []

    assert idle.client.get("/v1/documents?collection=default").json()["data"] == []
    assert idle.client.post("/v1/search", json={"query": "a"}).json()["passages"] == []
    assert idle.client.post("/v1/ask", json={"question": "What is a?"}).json()["found"] is False
    assert idle.client.post("/v1/search", json={"query": "a", "collection": "b"}).status_code == 404
    assert empty()
    assert idle.upload("a.txt", b"a").status_code == 202
    assert not empty()


def test_an_upload_to_a_collection_deleted_meanwhile_is_told_so(
    idle: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = idle.client.post("/v1/collections", json={"name": "a"}).json()["id"]
    keep = idle.services.originals.keep

    def late(upload: Upload) -> None:
        keep(upload)
        idle.client.delete(f"/v1/collections/{made}")

    monkeypatch.setattr(type(idle.services.originals), "keep", lambda _self, upload: late(upload))
    reply = idle.upload("a.txt", b"a", collection="a")
    assert (reply.status_code, reply.json()["error"]["param"]) == (404, "collection")
    assert list(idle.services.originals.all()) == []


def test_collections_are_listed_renamed_and_unique(idle: Rest) -> None:
    ids = [idle.client.post("/v1/collections", json={"name": name}).json()["id"] for name in "abc"]
    taken = idle.client.post("/v1/collections", json={"name": "a"})
    assert (taken.status_code, taken.json()["error"]["param"]) == (409, "name")
    page = idle.client.get("/v1/collections", params={"limit": 2, "order": "asc"}).json()
    assert [one["id"] for one in page["data"]] == ids[:2]
    assert page["has_more"]
    rest_of_it = idle.client.get(
        "/v1/collections", params={"after": page["last_id"], "order": "asc"}
    ).json()
    assert [one["id"] for one in rest_of_it["data"]] == ids[2:]
    renamed = idle.client.patch(f"/v1/collections/{ids[0]}", json={"name": " d "})
    assert renamed.json()["name"] == "d"
    assert idle.client.patch(f"/v1/collections/{ids[0]}", json={"name": "b"}).status_code == 409


def test_an_idempotent_post_is_carried_out_once(idle: Rest) -> None:
    def create(key: str, **body: str) -> tuple[int, str, str | None]:
        reply = idle.client.post("/v1/collections", json=body, headers={"Idempotency-Key": key})
        return reply.status_code, reply.text, reply.headers.get("idempotent-replayed")

    status, text, replayed = create("k1", name="a")
    assert (status, replayed) == (201, None)
    assert create("k1", name="a") == (201, text, "true")
    assert create("k1", name="b")[0] == 409
    assert create("k2", name="a")[0] == 409  # the name is taken: a failure keeps no key
    assert create("k2", name="b")[0] == 201
    assert create("k" * 255, name="c")[0] == 201
    assert create("k" * 256, name="d")[0] == 422
    assert create("", name="e")[0] == 422


def test_an_idempotent_upload_replays_its_reply_byte_for_byte(idle: Rest) -> None:
    def send(content: bytes, metadata: str) -> tuple[int, str]:
        reply = idle.client.post(
            "/v1/documents",
            files={"file": ("a.txt", content)},
            data={"metadata": metadata},
            headers={"Idempotency-Key": "one"},
        )
        return reply.status_code, reply.text

    first = send(b"hello", "{}")
    assert first[0] == 202
    assert send(b"hello", "{}") == first
    assert send(b"hullo", "{}")[0] == 409
    assert send(b"hello", '{"a": 1}')[0] == 409
    assert idle.services.catalog.jobs.count_unfinished() == 1
    document = json.loads(first[1])["document"]["id"]
    idle.client.delete(f"/v1/documents/{document}")
    assert send(b"hello", "{}") == first


def test_jobs_are_listed_by_status(rest: Rest, lease: str) -> None:
    page = rest.client.get("/v1/jobs", params={"status": "completed", "limit": 1}).json()
    assert [job["status"] for job in page["data"]] == ["completed"]
    assert rest.client.get("/v1/jobs", params={"status": "cancelling"}).json()["data"] == []


def test_a_job_is_watched_to_its_end(rest: Rest) -> None:
    job = rest.upload("watch.txt", b"A watched kettle. " * 50).json()["job"]["id"]
    with rest.client.stream("GET", f"/v1/jobs/{job}/events") as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in reply.iter_lines() if line]
    names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    states = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
    assert names == ["job"] * (len(names) - 1) + ["done"]
    assert states[-2]["status"] == "completed"
    assert all(before != after for before, after in pairwise(states))


def test_a_job_that_ended_long_ago_is_told_at_once(rest: Rest, lease: str) -> None:
    job = rest.client.get(f"/v1/documents/{lease}").json()["job_id"]
    reply = rest.client.get(f"/v1/jobs/{job}/events")
    assert reply.text.count("event: job") == 1
    assert reply.text.endswith("event: done\ndata: {}\n\n")


def test_a_watched_job_whose_document_is_deleted_ends_as_cancelled(idle: Rest) -> None:
    reply = idle.upload("a.txt", b"never read").json()
    idle.client.delete(f"/v1/documents/{reply['document']['id']}")
    events = idle.client.get(f"/v1/jobs/{reply['job']['id']}/events").text
    assert '"status":"cancelled"' in events
