"""The SQL truth: documents, versions, the commit log."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

import rag.catalog.migrating as migrate_module
import rag.catalog.versions as versions_module
from rag.catalog import Catalog
from rag.catalog.additions import NewDocument
from rag.catalog.opening import open_database, open_sqlite
from rag.catalog.vectors import VectorStore
from rag.errors import Conflict, NotFound, StorageError, StoreDamaged
from rag.minhash import likeness
from rag.types import (
    Block,
    BlockKind,
    Chunk,
    Collection,
    Document,
    DocumentStatus,
    JobStatus,
    Page,
    ParsedDocument,
    Span,
)
from tests.conftest import on_postgresql, on_sqlite

TENANT = "default"


def make_collection(catalog: Catalog, name: str = "c") -> Collection:
    return catalog.collections.create(TENANT, name, embedder="test", chunking={})


def new(collection: Collection, content: str, **metadata: object) -> NewDocument:
    return NewDocument(
        collection=collection,
        sha256=content.encode().hex().ljust(64, "0")[:64],
        name=f"{content}.txt",
        media_type="text/plain",
        size=len(content),
        metadata=metadata,
    )


def add(catalog: Catalog, collection: Collection, content: str, **metadata: object) -> Document:
    return catalog.documents.add(new(collection, content, **metadata), store=lambda: None)[0]


def chunked(text: str, size: int = 1000) -> list[Chunk]:
    return [
        Chunk(position=i, start=s, end=min(s + size, len(text)), text=text[s : s + size], tokens=1)
        for i, s in enumerate(range(0, len(text), size))
    ]


def stage(
    catalog: Catalog, document_id: str, number: int, parsed: ParsedDocument, chunks: list[Chunk]
) -> None:
    catalog.staging.stage(document_id, number, parsed, chunks, likeness(parsed.text), edition=1)


def make_visible(catalog: Catalog, document: Document, text: str) -> Document:
    job = catalog.jobs.get(TENANT, document.job_id)
    parsed = ParsedDocument(
        text=text,
        media_type="text/plain",
        pages=(Page(number=1, start=0, end=len(text), width=1, height=1, boxes=b"\0" * 8),),
        blocks=(Block(kind=BlockKind.HEADING, start=0, end=1, level=1),),
    )
    catalog.versions.start(document.id, job.number)
    stage(catalog, document.id, job.number, parsed, chunked(text))
    hashes = [c.text_sha256 for c in catalog.staging.chunks(document.id, job.number, 1, 0, 10**6)]
    vectors = np.ones((len(hashes), 2), np.float32)
    catalog.versions.advance(
        document.id,
        job.number,
        done=1,
        total=1,
        store=lambda: catalog.vectors.put(TENANT, "test", hashes, vectors),
    )
    catalog.versions.publish(document.id, job.number, edition=1, chunks=len(chunked(text)))
    return catalog.documents.get(TENANT, document.id)


def test_head_names_the_newest_migration() -> None:
    folder = migrate_module.__file__.replace("migrating.py", "migrations")
    config = Config()
    config.set_main_option("script_location", folder)
    assert ScriptDirectory.from_config(config).get_current_head() == migrate_module.HEAD


def test_tables_from_before_the_first_release_are_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'catalog.db'}"
    with closing(open_database(url)) as database:
        migrate_module.migrate(database)
        with database.write() as connection:
            connection.exec_driver_sql("ALTER TABLE work DROP COLUMN priority")
    with (
        closing(open_database(url)) as database,
        pytest.raises(StorageError, match="no work as this version knows it"),
    ):
        migrate_module.migrate(database)


def test_migrations_make_the_tables_that_the_code_uses(catalog: Catalog) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from rag.catalog.schema import metadata

    def ours(_table: object, name: str, *_: object) -> bool:
        return name != "vectors"  # of another store, which may share the database

    with catalog._database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours})
        assert compare_metadata(context, metadata) == []


def test_a_commit_is_on_disk_before_it_returns(catalog: Catalog) -> None:
    def setting(durable: bool) -> list[object]:
        sqlite = catalog._database.engine.dialect.name == "sqlite"
        asked = ["PRAGMA synchronous", "PRAGMA journal_mode"] if sqlite else []
        with catalog._database.write(durable=durable) as connection:
            return [
                connection.exec_driver_sql(one).scalar()
                for one in asked or ["SHOW synchronous_commit"]
            ]

    assert setting(durable=True) in ([2, "wal"], ["on"])
    assert setting(durable=False) in ([1, "wal"], ["off"])
    assert setting(durable=True) in ([2, "wal"], ["on"])


@on_sqlite
def test_a_catalog_opens_with_an_empty_log(catalog: Catalog) -> None:
    database = catalog._database
    add(catalog, make_collection(catalog), "a")
    log = Path(f"{database.engine.url.database}-wal")
    assert log.stat().st_size > 0
    again = Catalog(open_sqlite(Path(str(database.engine.url.database))), catalog.vectors)
    assert log.stat().st_size == 0
    again.close()


def test_the_same_bytes_are_the_same_document(catalog: Catalog) -> None:
    collection = make_collection(catalog)
    first = add(catalog, collection, "a")
    assert add(catalog, collection, "a") == first
    assert add(catalog, make_collection(catalog, "other"), "a").id != first.id


def test_the_same_bytes_at_once_make_one_job(catalog: Catalog) -> None:
    collection = make_collection(catalog)
    processes = [catalog, reopened(catalog)]
    with ThreadPoolExecutor(8) as pool:
        documents = list(pool.map(lambda i: add(processes[i % 2], collection, "a"), range(16)))
    processes[1].close()
    assert len({document.job_id for document in documents}) == 1
    assert catalog.jobs.count_unfinished() == 1


def test_a_collection_name_is_taken_once(catalog: Catalog) -> None:
    make_collection(catalog)
    with pytest.raises(Conflict, match="already"):
        make_collection(catalog)


def test_nothing_is_visible_before_it_is_published(catalog: Catalog) -> None:
    collection = make_collection(catalog)
    document = add(catalog, collection, "a")
    job = catalog.jobs.get(TENANT, document.job_id)
    parsed = ParsedDocument(text="hello", media_type="text/plain")
    stage(catalog, document.id, job.number, parsed, chunked("hello"))
    with pytest.raises(NotFound, match="no text yet"):
        catalog.texts.read(document.id, 0, 5)
    with catalog.indexed.visible(collection.id, 1) as visible:
        assert (visible.seq, visible.versions()) == (0, [])


def test_text_reads_the_same_across_segments(catalog: Catalog) -> None:
    text = "".join(chr(0x1F600 + i % 50) if i % 7 == 0 else chr(97 + i % 26) for i in range(50_000))
    document = make_visible(catalog, add(catalog, make_collection(catalog), "a"), text)
    rng = np.random.default_rng(0)
    for start, length in zip(rng.integers(0, 50_000, 60), rng.integers(0, 40_000, 60), strict=True):
        assert (
            catalog.texts.read(document.id, int(start), int(start + length))
            == (text[start : start + length])
        )
    assert document.text_length == len(text)
    assert [c.text for c in catalog.texts.chunks(document.id)] == [c.text for c in chunked(text)]


def test_passages_carry_text_place_and_page(catalog: Catalog) -> None:
    collection = make_collection(catalog)
    make_visible(catalog, add(catalog, collection, "a"), "x" * 2500)
    second = make_visible(catalog, add(catalog, collection, "b"), "y" * 2500)
    assert second.first_chunk_id is not None
    passages = catalog.texts.passages(
        collection.id, np.array([second.first_chunk_id + 2, second.first_chunk_id + 3])
    )
    assert list(passages) == [second.first_chunk_id + 2]
    passage = passages[second.first_chunk_id + 2]
    assert (passage.document_id, passage.start, passage.end) == (second.id, 2000, 2500)
    assert passage.text == "y" * 500
    assert (passage.start_page, passage.end_page) == (1, 1)


def test_pages_are_found_by_span(catalog: Catalog) -> None:
    document = make_visible(catalog, add(catalog, make_collection(catalog), "a"), "x" * 10)
    assert [p.number for p in catalog.pages(document.id, Span(start=3, end=4))] == [1]
    assert list(catalog.pages(document.id, Span(start=10, end=12))) == []


def reopened(catalog: Catalog) -> Catalog:
    """The same catalog as another process has it: no lock of this one's is in the way."""
    url = catalog._database.engine.url
    database = open_database(url.render_as_string(hide_password=False))
    return Catalog(database, catalog.vectors)


