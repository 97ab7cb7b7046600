"""How documents come: a file at a time, or many at once."""

from __future__ import annotations

from contextlib import ExitStack
from hashlib import scrypt

from fastapi import APIRouter, Request, Response

from api.bodies import body_parts
from api.door import Door, DoorDep, TenantDep
from api.idempotency import IdempotencyKey, Reply, fingerprint, once
from api.multipart import FormFile, UploadForm
from api.receiving import Batch, Received, target_of
from api.schemas.common import failures
from api.schemas.documents import Uploaded, UploadedBatch
from api.schemas.forms import MANY_FILES, MOST_FILES, ONE_FILE
from api.schemas.sources import source_file
from rag.errors import EmptyDocument, PayloadTooLarge

_FIELDS = frozenset({"collection", "metadata", "password"})
_FIELDS_OF_ONE = _FIELDS | {"source"}
_BATCH_UPLOADS = 5
"""A batch may be as large as so many of the largest single files."""

router = APIRouter(prefix="/documents", tags=["Documents"])


@router.post(
    "",
    status_code=202,
    summary="Upload a document",
    response_model=Uploaded,
    openapi_extra=ONE_FILE,
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
    `GET /jobs/{id}`. The same bytes in the same collection are the same document. Files inside
    it, such as attachments of an e-mail or members of an archive, become documents of their own
    while it is read.
    """
    limit = door.services.settings.max_upload_bytes
    with door.uploads.place(), ExitStack() as stack:
        form = _open(request, limit, most_files=1, fields=_FIELDS_OF_ONE)
        originals = door.services.originals
        [(file, upload)] = [
            (file, stack.enter_context(originals.receive(file.parts, limit=limit)))
            for file in form.files()
        ]
        source = form.fields.get("source")
        marks = (upload.sha256, file.name, file.declared_type, source, *_marks(form))
        mark = fingerprint("POST", "/documents", *marks)

        def store() -> Reply:
            target = target_of(door, tenant, form)
            if source:
                target.note(file, upload, source_file(source))
            document, is_new = target.admit(file, upload, from_source=bool(source))
            shown = Uploaded(document=target.shown(document, is_new), job=target.job(document))
            return Reply(status=202 if is_new else 200, body=shown.model_dump_json())

        return once(door.services.catalog.requests, tenant, key, mark, store)


@router.post(
    ":batch",
    status_code=202,
    summary="Upload many documents",
    response_model=UploadedBatch,
    openapi_extra=MANY_FILES,
    responses=failures(404, 409, 413, 415, 503, 507),
)
def upload_batch(
    request: Request, door: DoorDep, tenant: TenantDep, key: IdempotencyKey = None
) -> Response:
    """Store many files, or the members of zip archives, and start reading them.

    The reply says of each file what became of it: a document with its job, or the error that a
    single upload would have had. A file that is refused does not keep the others from being
    stored. The archives themselves are not kept.
    """
    limit = door.services.settings.max_upload_bytes
    with door.uploads.place(), ExitStack() as stack:
        form = _open(request, _BATCH_UPLOADS * limit, most_files=MOST_FILES, fields=_FIELDS)
        received = [_receive(door, stack, file) for file in form.files()]
        marks = (mark for one in received for mark in one.marks)
        mark = fingerprint("POST", "/documents:batch", *marks, *_marks(form))

        def store() -> Reply:
            batch = Batch(target_of(door, tenant, form), request.state.request_id)
            for one in received:
                batch.add(one)
            return Reply(status=202, body=batch.shown().model_dump_json())

        return once(door.services.catalog.requests, tenant, key, mark, store)


def _open(request: Request, limit: int, *, most_files: int, fields: frozenset[str]) -> UploadForm:
    return UploadForm(
        request.headers.get("content-type", ""),
        body_parts(request, file_limit=limit),
        file="file",
        fields=fields,
        most_files=most_files,
    )


def _marks(form: UploadForm) -> tuple[str | None, ...]:
    password = form.fields.get("password")
    # Kept for a day with the request: not to be guessed from.
    hidden = (
        scrypt(password.encode(), salt=b"password", n=1 << 13, r=8, p=1).hex() if password else None
    )
    return form.fields.get("collection"), form.fields.get("metadata"), hidden


def _receive(door: Door, stack: ExitStack, file: FormFile) -> Received:
    limit = door.services.settings.max_upload_bytes
    try:
        upload = stack.enter_context(door.services.originals.receive(file.parts, limit=limit))
    except (PayloadTooLarge, EmptyDocument) as error:
        return Received(file=file, error=error)
    return Received(file=file, upload=upload)
