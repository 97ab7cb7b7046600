"""A batch of questions to a provider with a ledger, on a service that is killed again and again."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from tests.crash.service import Service
from tests.ledger_server import LedgerServer, bar, question, serving, text_of

ENOUGH_S = 600
AT_ONCE = 8
_JUST_NOW_S = 0.5
"""A reply that was sent so shortly ago may not have been stored."""


@dataclass
class Tally:
    """What came of a batch, and what it cost in calls."""

    items: int
    kills: int = 0
    in_flight: int = 0
    calls: int = 0
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def allowed(self) -> int:
        """Most calls: each once, and those in flight at each kill once more."""
        return self.items + self.in_flight


@contextmanager
def prepared(
    home: Path,
    items: int,
    *,
    delay_s: float,
    database_url: str | None = None,
    at_once: int = AT_ONCE,
) -> Iterator[tuple[Service, LedgerServer]]:
    """A service that has read the document and asks the provider, at most some calls at once."""
    with serving(delay_s) as provider:
        settings = {
            "IBIDEM_ENGINE": f"compatible:big@{provider.url}",
            "IBIDEM_LIMITS": f"{provider.url}={at_once}",
            "IBIDEM_CALLS": str(at_once + at_once // 2 if at_once > AT_ONCE else at_once),
            "IBIDEM_COMPATIBLE_API_KEY": "of-the-test",
            "HF_HUB_OFFLINE": "1",
        }
        service = Service(home=home, database_url=database_url, settings=settings)
        try:
            service.spawn()
            service.wait_ready()
            files = {"file": ("valves.txt", text_of(items).encode())}
            sent = httpx2.post(f"{service.url}/v1/documents", files=files, timeout=30).json()
            wait(service, sent["job"]["id"])
            yield service, provider
        finally:
            service.kill()


def send(service: Service, items: int) -> Any:
    """Send the batch; a question for each valve."""
    lines = (
        json.dumps({"custom_id": f"v-{number}", "question": question(number), "top_k": 4})
        for number in range(items)
    )
    content = "\n".join(lines).encode()
    reply = httpx2.post(f"{service.url}/v1/batches", content=content, timeout=60)
    assert reply.status_code == 202, reply.text
    return reply.json()


def kill_again_and_again(
    service: Service, provider: LedgerServer, tally: Tally, rng: random.Random, kills: int
) -> None:
    """Kill the service at seeded points: after some more calls, and a moment within one."""
    most = max(2, 2 * tally.items // kills - 2)
    for _ in range(kills):
        wanted = min(provider.total + rng.randint(1, most), tally.items - 1)
        deadline = time.monotonic() + ENOUGH_S
        while provider.total < wanted:
            assert time.monotonic() < deadline, "no more calls are made"
            time.sleep(0.002)
        time.sleep(rng.uniform(0, provider.delay_s))
        service.kill()
        tally.in_flight += provider.in_flight(settled_s=_JUST_NOW_S)
        tally.kills += 1
        service.spawn()
        service.wait_ready()


def wait(service: Service, job_id: str, *, status: str = "completed") -> Any:
    """The job when it has come to its end."""
    deadline = time.monotonic() + ENOUGH_S
    while time.monotonic() < deadline:
        job = httpx2.get(f"{service.url}/v1/jobs/{job_id}", timeout=30).json()
        if job["status"] == status:
            return job
        assert job["status"] in ("queued", "in_progress"), job
        time.sleep(0.05)
    raise AssertionError(f"job {job_id} did not end")


def check(service: Service, provider: LedgerServer, batch: Any, tally: Tally) -> None:
    """Compare the results with what was asked, and the ledger with what was allowed."""
    url = f"{service.url}/v1/batches/{batch['id']}/results"
    rows = [json.loads(line) for line in httpx2.get(url, timeout=60).text.splitlines()]
    seen = Counter(row["custom_id"] for row in rows)
    right = {f"v-{number}": f"{bar(number)} bar" for number in range(tally.items)}
    tally.calls = provider.total
    tally.lost = [name for name in right if name not in seen]
    tally.duplicated = [name for name, count in seen.items() if count > 1]
    tally.wrong = [
        row["custom_id"]
        for row in rows
        if right.get(row["custom_id"], "?") not in (row["response"] or {}).get("text", "")
    ]
