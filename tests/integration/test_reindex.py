"""A collection indexed anew, with another model and chunking, while it is used."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from api.composition import open_services
from api.reindexing import order_reindex, order_rollback, remove_dropped
from api.services import Services
from api.settings import Settings
from api.works import open_runner
from ingest import pipeline as line
from ingest.audit import run_audit
from ingest.intake import Incoming
from rag.errors import Conflict, EmbeddingFailed, InvalidRequest
from rag.retrieve import SearchRequest
from rag.types import Around, Collection, Document, EditionStatus, FloatMatrix, Job, JobStatus
from tests.fakes import HashingEmbedder

TENANT = "default"
CUT = {"strategy": "fixed", "size": 40, "overlap": 0}
CUT_ANEW = {"strategy": "fixed", "size": 16, "overlap": 0}
WORDS = ["pump", "valve", "seal", "shaft", "rotor", "casing", "bearing", "flow", "head", "brine"]
ENOUGH_S = 240


class Old(HashingEmbedder):
    id = "old"
    dimension = 256


class New(HashingEmbedder):
    """Another space of another dimension; tells of each batch of passages."""

    id = "new"
    dimension = 192

    def __init__(self) -> None:
        self.embedded: list[str] = []
        self.before: Callable[[Sequence[str]], None] = lambda _texts: None

    def embed_passages(self, texts: Sequence[str]) -> FloatMatrix:
        if threading.current_thread().name.startswith("work-"):  # not a query
            self.before(texts)
            self.embedded += texts
        return super().embed_passages(texts)


@contextmanager
def opened(home: Path, database_url: str | None, new: New) -> Iterator[Services]:
    settings = Settings(home=home, database_url=database_url)
    with open_services(settings) as services:
        services.embedders._others |= {"old": Old, "new": lambda: new}
        yield services


@pytest.fixture
def new() -> New:
    return New()


@pytest.fixture
def services(home: Path, database_url: str | None, new: New) -> Iterator[Services]:
    with opened(home, database_url, new) as services:
        yield services


@pytest.fixture
def collection(services: Services) -> Collection:
    return services.catalog.collections.create(TENANT, "c", embedder="old", chunking=CUT)


def text(number: int) -> str:
    rng = random.Random(number)
    lines = [" ".join(rng.choices(WORDS, k=12)) + "." for _ in range(12)]
    return f"# Note {number}\n\nThe code word is zebra{number}.\n\n" + "\n".join(lines)


def add(services: Services, number: int) -> Document:
    collection = services.catalog.collections.find(TENANT, "c")
    incoming = Incoming(name=f"{number}.md", metadata={"number": number})
    document, _ = services.upload(collection, incoming, [text(number).encode()])
    read(services)
    return services.catalog.documents.get(TENANT, document.id)


def read(services: Services) -> None:
    for job in services.catalog.jobs.unfinished():
        line.ingest(services.pipeline, job)


def order(services: Services) -> str:
    now = services.catalog.collections.find(TENANT, "c")
    return order_reindex(services, now, "key", embedder="new", chunking=CUT_ANEW)


@contextmanager
def working(services: Services) -> Iterator[None]:
    runner = open_runner(services, alone=True)
    runner.start()
    try:
        yield
    finally:
        runner.stop()


def ended(services: Services, job_id: str) -> Job:
    deadline = time.monotonic() + ENOUGH_S
    while time.monotonic() < deadline:
        job = services.catalog.jobs.get(TENANT, job_id)
        if job.status in ("completed", "failed", "cancelled"):
            return job
        time.sleep(0.02)
    raise AssertionError(job)


def search(services: Services, query: str) -> list[tuple[Any, ...]]:
    collection = services.catalog.collections.find(TENANT, "c")
    request = SearchRequest(
        query=query, collections=(collection,), top_k=5, around=Around.NEIGHBOURS
    )
    return [
        (
            *(one.document_id, one.start, one.end, one.text, round(one.score, 5)),
            *(one.scores.keys(), one.surroundings),
        )
        for one in services.retriever.search(request)
    ]


def audit(services: Services) -> list[Any]:
    return run_audit(services.pipeline, services.indexes, repair=False)


def check_whole(services: Services, edition: int, numbers: Sequence[int]) -> None:
    """Every document is found in the edition, in its text, and the store is sound."""
    now = services.catalog.collections.find(TENANT, "c")
    assert now.edition == edition
    for number in numbers:
        found = search(services, f"code word zebra{number}")
        assert any(f"zebra{number}." in one[3] for one in found)
    for found in search(services, "pump"):
        assert services.catalog.read(*found[:3]) == found[3]
    assert audit(services) == []


def test_every_answer_is_complete_and_from_one_index(
    services: Services, collection: Collection, new: New
) -> None:
    documents = [add(services, number) for number in range(12)]
    queries = [f"code word zebra{number}" for number in range(12)]
    before = {query: search(services, query) for query in queries}
    kept = services.catalog.texts.chunks(documents[0].id)
    new.before = lambda _texts: time.sleep(0.02)
    seen: list[tuple[str, list[tuple[Any, ...]]]] = []
    failures: list[Exception] = []
    stop = threading.Event()

    def ask(seed: int) -> None:
        rng = random.Random(seed)
        while not stop.is_set():
            query = rng.choice(queries)
            try:
                seen.append((query, search(services, query)))
            except Exception as error:
                failures.append(error)
            time.sleep(0.005)

    callers = [threading.Thread(target=ask, args=(seed,)) for seed in range(3)]
    with working(services):
        for caller in callers:
            caller.start()
        assert ended(services, order(services)).status is JobStatus.COMPLETED
        time.sleep(0.3)
        stop.set()
        for caller in callers:
            caller.join()
        after = {query: search(services, query) for query in queries}
        check_whole(services, 2, range(12))
        assert failures == []
        old = sum(found == before[query] for query, found in seen)
        assert old > 0
        assert sum(found == after[query] for query, found in seen) == len(seen) - old > 0
        # The way back, and what is kept for it until it is removed.
        back = services.catalog.collections.find(TENANT, "c")
        job = ended(services, order_rollback(services, back, "key"))
        assert (job.status, job.done) == (JobStatus.COMPLETED, 0)
    assert {query: search(services, query) for query in queries} == before
    assert services.catalog.texts.chunks(documents[0].id) == kept
    services.catalog.editions.settle(kept_s=-1)
    remove_dropped(services)
    assert [one.number for one in services.catalog.editions.of(collection.id)] == [1]
    assert {embedder for _, embedder, _ in services.catalog.vectors.all_keys()} == {"old"}
    check_whole(services, 1, range(12))


def test_what_comes_and_goes_meanwhile_does_so_in_both(
    services: Services, collection: Collection, new: New
) -> None:
    documents = [add(services, number) for number in range(8)]
    held, go_on = threading.Event(), threading.Event()
    first = sorted(one.id for one in documents)
    last = next(one for one in documents if one.id == first[-1])

    def hold(texts: Sequence[str]) -> None:
        if any(f"zebra{last.name[:-3]}." in one for one in texts):
            held.set()
            go_on.wait(ENOUGH_S)

    new.before = hold
    with working(services):
        job_id = order(services)
        assert held.wait(ENOUGH_S)
        add(services, 100)
        services.delete(TENANT, first[0])
        services.catalog.inspection.ingest_again(first[1])
        read(services)
        services.delete(TENANT, last.id)  # which is being embedded
        services.catalog.documents.update(TENANT, first[2], name="kumquat.md")
        assert any("zebra100." in one[3] for one in search(services, "code word zebra100"))
        assert audit(services) == []
        with pytest.raises(Conflict, match="already, by job"):
            order(services)
        go_on.set()
        assert ended(services, job_id).status is JobStatus.COMPLETED
    gone = {first[0], last.id}
    left = [int(one.name[:-3]) for one in documents if one.id not in gone]
    check_whole(services, 2, [100, *left])
    assert search(services, "kumquat")[0][0] == first[2]
    assert add(services, 101).chunk_count > 8  # of 16 tokens, not of 40
    check_whole(services, 2, [100, 101, *left])


def test_an_index_that_is_kept_keeps_no_words(
    services: Services,
    collection: Collection,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    documents = [add(services, number) for number in range(4)]
    folder = home / "indexes" / "lexical"
    left = folder / "col_of_a_process_that_died" / "1"
    left.mkdir(parents=True)
    with working(services):
        search(services, "pump")
        (before,) = folder.glob(f"{collection.id}*")
        ended(services, order(services))
        services.indexes.put_away()
        assert before.exists()  # a search may still read it
        monkeypatch.setattr("rag.indexes._IDLE_S", 0.0)
        services.indexes.put_away()
        assert not before.exists()
        assert not left.exists()
        check_whole(services, 2, range(4))
        services.delete(TENANT, documents[0].id)
        now = services.catalog.collections.find(TENANT, "c")
        assert ended(services, order_rollback(services, now, "key")).status is JobStatus.COMPLETED
    services.indexes.put_away()
    assert list(folder.iterdir()) == [before]
    check_whole(services, 1, range(1, 4))


def test_what_is_in_use_is_open_before_it_is_searched(
    home: Path, database_url: str | None, new: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.indexes._LOOK_AGAIN_S", 0.02)
    monkeypatch.setattr("rag.indexes._IDLE_S", 0.0)

    def warm(services: Services, edition: int) -> None:
        deadline = time.monotonic() + ENOUGH_S
        while (used.id, edition) not in services.indexes._open:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    with opened(home, database_url, new) as services:
        create = partial(services.catalog.collections.create, TENANT, embedder="old", chunking=CUT)
        used, _ = create("c"), create("unused")
        add(services, 1)
        search(services, "pump")
    with opened(home, database_url, new) as services:
        known, asked = services.catalog.collections.all, []

        def failing(tenant: str | None) -> Sequence[Collection]:
            asked.append(tenant)
            if len(asked) == 1:
                raise OSError("the database is away")
            return known(tenant)

        monkeypatch.setattr(services.catalog.collections, "all", failing)
        services.indexes.keep_warm()
        warm(services, 1)
        with working(services):
            ended(services, order(services))
        services.indexes.forget(used.id, edition=2)  # as if another process had built it
        warm(services, 2)
        assert {key[0] for key in services.indexes._open} == {used.id}
        while (used.id, 1) in services.indexes._open:  # nobody needs it
            time.sleep(0.02)


def test_a_document_that_is_read_while_the_index_changes_is_in_the_new_one(
    services: Services, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(services, 1)
    real, job_ids = Old.embed_passages, []

    def changing(self: Old, texts: Sequence[str]) -> FloatMatrix:
        if not job_ids and any("zebra2." in one for one in texts):
            job_ids.append(order(services))
            with working(services):
                ended(services, job_ids[0])
        return real(self, texts)

    monkeypatch.setattr(Old, "embed_passages", changing)
    document = add(services, 2)
    assert job_ids
    assert document.status == "ready"
    services.catalog.garbage.collect(services.originals.discard)
    check_whole(services, 2, [1, 2])


def test_after_a_restart_nothing_is_embedded_again(
    home: Path, database_url: str | None, new: New
) -> None:
    stopped = threading.Event()

    def stop_half_way(_texts: Sequence[str]) -> None:
        if len(new.embedded) > 60:
            stopped.set()
            raise EmbeddingFailed

    with opened(home, database_url, new) as services:
        services.catalog.collections.create(TENANT, "c", embedder="old", chunking=CUT)
        for number in range(10):
            add(services, number)
        new.before = stop_half_way
        runner = open_runner(services, alone=True)
        runner.start()
        job_id = order(services)
        assert stopped.wait(ENOUGH_S)
        runner.stop()
    new.before = lambda _texts: None
    with opened(home, database_url, new) as services:
        assert audit(services) == []
        with working(services):
            assert ended(services, job_id).status is JobStatus.COMPLETED
        check_whole(services, 2, range(10))
    assert len(new.embedded) == len(set(new.embedded))


def test_cancelling_removes_what_was_built(
    services: Services, collection: Collection, new: New
) -> None:
    for number in range(6):
        add(services, number)
    new.before = lambda texts: time.sleep(0.2)
    with working(services):
        job_id = order(services)
        while not services.catalog.jobs.get(TENANT, job_id).done:
            time.sleep(0.01)
        services.catalog.work.cancel(job_id)
        assert ended(services, job_id).status is JobStatus.CANCELLED
    remove_dropped(services)
    assert {embedder for _, embedder, _ in services.catalog.vectors.all_keys()} == {"old"}
    check_whole(services, 1, range(6))
    with pytest.raises(Conflict, match="no earlier index"):
        order_rollback(services, collection, "key")
    new.before = lambda texts: None
    with working(services):
        assert ended(services, order(services)).status is JobStatus.COMPLETED
    check_whole(services, 3, range(6))


def test_the_index_before_stays_while_a_document_cannot_be_indexed_anew(
    services: Services, collection: Collection, new: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.carrying._FIRST_PAUSE_S", 0.01)
    for number in range(3):
        add(services, number)

    def fail(texts: Sequence[str]) -> None:
        if any("zebra1." in one for one in texts):
            raise EmbeddingFailed

    new.before = fail
    with working(services):
        job_id = order(services)
        job = ended(services, job_id)
        assert job.status is JobStatus.FAILED
        assert "1 documents could not" in (job.error or {})["message"]
        check_whole(services, 1, range(3))
        new.before = lambda texts: None
        services.catalog.work.resume(job_id, retry_failed=True)
        assert ended(services, job_id).status is JobStatus.COMPLETED
    check_whole(services, 2, range(3))


def test_what_would_change_nothing_is_refused(services: Services, collection: Collection) -> None:
    with pytest.raises(InvalidRequest, match="like this already"):
        order_reindex(services, collection, "key", embedder="old", chunking=CUT)
    with pytest.raises(InvalidRequest, match="IBIDEM_EMBEDDERS"):
        order_reindex(services, collection, "key", embedder="onnx:/etc", chunking=None)
    assert [one.status for one in services.catalog.editions.of(collection.id)] == [
        EditionStatus.READY
    ]
