"""The composition root: builds everything from settings, and is the only reader of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from functools import partial

from api.engines import by_id
from api.home import Home
from api.page_images import PageRenderer
from api.services import Services
from api.settings import Settings
from api.tracing import open_tracer
from ingest.originals import Originals
from ingest.pipeline import Pipeline
from rag.catalog import Catalog
from rag.catalog.database import Database
from rag.catalog.opening import is_server, open_database, open_sqlite
from rag.catalog.vectors import VectorStore
from rag.cross_encoder import CrossEncoderRerank
from rag.embedding import Embedder
from rag.embedding.registry import open_embedder
from rag.embedding.several import Embedders
from rag.errors import ConfigurationError
from rag.guard import Detector, PatternDetector
from rag.indexes import Indexes
from rag.lexical_store import LexicalStore
from rag.models.budget import BudgetLimits, Budgets
from rag.models.limits import ProviderLimits, read_limits
from rag.models.monitor import Monitor
from rag.models.observe import Observers
from rag.models.offline.reader import Reader, open_reader
from rag.models.offline.reranking import open_reranking
from rag.models.offline.supporting import open_supporting
from rag.models.pages import Look
from rag.models.pricing import Pricing, load_pricing
from rag.models.registry import Resources, open_engine
from rag.models.traced import TracedEngine
from rag.rerank import Rerank
from rag.retrieve import Retriever
from rag.support import Judge
from rag.trace import Tracer
from rag.vectors import OpenVectors
from rag.vectors.registry import vector_indexes


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
        lexical = LexicalStore(None if shared else home.indexes / "lexical")
        services = _build(settings, home, *databases, open_vectors, lexical, tracer)
        if not shared:
            _tidy(services)
        try:
            yield services
        finally:
            services.indexes.close()
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
    lexical: LexicalStore,
    tracer: Tracer,
) -> Services:
    embedders = _embedders(settings, home)
    embedder = embedders.first
    catalog = Catalog(database, VectorStore(vectors))
    originals = Originals(home.originals)
    indexes = Indexes(catalog, embedders, open_vectors, lexical)
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
        limits=ProviderLimits(
            read_limits(settings.limits) if settings.limits else {}, catalog.places
        ),
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
        embedders=embedders,
        pipeline=Pipeline(
            catalog=catalog,
            originals=originals,
            embedders=embedders,
            ocr_languages=settings.ocr_languages,
        ),
        indexes=indexes,
        retriever=_retriever(settings, catalog, indexes, reader),
        engine=next(iter(engines.values())),
        engines=engines,
        models=models,
        judge=_judge(settings, reader, embedder),
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


def _embedders(settings: Settings, home: Home) -> Embedders:
    """That of the settings, and those that a collection may have besides."""
    open_named = partial(open_embedder, cache=home.models, api_key=settings.embedder_api_key)
    names = (*settings.embedders, "onnx", "onnx-fp32")
    return Embedders(
        open_named(settings.embedder),
        name=settings.embedder,
        others={name: partial(open_named, name) for name in names},
    )


def _judge(settings: Settings, reader: Reader | None, embedder: Embedder) -> Judge | None:
    """What judges support: with the packaged model alone, never by calls of another's."""
    packaged = settings.embedder in ("onnx", "onnx-fp32")
    return open_supporting(reader, embedder) if packaged else None


def _retriever(
    settings: Settings,
    catalog: Catalog,
    indexes: Indexes,
    reader: Reader | None,
) -> Retriever:
    """What searches, and reranks if it is set to, or by the reader where that is better."""
    return Retriever(catalog, indexes, _rerank(settings.rerank, reader))


def _rerank(name: str, reader: Reader | None) -> Rerank | None:
    kind, _, model = name.partition(":")
    if kind == "cross-encoder":
        return CrossEncoderRerank(model)
    reranking = open_reranking(reader)
    if kind != "none" and reranking is None:
        raise ConfigurationError(
            "IBIDEM_RERANK is reader, and there is no reader that was found to rank better: name "
            "one in IBIDEM_READER, or set IBIDEM_RERANK to none."
        )
    return reranking


def _detector(redact: str) -> Detector | None:
    """What finds the kinds of things that are named, parted by commas."""
    if redact == "none":
        return None
    return PatternDetector(kind.strip() for kind in redact.split(","))


def _look(most: int | None, catalog: Catalog, originals: Originals) -> Look | None:
    """What shows so many pages to language models, if any."""
    return Look(images=PageRenderer(catalog, originals), most=most) if most else None
