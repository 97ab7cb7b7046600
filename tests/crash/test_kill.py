"""`kill -9` at seeded moments: nothing acknowledged is lost, nothing deleted comes back."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from ingest.pipeline import EMBED_BATCH
from tests.conftest import on_postgresql, on_sqlite
from tests.crash.service import Service
from tests.thorough import THOROUGH

DOCUMENTS = 50 if THOROUGH else 16
LONG = (7, 23, 41)
"""These are embedded in several steps."""
KILLS = 20 if THOROUGH else 5
GIVE_UP_S = 240


@pytest.fixture
def service(home: Path, database_url: str | None) -> Iterator[Service]:
    service = Service(home=home, database_url=database_url)
    yield service
    service.kill()


def marker(number: int) -> str:
    """A word that only one document has."""
    return "zeb" + "".join(chr(97 + int(digit)) for digit in f"{number:04d}") + "ra"


def body(number: int) -> bytes:
    """A text of several chunks that names its marker in the first."""
    rng = random.Random(number)
    lines = 2_500 if number in LONG else rng.randint(20, 90)
    words = ["pump", "valve", "seal", "shaft", "rotor", "casing", "bearing", "flow", "head"]
    text = [" ".join(rng.choices(words, k=14)) + "." for _ in range(lines)]
    return f"The code word is {marker(number)}.\n\n{' '.join(text)}\n".encode()


@dataclass
class Ledger:
    """What the service has acknowledged."""

    uploaded: dict[int, str] = field(default_factory=dict)
    asked_to_delete: set[int] = field(default_factory=set)
    deleted: set[int] = field(default_factory=set)

    @property
    def wanted(self) -> dict[int, str]:
        return {n: i for n, i in self.uploaded.items() if n not in self.deleted}


class Caller(threading.Thread):
    """Uploads all documents and deletes some, repeating every request until it is answered."""

    def __init__(self, url: str, seed: int, documents: int = DOCUMENTS) -> None:
        super().__init__(daemon=True)
        self.documents = documents
        self.client = httpx2.Client(base_url=f"{url}/v1", timeout=10)
        self.rng = random.Random(seed)
        self.ledger = Ledger()
        self.failure: str | None = None

    def run(self) -> None:
        try:
            for number in range(self.documents):
                self._upload(number)
                if self.rng.random() < 0.25:
                    self._delete(self.rng.choice(list(self.ledger.wanted)))
                time.sleep(self.rng.uniform(0, 0.3))
        except AssertionError as error:
            self.failure = str(error)
        finally:
            self.client.close()

    def _request(self, method: str, path: str, **kw: object) -> httpx2.Response:
        deadline = time.monotonic() + GIVE_UP_S
        while time.monotonic() < deadline:
            try:
                return self.client.request(method, path, **kw)  # type: ignore[arg-type]
            except httpx2.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"no answer to {method} {path}")

    def _upload(self, number: int) -> None:
        name = f"{marker(number)}.txt"
        reply = self._request("POST", "/documents", files={"file": (name, body(number))})
        assert reply.status_code in (200, 202), reply.text
        self.ledger.uploaded[number] = reply.json()["document"]["id"]

    def _delete(self, number: int) -> None:
        self.ledger.asked_to_delete.add(number)
        reply = self._request("DELETE", f"/documents/{self.ledger.uploaded[number]}")
        # 404 when an earlier try was carried out and only its answer was lost
        assert reply.status_code in (200, 204, 404), reply.text
        self.ledger.deleted.add(number)


def documents(service: Service) -> dict[str, str]:
    """Status by document id, over all pages of the list."""
    found: dict[str, str] = {}
    after: dict[str, str] = {}
    while True:
        params = {"limit": "100", **after}
        page = httpx2.get(f"{service.url}/v1/documents", params=params, timeout=10).json()
        for document in page["data"]:
            assert document["id"] not in found
            found[document["id"]] = document["status"]
        if not page["has_more"]:
            return found
        after = {"after": page["last_id"]}


def found_by(service: Service, word: str) -> list[str]:
    """Documents among the hits whose text contains the word."""
    query = {"query": f"code word {word}", "top_k": 10}
    hits = httpx2.post(f"{service.url}/v1/search", json=query, timeout=10).json()["passages"]
    return [hit["document_id"] for hit in hits if word in hit["text"]]


def chunks(service: Service, document_id: str) -> int:
    """Number of visible chunks of a document."""
    shown = httpx2.get(f"{service.url}/v1/documents/{document_id}", timeout=10).json()
    return int(shown["chunk_count"])


def settle(service: Service, wanted: set[str]) -> dict[str, str]:
    """Wait until every document that is wanted is ready or failed."""
    deadline = time.monotonic() + GIVE_UP_S
    while time.monotonic() < deadline:
        states = documents(service)
        if all(state in ("ready", "failed") for state in states.values()):
            return states
        time.sleep(0.2)
    raise AssertionError(f"not settled: {documents(service)}")


@on_sqlite
# Killing the service breaks connections in ways that the HTTP client does not clean up.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("lose_job_store", [False, True], ids=["kill", "kill-and-lose-job-store"])
def test_kills_at_seeded_moments(service: Service, lose_job_store: bool) -> None:
    rng = random.Random(7 if lose_job_store else 8)
    service.spawn()
    service.wait_ready()
    caller = Caller(service.url, seed=rng.randrange(1000))
    caller.start()
    for _ in range(KILLS):
        time.sleep(rng.uniform(0.0, 0.9))
        service.kill()
        acknowledged = set(caller.ledger.wanted.values())
        if lose_job_store:
            for file in service.home.glob("jobs.db*"):
                file.unlink()
        service.spawn()
        if rng.random() < 0.2:  # some are killed again while they are starting
            time.sleep(rng.uniform(0.1, 1.5))
            service.kill()
            service.spawn()
        service.wait_ready()
        present = documents(service).keys()
        unsure = {caller.ledger.uploaded[n] for n in caller.ledger.asked_to_delete}
        assert acknowledged - unsure <= present
    check(service, caller)


@on_postgresql
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.timeout(300)
def test_kills_on_a_server(service: Service) -> None:
    """As above, but short: the transactions are the server's affair, which goes on."""
    rng = random.Random(9)
    service.spawn()
    service.wait_ready()
    caller = Caller(service.url, seed=3, documents=16 if THOROUGH else 10)
    caller.start()
    for _ in range(4 if THOROUGH else 3):
        time.sleep(rng.uniform(0.3, 1.5))
        service.kill()
        acknowledged = set(caller.ledger.wanted.values())
        service.spawn()
        service.wait_ready()
        unsure = {caller.ledger.uploaded[n] for n in caller.ledger.asked_to_delete}
        assert acknowledged - unsure <= documents(service).keys()
    check(service, caller)


def check(service: Service, caller: Caller) -> None:
    """Once all is uploaded: all that was not deleted is found, nothing else is, the store sound."""
    caller.join(timeout=GIVE_UP_S)
    assert caller.failure is None
    assert len(caller.ledger.uploaded) == caller.documents
    wanted = caller.ledger.wanted
    states = settle(service, set(wanted.values()))
    assert states == dict.fromkeys(wanted.values(), "ready")
    long = [number for number in LONG if number in wanted]
    assert all(chunks(service, wanted[number]) > EMBED_BATCH for number in long)
    for number, document_id in caller.ledger.uploaded.items():
        expected = [] if number in caller.ledger.deleted else [document_id]
        assert found_by(service, marker(number)) == expected
    service.stop()
    assert service.command("audit")["findings"] == []
