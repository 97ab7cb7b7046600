"""`kill -9` while a long document is read: it goes on behind the last finished batch."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from api.composition import open_services
from api.jobs import JobStore
from api.settings import Settings
from ingest import pipeline as line
from ingest.intake import Incoming
from ingest.parse import Limits, parse, reading
from rag.errors import CorruptDocument
from rag.types import DocumentStatus, Job
from tests.pdfs import pdf, prose
from tests.thorough import THOROUGH

PAGES = 960 if THOROUGH else 640
ENOUGH_S = 60
WORK = """
import sys, time
from functools import partial
from pathlib import Path
from api.jobs import JobStore
from api.composition import open_services
from api.settings import Settings
from ingest import pipeline
from ingest.parse import Limits, reading
reading.Limits = partial(Limits, batch_s=0.0)
pipeline.FIRST_BATCH = Limits(batch_s=0.0)
with open_services(Settings(home=Path(sys.argv[1]))) as services:
    JobStore(services.home.jobs, services.pipeline, workers=1).start()
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def short_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "Limits", partial(Limits, batch_s=0.0))
    monkeypatch.setattr(line, "FIRST_BATCH", Limits(batch_s=0.0))


def report(pages: int) -> bytes:
    sentence = "Pump {} of hall {} was inspected and its seal replaced."
    return pdf(*(prose(72, 700, [sentence.format(k, n) for k in range(2)]) for n in range(pages)))


def test_a_killed_process_costs_no_finished_batch(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = tmp_path / "report.pdf"
    original.write_bytes(report(PAGES))
    settings = Settings(home=home)
    with open_services(settings) as services:
        incoming = Incoming(name="report.pdf", metadata={})
        collection = services.collection("default", None)
        document, _ = services.upload(collection, incoming, [original.read_bytes()])
    killed_behind = [kill_behind(settings.home, pages) for pages in (64, 256)]
    asked: list[int] = []
    real = line.read

    def noted(*arguments: object, after: object = None, **options: object) -> object:
        asked.append(after.done if after else 0)  # type: ignore[attr-defined]
        return real(*arguments, after=after, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(line, "read", noted)
    with open_services(settings) as services:
        store = JobStore(services.home.jobs, services.pipeline, workers=1)
        store.start()
        wait_until(lambda: services.catalog.jobs.count_unfinished() == 0)
        store.stop()
        read = services.catalog.documents.get("default", document.id)
        text = services.catalog.texts.read(document.id, 0, read.text_length)
        assert read.status is DocumentStatus.READY
        assert services.catalog.inspection.orphans() == []
    assert killed_behind[0] < killed_behind[1] <= asked[0]
    assert asked == list(range(asked[0], PAGES, 32))
    assert text == parse(original, "application/pdf").text
    assert batches(settings.home) == []


def kill_behind(home: Path, pages: int) -> int:
    """Let a process read until so many pages are kept, kill it, and say how many then are."""
    with subprocess.Popen([sys.executable, "-c", WORK, str(home)]) as worker:
        wait_until(lambda: max(batches(home), default=0) >= pages)
        worker.send_signal(signal.SIGKILL)
    return max(batches(home))


def batches(home: Path) -> list[int]:
    connection = sqlite3.connect(f"file:{home / 'catalog.db'}?mode=ro", uri=True)
    try:
        return [row[0] for row in connection.execute("SELECT done FROM batches ORDER BY done")]
    finally:
        connection.close()


def wait_until(condition: object) -> None:
    deadline = time.monotonic() + ENOUGH_S
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_progress_is_told_in_pages_and_stopping_waits_for_one_batch_only(home: Path) -> None:
    class Stopped(Exception):
        """What the caller raises between batches."""

    def stop_at(pages: int) -> None:
        if current().done >= pages:
            raise Stopped

    def current() -> Job:
        job = services.catalog.jobs.find(document.job_id)
        assert job is not None
        return job

    with open_services(Settings(home=home)) as services:
        incoming = Incoming(name="report.pdf", metadata={})
        collection = services.collection("default", None)
        document, _ = services.upload(collection, incoming, [report(100)])
        for pages in (32, 64):
            with pytest.raises(Stopped):
                line.begin(services.pipeline, current(), between=lambda: stop_at(pages))  # noqa: B023
            assert (current().done, current().total, current().unit) == (pages, 100, "pages")
        line.fail(services.pipeline, current(), CorruptDocument().as_dict())
        assert batches(home) == []


def test_beginnings_that_come_on_are_not_held_against_a_document(home: Path) -> None:
    class Died(Exception):
        """The end of the process, as it were."""

    def die() -> None:
        raise Died

    with open_services(Settings(home=home)) as services:
        incoming = Incoming(name="report.pdf", metadata={})
        collection = services.collection("default", None)
        count = line.MOST_BEGINNINGS + 2
        document, _ = services.upload(collection, incoming, [report(32 * count + 1)])
        for _ in range(count):
            job = services.catalog.jobs.find(document.job_id)
            assert job is not None
            with pytest.raises(Died):
                line.begin(services.pipeline, job, between=die)
        job = services.catalog.jobs.find(document.job_id)
        assert job is not None
        line.ingest(services.pipeline, job)
        read = services.catalog.documents.get("default", document.id)
        assert (read.status, read.page_count) == (DocumentStatus.READY, 32 * count + 1)
