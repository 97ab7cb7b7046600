"""The index of words over restarts: taken up where it was left, and rid of what was deleted."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeAlias

import pytest

import rag.indexes
from api.composition import open_services
from api.services import Services
from api.settings import Settings
from ingest.audit import run_audit
from ingest.intake import Incoming
from ingest.pipeline import ingest
from rag.errors import NotFound, ShuttingDown
from rag.lexical import LexicalIndex
from rag.lexical_store import LexicalStore, StoredLexical
from rag.retrieve import Mode, SearchRequest
from rag.types import Collection, Ids
from rag.vectors.faiss import FaissIndex

TENANT = "default"
TEXTS = {
    "pump.txt": "The Linnet pump moves forty litres of brine a minute.",
    "lease.txt": "The rent of the boat house is due on the third working day.",
    "soup.txt": "Boil the lentils with cumin until they are soft.",
}
Opened: TypeAlias = AbstractContextManager[Services]


@pytest.fixture
def start(home: Path) -> Callable[[], Opened]:
    settings = Settings(home=home)
    return lambda: open_services(settings)


def upload(services: Services, name: str, text: str) -> str:
    collection = services.collection(TENANT, None)
    document, _ = services.upload(collection, Incoming(name=name, metadata={}), [text.encode()])
    for job in services.catalog.jobs.unfinished():
        ingest(services.pipeline, job)
    return document.id


def found(services: Services, query: str) -> list[str]:
    collection = services.collection(TENANT, None)
    request = SearchRequest(query=query, collections=(collection,), mode=Mode.LEXICAL)
    return [passage.document_name for passage in services.retriever.search(request)]


def words(services: Services) -> StoredLexical:
    return services.indexes.of(services.collection(TENANT, None)).words


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many texts were added each time to any index of words."""
    counts: list[int] = []
    add = LexicalIndex.add

    def counting(self: LexicalIndex, ids: Ids, texts: list[str]) -> None:
        counts.append(len(ids))
        add(self, ids, texts)

    monkeypatch.setattr(LexicalIndex, "add", counting)
    return counts


def test_a_restart_adds_only_what_came_since(start: Callable[[], Opened], added: list[int]) -> None:
    with start() as services:
        ids = {name: upload(services, name, text) for name, text in TEXTS.items()}
        assert found(services, "brine") == ["pump.txt"]
        assert added == [3]  # one step for all that became visible
        late = upload(services, "late.txt", "Herons wade in brine.")
        services.delete(TENANT, ids["soup.txt"])
    with start() as services:
        assert sorted(found(services, "brine")) == ["late.txt", "pump.txt"]
        assert found(services, "lentils") == []
        assert added == [3, 1]
        services.catalog.documents.update(TENANT, late, name="wading.txt")
    with start() as services:
        assert found(services, "wading") == ["wading.txt"]
        assert found(services, "late") == []
        assert added == [3, 1, 1]
        assert run_audit(services.pipeline, services.indexes, repair=False) == []


def test_changes_are_applied_again_when_they_were_not_noted(
    start: Callable[[], Opened], monkeypatch: pytest.MonkeyPatch
) -> None:
    with start() as services:
        first = upload(services, "pump.txt", TEXTS["pump.txt"])
        assert found(services, "brine") == ["pump.txt"]
        monkeypatch.setattr(StoredLexical, "note", lambda self, seq: None)
        upload(services, "lease.txt", TEXTS["lease.txt"])
        services.delete(TENANT, first)
        assert found(services, "brine rent") == ["lease.txt"]
    monkeypatch.undo()
    with start() as services:
        assert found(services, "brine rent") == ["lease.txt"]
        assert run_audit(services.pipeline, services.indexes, repair=False) == []


def test_words_that_were_deleted_leave_the_files_while_the_index_is_in_use(
    start: Callable[[], Opened], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rag.indexes, "_RENEWED_AFTER_S", 0.2)
    with start() as services:
        ids = {name: upload(services, name, text) for name, text in TEXTS.items()}
        assert found(services, "brine") == ["pump.txt"]
        before = set((home / "indexes" / "lexical").rglob("*.term"))
        services.delete(TENANT, ids["pump.txt"])
        assert found(services, "brine") == []
        upload(services, "late.txt", "Herons wade in brine.")
        deadline = time.monotonic() + 30
        while before & set((home / "indexes" / "lexical").rglob("*.term")):
            assert time.monotonic() < deadline
            assert "pump.txt" not in found(services, "brine rent")
            time.sleep(0.02)
        assert found(services, "brine") == ["late.txt"]
        assert found(services, "rent") == ["lease.txt"]
        assert not words(services).has_residue
        assert run_audit(services.pipeline, services.indexes, repair=False) == []


