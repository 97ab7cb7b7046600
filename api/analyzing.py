"""Analyses over the services: which engine reads, and what is checked before one is taken in."""

from __future__ import annotations

from api.engines import choose_engine
from api.scopes import existing
from api.services import Services
from rag.analysis.library import GivenText, Library, StoredTexts
from rag.analysis.plan import DryRun, dry_run
from rag.analysis.requests import Request, check
from rag.analysis.work import Analyses
from rag.errors import NotFound
from rag.models.engine import Context, Engine
from rag.types import Collection

KIND = "analysis"


def analysis_work(services: Services) -> Analyses:
    """The `rag.work.Work` of analyses."""
    return Analyses(
        library=lambda tenant: StoredTexts(services.catalog, tenant),
        engine=lambda spec, request: engine_of(services, spec.tenant, request),
    )


def engine_of(services: Services, tenant: str, request: Request) -> Engine:
    """What reads for a request: the engine that it names, else the collection's, else the default.

    Raises:
        InvalidRequest: There is no such engine.
        NotFound: The collection was deleted.
    """
    found: tuple[Collection, ...] = ()
    if request.scope.collection is not None:
        one = existing(services, tenant, request.scope.collection)
        found = () if one is None else (one,)
    return choose_engine(services.engines, request.engine, found)


def prepare(services: Services, tenant: str, request: Request) -> Engine:
    """Refuse what cannot be done before it is taken in; returns what will read.

    Raises:
        RequestError: The message says what is wrong.
    """
    check(request)
    engine = engine_of(services, tenant, request)
    scope = request.scope
    texts = library_of(services, tenant, request).texts(scope)
    if next(texts, None) is None:
        raise NotFound(
            "There is nothing to analyze: no document of the collection that can be read passes "
            "the filter.",
            param="collection",
        )
    for _ in texts if scope.documents else ():
        pass  # each of them is there, and has been read
    return engine


def forecast(services: Services, context: Context, request: Request) -> DryRun:
    """What an analysis would take.

    Raises:
        RequestError: It cannot be done.
    """
    engine = prepare(services, context.tenant, request)
    return dry_run(request, library_of(services, context.tenant, request), engine, context)


def library_of(services: Services, tenant: str, request: Request) -> Library:
    """Where the text of a request is read."""
    text = request.scope.text
    return StoredTexts(services.catalog, tenant) if text is None else GivenText(text)