def test_the_commit_log_is_gap_free_under_concurrent_writers(catalog: Catalog) -> None:
    collection = make_collection(catalog)
    documents = [add(catalog, collection, f"d{i}") for i in range(24)]
    processes = [catalog, reopened(catalog)]

    def work(index: int) -> None:
        process = processes[index % 2]
        document = make_visible(process, documents[index], f"text {index} " * 300)
        if index % 3 == 0:
            process.versions.delete(TENANT, document.id)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(len(documents))))
    processes[1].close()
    changes = catalog.collections.changes_after(collection.id, 0)
    assert [change.seq for change in changes] == list(range(1, 33))
    assert catalog.collections.seq(collection.id) == 32
    added = [c for c in changes if c.op == "add"]
    ids = np.concatenate(
        [np.arange(c.first_chunk_id, c.first_chunk_id + c.chunk_count) for c in added]
    )
    assert len(np.unique(ids)) == len(ids)


def test_a_deletion_leaves_nothing(catalog: Catalog) -> None:
    collection = make_collection(catalog)
    kept = make_visible(catalog, add(catalog, collection, "a"), "shared text")
    gone = make_visible(catalog, add(catalog, collection, "b"), "shared text" + "z" * 2000)
    discarded: list[str] = []
    catalog.versions.delete(TENANT, gone.id)
    catalog.garbage.collect(discarded.append)
    assert discarded == [gone.sha256]
    assert set(catalog.vectors.all_keys()) == catalog.inspection.used_vectors()
    assert catalog.inspection.orphans() == []
    assert [d.id for d in catalog.inspection.visible(collection.id, 1)] == [kept.id]
    with pytest.raises(NotFound):
        catalog.documents.get(TENANT, gone.id)