def test_words_that_were_deleted_before_the_end_leave_the_files_after_the_next_start(
    start: Callable[[], Opened], monkeypatch: pytest.MonkeyPatch
) -> None:
    with start() as services:
        ids = {name: upload(services, name, text) for name, text in TEXTS.items()}
        assert found(services, "brine") == ["pump.txt"]
        services.delete(TENANT, ids["pump.txt"])
        assert found(services, "brine") == []
        assert words(services).has_residue
    monkeypatch.setattr(rag.indexes, "_RENEWED_AFTER_S", 0.0)
    with start() as services:
        assert found(services, "rent") == ["lease.txt"]
        deadline = time.monotonic() + 30
        while words(services).has_residue:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert found(services, "lentils") == ["soup.txt"]


def test_what_was_opened_again_or_dropped_meanwhile_is_left_alone(
    start: Callable[[], Opened], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[FaissIndex] = []
    monkeypatch.setattr(FaissIndex, "close", lambda self: closed.append(self))
    with start() as services:
        ids = {name: upload(services, name, text) for name, text in TEXTS.items()}
        collection = services.collection(TENANT, None)
        before = services.indexes.of(collection)
        services.delete(TENANT, ids["pump.txt"])
        assert found(services, "brine") == []
        services.indexes.forget(collection.id)
        assert closed == [before.vectors]
        assert found(services, "rent") == ["lease.txt"]
        services.indexes._renew(collection, before)
        assert found(services, "rent") == ["lease.txt"]
        assert run_audit(services.pipeline, services.indexes, repair=False) == []
        opened = services.indexes.of(collection)
        services.delete_collection(TENANT, collection)
        services.indexes._renew(collection, opened)
    assert not list((home / "indexes" / "lexical").rglob("*.term"))


def test_what_could_not_be_opened_ahead_is_tried_again(
    start: Callable[[], Opened], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rag.indexes, "_LOOK_AGAIN_S", 0.01)
    monkeypatch.setattr(rag.indexes, "_FAILED_S", 0.1)
    monkeypatch.setattr(rag.indexes, "_REST", 0)
    tried: list[int] = []
    known = LexicalStore.open

    def failing(self: LexicalStore, name: str) -> StoredLexical:
        tried.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        if len(tried) < 3:
            raise OSError("the disk is away")
        return known(self, name)

    with start() as services:
        upload(services, "pump.txt", TEXTS["pump.txt"])
        assert found(services, "brine") == ["pump.txt"]
    with start() as services:
        monkeypatch.setattr(LexicalStore, "open", failing)
        began = time.monotonic()
        services.indexes.keep_warm()
        while not services.indexes.forms():
            assert time.monotonic() < began + 30
            time.sleep(0.01)
        assert time.monotonic() - began > 0.2
        assert found(services, "brine") == ["pump.txt"]
    # A search would wait for what is being opened: that is as urgent.
    assert tried == 3 * [os.getpriority(os.PRIO_PROCESS, 0)]


def test_a_search_that_comes_while_the_service_is_stopped_is_told_so(
    start: Callable[[], Opened],
) -> None:
    with start() as services:
        upload(services, "pump.txt", TEXTS["pump.txt"])
        services.indexes.close()
        with pytest.raises(ShuttingDown, match="being stopped"):
            found(services, "brine")


def test_a_deleted_collection_leaves_no_words(start: Callable[[], Opened], home: Path) -> None:
    with start() as services:
        upload(services, "pump.txt", TEXTS["pump.txt"])
        assert found(services, "brine") == ["pump.txt"]
        services.delete_collection(TENANT, services.collection(TENANT, None))
    assert not list((home / "indexes" / "lexical").rglob("*.term"))


def test_searches_during_the_deletion_of_a_collection_fail_as_in_one_that_is_gone(
    start: Callable[[], Opened], home: Path
) -> None:
    failures: list[Exception] = []
    with start() as services:

        def ask(collection: Collection, ended: threading.Event) -> None:
            request = SearchRequest(query="brine rent", collections=(collection,))
            while not ended.is_set():
                try:
                    services.retriever.search(request)
                except Exception as error:
                    failures.append(error)
                    time.sleep(0.005)

        for _ in range(4):
            for name, text in TEXTS.items():
                upload(services, name, text)
            collection = services.collection(TENANT, None)
            ended = threading.Event()
            askers = [threading.Thread(target=ask, args=(collection, ended)) for _ in range(3)]
            for asker in askers:
                asker.start()
            time.sleep(0.05)
            services.delete_collection(TENANT, collection)
            time.sleep(0.05)
            ended.set()
            for asker in askers:
                asker.join()
    assert failures
    assert {type(error) for error in failures} == {NotFound}
    assert list((home / "indexes" / "lexical").iterdir()) == []
