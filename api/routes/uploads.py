"""How documents come: a file at a time, or many at once."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import scrypt
from typing import Any

from fastapi import APIRouter, Request, Response

from api import errors
from api.bodies import body_parts, json_object
from api.door import Door, DoorDep, TenantDep
from api.idempotency import IdempotencyKey, Reply, fingerprint, once
from api.multipart import FormFile, UploadForm
from api.schemas.common import ErrorDetail, failures
from api.schemas.documents import DocumentOut, JobOut, Uploaded, UploadedBatch, UploadResult
from api.schemas.forms import MANY_FILES, MOST_FILES, ONE_FILE
from api.schemas.sources import source_file
from ingest.intake import Incoming, admit, check_metadata, display_name, identify
from ingest.originals import Upload
from ingest.parse import detect, parse
from rag.catalog.attachments import Links
from rag.catalog.sources import SourceFile
from rag.errors import (
    DocumentError,
    EmptyDocument,
    IbidemError,
    InvalidRequest,
    PayloadTooLarge,
    UnsupportedType,
)
from rag.types import Attachment, Collection, Document, DocumentStatus

_log = logging.getLogger(__name__)
_FIELDS = frozenset({"collection", "metadata", "password"})
_FIELDS_OF_ONE = _FIELDS | {"source"}
_BATCH_UPLOADS = 5
"""A batch may be as large as so many of the largest single files."""
_ARCHIVE = "application/zip"
_OF_ONE_FILE = (UnsupportedType, PayloadTooLarge, DocumentError)

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
            target = _target(door, tenant, form)
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
            batch = _Batch(_target(door, tenant, form), request.state.request_id)
            for one in received:
                batch.add(one)
            return Reply(status=202, body=batch.shown().model_dump_json())

        return once(door.services.catalog.requests, tenant, key, mark, store)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Received:
    """A file of a form: its bytes on disk, or why they were not taken."""

    file: FormFile
    upload: Upload | None = None
    error: IbidemError | None = None

    @property
    def marks(self) -> tuple[str | None, ...]:
        """What makes it another file than others."""
        sha256 = self.upload.sha256 if self.upload else None
        return sha256, self.file.name, self.file.declared_type


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


def _receive(door: Door, stack: ExitStack, file: FormFile) -> _Received:
    limit = door.services.settings.max_upload_bytes
    try:
        upload = stack.enter_context(door.services.originals.receive(file.parts, limit=limit))
    except (PayloadTooLarge, EmptyDocument) as error:
        return _Received(file=file, error=error)
    return _Received(file=file, upload=upload)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """Where the files of a request go."""

    door: Door
    tenant: str
    collection: Collection
    metadata: dict[str, Any]
    password: str | None = field(repr=False)

    def admit(
        self, file: FormFile | Attachment, upload: Upload, *, from_source: bool = False
    ) -> tuple[Document, bool]:
        """Add a document for received bytes and start its job; true when that is new work."""
        services = self.door.services
        incoming = self._incoming(file)
        passwords = services.pipeline.passwords
        if self.password is not None:  # before its job can begin
            passwords.keep(identify(self.collection, incoming, upload).id, self.password)
        document, is_new = admit(
            services.catalog,
            services.originals,
            self.collection,
            incoming,
            upload,
            from_source=from_source,
            unlocks=self.password is not None,
        )
        if document.status is DocumentStatus.READY:
            passwords.forget(document.id)
        if is_new:
            _submit(self.door, document.job_id)
        self.door.metrics.uploads.labels("new" if is_new else "known").inc()
        self.door.metrics.upload_bytes.inc(upload.size)
        return document, is_new

    def note(self, file: FormFile, upload: Upload, source: SourceFile) -> None:
        """Write down which file of a folder the received bytes are."""
        new = identify(self.collection, self._incoming(file), upload)
        self.door.services.catalog.sources.note(self.collection.id, source, new.id)

    def _incoming(self, file: FormFile | Attachment) -> Incoming:
        declared = file.declared_type if isinstance(file, FormFile) else file.media_type
        return Incoming(name=file.name, declared_type=declared, metadata=self.metadata)

    def shown(self, document: Document, is_new: bool) -> DocumentOut:
        """The document as it is replied; a new one is linked to no other yet."""
        links = self.door.services.catalog.attachments.links
        found = Links() if is_new else links([document.id])[document.id]
        return DocumentOut.of(document, found)

    def job(self, document: Document) -> JobOut:
        """The document's job as it is replied."""
        job = self.door.services.catalog.jobs.get(self.tenant, document.job_id)
        return JobOut.of(job, document.name)


