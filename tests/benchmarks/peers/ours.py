"""Ibidem: uploads, the durable job store, SQL, both indexes; all in one process, without HTTP.

The variant is the embedder's name. ``ingest`` counts a file as done when its bytes are synced
to disk, parsed in a child process, and its chunks committed; the search that stops the clock
brings the vector and the BM25 index up to date. Searching is hybrid, the default; by vectors
alone, as the peers do it, is timed beside it.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

from api.composition import open_services
from api.jobs import JobStore
from api.services import Services
from api.settings import Settings
from ingest.intake import Incoming
from rag.retrieve import Mode, SearchRequest
from rag.types import Collection, JobStatus
from tests.benchmarks.peers.contract import CHUNK_TOKENS, TOP_K, System, main

_TENANT = "benchmark"
_COLLECTION = "files"
_POLL_SECONDS = 0.03


class Ibidem(System):
    services: Services
    collection: Collection

    def load(self) -> None:
        self._closing = ExitStack()
        settings = Settings(home=self.index, embedder=self.variant)
        self.services = self._closing.enter_context(open_services(settings))
        self.jobs = JobStore(
            self.services.job_store, self.services.pipeline, workers=settings.workers
        )
        self.jobs.start()
        self._closing.callback(self.jobs.stop)
        self.services.embedder.embed_passages(["warm up"])
        self.collection = self.services.catalog.collections.create(
            _TENANT,
            _COLLECTION,
            embedder=self.services.embedder.id,
            chunking={"strategy": "recursive", "size": CHUNK_TOKENS, "overlap": 0},
        )

    def ingest(self, files: Path) -> int:
        documents = []
        for path in sorted(files.iterdir()):
            incoming = Incoming(name=path.name, declared_type="text/plain", metadata={})
            document, _ = self.services.upload(self.collection, incoming, [path.read_bytes()])
            self.jobs.submit(document.job_id)
            documents.append(document)
        catalog = self.services.catalog
        while catalog.jobs.count_unfinished():
            time.sleep(_POLL_SECONDS)
        for document in documents:
            job = catalog.jobs.get(_TENANT, document.job_id)
            if job.status is not JobStatus.COMPLETED:
                raise RuntimeError(f"{document.name}: {job.status}, {job.error}")
        return sum(catalog.documents.get(_TENANT, d.id).chunk_count for d in documents)

    def open(self) -> None:
        self._closing = ExitStack()
        settings = Settings(home=self.index, embedder=self.variant)
        self.services = self._closing.enter_context(open_services(settings))
        self.collection = self.services.catalog.collections.find(_TENANT, _COLLECTION)

    def search(self, query: str) -> list[str]:
        return self._search(query, Mode.HYBRID)

    def search_dense(self, query: str) -> list[str]:
        return self._search(query, Mode.DENSE)

    def _search(self, query: str, mode: Mode) -> list[str]:
        request = SearchRequest(query=query, collections=(self.collection,), top_k=TOP_K, mode=mode)
        return [passage.text for passage in self.services.retriever.search(request)]

    def close(self) -> None:
        self._closing.close()


if __name__ == "__main__":
    main(Ibidem)
