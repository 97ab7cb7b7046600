"""A batch of questions to a provider with a ledger, on a service that is killed again and again."""

from __future__ import annotations

import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx2

from tests.crash.service import Service
from tests.ledger_server import Call, LedgerServer, bar, question, serving, text_of

ENOUGH_S = 600
AT_ONCE = 8
JUST_NOW_S = 0.5
"""A reply that was sent so shortly before a kill may not have been stored."""
ARRIVED_S = 5.0
"""A call that was sent before a kill has reached the provider so soon after it."""
_QUIET_S = 5.0
_RUNS = count(1)


@dataclass
class Tally:
    """What came of work, and what it cost in calls.

    Which calls were in flight at a kill is told by the provider's ledger, at the end: some reach
    it only after the process that made them is dead.
    """

    items: int
    kills: int = 0
    unanswered: int = 0
    """Calls that had no reply at a kill."""
    unstored: int = 0
    """Calls made again whose reply was sent so shortly before a kill that it was not stored."""
    calls: int = 0
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    bought_again: int = 0
    """Calls made again though there had been time to store their reply."""

    @property
    def allowed(self) -> int:
        """Most calls: each once, and those in flight at each kill once more."""
        return self.items + self.unanswered + self.unstored

    def kill(self) -> float:
        """Count a kill just now; returns when."""
        self.kills += 1
        return time.monotonic()

    def settle(self, provider: LedgerServer, killed: Mapping[str, float]) -> None:
        """Compare the ledger at the end with what was in flight; by key, when it was killed."""
        by_text: dict[str, list[Call]] = defaultdict(list)
        for call in provider.ledger:
            by_text[call.asked].append(call)
        self.calls = provider.total
        self.unanswered += sum(
            _in_flight(call, killed[call.by]) for call in provider.ledger if call.by in killed
        )
        for calls in by_text.values():
            for before in calls[:-1]:
                at, replied = killed.get(before.by, 0.0), before.replied
                if replied is not None and replied < at:
                    self.unstored += at - replied < JUST_NOW_S
                    self.bought_again += at - replied >= JUST_NOW_S
                elif not at:
                    self.bought_again += 1


def _in_flight(call: Call, at: float) -> bool:
    """Whether a call was under way when who made it was killed."""
    return call.began < at + ARRIVED_S and (call.replied is None or call.replied > at)


@contextmanager
def prepared(
    home: Path,
    items: int,
    *,
    delay_s: float,
    database_url: str | None = None,
    at_once: int = AT_ONCE,
    window: int | None = None,
) -> Iterator[tuple[Service, LedgerServer]]:
    """A service that has read the document and asks the provider, at most some calls at once."""
    with serving(delay_s) as provider:
        window_of = f"#window={window}" if window else ""
        settings = {
            "IBIDEM_ENGINE": f"compatible:big@{provider.url}{window_of}",
            "IBIDEM_LIMITS": f"{provider.url}={at_once}",
            "IBIDEM_CALLS": str(at_once + at_once // 2 if at_once > AT_ONCE else at_once),
            "HF_HUB_OFFLINE": "1",
        }
        service = Service(home=home, database_url=database_url, settings=settings)
        try:
            start(service)
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


def start(service: Service) -> None:
    """Start the service, with a key of its own for the provider's ledger."""
    name_run(service)
    service.spawn()
    service.wait_ready()


def name_run(service: Service) -> str:
    """Give what is started next a key of its own; returns the key."""
    service.settings["IBIDEM_COMPATIBLE_API_KEY"] = key = f"run-{next(_RUNS)}"
    return key


def kill_again_and_again(
    service: Service, provider: LedgerServer, tally: Tally, rng: random.Random, kills: int
) -> Mapping[str, float]:
    """Kill the service at seeded points: behind so many answered calls, and a moment within one.

    Each time it has come on by a call: what ends its process each time is given up in the end.

    Returns when each run was killed, by its key.
    """
    killed = {}
    for point in sorted(rng.choices(range(tally.items), k=kills)):
        by = service.settings["IBIDEM_COMPATIBLE_API_KEY"]
        deadline = time.monotonic() + ENOUGH_S
        while provider.answered() < point:
            assert time.monotonic() < deadline, "no more calls are made"
            time.sleep(0.005)
        quiet = time.monotonic() + _QUIET_S  # there may be no more to do
        while time.monotonic() < quiet:
            if provider.answered(by) and provider.in_flight(by):
                break
            time.sleep(0.005)
        time.sleep(rng.uniform(0, provider.delay_s))
        service.kill()
        killed[by] = tally.kill()
        start(service)
    return killed


def taken_over_s(provider: LedgerServer, by: str, at: float) -> float:
    """How long after a time the last call was made again that a key had no reply to then."""
    left = {
        one.asked
        for one in provider.ledger
        if one.by == by and (one.replied is None or one.replied > at)
    }
    again = {
        one.asked: one.began - at for one in provider.ledger if one.by != by and one.asked in left
    }
    assert left == again.keys()
    return max(again.values())


def wait(service: Service, job_id: str, *, status: str = "completed", look_s: float = 0.05) -> Any:
    """The job when it has come to its end."""
    deadline = time.monotonic() + ENOUGH_S
    while time.monotonic() < deadline:
        job = httpx2.get(f"{service.url}/v1/jobs/{job_id}", timeout=30).json()
        if job["status"] == status:
            return job
        assert job["status"] in ("queued", "in_progress"), job
        time.sleep(look_s)
    raise AssertionError(f"job {job_id} did not end")


def check(
    service: Service,
    provider: LedgerServer,
    batch: Any,
    tally: Tally,
    killed: Mapping[str, float] | None = None,
) -> None:
    """Compare the results with what was asked, and the ledger with what was allowed."""
    tally.settle(provider, killed or {})
    url = f"{service.url}/v1/batches/{batch['id']}/results"
    rows = [json.loads(line) for line in httpx2.get(url, timeout=60).text.splitlines()]
    seen = Counter(row["custom_id"] for row in rows)
    right = {f"v-{number}": f"{bar(number)} bar" for number in range(tally.items)}
    tally.lost = [name for name in right if name not in seen]
    tally.duplicated = [name for name, count in seen.items() if count > 1]
    tally.wrong = [
        row["custom_id"]
        for row in rows
        if right.get(row["custom_id"], "?") not in (row["response"] or {}).get("text", "")
    ]
