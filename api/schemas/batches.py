"""Batches, as JSON."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from api.schemas.common import StoredError
from api.schemas.jobs import WorkOut
from rag.catalog.work import WorkState
from rag.types import Job, JobStatus


class Counts(BaseModel):
    """How many lines there are, and how they went."""

    total: int = Field(examples=[5000])
    completed: int = Field(examples=[4817])
    failed: int = Field(examples=[3])


class BatchOut(BaseModel):
    """Many requests as one job."""

    id: str = Field(examples=["bat_8c1d7e6f5a4b4c3d9e2f1a0b"])
    object: Literal["batch"] = "batch"
    job_id: str = Field(
        description="The job that carries it out, for `GET /jobs/{id}` and its events.",
        examples=["job_8c1d7e6f5a4b4c3d9e2f1a0b"],
    )
    name: str | None = Field(description="As the caller called it.", examples=["questions.jsonl"])
    status: JobStatus = Field(
        description="`paused` when a budget is spent: resume it with a larger one."
    )
    request_counts: Counts
    work: WorkOut
    error: StoredError | None = Field(description="Why it paused, or failed as a whole.")
    created_at: int = Field(description="Unix seconds.")
    updated_at: int = Field(description="Unix seconds.")

    @classmethod
    def of(cls, job: Job, state: WorkState) -> BatchOut:
        """A batch as the catalog gives it."""
        failed = sum(state.failures.values())
        return cls(
            id=batch_id(job.id),
            job_id=job.id,
            name=state.spec.get("name"),
            status=job.status,
            request_counts=Counts(total=job.total or 0, completed=job.done - failed, failed=failed),
            work=WorkOut.of(state),
            error=None if job.error is None else StoredError(**job.error),
            created_at=int(job.created_at),
            updated_at=int(job.updated_at),
        )


class BrokenLine(BaseModel):
    """A line that asks for nothing that can be done."""

    line: int = Field(description="Its number in the file, from 1.", examples=[4711])
    message: str = Field(examples=["Line 4711: it is not JSON: Expecting value at character 0."])


class BatchSent(BatchOut):
    """A batch as it was taken. Its broken lines fail in their turn; the others are done."""

    broken_lines: int = Field(description="How many.", examples=[1])
    broken: list[BrokenLine] = Field(description="The first 20 of them.")

    @classmethod
    def made(cls, shown: BatchOut, count: int, first: list[BrokenLine]) -> BatchSent:
        """A batch with what was seen of its lines."""
        return cls(**shown.model_dump(), broken_lines=count, broken=first)


class BatchResult(BaseModel):
    """What a line came to; a line of the results, in the order of the lines."""

    custom_id: str | None = Field(description="Null of a broken line that has none.")
    line: int = Field(description="Its number in the file, from 1.", examples=[4711])
    status: Literal["completed", "failed"]
    question: str | None
    response: dict[str, Any] | None = Field(
        description="The answer, as of `POST /ask`, without `id` and `passages`; or what came of "
        "an analysis, as of `GET /analyses/{id}`."
    )
    error: StoredError | None


def batch_id(job_id: str) -> str:
    """A batch is its job, by another name."""
    return f"bat_{job_id.removeprefix('job_')}"


def job_id_of(batch_id: str) -> str:
    """The job that is a batch."""
    return f"job_{batch_id.removeprefix('bat_')}"
