"""The composition root: builds everything from settings, and is the only reader of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.engines import by_id
from api.home import Home
from api.page_images import PageRenderer
from api.settings import Settings
from api.tracing import open_tracer
from ingest import pipeline as line
from ingest.chunk import complete
from ingest.intake import Incoming, display_name, receive
from ingest.originals import Originals
from ingest.pipeline import Pipeline
from rag.catalog import Catalog
from rag.catalog.database import Database, is_server, open_database, open_sqlite
from rag.catalog.vectors import VectorStore
from rag.embedding import Embedder
from rag.embedding.registry import open_embedder
from rag.errors import ConfigurationError, Conflict, NotFound
from rag.guard import Detector, PatternDetector
from rag.indexes import Indexes
from rag.models import prompts
from rag.models.budget import BudgetLimits, Budgets
from rag.models.engine import Engine
from rag.models.limits import read_limits
from rag.models.monitor import Monitor
from rag.models.observe import Observers
from rag.models.offline.reader import Reader, open_reader
from rag.models.offline.reranking import open_reranking
from rag.models.offline.supporting import open_supporting
from rag.models.pages import Look
from rag.models.pricing import Pricing, load_pricing
from rag.models.prompts import Prompt
from rag.models.registry import Resources, open_engine
from rag.models.traced import TracedEngine
from rag.retrieve import Retriever
from rag.support import Judge
from rag.trace import Tracer
from rag.types import Collection, Document
from rag.vectors import OpenVectors
from rag.vectors.registry import vector_indexes

DEFAULT_COLLECTION = "default"
_DELETED_AT_ONCE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts of a running Ibidem, put together."""

    settings: Settings
    home: Home
    catalog: Catalog
    originals: Originals
    embedder: Embedder
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
            Conflict: the collection's model is not this process's.
        """
        if collection.embedder != self.embedder.id:
            raise Conflict(
                f"Collection {collection.name!r} is embedded with {collection.embedder}, and this "
                f"service uses {self.embedder.id}; set IBIDEM_EMBEDDER back, or use a new "
                "collection.",
                param="collection",
            )

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
        documents = self.catalog.documents
        while page := documents.page(tenant, collection, limit=_DELETED_AT_ONCE):
            with self._forgetting([document.id for document in page]):
                for document in page:
                    # Somebody else may be deleting it too.
                    with suppress(NotFound):
                        self.catalog.versions.delete(tenant, document.id)
        self.catalog.garbage.collect(self.originals.discard)
        self.indexes.drop(collection)
        self.catalog.collections.delete(tenant, collection.id)

    @contextmanager
    def _forgetting(self, document_ids: Sequence[str]) -> Iterator[None]:
        """Forget the passwords of these documents, and files inside them, that are then gone."""
        concerned = {*document_ids, *self.catalog.attachments.inside(document_ids)}
        try:
            yield
        finally:  # also of those that were deleted before an error
            for gone in concerned - self.catalog.documents.names(list(concerned)).keys():
                self.pipeline.passwords.forget(gone)


@contextmanager
def open_services(
    settings: Settings, *, address: str | None = None, shared: bool = False
) -> Iterator[Services]:
    """Own the home and build everything; closed on leaving.

    ``shared`` is for work beside the process that owns home and database.

    Raises:
        HomeBusy: another process owns the home or the database.
        ConfigurationError: a setting names something that does not exist, or nothing that can be
            shared.
    """
    home = Home(path=settings.home)
    if shared:
        _check_shareable(settings)
        home.path.mkdir(parents=True, exist_ok=True)
    with (
        nullcontext() if shared else home.owned(address=address),
        _databases(settings, home, shared=shared) as databases,
        vector_indexes(settings.index, folder=home.indexes) as open_vectors,
        open_tracer(settings.otlp_endpoint) as tracer,
    ):
        services = _build(settings, home, *databases, open_vectors, tracer)
        if not shared:
            _tidy(services)
        try:
            yield services
        finally:
            services.catalog.close()


def _check_shareable(settings: Settings) -> None:
    url = settings.database_url
    if url is None or not is_server(url):
        raise ConfigurationError(
            "Several processes work together on a database server only: set IBIDEM_DATABASE_URL "
            "to postgresql+psycopg://... for all of them. On SQLite the service does all the work."
        )
    if settings.index != "faiss":
        raise ConfigurationError(
            f"IBIDEM_INDEX={settings.index} has one process that keeps it in step; workers need "
            "IBIDEM_INDEX=faiss, an index of each process's own."
        )


@contextmanager
def _databases(
    settings: Settings, home: Home, *, shared: bool
) -> Iterator[tuple[Database, Database]]:
    """The catalog's database and that of the vectors, ours alone: two files, or one server's."""
    url = settings.database_url
    database = open_database(url or f"sqlite:///{home.catalog}")
    with closing(database), nullcontext() if shared else database.owned():
        if url and is_server(url):
            vectors = open_database(url, writers_lock=2)
        else:
            vectors = open_sqlite(home.vectors)
        with closing(vectors):  # also when what follows cannot be built
            yield database, vectors


def _tidy(services: Services) -> None:
    """Put away what a process that died left lying: half uploads, half deletions."""
    catalog, originals = services.catalog, services.originals
    originals.clear_incoming()
    catalog.requests.release_unsettled()
    catalog.work.forget_unfinished_orders()
    catalog.versions.delete_orphans()
    catalog.garbage.collect(originals.discard)
    for sha256 in set(originals.all()) - catalog.inspection.contents().keys():
        catalog.garbage.discard_orphan(sha256, originals.discard)


def _build(
    settings: Settings,
    home: Home,
    database: Database,
    vectors: Database,
    open_vectors: OpenVectors,
    tracer: Tracer,
) -> Services:
    embedder = open_embedder(
        settings.embedder, cache=home.models, api_key=settings.embedder_api_key
    )
    catalog = Catalog(database, VectorStore(vectors))
    originals = Originals(home.originals)
    indexes = Indexes(catalog, embedder, open_vectors)
    monitor = Monitor()
    reader = open_reader(settings.reader)
    models = Resources(
        embedder=embedder,
        reader=reader,
        openai_api_key=settings.openai_api_key,
        anthropic_api_key=settings.anthropic_api_key,
        compatible_api_key=settings.compatible_api_key,
        replies=catalog.replies,
        secret=home.secret(),
        meter=Observers([monitor, catalog.usage]),
        pricing=load_pricing(settings.pricing) if settings.pricing else Pricing(),
        tracer=tracer,
        limits=read_limits(settings.limits) if settings.limits else {},
        detector=_detector(settings.redact),
        look=_look(settings.page_images, catalog, originals),
    )
    engines = by_id(
        TracedEngine(open_engine(name, models), tracer)
        for name in (settings.engine, *settings.engines, "offline")
    )
    return Services(
        settings=settings,
        home=home,
        catalog=catalog,
        originals=originals,
        embedder=embedder,
        pipeline=Pipeline(
            catalog=catalog,
            originals=originals,
            embedder=embedder,
            ocr_languages=settings.ocr_languages,
        ),
        indexes=indexes,
        retriever=_retriever(settings, catalog, indexes, embedder, reader),
        engine=next(iter(engines.values())),
        engines=engines,
        models=models,
        judge=open_supporting(reader),
        pricing=models.pricing,
        monitor=monitor,
        tracer=tracer,
        budgets=Budgets(
            BudgetLimits(
                request_usd=settings.budget_request_usd,
                job_usd=settings.budget_job_usd,
                key_usd=settings.budget_key_usd,
                day_usd=settings.budget_usd,
            ),
            catalog.usage,
        ),
    )


def _retriever(
    settings: Settings,
    catalog: Catalog,
    indexes: Indexes,
    embedder: Embedder,
    reader: Reader | None,
) -> Retriever:
    """What searches, and reranks by the reader where that was found to be better."""
    reranking = open_reranking(reader)
    if settings.rerank != "none" and reranking is None:
        raise ConfigurationError(
            "IBIDEM_RERANK is reader, and there is no reader that was found to rank better: name "
            "one in IBIDEM_READER, or set IBIDEM_RERANK to none."
        )
    return Retriever(catalog, indexes, embedder, reranking)


def _detector(redact: str) -> Detector | None:
    """What finds the kinds of things that are named, parted by commas."""
    if redact == "none":
        return None
    return PatternDetector(kind.strip() for kind in redact.split(","))


def _look(most: int | None, catalog: Catalog, originals: Originals) -> Look | None:
    """What shows so many pages to language models, if any."""
    return Look(images=PageRenderer(catalog, originals), most=most) if most else None