def test_garbage_that_is_wanted_again_is_kept(catalog: Catalog) -> None:
    collection = make_collection(catalog)
    gone = make_visible(catalog, add(catalog, collection, "a"), "text")
    catalog.versions.delete(TENANT, gone.id)
    back = make_visible(catalog, add(catalog, collection, "a"), "text")
    discarded: list[str] = []
    catalog.garbage.collect(discarded.append)
    assert discarded == []
    assert set(catalog.vectors.all_keys()) == catalog.inspection.used_vectors() != set()
    assert back.first_chunk_id != gone.first_chunk_id


def test_a_worker_whose_document_is_gone_cannot_write(catalog: Catalog) -> None:
    document = add(catalog, make_collection(catalog), "a")
    number = catalog.jobs.get(TENANT, document.job_id).number
    catalog.versions.delete(TENANT, document.id)
    parsed = ParsedDocument(text="text", media_type="text/plain")
    with pytest.raises(NotFound, match="deleted"):
        stage(catalog, document.id, number, parsed, chunked("text"))
    with pytest.raises(NotFound, match="deleted"):
        catalog.versions.publish(document.id, number, edition=1, chunks=1)
    assert catalog.jobs.get(TENANT, document.job_id).status is JobStatus.CANCELLED


def test_what_a_second_reading_finds_out_is_shown_with_its_text(catalog: Catalog) -> None:
    document = make_visible(catalog, add(catalog, make_collection(catalog), "a"), "text")
    catalog.inspection.ingest_again(document.id)
    job = catalog.jobs.unfinished()[0]
    parsed = ParsedDocument(
        text="other", media_type="text/plain", title="New", warnings=("one page is blank",)
    )
    catalog.versions.start(document.id, job.number)
    stage(catalog, document.id, job.number, parsed, chunked("other"))
    staged = catalog.documents.get(TENANT, document.id)
    assert (staged.title, staged.warnings, staged.text_length) == (None, (), 4)
    catalog.versions.publish(document.id, job.number, edition=1, chunks=1)
    after = catalog.documents.get(TENANT, document.id)
    assert (after.title, after.warnings, after.text_length) == ("New", parsed.warnings, 5)


