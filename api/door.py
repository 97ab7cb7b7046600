"""What the routes work with, and how they get at it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Protocol, TypeAlias

from fastapi import Depends, Request

from api.admission import Admission
from api.errors import NotAllowed
from api.events import JobWatcher
from api.metrics import Metrics
from api.reindexing import KIND as REINDEX
from api.schemas.jobs import ResumeBody
from api.scopes import existing, named
from api.security import TENANT
from api.services import Services
from rag.errors import Conflict, NotFound
from rag.types import Collection, Document, Job, JobStatus


class Submits(Protocol):
    """Takes up new jobs: the job store, or what stands in for one."""

    def submit(self, job_id: str) -> None:
        """Take up a new job."""
        ...

    def wake(self) -> None:
        """There may be new items to do."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """The parts of Ibidem, and what this app keeps of its own."""

    services: Services
    job_store: Submits | None
    metrics: Metrics
    watcher: JobWatcher
    searches: Admission
    uploads: Admission
    archives: Admission
    drawings: Admission
    audits: Admission
    previews: Admission

    def document(self, tenant: str, document_id: str) -> Document:
        """The document with this id.

        Raises:
            NotFound: the tenant has none.
        """
        check_id("doc", document_id, "document")
        return self.services.catalog.documents.get(tenant, document_id)

    def read_document(self, tenant: str, document_id: str) -> Document:
        """A document whose text can be read.

        Raises:
            NotFound: the tenant has none.
            Conflict: it has not been read yet, or could not be.
        """
        document = self.document(tenant, document_id)
        if document.generation is None:
            reason = (
                f"it could not be read: {document.error['message']}"
                if document.error
                else f"it is {document.status.value}; wait for job {document.job_id}"
            )
            raise Conflict(f"Document {document_id} has no text: {reason}")
        return document

    def check_priority(self, key: str, priority: int) -> None:
        """Let nobody overtake all others who was not given leave to.

        Raises:
            NotAllowed: the key may not ask for this priority.
        """
        settings = self.services.settings
        if priority > 0 and settings.api_keys and key not in settings.priority_keys:
            raise NotAllowed(
                f"This API key may not ask for a priority above 0: it would go before the work of "
                f"all others. Whoever runs the service can name it, {key}, in "
                "IBIDEM_PRIORITY_KEYS.",
                param="priority",
            )

    def collection(self, tenant: str, collection_id: str) -> Collection:
        """The collection with this id.

        Raises:
            NotFound: the tenant has none.
        """
        check_id("col", collection_id, "collection")
        return self.services.catalog.collections.get(tenant, collection_id)

    def wake(self) -> None:
        """Have new items looked for at once, if they are done in this process."""
        if self.job_store is not None:
            self.job_store.wake()

    def resume(self, job: Job, how: ResumeBody | None) -> None:
        """Go on with a job made of items.

        Raises:
            Conflict: there is nothing to go on with.
        """
        if job.kind == REINDEX and job.status is JobStatus.CANCELLED:
            raise Conflict(
                f"Job {job.id} was cancelled, and what it built was removed; order it anew.",
                param="job",
            )
        self.services.catalog.work.resume(
            job.id,
            budget_usd=how.budget_usd if how else None,
            retry_failed=how is not None and how.retry_failed,
        )
        self.wake()

    def existing(self, tenant: str, name_or_id: str | None) -> Collection | None:
        """A collection to read from; see `api.scopes`."""
        return existing(self.services, tenant, name_or_id)

    def collections(
        self, tenant: str, one: str | None, several: list[str] | None
    ) -> tuple[Collection, ...]:
        """The collections that a body names; see `api.scopes`."""
        return named(self.services, tenant, one, several)


_PREFIXES = ("doc", "col", "job", "ans", "bat", "anl", "con", "msg")
_ID = {prefix: re.compile(rf"{prefix}_[0-9a-f]{{24}}") for prefix in _PREFIXES}


def check_id(prefix: str, value: str, kind: str) -> None:
    """Refuse what cannot be an id before a database sees it.

    Raises:
        NotFound: it does not look like an id of this kind.
    """
    if not _ID[prefix].fullmatch(value):
        raise NotFound(f"No {kind} {value[:64]!r}.", param=kind)


async def _door(request: Request) -> Door:
    door: Door = request.app.state.door
    return door


async def _tenant() -> str:
    return TENANT


async def _key(request: Request) -> str:
    return str(request.state.key)


DoorDep: TypeAlias = Annotated[Door, Depends(_door)]
TenantDep: TypeAlias = Annotated[str, Depends(_tenant)]
KeyDep: TypeAlias = Annotated[str, Depends(_key)]
"""The public name of the API key that a request showed."""
