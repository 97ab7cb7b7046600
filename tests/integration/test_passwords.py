"""Locked files open with their password, which is kept nowhere."""

from __future__ import annotations

import json
import logging
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from api import cli
from ingest import pipeline
from ingest.passwords import Passwords
from rag.errors import CorruptDocument
from tests.integration.conftest import Rest
from tests.locked import locked_pdf, locked_zip, partly_locked_zip

PASSWORD = "correct-horse-battery"
BOOK = locked_pdf("The locked page names the Linnet pump.", PASSWORD)
ARCHIVE = locked_zip(
    (b"secret.txt", b"The locked words name the Heron pump."),
    (b"inner.pdf", BOOK),
    password=PASSWORD.encode(),
)


def ended(rest: Rest, reply: Any) -> tuple[str, str]:
    """How its job ended: the document's id, and the error's code and message or nothing."""
    assert reply.status_code in (200, 202), reply.text
    job = rest.wait(reply.json()["job"]["id"])
    error = job["error"]
    return reply.json()["document"]["id"], f"{error['code']}: {error['message']}" if error else ""


@pytest.mark.parametrize(("name", "content"), [("book.pdf", BOOK), ("files.zip", ARCHIVE)])
def test_without_the_right_password_it_says_so_and_with_it_opens(
    rest: Rest, name: str, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    document_id, told = ended(rest, rest.upload(name, content))
    assert told.startswith("encrypted_document: ")
    assert "upload it again with" in told
    _, told = ended(rest, rest.upload(name, content, password="wrong"))
    assert told.startswith("encrypted_document: ")
    assert "the password does not open" in told
    reply = rest.upload(name, content, password=PASSWORD)
    assert ended(rest, reply) == (document_id, "")
    document = rest.client.get(f"/v1/documents/{document_id}").json()
    assert document["status"] == "ready"
    for inner in document["attachment_ids"]:  # what is inside opens with the same
        shown = rest.client.get(f"/v1/documents/{inner}").json()
        assert rest.wait(shown["job_id"])["status"] == "completed"
    if name == "book.pdf":
        text = rest.client.get(f"/v1/documents/{document_id}/text").json()["text"]
        assert text == "The locked page names the Linnet pump."
        drawn = rest.client.get(f"/v1/documents/{document_id}/pages/1.png")
        assert drawn.json()["error"]["code"] == "encrypted_document"
        assert "not kept" in drawn.json()["error"]["message"]
    assert rest.services.pipeline.passwords.of(document_id) is None
    assert PASSWORD not in caplog.text
    home = rest.services.home.path
    files = [file for file in home.rglob("*") if file.is_file() and "models" not in file.parts]
    assert [file for file in files if PASSWORD.encode() in file.read_bytes()] == []


def mail_with_a_locked_book() -> bytes:
    mail = EmailMessage()
    mail["Subject"] = "The book"
    mail.set_content("The book is attached.")
    mail.add_attachment(BOOK, maintype="application", subtype="pdf", filename="book.pdf")
    return mail.as_bytes()


def inside(rest: Rest, document_id: str) -> dict[str, str]:
    """How the jobs of the files inside a document ended, by name."""
    found = {}
    for inner in rest.client.get(f"/v1/documents/{document_id}").json()["attachment_ids"]:
        shown = rest.client.get(f"/v1/documents/{inner}").json()
        found[shown["name"]] = rest.wait(shown["job_id"])["status"]
    return found


@pytest.mark.parametrize(
    ("name", "content", "before", "after"),
    [
        (
            "partly.zip",
            partly_locked_zip(PASSWORD),
            {"open.txt": "completed"},
            {"open.txt": "completed", "secret.txt": "completed"},
        ),
        (
            "mail.eml",
            mail_with_a_locked_book(),
            {"book.pdf": "failed"},
            {"book.pdf": "completed"},
        ),
    ],
)
def test_locked_parts_of_what_was_read_open_later(
    rest: Rest, name: str, content: bytes, before: dict[str, str], after: dict[str, str]
) -> None:
    rest.client.post("/v1/collections", json={"name": name})
    document_id = rest.ready(name, content, collection=name)
    assert inside(rest, document_id) == before
    assert rest.upload(name, content, collection=name).status_code == 200  # as it was
    for password, opened in (("wrong", before), (PASSWORD, after)):
        reply = rest.upload(name, content, collection=name, password=password)
        assert reply.status_code == 202
        assert ended(rest, reply) == (document_id, "")
        assert inside(rest, document_id) == opened
    again = rest.upload(name, content, collection=name, password=PASSWORD)
    assert again.status_code == 200  # nothing is locked any more
    assert rest.services.pipeline.passwords.of(document_id) is None


def test_what_cannot_be_read_once_more_stays_as_it_was(
    rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = partly_locked_zip(PASSWORD)
    rest.client.post("/v1/collections", json={"name": "again"})
    document_id = rest.ready("again.zip", content, collection="again")
    before = rest.client.get(f"/v1/documents/{document_id}").json()

    def broken(*_: Any, **__: Any) -> None:
        raise CorruptDocument("the disk has lost a sector")

    monkeypatch.setattr(pipeline, "read", broken)
    reply = rest.upload("again.zip", content, collection="again", password=PASSWORD)
    assert "lost a sector" in ended(rest, reply)[1]
    after = rest.client.get(f"/v1/documents/{document_id}").json()
    assert (after["status"], after["chunk_count"]) == ("ready", before["chunk_count"])
    assert "lost a sector" in after["error"]["message"]
    asked = {"query": "open.txt", "collection": "again"}
    found = rest.client.post("/v1/search", json=asked).json()["passages"]
    assert document_id in {one["document_id"] for one in found}

    monkeypatch.undo()  # the next time it works
    assert ended(rest, rest.upload("again.zip", content, collection="again")) == (document_id, "")
    assert rest.client.get(f"/v1/documents/{document_id}").json()["error"] is None


def test_a_password_that_comes_during_the_reading_opens_it(
    rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = locked_pdf("The locked page names the Whinchat pump.", PASSWORD)
    real, sent = pipeline.read, list[int]()

    def sending(*arguments: Any, **options: Any) -> Any:
        if not sent:
            sent.append(rest.upload("late.pdf", book, password=PASSWORD).status_code)
        return real(*arguments, **options)

    monkeypatch.setattr(pipeline, "read", sending)
    document_id, told = ended(rest, rest.upload("late.pdf", book))
    assert (sent, told) == ([200], "")
    assert rest.services.pipeline.passwords.of(document_id) is None


def test_what_was_read_once_and_is_locked_now_waits_for_its_password(rest: Rest) -> None:
    book = locked_pdf("The locked page names the Wagtail pump.", PASSWORD)
    document_id, _ = ended(rest, rest.upload("once.pdf", book, password=PASSWORD))
    rest.services.catalog.inspection.ingest_again(document_id)
    job_id = rest.client.get(f"/v1/documents/{document_id}").json()["job_id"]
    assert rest.wait(job_id)["error"]["code"] == "encrypted_document"
    assert rest.upload("once.pdf", book).status_code == 200  # it would fail again
    reply = rest.upload("once.pdf", book, password=PASSWORD)
    assert reply.status_code == 202
    assert ended(rest, reply) == (document_id, "")


def test_a_preview_with_a_password(rest: Rest) -> None:
    def preview(**fields: str) -> Any:
        return rest.client.post("/v1/chunks:preview", files={"file": ("b.pdf", BOOK)}, data=fields)

    assert preview().json()["error"]["code"] == "encrypted_document"
    assert "Linnet pump" in preview(password=PASSWORD).json()["data"][0]["text"]


def test_a_batch_with_a_password(rest: Rest) -> None:
    def send(**fields: str) -> Any:
        files = [("file", ("locked.zip", ARCHIVE)), ("file", ("a.txt", b"open words"))]
        key = {"idempotency-key": "locked"}
        return rest.client.post("/v1/documents:batch", files=files, data=fields, headers=key)

    refused = send().json()["data"]
    assert [(one["error"] or {}).get("code") for one in refused] == ["encrypted_document", None]
    assert send(password=PASSWORD).status_code == 409  # another request under the same key


def test_the_command_line_reads_it_from_a_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    home: Path,
) -> None:
    monkeypatch.setenv("IBIDEM_HOME", str(home))
    book, secret = tmp_path / "book.pdf", tmp_path / "secret"
    book.write_bytes(BOOK)
    secret.write_text(PASSWORD + "\n")
    assert cli.invoke(["ingest", str(book)]) == 1
    assert "locked with a password" in capsys.readouterr().out
    assert cli.invoke(["ingest", str(book), "--password-file", str(secret)]) == 0
    assert "1 ingested" in capsys.readouterr().out
    assert cli.invoke(["chunks", str(book), "--password-file", str(secret)]) == 0
    assert "Linnet pump" in capsys.readouterr().out
    assert cli.invoke(["ingest", str(book), "--password"]) == 2
    assert "use --password-file FILE" in capsys.readouterr().err


def test_a_folder_in_step_opens_when_the_password_comes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    home: Path,
) -> None:
    folder, secret = tmp_path / "folder", tmp_path / "secret"
    monkeypatch.setenv("IBIDEM_HOME", str(home))
    folder.mkdir()
    (folder / "book.pdf").write_bytes(BOOK)
    (folder / "partly.zip").write_bytes(partly_locked_zip(PASSWORD))
    (folder / "a.txt").write_text("Nothing is locked here.")
    secret.write_text(PASSWORD + "\n")

    def sync(*options: str) -> dict[str, str]:
        cli.invoke(["ingest", str(folder), "--sync", "--json", *options])
        told = json.loads(capsys.readouterr().out)["documents"]
        return {str(Path(one["path"]).relative_to(folder)): one["status"] for one in told}

    sync()
    assert sync() == {"a.txt": "unchanged", "book.pdf": "failed", "partly.zip": "unchanged"}
    assert sync("--password-file", str(secret)) == {
        "a.txt": "unchanged",
        "book.pdf": "ready",
        "partly.zip": "ready",
        "partly.zip/open.txt": "ready",
        "partly.zip/secret.txt": "ready",
    }
    assert set(sync("--password-file", str(secret)).values()) == {"unchanged"}


def test_passwords_are_shown_to_nobody_and_bounded() -> None:
    passwords = Passwords()
    for number in range(10_001):
        passwords.keep(f"doc_{number}", "secret")
    assert "secret" not in repr(passwords)
    assert passwords.of("doc_0") is None
    assert passwords.of("doc_10000") == "secret"
    passwords.forget("doc_10000")
    assert passwords.of("doc_10000") is None
