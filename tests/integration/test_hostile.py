"""Hostile files, all through the door and the job store: each ends in text or in a reason."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from api.composition import open_services
from api.jobs import JobStore
from api.settings import Settings
from ingest.intake import Incoming
from rag.errors import DocumentError, RequestError
from rag.retrieve import SearchRequest
from rag.types import Document, DocumentStatus
from tests.bombs import bombs

TENANT = "default"
ENOUGH_S = 400
# They use up the processor time of their child, or make much text to embed: the benchmark
# `tests.benchmarks.hostile` has them.
LEFT_TO_THE_BENCHMARK = frozenset((
    "2-million-texts.pdf", "300000-paragraphs.docx", "2-million-cells.xlsx", "one-word.txt",
    "families.txt", "zalgo.txt", "dots.txt", "columns.csv", "open-quote.csv", "angles.html",
    "12000-members.zip", "20000-parts.eml", "emphasis.md", "quotes.md", "brackets.md", "nul.txt",
    "deep.rtf", "nested.zip", "same-boundary.eml", "nested.eml", "overrides.txt", "comments.html",
    "deep.json", "300mb-comment.png", "200mb.docx",
))  # fmt: skip
NAMES = (
    "../../../etc/canary{}",
    "..\\..\\canary{}",
    "C:\\canary{}",
    "a\x00\u202ecanary{}",
    "-rf {}",
)


@pytest.mark.timeout(ENOUGH_S + 60)
def test_every_bomb_ends_in_text_or_a_reason_while_searches_are_answered(
    tmp_path: Path, home: Path
) -> None:
    taken: list[tuple[str, Document]] = []
    refused: dict[str, str] = {}
    with open_services(Settings(home=home)) as services:
        collection = services.collection(TENANT, None)
        good = Incoming(name="good.txt", metadata={})
        services.upload(collection, good, [b"The pump in hall four is blue."])
        store = JobStore(services.home.jobs, services.pipeline, workers=2)
        store.start()
        try:
            for number, (name, data) in enumerate(bombs()):
                if name in LEFT_TO_THE_BENCHMARK:
                    continue
                shown = NAMES[number % len(NAMES)].format(Path(name).suffix)
                incoming = Incoming(name=shown, metadata={})
                try:
                    document, new = services.upload(collection, incoming, [data])
                except (DocumentError, RequestError) as error:
                    refused[name] = error.message
                else:
                    taken.append((name, document))
                    if new:
                        store.submit(document.job_id)
            deadline = time.monotonic() + ENOUGH_S
            request = SearchRequest(query="Which pump is blue?", collections=(collection,))
            while services.catalog.jobs.count_unfinished():
                assert time.monotonic() < deadline, "not all came to an end"
                assert services.retriever.search(request)
                time.sleep(0.2)
        finally:
            store.stop()
        ends = {name: services.catalog.documents.get(TENANT, d.id) for name, d in taken}
    assert len(refused) + len(ends) > 40
    for name, document in ends.items():
        if document.status is DocumentStatus.READY:
            assert document.chunk_count, f"{name} is ready without text"
        else:
            assert document.status is DocumentStatus.FAILED, name
            assert document.error is not None, name
            assert len(document.error["message"].split()) >= 4, (name, document.error)
    assert all(len(message.split()) >= 4 for message in refused.values())
    assert ends["fine.pdf"].status is DocumentStatus.READY
    assert "password" in str(ends["unknown-encryption.pdf"].error)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    assert not [path for path in home.rglob("*canary*")]
