"""Upload to search with the real parts: durable jobs, both indexes, audit and repair."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from api.composition import open_services
from api.home import Home
from api.jobs import JobStore
from api.services import Services
from api.settings import Settings
from ingest.audit import run_audit
from ingest.intake import Incoming
from ingest.pipeline import ingest
from rag.catalog import schema as t
from rag.errors import (
    EmptyDocument,
    HomeBusy,
    NotFound,
    PayloadTooLarge,
    StoreDamaged,
    UnsupportedType,
)
from rag.retrieve import Mode, SearchRequest
from rag.types import Document, DocumentStatus, Passage
from tests.conftest import on_sqlite
from tests.pdfs import line, pdf

TENANT = "default"
SAMPLES = Path(__file__).resolve().parents[2] / "data" / "samples"
PARAGRAPH = "The {0} pump moves {1} litres of {2} a minute through its {0} casing. " * 12


@pytest.fixture
def services(home: Path, database_url: str | None) -> Iterator[Services]:
    settings = Settings(home=home, database_url=database_url, max_upload_mb=1)
    with open_services(settings) as services:
        yield services


def upload(services: Services, name: str, content: bytes, **metadata: object) -> Document:
    collection = services.collection(TENANT, None)
    incoming = Incoming(name=name, metadata=metadata)
    return services.upload(collection, incoming, [content])[0]


def run_jobs(services: Services) -> None:
    """The plain loop: the same functions that the job store calls."""
    for job in services.catalog.jobs.unfinished():
        ingest(services.pipeline, job)


def search(services: Services, query: str, **options: object) -> list[Passage]:
    collection = services.collection(TENANT, None)
    request = SearchRequest(query=query, collections=(collection,), **options)  # type: ignore[arg-type]
    return services.retriever.search(request)


def audit(services: Services, *, repair: bool = False) -> list[tuple[str, bool]]:
    findings = run_audit(services.pipeline, services.indexes, repair=repair)
    return [(finding.kind, finding.repaired) for finding in findings]


def test_an_uploaded_text_is_found_and_located(services: Services) -> None:
    text = "\ufeff# Pumps\r\n\r\n" + PARAGRAPH.format("Linnet", "40", "brine") + "Ünï 😀 end.\r\n"
    document = upload(services, "pumps.md", text.encode())
    run_jobs(services)
    for mode in Mode:
        passage = search(services, "How much brine does the Linnet pump move?", mode=mode)[0]
        assert passage.document_id == document.id
        stored = services.catalog.texts.read(document.id, passage.start, passage.end)
        assert stored == passage.text
    assert audit(services) == []


def test_a_name_that_promises_another_format_is_said(services: Services) -> None:
    document = upload(services, "a.docx", pdf(line(72, 700, "The pump is blue.")))
    run_jobs(services)
    read = services.catalog.documents.get(TENANT, document.id)
    assert read.status is DocumentStatus.READY
    assert read.warnings == ("named .docx, but it is PDF; read as PDF",)


def test_the_job_store_ingests_real_files(services: Services) -> None:
    jobs = JobStore(services.job_store, services.pipeline, workers=2)
    jobs.start()
    try:
        for path in sorted(SAMPLES.glob("*.md")) + sorted(SAMPLES.glob("*q1-2024.pdf")):
            jobs.submit(upload(services, path.name, path.read_bytes()).job_id)
        deadline = time.monotonic() + 60
        while services.catalog.jobs.count_unfinished() and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        jobs.stop()
    documents = services.catalog.documents.page(TENANT)
    assert {document.status for document in documents} == {DocumentStatus.READY}
    assert audit(services) == []


def test_the_same_text_is_embedded_once(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded: list[str] = []
    real = services.embedder.embed_passages
    monkeypatch.setattr(
        type(services.embedder),
        "embed_passages",
        lambda _self, texts: (embedded.extend(texts), real(texts))[1],
    )
    text = PARAGRAPH.format("Heron", "7", "oil")
    upload(services, "a.txt", text.encode())
    run_jobs(services)
    first = len(embedded)
    upload(services, "b.txt", text.encode() + b"\n")
    run_jobs(services)
    assert 0 < first == len(embedded)


def test_a_deleted_document_is_gone_from_the_next_search(services: Services) -> None:
    kept = upload(services, "a.txt", PARAGRAPH.format("Heron", "7", "oil").encode())
    gone = upload(services, "b.txt", PARAGRAPH.format("Linnet", "9", "brine").encode())
    run_jobs(services)
    assert {p.document_id for p in search(services, "Linnet brine")} == {kept.id, gone.id}
    services.delete(TENANT, gone.id)
    assert {p.document_id for p in search(services, "Linnet brine")} == {kept.id}
    assert list(services.originals.all()) == [kept.sha256]
    assert audit(services) == []
    if isinstance(services.job_store, Path):
        assert _files_with(services, b"brine") == []
    with pytest.raises(NotFound):
        services.delete(TENANT, gone.id)


def _files_with(services: Services, word: bytes) -> list[str]:
    """Databases, and their write-ahead logs, in which a word stands."""
    files = [file for file in services.home.path.glob("*.db*") if file.is_file()]
    assert len(files) > 2
    return [file.name for file in files if word in file.read_bytes()]


@on_sqlite
def test_a_deleted_text_is_in_no_file_of_a_working_service(services: Services) -> None:
    jobs = JobStore(services.job_store, services.pipeline, workers=2)
    jobs.start()
    try:
        document = upload(services, "b.txt", PARAGRAPH.format("Linnet", "9", "brine").encode())
        jobs.submit(document.job_id)
        deadline = time.monotonic() + 60
        while services.catalog.jobs.count_unfinished() and time.monotonic() < deadline:
            time.sleep(0.02)
        key = services.catalog.vectors.get(TENANT, services.embedder.id, _hashes(services))
        vector = next(iter(key.values())).tobytes()
        assert _files_with(services, b"brine")
        assert _files_with(services, vector)
        services.delete(TENANT, document.id)
        assert _files_with(services, b"brine") == []
        assert _files_with(services, vector) == []
    finally:
        jobs.stop()


def _hashes(services: Services) -> list[bytes]:
    return [key for _, _, key in services.catalog.vectors.all_keys()]


@on_sqlite
def test_a_text_deleted_under_a_reader_goes_when_the_reader_has_gone(services: Services) -> None:
    document = upload(services, "b.txt", PARAGRAPH.format("Linnet", "9", "brine").encode())
    run_jobs(services)
    database = services.catalog._database
    with database.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(t.segments)).scalar()
        started = time.monotonic()
        services.delete(TENANT, document.id)
        assert time.monotonic() - started < 2
        assert _files_with(services, b"brine")
    services.catalog.documents.page(TENANT)
    assert _files_with(services, b"brine") == []


def test_words_of_name_title_and_headings_find_what_stands_under_them(
    services: Services,
) -> None:
    prose = " ".join(f"Item {n} was checked and found in order." for n in range(60))
    sections = "".join(f"## {name}\n\n{prose}\n\n" for name in ("Boilers", "Cranes", "Lifts"))
    document = upload(services, "survey-helsinki.md", f"# Yearly survey\n\n{sections}".encode())
    other = upload(services, "survey-tampere.md", f"# Yearly survey\n\n{prose}".encode())
    run_jobs(services)
    lifts = search(services, "lifts", mode=Mode.LEXICAL)
    text = services.catalog.texts.read(document.id, 0, document.text_length or 10**6)
    assert len(lifts) > 0
    assert all(passage.end > text.index("## Lifts") for passage in lifts)
    assert {p.document_id for p in search(services, "Tampere", mode=Mode.LEXICAL)} == {other.id}

    services.catalog.documents.update(TENANT, other.id, name="survey-vaasa.md")
    assert search(services, "Tampere", mode=Mode.LEXICAL) == []
    assert {p.document_id for p in search(services, "Vaasa", mode=Mode.LEXICAL)} == {other.id}
    assert audit(services) == []


def test_delete_then_upload_is_new_work(services: Services) -> None:
    content = PARAGRAPH.format("Heron", "7", "oil").encode()
    first = upload(services, "a.txt", content)
    run_jobs(services)
    services.delete(TENANT, first.id)
    again = upload(services, "a.txt", content)
    assert again.job_id != first.job_id
    run_jobs(services)
    assert [p.document_id for p in search(services, "Heron")] == [again.id]


def test_filters_choose_documents(services: Services) -> None:
    for year in (2022, 2023, 2024):
        text = PARAGRAPH.format("Heron", str(year), "oil").encode()
        upload(services, f"{year}.txt", text, year=year)
    run_jobs(services)
    found = search(services, "Heron pump", filter={"year": {"$gte": 2023}})
    assert {p.document_title for p in found} == {"2023.txt", "2024.txt"}
    assert search(services, "Heron pump", filter={"year": 1999}) == []


def test_a_broken_file_fails_alone_and_says_why(services: Services) -> None:
    broken = upload(services, "broken.pdf", b"%PDF-1.7\n" + b"garbage" * 100)
    upload(services, "good.txt", b"The pump is good.")
    run_jobs(services)
    failed = services.catalog.documents.get(TENANT, broken.id)
    assert failed.status is DocumentStatus.FAILED
    assert failed.error is not None
    assert len(failed.error["message"]) > 20
    assert len(search(services, "pump")) == 1
    assert audit(services) == []


def test_bad_uploads_leave_nothing(services: Services) -> None:
    with pytest.raises(EmptyDocument):
        upload(services, "empty.txt", b"")
    with pytest.raises(UnsupportedType):
        upload(services, "program", bytes(range(256)) * 20)
    with pytest.raises(PayloadTooLarge):
        upload(services, "large.txt", b"x" * 1_000_001)
    assert list(services.originals.all()) == []
    assert list(services.originals.path("00").parent.parent.glob("incoming/*")) == []
    assert services.catalog.documents.page(TENANT) == []


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("a\0b.txt", "ab.txt"),
        ("C:\\Users\\x\\report.txt", "report.txt"),
        ("x" * 1000 + ".txt", "x" * 251 + ".txt"),
        ("..", "untitled"),
        ("\u202etxt.exe", "txt.exe"),
    ],
)
def test_hostile_names_are_only_shown(services: Services, sent: str, shown: str) -> None:
    assert upload(services, sent, b"Some text.").name == shown


def test_indexes_that_could_not_be_built_leave_nothing_half_done(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("Heron", "Linnet", "Plover"):
        upload(services, f"{name}.txt", PARAGRAPH.format(name, "7", "oil").encode())
    run_jobs(services)
    read, most = services.catalog.vectors.get, []

    def failing(*arguments: object) -> object:
        most.append(1)
        if len(most) == 2:
            raise StoreDamaged
        return read(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("rag.indexing._BATCH_CHUNKS", 1)
    monkeypatch.setattr(services.catalog.vectors, "get", failing)
    with pytest.raises(StoreDamaged):
        search(services, "pump")
    assert len({p.document_id for p in search(services, "pump")}) == 3
    assert len(most) == 5  # one a document: the second build began anew
    monkeypatch.undo()
    assert audit(services) == []


def test_a_home_has_one_owner(services: Services) -> None:
    with (
        pytest.raises(HomeBusy, match="IBIDEM_HOME"),
        open_services(Settings(home=services.home.path)),
    ):
        pass
    assert services.home.owner()["pid"] is not None
    assert Home(path=services.home.path / "other").owner() == {}


def test_audit_finds_and_mends_damage(services: Services) -> None:
    first = upload(services, "a.txt", PARAGRAPH.format("Heron", "7", "oil").encode())
    second = upload(services, "b.txt", PARAGRAPH.format("Linnet", "9", "brine").encode())
    run_jobs(services)
    search(services, "warm the indexes")
    catalog = services.catalog
    key = next(k for k in catalog.vectors.all_keys() if k in catalog.inspection.used_vectors())
    catalog.vectors.delete(*key[:2], [key[2]])
    space = (TENANT, services.embedder.id)
    catalog.vectors.put(*space, [b"x" * 32], np.zeros((1, 384), np.float32))
    services.originals.path("ff" * 32).parent.mkdir(exist_ok=True)
    services.originals.path("ff" * 32).write_bytes(b"stray")
    with catalog._database.write() as connection:
        connection.execute(
            sa.update(t.chunks)
            .where(t.chunks.c.document_id == second.id, t.chunks.c.position == 0)
            .values(end=t.chunks.c.end - 1)
        )
        connection.execute(
            sa.insert(t.segments).values(
                document_id=first.id, generation=999, start=0, end=1, text="x"
            )
        )
    kinds = {kind for kind, _ in audit(services)}
    assert kinds >= {"vectors", "orphan_vectors", "orphan_original", "spans", "orphan_rows"}
    assert all(repaired for _, repaired in audit(services, repair=True))
    run_jobs(services)
    assert audit(services) == []


def test_audit_reports_a_lost_original_that_it_cannot_mend(services: Services) -> None:
    document = upload(services, "a.txt", b"Some text about pumps.")
    run_jobs(services)
    services.originals.path(document.sha256).unlink()
    assert audit(services, repair=True) == [("original", False)]


def test_audit_sees_spans_outside_the_text_and_ready_documents_without_a_version(
    services: Services,
) -> None:
    first = upload(services, "a.md", b"# Pumps\n\nSome text about pumps.")
    second = upload(services, "b.txt", b"Some more text about pumps.")
    run_jobs(services)
    with services.catalog._database.write() as connection:
        connection.execute(
            sa.update(t.blocks).where(t.blocks.c.document_id == first.id).values(end=9999)
        )
        connection.execute(
            sa.update(t.documents).where(t.documents.c.id == second.id).values(generation=None)
        )
    assert {"spans", "stranded"} <= {kind for kind, _ in audit(services)}
    audit(services, repair=True)
    run_jobs(services)
    assert audit(services) == []


def test_audit_tells_only_of_what_stays_wrong(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upload whose file is there and whose row is not yet is no orphan at the second look."""
    document = upload(services, "a.txt", b"Some text about pumps.")
    run_jobs(services)
    real, looks = services.catalog.inspection.contents, []

    def contents() -> object:
        looks.append(1)
        return {} if len(looks) == 1 else real()

    monkeypatch.setattr(services.catalog.inspection, "contents", contents)
    assert audit(services, repair=True) == []
    assert list(services.originals.all()) == [document.sha256]


def test_audit_sees_an_index_that_differs(services: Services) -> None:
    document = upload(services, "a.txt", b"Some text about pumps.")
    run_jobs(services)
    search(services, "pumps")
    opened = services.indexes.of(services.collection(TENANT, None))
    opened.vectors.remove(np.array([document.first_chunk_id or 1], np.int64))
    assert audit(services) == [("index", False)]
    assert audit(services, repair=True) == [("index", True)]
    assert audit(services) == []
