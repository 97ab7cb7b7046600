"""Analyses over the services: which engine reads, and what is checked before one is taken in."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from api.door import check_id
from api.engines import choose_engine
from api.schemas.analyses import AnalysisResultOut, job_id_of
from api.schemas.common import StoredError
from api.schemas.findings import ChunkOut
from api.scopes import existing
from api.services import Services
from rag.analysis.library import GivenText, Library, StoredTexts
from rag.analysis.plan import DryRun, dry_run, headings_of
from rag.analysis.reading import Reading
from rag.analysis.requests import Kind, Request, check
from rag.analysis.reviewing import reviewed
from rag.analysis.work import Analyses, value_of
from rag.catalog.work import WorkState
from rag.errors import Conflict, NotFound
from rag.models.engine import Context, Engine
from rag.types import Collection, DocumentStatus, Job
from rag.work import Done, Failed

KIND = "analysis"
_AT_ONCE = 500


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
    if scope.documents:
        for text in texts:
            if text.unread is not None:
                raise text.unread
    elif all(text.unread is not None for text in texts):
        why = "no document of the collection that can be read passes the filter."
        raise NotFound(
            " ".join([f"There is nothing to analyze: {why}", *left_out(services, tenant, request)]),
            param="collection",
        )
    return engine


def left_out(services: Services, tenant: str, request: Request) -> list[str]:
    """What is in the collection of a request and has no text by now, in sentences for people."""
    scope = request.scope
    found = None if scope.collection is None else existing(services, tenant, scope.collection)
    if found is None:
        return []
    count = partial(_count_without_text, services, found, scope.filter)
    waiting = count(DocumentStatus.QUEUED) + count(DocumentStatus.PROCESSING)
    failed = count(DocumentStatus.FAILED)
    said = []
    if waiting:
        said.append(
            f"Documents of the collection that were not read yet, and are left out: {waiting}; "
            "analyze it again when they are."
        )
    if failed:
        said.append(
            f"Documents of the collection that could not be read, and are left out: {failed}."
        )
    return said


def _count_without_text(
    services: Services,
    collection: Collection,
    filter: Mapping[str, Any] | None,
    status: DocumentStatus,
) -> int:
    count, after = 0, None
    while True:
        page = services.catalog.documents.page(
            collection.tenant,
            collection,
            status=status,
            filter=filter,
            after=after,
            limit=_AT_ONCE,
        )
        count += sum(one.generation is None for one in page)
        if len(page) < _AT_ONCE:
            return count
        after = page[-1].id


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


def analysis_job(services: Services, tenant: str, analysis_id: str) -> Job:
    """The job that is an analysis.

    Raises:
        NotFound: The tenant has no such analysis.
    """
    check_id("anl", analysis_id, "analysis")
    job = None
    with suppress(NotFound):
        job = services.catalog.jobs.get(tenant, job_id_of(analysis_id))
    if job is None or job.kind != KIND:
        raise NotFound(f"No analysis {analysis_id!r}.", param="analysis")
    return job


def shown_analysis(services: Services, job: Job) -> AnalysisResultOut:
    """An analysis as it is told, with its result if there is one."""
    state = services.catalog.work.state(job)
    return AnalysisResultOut.with_result(job, state, _reviewed(services, job, state))


def result_of(services: Services, job: Job) -> dict[str, Any]:
    """What came of an analysis, with what people decided on it.

    Raises:
        Conflict: There is nothing yet, or no more.
    """
    found = _reviewed(services, job, services.catalog.work.state(job))
    if found is None:
        raise Conflict(f"The analysis is {job.status.value}; it has no result.")
    return found


def _reviewed(services: Services, job: Job, state: WorkState) -> dict[str, Any] | None:
    result = services.catalog.work.result(job.id)
    if result is None:
        return None
    kind = Kind(state.spec["request"]["kind"])
    return reviewed(kind, result, services.catalog.reviews.of(job.id))


def parts(services: Services, job: Job, *, after: int) -> Iterator[ChunkOut]:
    """What each part of the text says that was read so far, behind a position."""
    request = Request.from_json(services.catalog.work.state(job).spec["request"])
    engine = engine_of(services, job.tenant, request)
    library = library_of(services, job.tenant, request)
    work = services.catalog.work
    failed = (one for one in work.failed(job.id) if one.round == 0)
    both: list[Iterable[Done | Failed]] = [work.done(job.id, round=0), failed]
    for one in heapq.merge(*both, key=lambda one: one.position):
        if one.position > after:
            reading = Reading(engine, Context(tenant=job.tenant), library)
            yield _part(one, request, reading, library)


def _part(one: Done | Failed, request: Request, reading: Reading, library: Library) -> ChunkOut:
    done = one.value if isinstance(one, Done) else None
    taken: Mapping[str, Any] = done["taken"] if done else {"engines": [], "calls": 0, "dropped": 0}
    where = one.payload
    return ChunkOut(
        id=str(one.position),
        document_id=where.get("document") or None,
        start_char_index=where.get("start", 0),
        end_char_index=where.get("end", 0),
        headings=list(headings_of(library, where["document"], where["path"])),
        status="completed" if done else "failed",
        value=None if done is None else value_of(done, request, reading),
        engines=taken["engines"],
        calls=taken["calls"],
        dropped_citations=taken["dropped"],
        error=StoredError(**one.error) if isinstance(one, Failed) else None,
    )
