"""Jobs, as JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.common import StoredError, Strict
from rag.catalog.work import WorkState
from rag.types import Job, JobStatus


class Progress(BaseModel):
    """How far the work is. A long document counts pages while it is read, then chunks."""

    done: int = Field(examples=[128])
    total: int | None = Field(description="Null while unknown.", examples=[412])
    unit: str | None = Field(
        description="What is counted: `pages` read or `chunks` embedded of a document, or `items`.",
        examples=["chunks"],
    )


class WorkOut(BaseModel):
    """How a job made of items stands."""

    failures: dict[str, int] = Field(
        description="How many items failed, by the code of the error.",
        examples=[{"model_refused": 2}],
    )
    per_second: float | None = Field(
        description="Items done per second since it began or was resumed; null while unknown."
    )
    seconds_left: float | None = Field(description="At this pace; null while unknown.")
    cost_usd: float = Field(description="Known cost of its calls so far.")
    budget_usd: float | None = Field(description="Of this job; null without one.")
    priority: int

    @classmethod
    def of(cls, state: WorkState) -> WorkOut:
        """How it stands, as the catalog says."""
        return cls(
            failures=dict(state.failures),
            per_second=_rounded(state.per_second),
            seconds_left=_rounded(state.seconds_left),
            cost_usd=round(state.cost_usd, 6),
            budget_usd=state.budget_usd,
            priority=state.priority,
        )


class JobOut(BaseModel):
    """Work on a document, or on many items."""

    id: str = Field(examples=["job_8c1d7e6f5a4b4c3d9e2f1a0b"])
    object: Literal["job"] = "job"
    kind: str = Field(examples=["ingest"])
    status: JobStatus = Field(description="A `paused` job waits until somebody resumes it.")
    document_id: str | None
    document_name: str | None = Field(description="Null when the document was deleted.")
    collection_id: str | None
    attempt: int
    progress: Progress
    work: WorkOut | None = Field(description="Of jobs made of items; null of others.")
    error: StoredError | None = Field(
        description="Why it failed or paused; of one that is under way, why it had to be tried "
        "again."
    )
    created_at: int = Field(description="Unix seconds.")
    updated_at: int = Field(description="Unix seconds.")

    @classmethod
    def of(cls, job: Job, document_name: str | None, state: WorkState | None = None) -> JobOut:
        """A job as the catalog gives it."""
        return cls(
            id=job.id,
            kind=job.kind,
            status=job.status,
            document_id=job.document_id,
            document_name=document_name,
            collection_id=job.collection_id,
            attempt=job.attempt,
            progress=Progress(done=job.done, total=job.total, unit=job.unit),
            work=None if state is None else WorkOut.of(state),
            error=None if job.error is None else StoredError(**job.error),
            created_at=int(job.created_at),
            updated_at=int(job.updated_at),
        )


class ResumeBody(Strict):
    """How to go on."""

    budget_usd: float | None = Field(
        None,
        gt=0,
        le=1_000_000,
        description="The job's budget from now on, in all; as before when left out.",
        examples=[20.0],
    )
    retry_failed: bool = Field(False, description="Do failed items once more, too.")

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"budget_usd": 20.0}]}
    )


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 3)
