"""`kill -9` while an archive of mails is taken apart: every file inside comes out, once."""

from __future__ import annotations

import io
import random
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from email.message import EmailMessage
from pathlib import Path

import httpx2
import pytest

from tests.crash.service import Service
from tests.thorough import THOROUGH

MAILS, KILLS = (30, 5) if THOROUGH else (20, 3)


@pytest.fixture
def service(home: Path) -> Iterator[Service]:
    service = Service(home=home)
    yield service
    service.kill()


def archive() -> bytes:
    """A zip of mails with one attachment each."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as files:
        for number in range(MAILS):
            mail = EmailMessage()
            mail["From"], mail["Subject"] = "a@example.org", f"Mail {number}"
            mail.set_content(f"The letter of number {number}. " * 40)
            mail.add_attachment(f"The file of number {number}. " * 40, filename=f"{number}.txt")
            files.writestr(f"{number}.eml", mail.as_bytes())
    return out.getvalue()


# Killing the service breaks connections in ways that the HTTP client does not clean up.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.timeout(300)
def test_every_file_comes_out_once(service: Service) -> None:
    rng = random.Random(3)
    service.spawn()
    service.wait_ready()
    files = {"file": ("mails.zip", archive())}
    reply = httpx2.post(f"{service.url}/v1/documents", files=files, timeout=30)
    outer = reply.json()["document"]["id"]
    for _ in range(KILLS):
        time.sleep(rng.uniform(0.0, 0.5))
        service.kill()
        service.spawn()
        service.wait_ready()
    documents = _settled(service)
    kinds = Counter(name.rpartition(".")[2] for name in documents)
    assert kinds == {"zip": 1, "eml": MAILS, "txt": MAILS}
    assert {one["status"] for one in documents.values()} == {"ready"}
    for number in range(MAILS):
        mail, file = documents[f"{number}.eml"], documents[f"{number}.txt"]
        assert (mail["parent_ids"], mail["attachment_ids"]) == ([outer], [file["id"]])
    deletion = threading.Thread(target=_delete, args=(service, outer))
    deletion.start()
    time.sleep(rng.uniform(0.0, 0.1))
    service.kill()
    deletion.join()
    service.spawn()
    service.wait_ready()
    left = _settled(service)
    assert not left or len(left) == 1 + 2 * MAILS
    _delete(service, outer)
    assert _settled(service) == {}
    service.stop()
    assert service.command("audit")["findings"] == []


def _delete(service: Service, document_id: str) -> None:
    """Ask for a deletion; the service may be killed before it answers."""
    with suppress(httpx2.TransportError):
        httpx2.delete(f"{service.url}/v1/documents/{document_id}", timeout=30)


def _settled(service: Service) -> dict[str, dict[str, object]]:
    """All documents by name, once there is no work left."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = httpx2.get(f"{service.url}/v1/documents", params={"limit": 100}, timeout=10).json()
        if all(one["status"] in ("ready", "failed") for one in found["data"]):
            return {one["name"]: one for one in found["data"]}
        time.sleep(0.2)
    raise AssertionError("the work does not end")
