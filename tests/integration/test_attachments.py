"""Files inside files: each becomes a document, and goes when nothing holds it any more."""

from __future__ import annotations

import io
import itertools
import zipfile
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from api.composition import open_services
from api.services import Services
from api.settings import Settings
from ingest import attachments
from ingest.audit import run_audit
from ingest.intake import Incoming
from ingest.pipeline import begin, ingest
from rag.catalog import schema as t
from rag.catalog import versions
from rag.errors import NotFound, StorageFull
from rag.retrieve import SearchRequest
from rag.types import Attachment, Document, DocumentStatus, ParsedDocument
from tests.locked import locked_pdf

TENANT = "default"


@pytest.fixture
def services(home: Path) -> Iterator[Services]:
    with open_services(Settings(home=home)) as services:
        yield services


def mail(text: str, **files: bytes | EmailMessage) -> EmailMessage:
    made = EmailMessage()
    made["From"], made["Subject"] = "Ada <ada@example.org>", f"About {text}"
    made.set_content(f"This is about {text}.")
    for name, content in files.items():
        if isinstance(content, EmailMessage):
            made.add_attachment(content)
        else:
            name = name.replace("_", ".")
            made.add_attachment(
                content, maintype="application", subtype="octet-stream", filename=name
            )
    return made


def upload(services: Services, name: str, content: bytes | EmailMessage) -> Document:
    collection = services.collection(TENANT, None)
    if isinstance(content, EmailMessage):
        content = content.as_bytes(policy=SMTP)
    incoming = Incoming(name=name, metadata={"year": 2024})
    return services.upload(collection, incoming, [content])[0]


def run_jobs(services: Services) -> None:
    while jobs := services.catalog.jobs.unfinished():
        for job in jobs:
            ingest(services.pipeline, job)


def names(services: Services) -> dict[str, Document]:
    return {document.name: document for document in services.catalog.documents.page(TENANT)}


def inside(services: Services, document: Document) -> list[str]:
    links = services.catalog.attachments.links([document.id])[document.id]
    return [services.catalog.documents.get(TENANT, child).name for child in links.children]


def sound(services: Services) -> bool:
    return run_audit(services.pipeline, services.indexes, repair=False) == []


def test_attachments_are_found_and_point_to_their_mail(services: Services) -> None:
    outer = mail(
        "pumps", b_txt=b"The brine pump has nine bolts.", a_md=b"# Seals", x_bin=b"\0" * 99
    )
    document = upload(services, "outer.eml", outer)
    run_jobs(services)
    found = names(services)
    assert set(found) == {"outer.eml", "b.txt", "a.md"}
    assert {one.status for one in found.values()} == {DocumentStatus.READY}
    assert inside(services, document) == ["b.txt", "a.md"]
    links = services.catalog.attachments.links([found["b.txt"].id])[found["b.txt"].id]
    assert links.parents == (document.id,)
    assert found["b.txt"].metadata == {"year": 2024}
    (warning,) = found["outer.eml"].warnings
    assert warning.startswith("'x.bin' inside it was left out: 'x.bin' is binary data")
    request = SearchRequest(query="bolts", collections=(services.collection(TENANT, None),))
    assert services.retriever.search(request)[0].document_id == found["b.txt"].id
    assert sound(services)


