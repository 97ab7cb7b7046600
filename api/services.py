"""The parts of a running Ibidem, put together, and what takes several of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.home import Home
from api.settings import Settings
from ingest import pipeline as line
from ingest.chunk import complete
from ingest.intake import Incoming, display_name, receive
from ingest.originals import Originals
from ingest.pipeline import Pipeline
from rag.catalog import Catalog
from rag.catalog.editions import as_edition
from rag.catalog.opening import is_server
from rag.embedding import Embedder
from rag.embedding.several import Embedders
from rag.errors import Conflict, NotFound
from rag.indexes import Indexes
from rag.models import prompts
from rag.models.budget import Budgets
from rag.models.engine import Engine
from rag.models.monitor import Monitor
from rag.models.pricing import Pricing
from rag.models.prompts import Prompt
from rag.models.registry import Resources
from rag.retrieve import Retriever
from rag.support import Judge
from rag.trace import Tracer
from rag.types import Collection, Document

DEFAULT_COLLECTION = "default"
_DELETED_AT_ONCE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts of a running Ibidem, put together."""

    settings: Settings
    home: Home
    catalog: Catalog
    originals: Originals
    embedders: Embedders
    pipeline: Pipeline
    indexes: Indexes
    retriever: Retriever
    engine: Engine
    """What answers when a request names no engine."""
    engines: Mapping[str, Engine]
    """Every engine that a request may name; the default comes first."""
    models: Resources
    """What engines work with."""
    judge: Judge | None
    """Says how well quotes support what is said; without one that stays unknown."""
    pricing: Pricing
    monitor: Monitor
    tracer: Tracer
    budgets: Budgets

    @property
    def embedder(self) -> Embedder:
        """The embedding model of new collections."""
        return self.embedders.first

    @property
    def job_store(self) -> Path | str:
        """Where the job store keeps its records: a file, or the URL of the catalog's server."""
        return str(self.settings.database_url) if self.shares_database else self.home.jobs

    @property
    def shares_database(self) -> bool:
        """Whether the catalog is a server's, which workers reach too."""
        url = self.settings.database_url
        return url is not None and is_server(url)

    def reranks(self, asked: bool | None) -> bool:
        """Whether passages are reranked: as a request says, else as the service is set."""
        return asked if asked is not None else self.settings.rerank != "none"

    def chunking(self, config: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """A collection's chunking: what is given, and else what suits the embedding model.

        Raises:
            InvalidRequest: it names something unknown, or makes no sense with this model.
        """
        return complete(config or {}, self.embedder.window)

    def collection(self, tenant: str, name_or_id: str | None) -> Collection:
        """The named collection; the default one is made when it is first asked for.

        Raises:
            NotFound: the tenant has no such collection.
        """
        name = name_or_id or DEFAULT_COLLECTION
        with suppress(NotFound):
            return self.catalog.collections.find(tenant, name)
        if name == DEFAULT_COLLECTION:
            with suppress(Conflict):  # another request may be making it at this moment
                self.catalog.collections.create(
                    tenant, name, embedder=self.embedder.id, chunking=self.chunking()
                )
        return self.catalog.collections.find(tenant, name)

    def prompt(self, tenant: str, name: str, version: int | None = None) -> Prompt:
        """A version of a prompt that comes with Ibidem, or of the tenant's own; else the newest.

        Raises:
            NotFound: there is none.
        """
        if name in prompts.load():
            return prompts.find(name, version)
        stored = self.catalog.prompts.find(tenant, name, version)
        return prompts.read_prompt(stored.text, stored.version)

    def check_embedder(self, collection: Collection) -> None:
        """Refuse documents that this process would embed with another model than the others.

        Raises:
            Conflict: the collection's model is none of this process's.
        """
        self.embedders.of(collection)

    def upload(
        self, collection: Collection, incoming: Incoming, parts: Iterable[bytes]
    ) -> tuple[Document, bool]:
        """Store a document; true when there is new work for the job store. See `receive`."""
        self.check_embedder(collection)
        limit = self.settings.max_upload_bytes
        return receive(self.catalog, self.originals, collection, incoming, parts, limit=limit)

    def delete(self, tenant: str, document_id: str) -> None:
        """Delete a document and everything derived from it.

        Raises:
            NotFound: the tenant has no such document.
        """
        with self._forgetting([document_id]):
            try:
                self.catalog.versions.delete(tenant, document_id)
            except NotFound:
                line.finish_deletions(self.pipeline)  # it may be gone, and not all that was in it
                raise
        self.catalog.garbage.collect(self.originals.discard)

    def settle(self, collection: Collection, source: str, removed: Sequence[str]) -> list[str]:
        """Delete what files of a source are done with; returns the ids. See `Sources.release`."""
        sources = self.catalog.sources
        outdated = sources.outdated(collection.id, source, removed)
        for one, paths in outdated.items():
            # Before the files are forgotten: what is interrupted in between is done again.
            staying = sources.staying(collection.id, source, removed, one)
            self._rename(collection, one, paths, staying)
        with self._forgetting(list(outdated)):
            deleted = [
                one for one in outdated if sources.release(collection.id, source, removed, one)
            ]
        self.catalog.garbage.collect(self.originals.discard)
        return deleted

    def _rename(
        self, collection: Collection, document_id: str, gone: Sequence[str], staying: Sequence[str]
    ) -> None:
        """Call a document as a file of it that stays, when it bears the name of one gone."""
        names = [display_name(path) for path in staying]
        with suppress(NotFound):  # deleted meanwhile
            document = self.catalog.documents.get(collection.tenant, document_id)
            if names and document.name in {display_name(path) for path in gone}.difference(names):
                self.catalog.documents.update(collection.tenant, document_id, name=names[0])

    def delete_collection(self, tenant: str, collection: Collection) -> None:
        """Delete a collection with all of its documents.

        Raises:
            NotFound: the tenant has no such collection.
            Conflict: documents keep being added to it.
        """
        for edition in self.catalog.editions.of(collection.id):
            if edition.job_id is not None:
                with suppress(Conflict):  # it may have ended just now
                    self.catalog.work.cancel(edition.job_id)
        documents = self.catalog.documents
        while page := documents.page(tenant, collection, limit=_DELETED_AT_ONCE):
            with self._forgetting([document.id for document in page]):
                for document in page:
                    # Somebody else may be deleting it too.
                    with suppress(NotFound):
                        self.catalog.versions.delete(tenant, document.id)
        self.catalog.garbage.collect(self.originals.discard)
        editions = self.catalog.editions.of(collection.id)
        for edition in editions:
            self.indexes.drop(as_edition(collection, edition))
        self.catalog.collections.delete(tenant, collection.id)
        for edition in editions:  # a search may have opened it once more
            self.indexes.drop(as_edition(collection, edition))

    @contextmanager
    def _forgetting(self, document_ids: Sequence[str]) -> Iterator[None]:
        """Forget the passwords of these documents, and files inside them, that are then gone."""
        concerned = {*document_ids, *self.catalog.attachments.inside(document_ids)}
        try:
            yield
        finally:  # also of those that were deleted before an error
            for gone in concerned - self.catalog.documents.names(list(concerned)).keys():
                self.pipeline.passwords.forget(gone)
