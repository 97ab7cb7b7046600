"""A running REST service over real parts: durable jobs, the real embedding model, real files."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.composition import open_services
from api.services import Services
from api.settings import Settings
from api.worker import Worker
from tests.conftest import FreshDatabase, make_home
from tests.pdfs import pdf, prose
from tests.terminal import LEASE as SHORT_LEASE
from tests.terminal import Terminal

LOOPBACK = "http://127.0.0.1:8000"

LEASE = (
    "Lease of the boat house. The monthly rent is 1,250 euros, due on the third working day. "
    "Either party may end the lease with a notice of ninety days in writing. 😀 "
    "The tenant keeps the slipway free of weeds and repairs the north window. "
) * 3
PUMP = pdf(
    prose(72, 720, ["The Linnet pump moves forty litres of brine a minute."]),
    prose(72, 720, ["Its casing is of cast bronze.", "The seal is replaced every 8,000 hours."]),
    title="Linnet manual",
)

Opened: TypeAlias = AbstractContextManager["Rest"]


class Rest:
    """A client of the service, and the parts behind it."""

    def __init__(self, client: TestClient, services: Services) -> None:
        self.client = client
        self.services = services

    def upload(self, name: str, content: bytes, **fields: Any) -> Any:
        """Send a file; ``metadata`` as an object."""
        data = {k: json.dumps(v) if isinstance(v, dict) else v for k, v in fields.items()}
        return self.client.post("/v1/documents", files={"file": (name, content)}, data=data)

    def ready(self, name: str, content: bytes, **fields: Any) -> str:
        """Send a file and wait until its job has ended; returns the document's id."""
        reply = self.upload(name, content, **fields)
        assert reply.status_code in (200, 202), reply.text
        self.wait(reply.json()["job"]["id"])
        return str(reply.json()["document"]["id"])

    def wait(self, job_id: str) -> Any:
        """The job in its final state."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            job = self.client.get(f"/v1/jobs/{job_id}").json()
            if job["status"] in ("completed", "failed", "cancelled", "paused"):
                return job
            time.sleep(0.02)
        raise AssertionError(f"job {job_id} did not end")

    def all_ready(self, files: Mapping[str, bytes]) -> list[str]:
        """Send files, and wait until the jobs of all have ended; returns the documents' ids."""
        replies = [self.upload(name, content) for name, content in files.items()]
        assert {reply.status_code for reply in replies} <= {200, 202}
        for reply in replies:
            self.wait(reply.json()["job"]["id"])
        return [str(reply.json()["document"]["id"]) for reply in replies]


@contextmanager
def _open(home: Path, models: Path, *, work: bool = False, **settings: Any) -> Iterator[Rest]:
    with open_services(Settings(home=make_home(home, models), **settings)) as services:
        jobs = Worker(services) if work else None
        if jobs is not None:
            jobs.start()
        try:
            with TestClient(create_app(services, jobs), base_url=LOOPBACK) as client:
                yield Rest(client, services)
        finally:
            if jobs is not None:
                jobs.stop()


@pytest.fixture
def open_rest(tmp_path: Path, models: Path, database_url: str | None) -> Callable[..., Opened]:
    """Opens a service on a home of its own, without a job store unless ``work`` is set."""
    return lambda **settings: _open(
        tmp_path / "home", models, database_url=database_url, **settings
    )


@pytest.fixture
def idle(open_rest: Callable[..., Opened]) -> Iterator[Rest]:
    """A service of this test's own, in which accepted jobs wait."""
    with open_rest(max_upload_mb=1) as rest:
        yield rest


@pytest.fixture(scope="module")
def rest(
    tmp_path_factory: pytest.TempPathFactory, models: Path, fresh_database: FreshDatabase
) -> Iterator[Rest]:
    """A working service on each kind of database that the tests of a module share."""
    home = tmp_path_factory.mktemp("rest") / "home"
    with ExitStack() as stack:
        url = fresh_database(stack)
        yield stack.enter_context(_open(home, models, work=True, database_url=url))


@pytest.fixture(scope="module")
def lease(rest: Rest) -> str:
    """A text without pages, ready."""
    return rest.ready("lease.txt", LEASE.encode(), metadata={"kind": "contract", "year": 2024})


@pytest.fixture(scope="module")
def pump(rest: Rest) -> str:
    """A PDF of two pages, ready."""
    return rest.ready("pump.pdf", PUMP, metadata={"kind": "manual", "year": 2021})


@pytest.fixture
def terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Path
) -> Terminal:
    """The command line on this home; a module whose tests share one says so."""
    monkeypatch.setenv("IBIDEM_HOME", str(home))
    return Terminal(capsys)


@pytest.fixture(scope="module")
def home_with_lease(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Path:
    """A home that the tests of a module share, with one text in it."""
    home = tmp_path_factory.mktemp("leased") / "home"
    with _open(home, models, work=True) as rest:
        rest.ready("lease.txt", SHORT_LEASE.encode())
    return home
