"""Files of a folder over REST: noted with the upload, listed, settled."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Rest

NAME = "/srv/birds"


def test_a_file_keeps_its_version_until_the_next_is_settled(rest: Rest) -> None:
    made = rest.client.post("/v1/collections", json={"name": "kept birds"}).json()
    place = f"/v1/collections/{made['id']}/source"

    def send(text: str, mtime_ns: int) -> str:
        source = {"name": NAME, "path": "a/heron.txt", "size": len(text), "mtime_ns": mtime_ns}
        return rest.ready("heron.txt", text.encode(), collection="kept birds", source=source)

    first = send("The heron nests at the weir.", 2**62)
    second = send("The heron has left the weir.", 2**62 + 1)
    (known,) = rest.client.get(place, params={"name": NAME}).json()["data"]
    assert (known["id"], known["document_id"]) == ("a/heron.txt", second)
    assert (known["status"], known["mtime_ns"]) == ("ready", 2**62 + 1)
    assert rest.client.get(f"/v1/documents/{first}").status_code == 200

    settled = rest.client.post(place, json={"name": NAME}).json()
    assert settled["deleted"] == [first]
    gone = rest.client.post(place, json={"name": NAME, "removed": ["a/heron.txt"]}).json()
    assert gone["deleted"] == [second]
    assert rest.client.get(place, params={"name": NAME}).json()["data"] == []
    assert rest.client.delete(f"/v1/collections/{made['id']}").status_code == 200


@pytest.mark.parametrize(
    "source", ["[]", '{"name": "x"}', '{"name": "x", "path": "a", "size": -1, "mtime_ns": 0}', "{"]
)
def test_a_malformed_source_is_refused(rest: Rest, source: str) -> None:
    reply = rest.upload("a.txt", b"never stored", source=source)
    assert reply.status_code == 422
    assert reply.json()["error"]["param"] == "source"
