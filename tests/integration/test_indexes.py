"""The whole service on each kind of vector index: what SQL says is found, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

import rag.filling
from api.composition import open_services
from api.reindexing import order_reindex, remove_dropped
from api.services import Services
from api.settings import Settings
from api.works import open_runner
from ingest.audit import run_audit
from ingest.intake import Incoming
from ingest.pipeline import ingest
from rag.catalog.vectors import VectorStore
from rag.errors import NotFound, StoreDamaged
from rag.lexical import LexicalIndex
from rag.retrieve import Mode, SearchRequest
from rag.vectors import Place, VectorIndex
from tests.stores import SETTINGS

TENANT = "default"
TEXTS = {
    "pump.txt": "The Linnet pump moves forty litres of brine a minute.",
    "lease.txt": "The rent of the boat house is due on the third working day.",
    "soup.txt": "Boil the lentils with cumin until they are soft.",
}
Opened: TypeAlias = AbstractContextManager[Services]


@pytest.fixture(scope="module", params=SETTINGS)
def setting(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def start(setting: str, home: Path) -> Iterator[Callable[[], Opened]]:
    """Opens the service on one home, each time as a new process would."""
    settings = Settings(home=home, index=setting)
    yield lambda: open_services(settings)
    with open_services(settings) as services:
        services.delete_collection(TENANT, services.collection(TENANT, None))


def upload(services: Services, name: str) -> str:
    collection = services.collection(TENANT, None)
    incoming = Incoming(name=name, metadata={"name": name})
    document, _ = services.upload(collection, incoming, [TEXTS[name].encode()])
    for job in services.catalog.jobs.unfinished():
        ingest(services.pipeline, job)
    return document.id


def found(services: Services, query: str, **options: object) -> list[str]:
    collection = services.collection(TENANT, None)
    request = SearchRequest(query=query, collections=(collection,), mode=Mode.DENSE, **options)  # type: ignore[arg-type]
    return [passage.document_name for passage in services.retriever.search(request)]


def index_of(services: Services) -> VectorIndex:
    return services.indexes.of(services.collection(TENANT, None)).vectors


def place_of(services: Services) -> Place:
    return services.indexes._place(services.collection(TENANT, None), services.embedder.dimension)


def test_what_is_ingested_is_found_until_it_is_deleted(start: Callable[[], Opened]) -> None:
    with start() as services:
        ids = {name: upload(services, name) for name in TEXTS}
        assert found(services, "How much brine does the pump move?")[0] == "pump.txt"
        assert found(services, "brine", filter={"name": "soup.txt"}) == ["soup.txt"]
        services.delete(TENANT, ids["pump.txt"])
        assert sorted(found(services, "brine")) == ["lease.txt", "soup.txt"]
        assert run_audit(services.pipeline, services.indexes, repair=False) == []
    with start() as services:
        assert found(services, "When is the rent due?")[0] == "lease.txt"
        upload(services, "pump.txt")
        assert found(services, "How much brine does the pump move?")[0] == "pump.txt"
        assert run_audit(services.pipeline, services.indexes, repair=False) == []


def test_what_an_index_lacks_or_has_too_much_is_mended_at_the_start(
    start: Callable[[], Opened],
) -> None:
    with start() as services:
        for name in TEXTS:
            upload(services, name)
        held = index_of(services).ids()
        index_of(services).remove(held[:1])
        strange = np.ones((1, services.embedder.dimension), np.float32)
        index_of(services).add(np.array([10**6]), strange / np.linalg.norm(strange))
    with start() as services:
        assert index_of(services).ids().tolist() == held.tolist()
        assert run_audit(services.pipeline, services.indexes, repair=False) == []


def test_a_deleted_collection_leaves_no_vectors(start: Callable[[], Opened]) -> None:
    with start() as services:
        upload(services, "pump.txt")
        collection = services.collection(TENANT, None)
        place = place_of(services)
        assert found(services, "brine") == ["pump.txt"]
        services.delete_collection(TENANT, collection)
        with pytest.raises(NotFound):
            services.catalog.collections.get(TENANT, collection.id)
        again = services.indexes._open_vectors(place)
        assert not len(again.ids())
        again.drop()


def test_an_index_that_was_replaced_goes_from_where_it_was_kept(
    start: Callable[[], Opened],
) -> None:
    with start() as services:
        for name in TEXTS:
            upload(services, name)
        before = place_of(services)
        replaced = set(index_of(services).ids().tolist())
        anew = {"strategy": "fixed", "size": 16, "overlap": 0}
        collection = services.catalog.collections.find(TENANT, "default")
        job_id = order_reindex(services, collection, "key", embedder=None, chunking=anew)
        runner = open_runner(services, alone=True)
        runner.start()
        wait_for(lambda: services.catalog.jobs.get(TENANT, job_id).status == "completed")
        runner.stop()
        assert replaced.isdisjoint(index_of(services).ids().tolist())
        assert found(services, "How much brine does the pump move?")[0] == "pump.txt"
        services.catalog.editions.settle(kept_s=-1)
        remove_dropped(services)
        again = services.indexes._open_vectors(before)
        assert not len(again.ids())
        again.drop()
        assert run_audit(services.pipeline, services.indexes, repair=False) == []


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("opened", [False, True], ids=["being built", "catching up"])
@pytest.mark.parametrize("moment", [(VectorStore, "get"), (LexicalIndex, "add")])
def test_a_document_that_is_deleted_while_it_is_taken_in_is_no_damage(
    start: Callable[[], Opened],
    monkeypatch: pytest.MonkeyPatch,
    opened: bool,
    moment: tuple[type, str],
) -> None:
    with start() as services:
        upload(services, "lease.txt")
        if opened:
            index_of(services)
        going = [upload(services, "pump.txt")]
        real = getattr(*moment)

        def deleting(*arguments: Any) -> Any:
            while going:
                services.delete(TENANT, going.pop())
            return real(*arguments)

        monkeypatch.setattr(*moment, deleting)
        assert "lease.txt" in found(services, "brine")
        assert not going
        assert found(services, "brine") == ["lease.txt"]
        assert run_audit(services.pipeline, services.indexes, repair=False) == []


def test_vectors_that_are_lost_are_told_from_those_that_were_deleted(
    start: Callable[[], Opened],
) -> None:
    with start() as services:
        upload(services, "lease.txt")
        index_of(services)
        upload(services, "pump.txt")
        for tenant, embedder, key in list(services.catalog.vectors.all_keys()):
            services.catalog.vectors.delete(tenant, embedder, [key])
        with pytest.raises(StoreDamaged, match="audit --repair"):
            found(services, "brine")


def test_other_vectors_of_a_collection_are_another_index(
    start: Callable[[], Opened], monkeypatch: pytest.MonkeyPatch
) -> None:
    with start() as services:
        upload(services, "pump.txt")
        before = place_of(services).name
        index_of(services).drop()
    monkeypatch.setattr(rag.filling, "OPENING_IN_VECTORS", 0.1)
    with start() as services:
        assert place_of(services).name != before
        assert found(services, "brine") == ["pump.txt"]