def test_names_are_found_however_many_are_asked_for(catalog: Catalog) -> None:
    document = add(catalog, make_collection(catalog), "a")
    many = [f"doc_{number}" for number in range(300_000)]
    assert catalog.documents.names([*many, document.id]) == {document.id: document.name}
    assert catalog.attachments.inside([*many, document.id]) == set()


def test_an_incomplete_version_is_not_published(catalog: Catalog) -> None:
    document = add(catalog, make_collection(catalog), "a")
    number = catalog.jobs.get(TENANT, document.job_id).number
    parsed = ParsedDocument(text="text", media_type="text/plain")
    stage(catalog, document.id, number, parsed, chunked("text"))
    with pytest.raises(StoreDamaged, match="1 of 2 chunks"):
        catalog.versions.publish(document.id, number, edition=1, chunks=2)
    assert catalog.documents.get(TENANT, document.id).generation is None


def test_a_failed_document_is_tried_again_on_the_next_upload(catalog: Catalog) -> None:
    collection = make_collection(catalog)
    document = add(catalog, collection, "a")
    number = catalog.jobs.get(TENANT, document.job_id).number
    catalog.versions.fail(document.id, number, {"code": "corrupt_document", "message": "Broken."})
    failed = catalog.documents.get(TENANT, document.id)
    assert failed.status is DocumentStatus.FAILED
    again = add(catalog, collection, "a")
    assert again.job_id != document.job_id
    assert again.status is DocumentStatus.QUEUED
    assert again.error is None


def test_reading_while_writing_sees_one_moment(catalog: Catalog) -> None:
    collection = make_collection(catalog)
    stop = threading.Event()
    torn: list[object] = []

    def read() -> None:
        while not stop.is_set():
            with catalog.indexed.visible(collection.id, 1) as visible:
                ids = {document for document, *_ in visible.versions()}
                count = len(list(visible.read(ids)))
            if visible.seq != count:
                torn.append((visible.seq, count))

    reader = threading.Thread(target=read)
    reader.start()
    for i in range(20):
        make_visible(catalog, add(catalog, collection, f"d{i}"), f"text {i}")
    stop.set()
    reader.join()
    assert torn == []


def test_a_newer_catalog_is_refused(catalog: Catalog) -> None:
    with catalog._database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageError, match="upgrade Ibidem"):
        migrate_module.migrate(catalog._database)


def test_vectors_come_back_bit_for_bit(tmp_path) -> None:
    store = VectorStore(open_sqlite(tmp_path / "vectors.db"))
    vectors = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
    store.put("t", "e", [b"a", b"b", b"c"], vectors)
    store.put("t", "e", [b"a"], vectors[1:2])
    found = store.get("t", "e", [b"a", b"c", b"x"])
    assert found.keys() == {b"a", b"c"}
    np.testing.assert_array_equal(found[b"a"], vectors[0])
    assert store.get("t", "other", [b"a"]) == {}
    store.delete("t", "e", [b"a", b"b", b"c"])
    assert list(store.all_keys()) == []


def test_idempotency_keys_replay_and_refuse(catalog: Catalog) -> None:
    requests = catalog.requests
    assert requests.claim("t", "k", "f") is None
    with pytest.raises(Conflict, match="still being served"):
        requests.claim("t", "k", "f")
    requests.settle("t", "k", 202, {"id": 1})
    assert requests.claim("t", "k", "f") == (202, {"id": 1})
    with pytest.raises(Conflict, match="another request"):
        requests.claim("t", "k", "other")
    assert requests.claim("other tenant", "k", "f") is None
    requests.release_unsettled()
    assert requests.claim("other tenant", "k", "g") is None


def test_database_errors_quote_no_documents(catalog: Catalog) -> None:
    catalog.answers.put(TENANT, "ans_1", {"text": "a secret sentence"}, documents=set())
    with pytest.raises(sa.exc.IntegrityError) as caught:
        catalog.answers.put(TENANT, "ans_1", {"text": "a secret sentence"}, documents=set())
    assert "secret" not in str(caught.value)