def test_a_crash_at_any_moment_loses_and_doubles_nothing(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = upload(services, "m.eml", mail("x", a_txt=b"one", b_txt=b"two", c_txt=b"three"))
    job = services.catalog.jobs.get(TENANT, document.job_id)
    keep = type(services.originals).keep
    for moment in range(1, 7):
        calls = itertools.count(1)

        def dying(self: object, upload: object, calls: Iterator[int] = calls) -> None:
            keep(self, upload)  # type: ignore[arg-type]
            if next(calls) == moment:  # noqa: B023 - used at once
                raise SystemExit

        with monkeypatch.context() as patch:
            patch.setattr(type(services.originals), "keep", dying)
            with pytest.raises(SystemExit):
                begin(services.pipeline, job)
        assert services.catalog.documents.get(TENANT, document.id).generation is None
    run_jobs(services)
    assert set(names(services)) == {"m.eml", "a.txt", "b.txt", "c.txt"}
    assert inside(services, document) == ["a.txt", "b.txt", "c.txt"]
    assert len(services.catalog.jobs.page(TENANT, limit=100)) == 4
    assert sound(services)


def test_what_came_only_with_a_document_goes_with_it(services: Services) -> None:
    shared, own, deep = b"shared words", b"uploaded too", b"deep words"
    first = upload(
        services,
        "first.eml",
        mail("a", s_txt=shared, o_txt=own, only_txt=b"only here", n=mail("n", d_txt=deep)),
    )
    second = upload(services, "second.eml", mail("b", s_txt=shared))
    upload(services, "own.txt", own)
    run_jobs(services)
    assert len(names(services)) == 7
    services.delete(TENANT, first.id)
    assert set(names(services)) == {"second.eml", "s.txt", "own.txt"}
    assert len(list(services.originals.all())) == 3
    assert sound(services)
    services.delete(TENANT, second.id)
    assert set(names(services)) == {"own.txt"}
    assert sound(services)
    services.delete(TENANT, names(services)["own.txt"].id)
    assert list(services.originals.all()) == []


def failing_deletions(monkeypatch: pytest.MonkeyPatch, *, after: int) -> None:
    """Fail as on a full disk from some transactions of a deletion on."""
    real, calls = versions.orphans, itertools.count(1)

    def failing(*arguments: Any) -> set[str]:
        if next(calls) > after:
            raise StorageFull
        return real(*arguments)

    monkeypatch.setattr(versions, "orphans", failing)


def test_a_document_goes_at_once_with_what_is_inside(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = upload(services, "m.eml", mail("a", a_txt=b"one", b_txt=b"two"))
    run_jobs(services)
    with monkeypatch.context() as patch:
        failing_deletions(patch, after=0)
        with pytest.raises(StorageFull):
            services.delete(TENANT, document.id)
        assert set(names(services)) == {"m.eml", "a.txt", "b.txt"}
    failing_deletions(monkeypatch, after=1)
    services.delete(TENANT, document.id)
    assert names(services) == {}


def test_a_deletion_that_fails_on_the_way_is_finished(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "_DELETED_AT_ONCE", 2)
    files = {f"f{number}_txt": b"word %d" % number for number in range(9)}
    document = upload(services, "m.eml", mail("a", **files))
    run_jobs(services)
    with monkeypatch.context() as patch:
        failing_deletions(patch, after=2)
        services.pipeline.passwords.keep(document.id, "secret")
        with pytest.raises(StorageFull):
            services.delete(TENANT, document.id)
        assert services.pipeline.passwords.of(document.id) is None
        assert len(names(services)) == 5
        with pytest.raises(StorageFull):
            services.delete(TENANT, document.id)
    with pytest.raises(NotFound):
        services.delete(TENANT, document.id)
    assert names(services) == {}
    assert list(services.originals.all()) == []
    assert sound(services)


def test_an_attachment_that_is_uploaded_later_stays(services: Services) -> None:
    document = upload(services, "m.eml", mail("a", o_txt=b"words"))
    run_jobs(services)
    upload(services, "again.txt", b"words")
    services.delete(TENANT, document.id)
    assert set(names(services)) == {"o.txt"}


def test_a_mail_deleted_while_it_is_read_leaves_nothing(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = upload(services, "m.eml", mail("a", a_txt=b"one", b_txt=b"two"))
    job = services.catalog.jobs.get(TENANT, document.job_id)
    identify = attachments.identify

    def deleting(collection: object, incoming: Incoming, received: object) -> object:
        if incoming.name == "b.txt":
            services.delete(TENANT, document.id)
        return identify(collection, incoming, received)  # type: ignore[arg-type]

    monkeypatch.setattr(attachments, "identify", deleting)
    with pytest.raises(NotFound):
        begin(services.pipeline, job)
    assert names(services) == {}
    assert list(services.originals.all()) == []
    assert sound(services)


def test_files_in_files_have_limits(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    innermost = mail("level 0")
    for level in range(1, 8):
        innermost = mail(f"level {level}", m=innermost)
    upload(services, "deep.eml", innermost)
    run_jobs(services)
    found = names(services)
    assert len(found) == 1 + attachments.DEEPEST
    assert "5 deep" in found["About level 2.eml"].warnings[0]
    monkeypatch.setattr(attachments, "MOST_FILES", 30)
    many = upload(services, "many.eml", mail("m", **{f"f{i}_txt": b"%d" % i for i in range(60)}))
    run_jobs(services)
    assert len(inside(services, many)) == 30
    warnings = services.catalog.documents.get(TENANT, many.id).warnings
    assert "more than 30 files" in warnings[0]
    assert warnings[-1] == "10 more files inside it were left out"
    monkeypatch.setattr(attachments, "MOST_BYTES", 1000)
    big = upload(services, "big.eml", mail("b", a_txt=b"a" * 600, b_txt=b"b" * 600))
    run_jobs(services)
    assert inside(services, big) == ["a.txt"]


def test_an_archive_of_archives(services: Services) -> None:
    def packed(**files: bytes) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for name, content in files.items():
                archive.writestr(name.replace("_", "."), content)
        return out.getvalue()

    letter = mail("m", a_txt=b"in a mail").as_bytes(policy=SMTP)
    outer = packed(in_zip=packed(b_txt=b"deep", m_eml=letter), c_txt=b"top", x_exe=b"MZ" + bytes(9))
    document = upload(services, "outer.zip", outer)
    run_jobs(services)
    found = names(services)
    assert set(found) == {"outer.zip", "in.zip", "b.txt", "m.eml", "a.txt", "c.txt"}
    assert inside(services, document) == ["in.zip", "c.txt"]
    assert "'x.exe' is a program" in found["outer.zip"].warnings[0]
    # What no archive of ours can show: one that holds itself, and one that holds what holds it.
    for name in ("outer.zip", "in.zip"):
        parsed = ParsedDocument(
            text="x",
            media_type="application/zip",
            attachments=(Attachment(name="again.zip", content=outer),),
        )
        services.catalog.inspection.ingest_again(found[name].id)
        job = services.catalog.jobs.unfinished()[0]
        collection = services.collection(TENANT, None)
        told = attachments.adopt_attachments(
            services.pipeline, collection, found[name], job.number, parsed
        )
        assert told.warnings == ("'again.zip' inside it was left out: it contains itself",)
        run_jobs(services)
    services.delete(TENANT, document.id)
    assert names(services) == {}
    assert sound(services)


def test_a_file_that_failed_stays_as_it_is_when_its_mail_is_read_again(
    services: Services,
) -> None:
    document = upload(services, "m.eml", mail("a", broken_pdf=b"%PDF-1.7 and no more"))
    run_jobs(services)
    broken = names(services)["broken.pdf"]
    assert broken.status is DocumentStatus.FAILED
    catalog = services.catalog
    before = catalog.documents.update(TENANT, broken.id, name="mine.pdf", metadata={"year": 1})
    catalog.inspection.ingest_again(document.id)
    run_jobs(services)
    assert catalog.documents.get(TENANT, broken.id) == before


def test_a_file_without_its_password_is_tried_again_with_one(services: Services) -> None:
    book = locked_pdf("The locked page names the Linnet pump.", "secret")
    document = upload(services, "m.eml", mail("a", book_pdf=book))
    run_jobs(services)
    catalog = services.catalog
    locked = catalog.documents.update(TENANT, names(services)["book.pdf"].id, name="mine.pdf")
    assert locked.status is DocumentStatus.FAILED
    for password, status in ((None, DocumentStatus.FAILED), ("secret", DocumentStatus.READY)):
        if password:
            services.pipeline.passwords.keep(document.id, password)
        catalog.inspection.ingest_again(document.id)
        run_jobs(services)
        after = catalog.documents.get(TENANT, locked.id)
        assert (after.name, after.status) == ("mine.pdf", status)
    assert after.job_id != locked.job_id


@pytest.mark.parametrize("whole_collection", [False, True])
def test_passwords_of_files_inside_go_with_their_mail(
    services: Services, whole_collection: bool
) -> None:
    document = upload(services, "m.eml", mail("a", n=mail("b", o_txt=b"words")))
    services.pipeline.passwords.keep(document.id, "secret")
    for _ in range(2):  # not yet the text itself
        ingest(services.pipeline, services.catalog.jobs.unfinished()[0])
    inner = names(services)["o.txt"].id
    assert services.pipeline.passwords.of(inner) == "secret"
    if whole_collection:
        services.delete_collection(TENANT, services.collection(TENANT, None))
    else:
        services.delete(TENANT, document.id)
    assert services.pipeline.passwords.of(inner) is None


def test_the_audit_finds_what_nothing_holds(services: Services) -> None:
    upload(services, "m.eml", mail("a", a_txt=b"one"))
    run_jobs(services)
    assert sound(services)
    with services.catalog._database.write() as connection:
        connection.execute(sa.delete(t.attachments))
    findings = run_audit(services.pipeline, services.indexes, repair=True)
    assert [(one.kind, one.repaired) for one in findings] == [("attachment", True)]
    assert set(names(services)) == {"m.eml"}
    assert sound(services)
