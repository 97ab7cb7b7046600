"""Many files in one request, archives among them: what became of each is said."""

from __future__ import annotations

import io
import zipfile
from typing import Any

from tests.integration.conftest import LEASE, PUMP, Rest


def packed(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("_", "."), content)
    return out.getvalue()


def send(rest: Rest, *files: tuple[str, bytes], key: str | None = None, **fields: str) -> Any:
    return rest.client.post(
        "/v1/documents:batch",
        files=[("file", file) for file in files],
        data=fields,
        headers={"idempotency-key": key} if key else {},
    )


def test_each_file_has_its_result(rest: Rest) -> None:
    reply = send(
        rest,
        ("lease.txt", LEASE.encode()),
        ("empty.txt", b""),
        ("picture.bin", b"\0" * 500),
        ("pump.pdf", PUMP),
        metadata='{"year": 2024}',
    )
    assert reply.status_code == 202, reply.text
    body = reply.json()
    assert (body["accepted"], body["failed"], body["warnings"]) == (2, 2, [])
    shown = [(one["name"], (one["error"] or {}).get("code")) for one in body["data"]]
    assert shown == [
        ("lease.txt", None),
        ("empty.txt", "empty_document"),
        ("picture.bin", "unsupported_type"),
        ("pump.pdf", None),
    ]
    refused = body["data"][2]
    assert refused["document"] is None
    assert refused["error"]["request_id"] == reply.headers["x-request-id"]
    for one in (body["data"][0], body["data"][3]):
        assert one["document"]["metadata"] == {"year": 2024}
        assert rest.wait(one["job"]["id"])["status"] == "completed"


def test_an_archive_stands_for_its_members(rest: Rest) -> None:
    inner = packed(deep_txt=b"words in an archive in an archive")
    archive = packed(a_txt=b"first words", b_exe=b"MZ" + bytes(9), in_zip=inner, none_txt=b"")
    reply = send(rest, ("files.zip", archive), ("c.md", b"# Third")).json()
    assert [one["name"] for one in reply["data"]] == [
        "files.zip/a.txt",
        "files.zip/b.exe",
        "files.zip/in.zip",
        "c.md",
    ]
    assert reply["warnings"] == ["files.zip: 'none.txt' in the archive is empty"]
    assert "a program" in reply["data"][1]["error"]["message"]
    rest.wait(reply["data"][2]["job"]["id"])
    nested = rest.client.get(f"/v1/documents/{reply['data'][2]['document']['id']}").json()
    (deep,) = nested["attachment_ids"]
    assert rest.client.get(f"/v1/documents/{deep}").json()["parent_ids"] == [nested["id"]]
    first = reply["data"][0]["document"]
    assert (first["name"], first["parent_ids"]) == ("a.txt", [])
    assert rest.client.get(f"/v1/documents/{first['id']}/content").content == b"first words"


def test_an_archive_that_is_a_bomb_costs_only_itself(idle: Rest) -> None:
    bomb = packed(zeros_txt=bytes(40 << 20))
    reply = send(idle, ("bomb.zip", bomb), ("a.txt", b"words"))
    assert reply.status_code == 202, reply.text
    bomb_result, words = reply.json()["data"]
    assert bomb_result["error"]["code"] == "parser_limit"
    assert "times its size" in bomb_result["error"]["message"]
    assert words["document"]["name"] == "a.txt"


def test_a_file_over_the_limit_costs_only_itself(idle: Rest) -> None:
    reply = send(idle, ("big.txt", b"x" * 1_000_001), ("a.txt", b"words"))
    assert [(one["error"] or {}).get("code") for one in reply.json()["data"]] == [
        "payload_too_large",
        None,
    ]
    assert send(idle, *[("big.txt", b"x" * 999_999)] * 8).status_code == 413
    assert list((idle.services.originals.folder / "incoming").iterdir()) == []


def test_a_batch_is_carried_out_once_per_key(idle: Rest) -> None:
    first = send(idle, ("a.txt", b"one"), ("b.txt", b"two"), key="k1")
    again = send(idle, ("a.txt", b"one"), ("b.txt", b"two"), key="k1")
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == first.json()
    assert send(idle, ("a.txt", b"one"), ("b.txt", b"three"), key="k1").status_code == 409
    assert idle.services.catalog.jobs.count_unfinished() == 2


def test_what_is_wrong_with_the_whole_request_stores_nothing(idle: Rest) -> None:
    assert send(idle).status_code in (415, 422)
    for fields, status in (
        ({"collection": "nowhere"}, 404),
        ({"metadata": "no json"}, 422),
        ({"other": "x"}, 422),
    ):
        reply = send(idle, ("a.txt", b"one"), **fields)
        assert reply.status_code == status, reply.text
        assert reply.json()["error"]["param"] in (*fields, "collection")
    assert idle.client.get("/v1/documents").json()["data"] == []
    assert list(idle.services.originals.all()) == []