def _target(door: Door, tenant: str, form: UploadForm) -> _Target:
    """Read what the form says besides its files.

    Raises:
        InvalidRequest: it says something that cannot be.
        NotFound: there is no such collection.
    """
    name = form.fields.get("collection", "").strip() or None
    if name is not None and "\0" in name:
        raise InvalidRequest("collection: contains a NUL character.", param="collection")
    metadata = json_object(form.fields.get("metadata", "").strip() or "{}")
    if metadata is None:
        raise InvalidRequest("metadata: expected a JSON object.", param="metadata")
    collection = door.services.collection(tenant, name)
    door.services.check_embedder(collection)
    check_metadata(metadata, collection)
    return _Target(
        door=door,
        tenant=tenant,
        collection=collection,
        metadata=metadata,
        password=form.fields.get("password") or None,
    )


class _Batch:
    """Stores the files of a batch one by one and notes what became of each."""

    def __init__(self, target: _Target, request_id: str) -> None:
        self._target = target
        self._request_id = request_id
        self._results: list[UploadResult] = []
        self._warnings: list[str] = []

    def add(self, received: _Received) -> None:
        """Store a file, or every member of an archive."""
        file, upload = received.file, received.upload
        name = display_name(file.name)
        try:
            if upload is None:
                raise received.error or EmptyDocument()
            if detect(upload.path, name, file.declared_type) == _ARCHIVE:
                self._unpack(name, upload)
            else:
                self._store(name, file, upload)
        except _OF_ONE_FILE as error:
            self._refuse(name, error)

    def shown(self) -> UploadedBatch:
        """The reply."""
        failed = sum(result.error is not None for result in self._results)
        return UploadedBatch(
            data=self._results,
            accepted=len(self._results) - failed,
            failed=failed,
            warnings=self._warnings,
        )

    def _store(self, name: str, file: FormFile | Attachment, upload: Upload) -> None:
        document, is_new = self._target.admit(file, upload)
        shown, job = self._target.shown(document, is_new), self._target.job(document)
        self._results.append(UploadResult(name=name, document=shown, job=job, error=None))

    def _refuse(self, name: str, error: IbidemError) -> None:
        told = ErrorDetail.model_validate(errors.body(error, self._request_id)["error"])
        self._results.append(UploadResult(name=name, document=None, job=None, error=told))

    def _unpack(self, archive: str, upload: Upload) -> None:
        originals = self._target.door.services.originals
        with self._target.door.archives.place():
            opened = parse(
                upload.path, _ARCHIVE, folder=originals.folder, password=self._target.password
            )
            self._warnings += [f"{archive}: {warning}" for warning in opened.warnings]
            for member in opened.attachments:
                name = f"{archive}/{member.name}"
                try:
                    content = [member.content]
                    with originals.receive(content, limit=len(member.content)) as received:
                        self._store(name, member, received)
                except _OF_ONE_FILE as error:
                    self._refuse(name, error)


def _submit(door: Door, job_id: str) -> None:
    """Start the job now. If that fails the document is safe, and the reconciler finds the job."""
    if door.job_store is None:
        return
    try:
        door.job_store.submit(job_id)
    except Exception as error:
        _log.warning("job %s was not started at once: %s", job_id, type(error).__name__)
