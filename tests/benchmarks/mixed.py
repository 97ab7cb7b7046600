"""``python -m tests.benchmarks.mixed``: additions, deletions and queries while all else happens.

A real service on a home of its own. Two callers search without a pause for code words of
documents that are there, one adds and deletes documents; meanwhile the collection is indexed anew
with another model and chunking, and the service is ended by ``kill -9`` in the middle of that.
Counted are queries that failed, that did not find their document, and whose passages are cut in
two ways at once. In the end the store is audited. Exits with 1 unless everything that should be
0 is.

    python -m tests.benchmarks.mixed [--minutes 10] [--documents 120] [--seed 1] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import numpy as np

from tests.crash.service import Service

_CALLERS = 2
_ENOUGH_S = 600
_WORDS = ["pump", "valve", "seal", "shaft", "rotor", "casing", "bearing", "flow", "head", "brine"]
_BEFORE = {"strategy": "fixed", "size": 120, "overlap": 0}
_AFTER = {"embedder": "onnx-fp32", "chunking": {"strategy": "fixed", "size": 50, "overlap": 0}}


@dataclass
class Tally:
    """What became of the queries, and what was done meanwhile."""

    statuses: Counter[str] = field(default_factory=Counter)
    restarting: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    spans: list[frozenset[tuple[str, int, int]]] = field(default_factory=list)
    added: int = 0
    deleted: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Shelf:
    """The documents that are there for sure, by code word."""

    def __init__(self) -> None:
        self._there: dict[str, str] = {}
        self._lock = threading.Lock()

    def add(self, word: str, document_id: str) -> None:
        with self._lock:
            self._there[word] = document_id

    def any(self, rng: random.Random) -> tuple[str, str]:
        with self._lock:
            return rng.choice(list(self._there.items()))

    def take(self, rng: random.Random, *, but: frozenset[str]) -> str | None:
        """One to be deleted; nobody is sent for it any more."""
        with self._lock:
            choice = sorted(self._there.keys() - but)
            return self._there.pop(rng.choice(choice)) if choice else None

    def has(self, word: str) -> bool:
        with self._lock:
            return word in self._there


class Run:
    """One service, those who call it, and what they counted."""

    def __init__(self, work: Path, seed: int) -> None:
        settings = {"IBIDEM_EMBEDDERS": "onnx-fp32"}
        self.service = Service(home=work / "home", settings=settings)
        self.tally, self.shelf = Tally(), Shelf()
        self.rng = random.Random(seed)
        self.stopping, self.down = threading.Event(), threading.Event()
        self.first: frozenset[str] = frozenset()
        self.collection = ""

    def client(self) -> httpx2.Client:
        return httpx2.Client(base_url=f"{self.service.url}/v1", timeout=60)

    def prepare(self, documents: int) -> None:
        """A collection with some documents that stay."""
        with self.client() as client:
            made = client.post("/collections", json={"name": "mixed", "chunking": _BEFORE})
            self.collection = made.json()["id"]
            words = [self.add(client) for _ in range(documents)]
            self.first = frozenset(words)
            self.tally.added = 0

    def add(self, client: httpx2.Client) -> str:
        """Add a document and wait until it can be searched; returns its code word."""
        word = "zeb" + "".join(self.rng.choices("abcdefghij", k=8)) + "ra"
        lines = [" ".join(self.rng.choices(_WORDS, k=14)) + "." for _ in range(40)]
        text = f"The code word is {word}.\n\n{' '.join(lines)}\n"
        files = {"file": (f"{word}.txt", text.encode())}
        sent = self.until_answered(
            client, "POST", "/documents", data={"collection": self.collection}, files=files
        )
        document_id = str(sent.json()["document"]["id"])
        while True:
            shown = self.until_answered(client, "GET", f"/documents/{document_id}").json()
            if shown["status"] in ("ready", "failed"):
                break
            time.sleep(0.05)
        assert shown["status"] == "ready", shown
        self.shelf.add(word, document_id)
        self.tally.added += 1
        return word

    def until_answered(
        self, client: httpx2.Client, method: str, path: str, **given: Any
    ) -> httpx2.Response:
        """What a careful caller does: the same again, while nobody answers."""
        deadline = time.monotonic() + _ENOUGH_S
        while time.monotonic() < deadline:
            try:
                reply = client.request(method, path, **given)
                if reply.status_code != 503:
                    return reply
            except httpx2.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"no answer to {method} {path}")

    def change(self) -> None:
        """Add and delete documents."""
        rng = random.Random(self.rng.random())
        with self.client() as client:
            while not self.stopping.is_set():
                self.add(client)
                if rng.random() < 0.5:
                    gone = self.shelf.take(rng, but=self.first)
                    if gone is not None:
                        self.until_answered(client, "DELETE", f"/documents/{gone}")
                        self.tally.deleted += 1
                self.stopping.wait(rng.uniform(0, 1.0))

    def ask(self, seed: int) -> None:
        """Search for one document after another."""
        rng = random.Random(seed)
        with self.client() as client:
            while not self.stopping.is_set():
                word, document_id = self.shelf.any(rng)
                query = {"query": f"code word {word}", "collection": self.collection, "top_k": 5}
                restarting = self.down.is_set()
                began = time.perf_counter()
                try:
                    reply = client.post("/search", json=query)
                    status = str(reply.status_code)
                except httpx2.TransportError as error:
                    status = type(error).__name__
                seconds = time.perf_counter() - began
                self.count(status, seconds, restarting=restarting or self.down.is_set())
                if status == "200":
                    self.look_at(word, document_id, reply.json()["passages"])
                else:
                    time.sleep(0.05)

    def count(self, status: str, seconds: float, *, restarting: bool) -> None:
        with self.tally.lock:
            if restarting and (status == "503" or not status.isdigit()):
                self.tally.restarting[status] += 1
                return
            self.tally.statuses[status] += 1
            if status != "200":
                when = time.strftime("%H:%M:%S")
                self.tally.failed.append(f"{status} after {seconds:.1f} s, at {when}")
            self.tally.seconds.append(seconds)

    def look_at(self, word: str, document_id: str, passages: list[Any]) -> None:
        found = any(p["document_id"] == document_id and word in p["text"] for p in passages)
        if not found and self.shelf.has(word):
            self.tally.missed.append(word)
        self.tally.spans.append(
            frozenset(
                (p["document_id"], p["start_char_index"], p["end_char_index"]) for p in passages
            )
        )

    def reindex_and_kill(self) -> dict[str, Any]:
        """Index anew, and kill the service when half of that is done; the job as it ended."""
        with self.client() as client:
            path = f"/collections/{self.collection}/reindex"
            job = self.until_answered(client, "POST", path, json=_AFTER).json()
            killed = False
            while job["status"] not in ("completed", "failed", "cancelled"):
                job = self.until_answered(client, "GET", f"/jobs/{job['id']}").json()
                progress = job["progress"]
                if not killed and progress["total"] and 2 * progress["done"] > progress["total"]:
                    self.restart()
                    killed = True
                time.sleep(0.05)
        assert killed
        return dict(job)

    def restart(self) -> None:
        self.down.set()
        began = time.monotonic()
        self.service.kill()
        self.service.spawn()
        self.service.wait_ready()
        self.restart_s = time.monotonic() - began
        self.down.clear()

    def cuts(self) -> frozenset[tuple[str, int, int]]:
        """Where the first documents are cut now."""
        found = set()
        with self.client() as client:
            for word in self.first:
                document_id = self.shelf._there[word]
                path = f"/documents/{document_id}/chunks"
                chunks = client.get(path, params={"limit": 100}).json()["data"]
                found |= {
                    (document_id, one["start_char_index"], one["end_char_index"]) for one in chunks
                }
        return frozenset(found)


def measure(work: Path, minutes: float, documents: int, seed: int) -> dict[str, Any]:
    """One whole run."""
    run = Run(work, seed)
    run.service.spawn()
    try:
        run.service.wait_ready()
        run.prepare(documents)
        before, ends = run.cuts(), time.monotonic() + 60 * minutes
        asking = [threading.Thread(target=run.ask, args=(n,)) for n in range(_CALLERS)]
        changing = threading.Thread(target=run.change)
        for thread in (*asking, changing):
            thread.start()
        time.sleep(0.1 * 60 * minutes)
        job = run.reindex_and_kill()
        time.sleep(max(0.0, ends - time.monotonic()))
        run.stopping.set()
        for thread in (*asking, changing):
            thread.join()
        after = run.cuts()
        findings = run.service.command("audit")["findings"]
    finally:
        run.service.kill()
    return _figures(run, job, before, after, findings)


def _figures(
    run: Run,
    job: dict[str, Any],
    before: frozenset[tuple[str, int, int]],
    after: frozenset[tuple[str, int, int]],
    findings: list[Any],
) -> dict[str, Any]:
    tally = run.tally
    old, new = before - after, after - before
    by_old = sum(bool(one & old) for one in tally.spans)
    by_new = sum(bool(one & new) for one in tally.spans)
    mixed = sum(bool(one & old) and bool(one & new) for one in tally.spans)
    p50, p99 = np.percentile(tally.seconds, [50, 99])
    return {
        "queries answered": tally.statuses["200"],
        "queries failed": len(tally.failed),
        "failed how": tally.failed,
        "unanswered while restarting": dict(tally.restarting),
        "document not found": len(tally.missed),
        "by the old index": by_old,
        "by the new index": by_new,
        "by both at once": mixed,
        "documents added": tally.added,
        "documents deleted": tally.deleted,
        "reindex": job["status"],
        "reindexed documents": job["progress"]["done"],
        "restart s": round(run.restart_s, 1),
        "p50 ms": round(1e3 * float(p50), 1),
        "p99 ms": round(1e3 * float(p99), 1),
        "audit findings": len(findings),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--documents", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the figures here")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ibidem-mixed-") as folder:
        figures = measure(Path(folder), given.minutes, given.documents, given.seed)
    for name, value in figures.items():
        print(f"{name:28} {value}")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1))
    wanted = ("queries failed", "document not found", "by both at once", "audit findings")
    sys.exit(int(any(figures[name] for name in wanted) or figures["reindex"] != "completed"))


if __name__ == "__main__":
    main()
