"""Documents: uploaded, listed, changed, deleted."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from api.bodies import body_parts
from api.door import Door, DoorDep, TenantDep
from api.idempotency import IdempotencyKey, Reply, fingerprint, once
from api.multipart import UploadForm
from api.schemas.common import After, Deleted, Limit, ListOf, Order, failures, page
from api.schemas.documents import DocumentOut, DocumentUpdate, JobOut, Uploaded
from ingest.intake import Incoming, admit, check_metadata, display_name
from ingest.originals import Upload
from rag.catalog.attachments import Links
from rag.catalog.filters import document_condition
from rag.errors import InvalidFilter, InvalidRequest
from rag.types import Document, DocumentStatus

_log = logging.getLogger(__name__)
_FIELDS = frozenset({"collection", "metadata"})

router = APIRouter(prefix="/documents", tags=["Documents"])

_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "additionalProperties": False,
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "One file, with its name.",
                        },
                        "collection": {
                            "type": "string",
                            "description": "Id or name; `default` when left out.",
                        },
                        "metadata": {
                            "type": "string",
                            "description": "A flat JSON object, to filter by.",
                            "contentMediaType": "application/json",
                        },
                    },
                },
                "example": {"file": "(bytes)", "metadata": '{"year": 2024}'},
            }
        },
    }
}


@router.post(
    "",
    status_code=202,
    summary="Upload a document",
    response_model=Uploaded,
    openapi_extra=_FORM,
    responses={
        200: {"model": Uploaded, "description": "These bytes are already there; nothing to do."},
        **failures(404, 409, 413, 415, 503, 507),
    },
)
def upload_document(
    request: Request, door: DoorDep, tenant: TenantDep, key: IdempotencyKey = None
) -> Response:
    """Store a file and start reading it.

    The reply comes when the bytes are safe on disk. Reading goes on in a job: see
    `GET /jobs/{id}`. The same bytes in the same collection are the same document.
    """
    services = door.services
    limit = services.settings.max_upload_bytes
    with door.uploads.place():
        form = UploadForm(
            request.headers.get("content-type", ""),
            body_parts(request, file_limit=limit),
            file="file",
            fields=_FIELDS,
        )
        with services.originals.receive(form.file_parts(), limit=limit) as upload:
            mark = fingerprint(
                "POST",
                "/documents",
                upload.sha256,
                form.filename,
                form.declared_type,
                form.fields.get("collection"),
                form.fields.get("metadata"),
            )
            return once(
                services.catalog.requests,
                tenant,
                key,
                mark,
                lambda: _admit(door, tenant, form, upload),
            )


def _admit(door: Door, tenant: str, form: UploadForm, upload: Upload) -> Reply:
    services = door.services
    name = form.fields.get("collection", "").strip() or None
    if name is not None and "\0" in name:
        raise InvalidRequest("collection: contains a NUL character.", param="collection")
    incoming = Incoming(
        name=form.filename or "",
        declared_type=form.declared_type,
        metadata=_metadata(form.fields.get("metadata", "")),
    )
    collection = services.collection(tenant, name)
    services.check_embedder(collection)
    document, is_new = admit(services.catalog, services.originals, collection, incoming, upload)
    if is_new:
        _submit(door, document.job_id)
    door.metrics.uploads.labels("new" if is_new else "known").inc()
    door.metrics.upload_bytes.inc(upload.size)
    job = services.catalog.jobs.get(tenant, document.job_id)
    links = Links() if is_new else services.catalog.attachments.links([document.id])[document.id]
    shown = Uploaded(document=DocumentOut.of(document, links), job=JobOut.of(job))
    return Reply(status=202 if is_new else 200, body=shown.model_dump_json())


@router.get("", summary="List documents", responses=failures(404))
def list_documents(
    door: DoorDep,
    tenant: TenantDep,
    collection: Annotated[
        str | None, Query(description="Id or name; all collections when left out.", max_length=200)
    ] = None,
    status: Annotated[DocumentStatus | None, Query(description="Only these.")] = None,
    filter: Annotated[
        str | None,
        Query(
            description="A metadata filter as JSON, as in `POST /search`.",
            max_length=20_000,
            examples=['{"year": {"$gte": 2023}}'],
        ),
    ] = None,
    limit: Limit = 20,
    after: After = None,
    order: Order = "desc",
) -> ListOf[DocumentOut]:
    """Documents by time of upload, newest first, page by page."""
    found = None if collection is None else door.existing(tenant, collection)
    if collection is not None and found is None:
        document_condition(_filter(filter) or {}, {})  # malformed is malformed, also in nothing
        return page([], limit, lambda row: DocumentOut.of(row, Links()))
    if after is not None:
        door.document(tenant, after)
    rows = door.services.catalog.documents.page(
        tenant,
        found,
        status=status,
        filter=_filter(filter),
        after=after,
        limit=limit + 1,
        newest_first=order == "desc",
    )
    links = door.services.catalog.attachments.links([row.id for row in rows])
    return page(rows, limit, lambda row: DocumentOut.of(row, links[row.id]))


@router.get("/{document_id}", summary="Show a document", responses=failures(404))
def get_document(document_id: str, door: DoorDep, tenant: TenantDep) -> DocumentOut:
    """One document, its state, and why it could not be read if so."""
    return _shown(door, door.document(tenant, document_id))


@router.patch("/{document_id}", summary="Change a document", responses=failures(400, 404, 413, 507))
def update_document(
    document_id: str, body: DocumentUpdate, door: DoorDep, tenant: TenantDep
) -> DocumentOut:
    """Rename it, or replace its metadata. Its content never changes."""
    document = door.document(tenant, document_id)
    if body.metadata is not None:
        catalog = door.services.catalog
        check_metadata(body.metadata, catalog.collections.get(tenant, document.collection_id))
    return _shown(door, _update(door, tenant, document, body))


@router.delete("/{document_id}", summary="Delete a document", responses=failures(404, 507))
def delete_document(document_id: str, door: DoorDep, tenant: TenantDep) -> Deleted:
    """Delete a document and everything derived from it. The next search no longer finds it.

    Documents found inside it go too, unless they were also uploaded by themselves or are
    inside another one.
    """
    document = door.document(tenant, document_id)
    door.services.delete(tenant, document.id)
    return Deleted(id=document.id, object="document")


def _shown(door: Door, document: Document) -> DocumentOut:
    links = door.services.catalog.attachments.links([document.id])
    return DocumentOut.of(document, links[document.id])


def _update(door: Door, tenant: str, document: Document, body: DocumentUpdate) -> Document:
    name = None if body.name is None else display_name(body.name)
    return door.services.catalog.documents.update(
        tenant, document.id, name=name, metadata=body.metadata
    )


def _submit(door: Door, job_id: str) -> None:
    """Start the job now. If that fails the document is safe, and the reconciler finds the job."""
    if door.job_store is None:
        return
    try:
        door.job_store.submit(job_id)
    except Exception as error:
        _log.warning("job %s was not started at once: %s", job_id, type(error).__name__)


def _metadata(text: str) -> Mapping[str, Any]:
    if not text.strip():
        return {}
    value = _parse_json(text)
    if not isinstance(value, dict):
        raise InvalidRequest("metadata: expected a JSON object.", param="metadata")
    return value


def _filter(text: str | None) -> Mapping[str, Any] | None:
    if text is None:
        return None
    value = _parse_json(text)
    if not isinstance(value, dict):
        raise InvalidFilter("filter: expected a JSON object.", param="filter")
    return value


def _parse_json(text: str) -> Any:
    """The value; ``None`` for what is no JSON, however it fails to be."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