def test_an_answer_goes_with_any_document_that_it_repeats(catalog: Catalog) -> None:
    collection = make_collection(catalog)
    first, second = (add(catalog, collection, name).id for name in "ab")
    catalog.answers.put(TENANT, "both", {"text": "both"}, documents={first, second})
    catalog.answers.put(TENANT, "second", {"text": "second"}, documents={second})
    for key, answer in (("k1", "both"), ("k2", "second")):
        catalog.requests.claim(TENANT, key, "f")
        catalog.requests.settle(TENANT, key, 200, answer, answer_id=answer)
    catalog.versions.delete(TENANT, first)
    with pytest.raises(NotFound):
        catalog.answers.get(TENANT, "both")
    assert catalog.answers.get(TENANT, "second") == {"text": "second"}
    assert catalog.requests.claim(TENANT, "k1", "f") is None
    assert catalog.requests.claim(TENANT, "k2", "f") == (200, "second")


def test_an_answer_from_a_document_deleted_meanwhile_is_not_kept(catalog: Catalog) -> None:
    document = add(catalog, make_collection(catalog), "a")
    catalog.requests.claim(TENANT, "k", "f")
    catalog.versions.delete(TENANT, document.id)
    catalog.answers.put(TENANT, "late", {"text": "late"}, documents={document.id})
    catalog.requests.settle(TENANT, "k", 200, "late", answer_id="late")
    with pytest.raises(NotFound):
        catalog.answers.get(TENANT, "late")
    assert catalog.requests.claim(TENANT, "k", "f") is None


def test_failed_attempts_are_counted_until_a_document_is_deleted(catalog: Catalog) -> None:
    collection = make_collection(catalog)
    first, second = (add(catalog, collection, name).id for name in "ab")
    catalog.replies.fail(TENANT, "both", 1, documents={first, second})
    catalog.replies.fail(TENANT, "both", 1, documents={first, second})
    catalog.replies.fail(TENANT, "both", 2, documents={first, second})
    catalog.replies.fail(TENANT, "none", 1, documents=set())
    other = reopened(catalog)
    again = other.replies
    assert [again.last_failed(TENANT, one) for one in ("both", "none", "other")] == [2, 1, 0]
    assert again.last_failed("another", "both") == 0
    catalog.versions.delete(TENANT, first)
    catalog.replies.fail(TENANT, "late", 1, documents={first})
    assert [again.last_failed(TENANT, one) for one in ("both", "none", "late")] == [0, 1, 0]
    other.close()


@on_postgresql
def test_failures_that_another_process_saw_are_known(catalog: Catalog) -> None:
    other = reopened(catalog)
    assert catalog.replies.last_failed(TENANT, "task") == 0
    other.replies.fail(TENANT, "task", 1, documents=set())
    assert catalog.replies.last_failed(TENANT, "task") == 1
    other.close()


def test_answers_are_kept_for_a_month(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    document = add(catalog, make_collection(catalog), "a").id
    catalog.answers.put(TENANT, "old", {"text": "old"}, documents={document})
    monkeypatch.setattr("rag.catalog.records._ANSWERS_KEPT_S", 0)
    catalog.answers.put(TENANT, "new", {"text": "new"}, documents={document})
    assert catalog.answers.get(TENANT, "new") == {"text": "new"}
    with pytest.raises(NotFound):
        catalog.answers.get(TENANT, "old")


def test_a_deletion_of_many_files_inside_is_made_in_steps_and_finished_after_a_crash(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection = make_collection(catalog)
    parent = add(catalog, collection, "parent")
    generation = catalog.jobs.get(TENANT, parent.job_id).number
    catalog.versions.start(parent.id, generation)
    for number in range(50):
        file = new(collection, f"inside {number}")
        catalog.attachments.adopt(
            parent, generation, file, position=number, store=lambda: None, unlocked=False
        )
    own = add(catalog, collection, "inside 7")
    real = versions_module.orphans
    steps = iter([real])

    def stopped(*arguments: Any) -> set[str]:
        step = next(steps, None)
        if step is None:
            raise SystemExit
        return step(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(versions_module, "orphans", stopped)
        with pytest.raises(SystemExit):
            catalog.versions.delete(TENANT, parent.id)
    assert catalog.documents.find(parent.id) is None
    assert 0 < len(catalog.inspection.unattached()) < 49
    catalog.versions.delete_orphans()
    assert [one.id for one in catalog.documents.page(TENANT)] == [own.id]
    assert catalog.attachments.links([own.id])[own.id].parents == ()
    assert catalog.jobs.count_unfinished() == 1
