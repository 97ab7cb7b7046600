"""Files of a folder over REST: noted with the upload, listed, settled."""

from __future__ import annotations

from email.message import EmailMessage
from typing import Any

import pytest

from rag.catalog.sources import Sources
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


class Folder:
    """A folder that a collection of its own is kept in step with."""

    def __init__(self, rest: Rest, collection: str) -> None:
        self._rest = rest
        self.collection = collection
        made = rest.client.post("/v1/collections", json={"name": collection}).json()
        self._place = f"/v1/collections/{made['id']}/source"

    def send(self, path: str, content: bytes, **fields: str) -> str:
        source = {"name": NAME, "path": path, "size": len(content), "mtime_ns": 1}
        return self._rest.ready(path, content, collection=self.collection, source=source, **fields)

    def settle(self, *removed: str) -> list[str]:
        body = {"name": NAME, "removed": removed}
        deleted: list[str] = self._rest.client.post(self._place, json=body).json()["deleted"]
        return deleted

    def is_there(self, document_id: str) -> bool:
        return self._rest.client.get(f"/v1/documents/{document_id}").status_code == 200


def test_what_was_uploaded_directly_as_well_stays(rest: Rest) -> None:
    folder = Folder(rest, "sent twice")
    document_id = folder.send("wren.txt", b"The wren is loud.")
    again = rest.upload("by hand.txt", b"The wren is loud.", collection="sent twice")
    assert (again.status_code, again.json()["document"]["id"]) == (200, document_id)
    assert folder.settle("wren.txt") == []
    assert folder.is_there(document_id)


@pytest.mark.parametrize("mail_first", [True, False])
def test_what_a_mail_holds_goes_with_the_mail(rest: Rest, mail_first: bool) -> None:
    folder = Folder(rest, f"mail first: {mail_first}")
    report = b"The report says that the wren is loud."
    mail = EmailMessage()
    mail["Subject"] = "The report"
    mail.set_content("See what is attached.")
    mail.add_attachment(report, maintype="text", subtype="plain", filename="report.txt")
    files = {"a.eml": mail.as_bytes(), "report.txt": report}
    sent = {}
    for path in sorted(files, reverse=not mail_first):
        sent[path] = folder.send(path, files[path])
    assert folder.settle("report.txt") == []
    assert folder.is_there(sent["report.txt"])
    assert folder.settle("a.eml") == [sent["a.eml"]]
    assert not folder.is_there(sent["report.txt"])


def test_an_upload_while_a_folder_is_settled_stays(
    rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(rest, "at the same time")
    content = b"The swift sleeps on the wing."
    document_id = folder.send("swift.txt", content)
    outdated = Sources.outdated

    def then_upload(*given: Any) -> Any:
        found = outdated(*given)
        assert rest.upload("a.txt", content, collection=folder.collection).status_code == 200
        return found

    monkeypatch.setattr(Sources, "outdated", then_upload)
    assert folder.settle("swift.txt") == []
    assert folder.is_there(document_id)


@pytest.mark.parametrize(
    "source", ["[]", '{"name": "x"}', '{"name": "x", "path": "a", "size": -1, "mtime_ns": 0}', "{"]
)
def test_a_malformed_source_is_refused(rest: Rest, source: str) -> None:
    reply = rest.upload("a.txt", b"never stored", source=source)
    assert reply.status_code == 422
    assert reply.json()["error"]["param"] == "source"
