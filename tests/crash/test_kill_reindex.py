"""`kill -9` at seeded moments while a collection is indexed anew: it goes on where it was."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from tests.conftest import on_postgresql, on_sqlite
from tests.crash.service import Service
from tests.crash.test_kill import body, found_by, marker
from tests.thorough import THOROUGH

DOCUMENTS = 8
ANEW = {"embedder": "onnx-fp32", "chunking": {"strategy": "fixed", "size": 40, "overlap": 0}}
GIVE_UP_S = 240

pytestmark = [
    pytest.mark.timeout(600),
    # Killing the service breaks connections in ways that the HTTP client does not clean up.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@on_sqlite
def test_a_killed_reindexing_goes_on(home: Path, database_url: str | None) -> None:
    kill_and_check(Service(home=home, database_url=database_url), kills=3 if THOROUGH else 2)


@on_postgresql
def test_a_killed_reindexing_goes_on_on_a_server(home: Path, database_url: str) -> None:
    kill_and_check(Service(home=home, database_url=database_url), kills=2 if THOROUGH else 1)


def kill_and_check(service: Service, *, kills: int) -> None:
    rng = random.Random(kills)
    service.spawn()
    try:
        service.wait_ready()
        for number in range(DOCUMENTS):
            file = (f"{marker(number)}.txt", body(number + 50))
            sent = httpx2.post(f"{service.url}/v1/documents", files={"file": file}, timeout=30)
            ended(service, sent.json()["job"]["id"])
        collection = shown(service, "collections")["data"][0]
        path = f"{service.url}/v1/collections/{collection['id']}/reindex"
        job = httpx2.post(path, json=ANEW, timeout=30).json()
        numbers: dict[bytes, int] = {}
        for _ in range(kills):
            time.sleep(rng.uniform(0.2, 2.0))
            service.kill()
            if service.database_url is None:
                there = vectors(service)
                assert numbers.items() <= there.items()  # none was embedded and kept again
                numbers = there
            service.spawn()
            service.wait_ready()
            assert found_by(service, marker(53))
        assert ended(service, job["id"])["status"] == "completed"
        now = shown(service, f"collections/{collection['id']}")
        assert (now["generation"], now["building"]) == (2, None)
        assert now["previous"]["generation"] == 1
        assert now["documents"]["ready"] == DOCUMENTS
        for number in range(DOCUMENTS):
            assert found_by(service, marker(number + 50))
        assert service.command("audit")["findings"] == []
    finally:
        service.kill()


def vectors(service: Service) -> dict[bytes, int]:
    """The number of each vector's row, by text; rows are numbered as they are written."""
    engine = sa.create_engine(f"sqlite:///{service.home / 'vectors.db'}")
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT embedder, text_sha256, number FROM vectors")
        found = {embedder.encode() + key: number for embedder, key, number in rows}
    engine.dispose()
    return found


def shown(service: Service, path: str) -> Any:
    return httpx2.get(f"{service.url}/v1/{path}", timeout=30).json()


def ended(service: Service, job_id: str) -> Any:
    deadline = time.monotonic() + GIVE_UP_S
    while time.monotonic() < deadline:
        job = shown(service, f"jobs/{job_id}")
        if job["status"] in ("completed", "failed", "cancelled"):
            return job
        time.sleep(0.1)
    raise AssertionError(job)
