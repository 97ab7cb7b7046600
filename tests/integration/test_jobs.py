"""The job store under faults: nothing that the catalog wants done is ever forgotten."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from dbos import DBOS
from dbos._sys_db import SystemDatabase

import api.jobs
from api.composition import open_services
from api.jobs import JobStore
from api.services import Services
from api.settings import Settings
from ingest import pipeline as line
from ingest.intake import Incoming
from ingest.originals import Originals
from ingest.parse import Limits
from ingest.parse.reading import Batch
from ingest.pipeline import Pipeline
from rag.catalog.jobs import Jobs
from rag.catalog.texts import ChunkText
from rag.embedding.several import Embedders
from rag.errors import (
    Conflict,
    CorruptDocument,
    EmbeddingFailed,
    NotFound,
    OriginalMissing,
    StorageFull,
)
from rag.types import Collection, Document, DocumentStatus, JobStatus, ReadSoFar
from tests.conftest import on_sqlite
from tests.pdfs import pdf, prose

TENANT = "default"
ENOUGH_S = 90


@pytest.fixture
def services(home: Path, database_url: str | None) -> Iterator[Services]:
    settings = Settings(home=home, database_url=database_url)
    with open_services(settings) as services:
        yield services


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.jobs, "_RECONCILE_S", 0.05)
    monkeypatch.setattr(api.jobs, "_LONGEST_PAUSE_S", 0.1)


@contextmanager
def working(services: Services) -> Iterator[JobStore]:
    store = JobStore(services.job_store, services.pipeline, workers=2)
    store.start()
    try:
        yield store
    finally:
        store.stop()


def upload(
    services: Services, content: str | bytes = "The pump is blue.", *, name: str = "a.txt"
) -> Document:
    incoming = Incoming(name=name, metadata={})
    collection = services.collection(TENANT, None)
    data = content.encode() if isinstance(content, str) else content
    return services.upload(collection, incoming, [data])[0]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + ENOUGH_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def wait_until_idle(services: Services) -> None:
    wait_for(lambda: services.catalog.jobs.count_unfinished() == 0)


def status(services: Services, document: Document) -> DocumentStatus:
    return services.catalog.documents.get(TENANT, document.id).status


@pytest.mark.parametrize("error", [StorageFull(), EmbeddingFailed(), OSError("no space")])
def test_what_is_not_the_documents_fault_is_tried_until_it_works(
    services: Services, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    calls = 0
    real = line.missing_vectors

    def failing(*arguments: Any) -> Callable[[], None]:
        nonlocal calls
        calls += 1
        if calls <= line.MOST_BEGINNINGS + 2:
            raise error
        return real(*arguments)

    monkeypatch.setattr(line, "missing_vectors", failing)
    document = upload(services)
    with working(services):
        wait_for(lambda: services.catalog.jobs.get(TENANT, document.job_id).error is not None)
        wait_until_idle(services)
    assert status(services, document) is DocumentStatus.READY
    assert services.catalog.jobs.get(TENANT, document.job_id).error is None
    assert calls == line.MOST_BEGINNINGS + 3


def test_a_document_whose_original_is_gone_fails(services: Services) -> None:
    document = upload(services)
    services.originals.discard(document.sha256)
    with working(services):
        wait_until_idle(services)
    failed = services.catalog.documents.get(TENANT, document.id)
    assert failed.status is DocumentStatus.FAILED
    assert failed.error == OriginalMissing().as_dict()
    again = upload(services)
    with working(services):
        wait_until_idle(services)
    assert (again.id, status(services, again)) == (document.id, DocumentStatus.READY)


def test_documents_are_waited_for_while_the_originals_cannot_be_seen(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    document = upload(services)
    shard = services.originals.path(document.sha256).parent
    away = shard.rename(shard.with_name("away"))
    with working(services):
        wait_for(lambda: caplog.text.count("attempt 1 failed") > 2)
        error = services.catalog.jobs.get(TENANT, document.job_id).error
        away.rename(shard)
        wait_until_idle(services)
    assert error is not None
    assert "the log says why" in error["message"]
    assert status(services, document) is DocumentStatus.READY


def test_what_always_fails_is_given_up(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def broken(*_: object) -> None:
        nonlocal calls
        calls += 1
        raise ZeroDivisionError

    monkeypatch.setattr(line, "missing_vectors", broken)
    document = upload(services)
    with working(services):
        wait_until_idle(services)
    failed = services.catalog.documents.get(TENANT, document.id)
    assert failed.status is DocumentStatus.FAILED
    assert failed.error is not None
    assert "never came to an end" in failed.error["message"]
    assert calls == line.MOST_BEGINNINGS


def test_small_documents_overtake_any_number_of_large_ones(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "EMBED_BATCH", 2)
    go_on, real = threading.Event(), line.missing_vectors

    def slow(pipeline: Pipeline, collection: Collection, chunks: Sequence[ChunkText]) -> Any:
        if "large" in chunks[0].text:
            assert go_on.wait(ENOUGH_S)
        return real(pipeline, collection, chunks)

    monkeypatch.setattr(line, "missing_vectors", slow)
    large = [
        upload(services, " ".join(f"large {number} {k}." for k in range(300)))
        for number in range(5)
    ]
    with working(services) as store:
        wait_for(lambda: all(status(services, one) is DocumentStatus.PROCESSING for one in large))
        small = upload(services, "The pump is blue.")
        store.submit(small.job_id)
        wait_for(lambda: status(services, small) is DocumentStatus.READY)
        assert all(status(services, one) is DocumentStatus.PROCESSING for one in large)
        go_on.set()
        wait_until_idle(services)
    assert all(status(services, one) is DocumentStatus.READY for one in large)


@pytest.mark.parametrize("begun_before", [False, True])
def test_small_documents_overtake_any_number_that_take_long_to_read(
    services: Services, monkeypatch: pytest.MonkeyPatch, begun_before: bool
) -> None:
    go_on, real = threading.Event(), line.read

    def slow(*arguments: Any, after: ReadSoFar | None = None, **options: Any) -> Batch:
        if after is not None:
            assert go_on.wait(ENOUGH_S)
        return real(*arguments, after=after, **options)

    monkeypatch.setattr(line, "FIRST_BATCH", Limits(batch_s=0.0))
    monkeypatch.setattr(line, "read", slow)
    large = [upload(services, report(40, number), name="a.pdf") for number in range(5)]

    def kept(documents: Sequence[Document]) -> bool:
        jobs = [services.catalog.jobs.get(TENANT, one.job_id) for one in documents]
        return all((job.done, job.unit) == (32, "pages") for job in jobs)

    for one in large if begun_before else ():
        job = services.catalog.jobs.get(TENANT, one.job_id)
        with pytest.raises(InterruptedError):
            line.begin(services.pipeline, job, between=interrupt)
    with working(services) as store:
        wait_for(lambda: kept(large))  # none waits for another's end
        small = upload(services)
        store.submit(small.job_id)
        wait_for(lambda: status(services, small) is DocumentStatus.READY)
        assert kept(large)
        go_on.set()
        wait_until_idle(services)
    for one in large:
        read = services.catalog.documents.get(TENANT, one.id)
        assert (read.status, read.page_count) == (DocumentStatus.READY, 40)


def interrupt() -> None:
    raise InterruptedError


def report(pages: int, number: int) -> bytes:
    return pdf(*(prose(72, 700, [f"Page {k} of report {number}."]) for k in range(pages)))


def test_an_end_that_cannot_be_recorded_strands_no_job(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "EMBED_BATCH", 2)
    embed, record = line.missing_vectors, SystemDatabase.update_workflow_outcome
    full = {"vectors": True, "end": True}

    def embed_later(*arguments: Any) -> Callable[[], None]:
        if full.pop("vectors", False):
            raise StorageFull
        return embed(*arguments)

    def record_later(*arguments: Any, **options: Any) -> None:
        if full.pop("end", False):
            raise sa.exc.OperationalError("UPDATE", {}, OSError("database or disk is full"))
        record(*arguments, **options)

    monkeypatch.setattr(line, "missing_vectors", embed_later)
    monkeypatch.setattr(SystemDatabase, "update_workflow_outcome", record_later)
    document = upload(services, " ".join(f"large {k}." for k in range(300)))
    with working(services):
        wait_until_idle(services)
    assert not full
    assert status(services, document) is DocumentStatus.READY


@pytest.mark.parametrize("error", [CorruptDocument(), NotFound()])
def test_an_end_that_the_catalog_cannot_take_is_told_and_tried_again(
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    failures = iter([StorageFull(), StorageFull()])

    def full(real: Callable[..., None]) -> Callable[..., None]:
        def failing(*arguments: Any) -> None:
            for failure in failures:
                raise failure
            real(*arguments)

        return failing

    def broken(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(line, "begin", broken)
    monkeypatch.setattr(line, "fail", full(line.fail))
    monkeypatch.setattr(Jobs, "cancel", full(Jobs.cancel))
    document = upload(services)
    with working(services):
        wait_until_idle(services)
    assert caplog.text.count(f"job {document.job_id}, attempt 1 failed") == 2


def test_what_a_document_repeats_is_embedded_once(services: Services) -> None:
    embedded: list[str] = []
    real = services.embedder.embed_passages

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(services.embedder, name)

        def embed_passages(self, texts: Sequence[str]) -> Any:
            embedded.extend(texts)
            return real(texts)

    document = upload(services, "lol " * 60_000)
    pipeline = replace(services.pipeline, embedders=Embedders(Counting()))  # type: ignore[arg-type]
    job = services.catalog.jobs.find(document.job_id)
    assert job is not None
    assert line.begin(pipeline, job) is None
    read = services.catalog.documents.get(TENANT, document.id)
    assert read.status is DocumentStatus.READY
    assert read.chunk_count > 2 * line.EMBED_BATCH
    assert len(embedded) == len(set(embedded)) < 10


def test_a_failing_look_at_the_store_strands_no_job(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = DBOS.list_workflows
    failures = iter([True, True])

    def sometimes(*arguments: object, **options: object) -> object:
        if next(failures, False):
            raise OSError("busy")
        return real(*arguments, **options)  # type: ignore[arg-type]

    with working(services):
        monkeypatch.setattr(DBOS, "list_workflows", sometimes)
        document = upload(services)
        wait_until_idle(services)
    assert status(services, document) is DocumentStatus.READY


@on_sqlite
def test_a_damaged_store_is_put_aside(services: Services) -> None:
    document = upload(services)
    services.home.jobs.write_bytes(b"not a database " * 1000)
    with working(services):
        wait_until_idle(services)
    assert status(services, document) is DocumentStatus.READY
    assert services.home.jobs.with_name("jobs.db.damaged").exists()


def lose_the_job_store(services: Services) -> None:
    if isinstance(services.job_store, Path):
        for file in services.home.path.glob("jobs.db*"):
            file.unlink()
    else:
        with services.catalog._database.write() as connection:
            connection.exec_driver_sql("DROP SCHEMA dbos CASCADE")


def test_a_lost_store_loses_no_job(services: Services) -> None:
    with working(services):
        first = upload(services)
        wait_until_idle(services)
    second = upload(services, "Another text.")
    lose_the_job_store(services)
    with working(services):
        wait_until_idle(services)
    assert {status(services, d) for d in (first, second)} == {DocumentStatus.READY}


def test_a_job_that_has_ended_is_not_begun_again(services: Services) -> None:
    document = upload(services)
    with working(services) as store:
        wait_until_idle(services)
        before = services.catalog.documents.get(TENANT, document.id)
        store.submit(document.job_id)
        wait_for(lambda: not store._mine)
        assert services.catalog.documents.get(TENANT, document.id) == before
    with pytest.raises(NotFound):
        line.begin(services.pipeline, services.catalog.jobs.get(TENANT, document.job_id))
    assert services.catalog.documents.get(TENANT, document.id) == before


def test_no_document_is_read_twice_however_often_the_catalog_is_asked(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.jobs, "_RECONCILE_S", 0.001)
    begun: list[str] = []
    real = line.begin

    def counted(*arguments: Any, **options: Any) -> object:
        begun.append(arguments[1].id)
        return real(*arguments, **options)

    monkeypatch.setattr(line, "begin", counted)
    with working(services) as store:
        documents = [upload(services, f"Text number {number}.") for number in range(60)]
        for document in documents:
            store.submit(document.job_id)
        wait_until_idle(services)
    assert {status(services, document) for document in documents} == {DocumentStatus.READY}
    assert set(begun) == {document.job_id for document in documents}


def test_repairing_twice_leaves_one_job(services: Services) -> None:
    document = upload(services)
    with working(services):
        wait_until_idle(services)
    services.catalog.inspection.ingest_again(document.id)
    services.catalog.inspection.ingest_again(document.id)
    assert services.catalog.jobs.count_unfinished() == 1
    with working(services):
        wait_until_idle(services)
    states = [job.status for job in services.catalog.jobs.page(TENANT)]
    assert sorted(states) == [JobStatus.CANCELLED, JobStatus.COMPLETED, JobStatus.COMPLETED]


def test_a_job_whose_document_is_gone_ends(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = upload(services)
    real = line.begin

    def deleted_meanwhile(*arguments: object, **options: object) -> object:
        services.delete(TENANT, document.id)
        return real(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(line, "begin", deleted_meanwhile)
    with working(services):
        wait_until_idle(services)
    assert services.catalog.jobs.get(TENANT, document.job_id).status is JobStatus.CANCELLED


@on_sqlite
def test_the_job_store_holds_no_word_of_a_document(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "EMBED_BATCH", 2)
    text = "# The Quillback lease\n\n" + "\n\n".join(f"large {k} " * 60 for k in range(30))
    incoming = Incoming(name="a.md", metadata={})
    collection = services.collection(TENANT, None)
    document, _ = services.upload(collection, incoming, [text.encode()])
    with working(services):
        wait_until_idle(services)
    read = services.catalog.documents.get(TENANT, document.id)
    assert read.title == "The Quillback lease"
    kept = [file.read_bytes() for file in services.home.path.glob("jobs.db*")]
    assert kept
    assert not any(b"Quillback" in content for content in kept)


def test_a_deletion_that_failed_is_finished_by_itself(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = upload(services)
    with working(services):
        wait_until_idle(services)
        with monkeypatch.context() as patch:
            patch.setattr(Originals, "discard", lambda *_: (_ for _ in ()).throw(StorageFull()))
            with pytest.raises(StorageFull):
                services.delete(TENANT, document.id)
        wait_for(lambda: not list(services.originals.all()))


def test_another_model_embeds_nothing_into_a_collection(
    services: Services, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    document = upload(services)
    other = replace(services.pipeline, embedders=Embedders(OtherModel(services.embedder)))
    store = JobStore(tmp_path / "other.db", other, workers=1)
    store.start()
    try:
        wait_for(lambda: caplog.text.count("set IBIDEM_EMBEDDER back") > 2)
    finally:
        store.stop()
    assert list(services.catalog.vectors.all_keys()) == []
    with working(services):
        wait_until_idle(services)
    assert status(services, document) is DocumentStatus.READY
    with pytest.raises(Conflict, match="IBIDEM_EMBEDDER"):
        replace(services, embedders=Embedders(OtherModel(services.embedder))).upload(
            services.collection(TENANT, None), Incoming(name="b.txt", metadata={}), [b"text"]
        )


class OtherModel:
    """The same vectors under another name."""

    id = "other"

    def __init__(self, embedder: object) -> None:
        self._embedder = embedder

    def __getattr__(self, name: str) -> object:
        return getattr(self._embedder, name)
