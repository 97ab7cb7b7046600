"""Equal bytes cost nothing; near-identical documents are reported over REST and by the CLI."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.conftest import LEASE, Rest

RTF = rb"{\rtf1\ansi " + LEASE.replace("😀", r"\u-10179?\u-8704?").encode() + b"}"


def make(rest: Rest, name: str) -> str:
    """A collection of this name; its path."""
    made = rest.client.post("/v1/collections", json={"name": name}).json()
    return f"/v1/collections/{made['id']}"


@pytest.fixture
def embedded(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many texts are embedded at a time, from here on."""
    done: list[int] = []
    embed = rest.services.embedder.embed_passages

    def counting(texts: Any, *more: Any) -> Any:
        done.append(len(texts))
        return embed(texts, *more)

    monkeypatch.setattr(rest.services.embedder, "embed_passages", counting)
    return done


def jobs(rest: Rest) -> int:
    """How many there have been; without one nothing is read."""
    return len(rest.client.get("/v1/jobs?limit=100").json()["data"])


def test_equal_bytes_are_neither_read_nor_embedded_again(rest: Rest, embedded: list[int]) -> None:
    make(rest, "birds")
    make(rest, "fishers")
    content = b"The heron nests at the weir. It fishes at dawn."
    first = rest.ready("heron.txt", content, collection="birds")
    before = jobs(rest)
    assert embedded == [1]
    again = rest.upload("copy of heron.md", content, collection="birds", metadata={"year": 2})
    assert again.status_code == 200
    assert again.json()["document"]["id"] == first
    assert jobs(rest) == before
    other = rest.ready("heron.txt", content, collection="fishers")
    assert other != first
    assert jobs(rest) == before + 1  # cut as that collection wants it
    assert embedded == [1]


def test_near_duplicates_are_grouped(rest: Rest) -> None:
    place = f"{make(rest, 'leases')}/duplicates"
    signed = LEASE.replace("1,250 euros", "1,300 euros")
    ids = [
        rest.ready(name, content, collection="leases")
        for name, content in (
            ("lease.txt", LEASE.encode()),
            ("lease.rtf", RTF),
            ("signed.txt", signed.encode()),
            ("other.txt", b"Nothing in here is about a boat house, a slipway or a rent."),
        )
    ]
    reply = rest.client.get(place, params={"threshold": 0.5}).json()
    (group,) = reply["data"]
    assert (group["object"], group["id"], reply["has_more"]) == ("duplicates", ids[0], False)
    members = {one["name"]: one for one in group["documents"]}
    assert set(members) == {"lease.txt", "lease.rtf", "signed.txt"}
    assert members["lease.rtf"]["kind"] == "same_text"
    assert members["lease.rtf"]["similar_to"] == ids[0]
    assert members["signed.txt"]["kind"] == "near"
    assert 0.6 < members["signed.txt"]["similarity"] < 1

    rest.client.delete(f"/v1/documents/{ids[2]}")
    (group,) = rest.client.get(place).json()["data"]
    assert [one["document_id"] for one in group["documents"]] == ids[:2]
    assert rest.client.get(place, params={"after": ids[0]}).json()["data"] == []


@pytest.mark.parametrize("threshold", ["0.4", "1.1", "nan", "x"])
def test_a_threshold_without_sense_is_refused(rest: Rest, threshold: str) -> None:
    place = make(rest, f"senses {threshold}")
    reply = rest.client.get(f"{place}/duplicates?threshold={threshold}")
    assert reply.status_code == 422
    assert reply.json()["error"]["param"] == "threshold"
