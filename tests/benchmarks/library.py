"""A folder of documents behind the real service's parts, to ask questions of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from api.composition import open_services
from api.services import Services
from api.settings import Settings
from ingest.intake import Incoming
from ingest.originals import file_parts
from ingest.pipeline import ingest
from rag.answer import answer
from rag.errors import IbidemError
from rag.locate import locate
from rag.retrieve import SearchRequest
from rag.types import Answer, Collection, Document, DocumentStatus

_TENANT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """Ingested files by name, and the reason why each of the others could not be read."""

    services: Services
    collection: Collection
    documents: Mapping[str, Document]
    unread: Mapping[str, str]

    def ask(self, question: str, top_k: int) -> Answer:
        """What the service answers, with the passages that it read, best first."""
        request = SearchRequest(query=question, collections=(self.collection,), top_k=top_k)
        passages = self.services.retriever.search(request)
        texts = self.services.catalog.texts
        return answer(question, passages=passages, engine=self.services.engine, source=texts)

    def place(self, name: str, quote: str) -> tuple[int, int] | None:
        """Where a quote stands in a file's text; ``None`` when it is not there as quoted."""
        document = self.documents[name]
        text = self.services.catalog.texts.read(document.id, 0, document.text_length)
        found = locate(quote, text)
        return None if found is None else (found.start, found.end)


@contextmanager
def open_library(
    home: Path,
    files: Sequence[Path],
    *,
    models: Path,
    embedder: str = "onnx",
    reader: str = "none",
) -> Iterator[Library]:
    """Ingest what ``home`` does not hold yet, with the plain loop; yield what can be asked.

    ``models`` is a folder of converted models that homes share.
    """
    home.mkdir(parents=True, exist_ok=True)
    models.mkdir(parents=True, exist_ok=True)
    if not (home / "models").exists():
        (home / "models").symlink_to(models.resolve())
    with open_services(Settings(home=home, embedder=embedder, reader=reader)) as services:
        collection = services.collection(_TENANT, None)
        unread: dict[str, str] = {}
        for path in files:
            try:
                incoming = Incoming(name=path.name, metadata={})
                services.upload(collection, incoming, file_parts(path))
            except IbidemError as error:
                unread[path.name] = str(error)
        while jobs := services.catalog.jobs.unfinished():  # attachments bring further ones
            for job in jobs:
                ingest(services.pipeline, job)
        kept = services.catalog.documents.page(_TENANT, collection, limit=10_000)
        documents = {}
        for document in kept:
            if document.status is DocumentStatus.READY:
                documents[document.name] = document
            else:
                unread[document.name] = str((document.error or {}).get("message", document.status))
        yield Library(services=services, collection=collection, documents=documents, unread=unread)
