"""What becomes of received files: documents with their jobs, or the reasons why not."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

from api import errors
from api.bodies import json_object
from api.door import Door
from api.multipart import FormFile, UploadForm
from api.schemas.common import ErrorDetail
from api.schemas.documents import DocumentOut, UploadedBatch, UploadResult
from api.schemas.jobs import JobOut
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
_ARCHIVE = "application/zip"
_OF_ONE_FILE = (UnsupportedType, PayloadTooLarge, DocumentError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A file of a form: its bytes on disk, or why they were not taken."""

    file: FormFile
    upload: Upload | None = None
    error: IbidemError | None = None

    @property
    def marks(self) -> tuple[str | None, ...]:
        """What makes it another file than others."""
        sha256 = self.upload.sha256 if self.upload else None
        return sha256, self.file.name, self.file.declared_type


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
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


def target_of(door: Door, tenant: str, form: UploadForm) -> Target:
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
    return Target(
        door=door,
        tenant=tenant,
        collection=collection,
        metadata=metadata,
        password=form.fields.get("password") or None,
    )


class Batch:
    """Stores the files of a batch one by one and notes what became of each."""

    def __init__(self, target: Target, request_id: str) -> None:
        self._target = target
        self._request_id = request_id
        self._results: list[UploadResult] = []
        self._warnings: list[str] = []

    def add(self, received: Received) -> None:
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
