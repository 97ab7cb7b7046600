"""The REST door: an ASGI app over the services."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
from fastapi import APIRouter, Depends, FastAPI
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute

from api import docs, errors
from api.admission import Admission
from api.door import Door, Submits
from api.events import JobWatcher
from api.metrics import Metrics
from api.middleware import BodyLimit, RequestContext
from api.parameters import known_parameters
from api.routes import (
    analyses,
    answers,
    batches,
    chunks,
    claims,
    collections,
    contents,
    conversations,
    documents,
    findings,
    jobs,
    operations,
    prompts,
    sources,
    uploads,
)
from api.schemas.operations import Landing
from api.security import Gate
from api.services import Services

BASE_PATH = "/v1"
_STREAMED = frozenset(
    f"{BASE_PATH}/{path}" for path in ("documents", "documents:batch", "chunks:preview", "batches")
)
_SPARE_THREADS = 16
"""Threads for short requests while every place for long ones is taken."""

_DESCRIPTION = """
Documents in, cited answers out: every sentence of an answer points to the exact place in the
source that supports it.

Upload with `POST /documents`, wait for the job, then `POST /ask`. Offsets count Unicode code
points of a document's stored text, half-open. Lists are paged with `limit`, `after` and
`order`. Every error has the form `{"error": {"type", "code", "message", "param",
"request_id"}}`. POSTs that create, and `POST /ask`,
take an `Idempotency-Key`. `/health`, `/ready` and
`/metrics` are reachable with and without the base path `/v1`.
"""
_TAGS = [
    {"name": "Documents", "description": "Files, and what is in them."},
    {"name": "Collections", "description": "Named sets of documents."},
    {"name": "Search", "description": "Passages by dense and lexical ranking."},
    {"name": "Ask", "description": "Grounded answers with located citations."},
    {"name": "Conversations", "description": "Questions that lean on those before them."},
    {"name": "Prompts", "description": "What language models are asked with."},
    {"name": "Analyses", "description": "Whole documents and collections, read to the end."},
    {"name": "Batches", "description": "Many requests in one file, as one job."},
    {"name": "Jobs", "description": "The work that uploads and batches start."},
    {"name": "Operations", "description": "The service itself."},
]


def create_app(services: Services, job_store: Submits | None) -> FastAPI:
    """The REST service. Without a job store another process carries out the jobs."""
    door = Door(
        services=services,
        job_store=job_store,
        metrics=Metrics(services.catalog, services.monitor, services.indexes),
        watcher=JobWatcher(services.catalog),
        searches=Admission("search", running=4, waiting=16),
        uploads=Admission("upload", running=8, waiting=24),
        archives=Admission("archives", running=2, waiting=14),
        drawings=Admission("page images", running=2, waiting=14),
        audits=Admission("audit", running=1, waiting=3),
        previews=Admission("chunk previews", running=2, waiting=6),
    )
    app = FastAPI(
        title="Ibidem",
        version=operations.VERSION,
        description=_DESCRIPTION,
        openapi_tags=_TAGS,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
    )
    app.state.door = door
    _describe_keys(app)
    errors.register(app)
    _add_routes(app)
    # The last one added is the outermost.
    app.add_middleware(BodyLimit, streamed=_STREAMED)
    app.add_middleware(RequestContext, gate=Gate(services.settings.api_keys), metrics=door.metrics)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    door: Door = app.state.door
    limiter = anyio.to_thread.current_default_thread_limiter()
    limiter.total_tokens = _SPARE_THREADS + sum(
        admission.capacity
        for admission in (
            door.searches,
            door.uploads,
            door.archives,
            door.drawings,
            door.audits,
            door.previews,
        )
    )
    try:
        yield
    finally:
        door.watcher.close()


def _add_routes(app: FastAPI) -> None:
    api = APIRouter(prefix=BASE_PATH)
    for module in (
        uploads,
        documents,
        contents,
        collections,
        sources,
        chunks,
        answers,
        conversations,
        claims,
        prompts,
        analyses,
        findings,
        batches,
        jobs,
        operations,
    ):
        api.include_router(module.router, dependencies=[Depends(known_parameters)])
    api.include_router(operations.probes)
    app.include_router(api)
    app.include_router(operations.probes, include_in_schema=False)

    @app.get("/docs", include_in_schema=False)
    async def documentation() -> HTMLResponse:
        return HTMLResponse(docs.render(app.openapi()), headers=docs.HEADERS)

    @app.get("/", include_in_schema=False)
    async def landing() -> Landing:
        return Landing(
            version=operations.VERSION,
            api=BASE_PATH,
            documentation="/docs",
            openapi="/openapi.json",
        )


def _describe_keys(app: FastAPI) -> None:
    """Say in OpenAPI how a key is sent; without configured keys none is needed."""
    generate = app.openapi

    def described() -> dict[str, Any]:
        schema = generate()
        schema["components"]["securitySchemes"] = {
            "BearerAuth": {
                "type": "http",
                "scheme": "bearer",
                "description": "One of `IBIDEM_API_KEYS`; not needed while none is set.",
            }
        }
        schema["security"] = [{"BearerAuth": []}]
        schema["paths"][f"{BASE_PATH}/health"]["get"]["security"] = []
        return schema

    app.openapi = described  # type: ignore[method-assign]


def _operation_id(route: APIRoute) -> str:
    return route.name
