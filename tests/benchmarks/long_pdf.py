"""``python -m tests.benchmarks.long_pdf``: what a PDF of 2,000 pages takes of the memory.

A real service on a home of its own reads one PDF, whose pages are filled with generated prose,
until it can be searched; with ``--scan`` they are pictures of it, which Tesseract has to read:
that takes seconds a page, so take fewer ``--pages``. Looked at five times a second: the resident
memory of the service and of all its children together, pages that they share counted in each.
Needs Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

import httpx2

from ingest.parse.watch import usage
from tests.benchmarks import corpus
from tests.crash.service import Service
from tests.pdfs import pdf, prose
from tests.scans import drawing, scan

_LINES, _WIDTH = 42, 90
_LINES_OF_SCAN, _WIDTH_OF_SCAN = 26, 48  # A5
_MOST_MB = 1_500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=2_000)
    parser.add_argument("--scan", action="store_true", help="pictures of pages, without text")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ibidem-long-") as folder:
        figures = measure(Path(folder), arguments.pages, scanned=arguments.scan)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))
    for name, value in figures.items():
        print(f"{name:22} {value}")
    sys.exit(int(figures["peak_mb"] > _MOST_MB or figures["status"] != "ready"))


def measure(work: Path, pages: int, *, scanned: bool) -> dict[str, object]:
    """Read one PDF of so many pages; what that took, in megabytes and seconds."""
    file = work / "long.pdf"
    file.write_bytes(pdf(*map(_scan if scanned else text_page, range(pages))))
    service = Service(home=work / "home")
    service.spawn()
    try:
        service.wait_ready()
        assert service.process is not None
        pid = service.process.pid
        with httpx2.Client(base_url=f"{service.url}/v1", timeout=60) as client:
            at_rest = usage(pid).memory_bytes
            begun = time.monotonic()
            with file.open("rb") as stream:
                sent = client.post("/documents", files={"file": ("long.pdf", stream)})
            document_id, peak = sent.raise_for_status().json()["document"]["id"], {"": at_rest}
            while True:
                document = client.get(f"/documents/{document_id}").json()
                job = client.get(f"/jobs/{document['job_id']}").json()
                for _ in range(5):
                    unit = job["progress"]["unit"] or ""
                    peak[unit] = max(peak.get(unit, 0), usage(pid).memory_bytes)
                    time.sleep(0.2)
                if document["status"] in ("ready", "failed"):
                    break
            seconds = time.monotonic() - begun
            client.post("/search", json={"query": "sediment survey"}).raise_for_status()
            peak["search"] = usage(pid).memory_bytes
        return {
            "pages": document["page_count"],
            "characters": document["text_length"],
            "chunks": document["chunk_count"],
            "status": document["status"],
            "at_rest_mb": at_rest // 1_000_000,
            "while_reading_mb": peak.get("pages", 0) // 1_000_000,
            "while_embedding_mb": peak.get("chunks", 0) // 1_000_000,
            "after_a_search_mb": peak["search"] // 1_000_000,
            "peak_mb": max(peak.values()) // 1_000_000,
            "seconds": round(seconds, 1),
        }
    finally:
        service.stop()


def text_page(number: int) -> str:
    return prose(54, 750, _text(number, _WIDTH), size=11)


def _scan(number: int) -> str:
    return drawing(scan(_text(number, _WIDTH_OF_SCAN)[:_LINES_OF_SCAN]), 420, 595)


def _text(number: int, width: int) -> list[str]:
    words = (word for one in corpus.prose(random.Random(number)) for word in one.split())
    lines, row = [f"Page {number + 1}"], ""
    for word in words:
        if len(row) + len(word) > width:
            lines.append(row)
            row = ""
        if len(lines) == _LINES:
            break
        row += f"{word} "
    return lines


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
