"""A summary of a PDF of 2,000 pages by a model that takes a second, 64 calls at once.

    python -m tests.benchmarks.pdf_analysis [--pages 2000] [--limit 64] [--json FILE]

A real service on SQLite; the model is a fake on loopback, which reads a few pages a call. Looked
at five times a second: the resident memory of the service and of all its children together.
Throughput is that of the calls from the first to the last of the first round, where none waits for
another; the merges above it have fewer calls than the limit allows. Needs Linux.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx2

from ingest.parse.watch import usage
from tests.benchmarks.batch_scale import bytes_on_disk
from tests.benchmarks.long_pdf import text_page
from tests.crash.batch_kills import prepared, wait
from tests.crash.service import Service
from tests.pdfs import pdf

_WINDOW = 8_000
_LOOK_S = 0.2


class Memory(threading.Thread):
    """Watches a process and what it started."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._pid = pid
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(_LOOK_S):
            self.peak = max(self.peak, usage(self._pid).memory_bytes)

    def stop(self) -> int:
        self._ended.set()
        self.join()
        return self.peak


def measure(pages: int, limit: int, delay_s: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="scale") as folder:
        file, home = Path(folder) / "long.pdf", Path(folder) / "home"
        file.write_bytes(pdf(*map(text_page, range(pages))))
        home.mkdir()
        with prepared(home, 1, delay_s=delay_s, at_once=limit, window=_WINDOW) as (
            service,
            provider,
        ):
            assert service.process is not None
            memory = Memory(service.process.pid)
            memory.start()
            begun = time.monotonic()
            document = _read(service, file)
            read = time.monotonic()
            disk, reading = bytes_on_disk(home, "*.db"), memory.peak
            order = {"kind": "summary", "documents": [document["id"]]}
            sent = httpx2.post(f"{service.url}/v1/analyses", json=order, timeout=60)
            analysis = sent.raise_for_status().json()
            job = wait(service, analysis["job_id"], look_s=0.5)
            ended = time.monotonic()
            found = httpx2.get(f"{service.url}/v1/analyses/{analysis['id']}", timeout=60).json()
            peak = memory.stop()
            service.stop()
            grown = bytes_on_disk(home, "*.db*") - disk
    coverage = found["coverage"]
    chunks = coverage["chunks_total"]
    ledger = sorted(one.began for one in provider.ledger)[: coverage["chunks_read"]]
    pace = len(ledger) / (ledger[-1] - ledger[0] + delay_s)
    return {
        "pages": pages,
        "seconds to read": round(read - begun, 1),
        "seconds to summarize": round(ended - read, 1),
        "parts read": f"{coverage['chunks_read']} of {chunks}",
        "calls": provider.total,
        "items done": job["progress"]["done"],
        "calls a second, parts": round(pace, 1),
        "of what the limit allows": f"{pace / (limit / delay_s):.0%}",
        "most calls at once": provider.most_in_flight(),
        "peak MB while reading": round(reading / 1e6),
        "peak MB": round(peak / 1e6),
        "grown on disk MB": round(grown / 1e6, 1),
    }


def _read(service: Service, file: Path) -> Any:
    with file.open("rb") as stream:
        files = {"file": (file.name, stream)}
        sent = httpx2.post(f"{service.url}/v1/documents", files=files, timeout=120)
    document = sent.raise_for_status().json()["document"]
    wait(service, document["job_id"], look_s=0.5)
    return document


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=2_000)
    parser.add_argument("--limit", type=int, default=64)
    parser.add_argument("--delay", type=float, default=1.0, help="Seconds that a call takes.")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = measure(given.pages, given.limit, given.delay)
    for name, value in rows.items():
        print(f"{name:<26} {value:>14}")
    if given.json:
        given.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
