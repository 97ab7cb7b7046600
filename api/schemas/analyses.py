"""Analyses, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.answers import CitationOut, UsageOut
from api.schemas.common import Filter, PlainJson, StoredError, Strict, Text, Words
from api.schemas.jobs import Progress, WorkOut
from api.schemas.prompts import LabelIn
from api.schemas.reviews import citation_out
from rag.analysis.kinds.shapes import shape_of
from rag.analysis.plan import DryRun
from rag.analysis.requests import SURE, Kind, Over, Request, Scope
from rag.catalog.work import WorkState
from rag.types import Job, JobStatus

_MOST_DOCUMENTS = 10_000


class AnalysisBody(Strict):
    """What to make of which text."""

    kind: Kind | None = Field(None, description="May be left out beside a `schema`: extraction.")
    text: Text | None = Field(None, description="What to analyze, instead of documents.")
    documents: list[str] | None = Field(
        None, description="Ids of documents.", min_length=1, max_length=_MOST_DOCUMENTS
    )
    collection: Words | None = Field(
        None, description="Id or name: all of its documents.", max_length=200
    )
    filter: Filter | None = None
    over: Over | None = Field(
        None,
        description="One result for `each` document, or one for `all` of them; extractions and "
        "classifications are of each, summaries and reasoning of all, unless you say so.",
    )
    instructions: Words | None = Field(
        None,
        description="In your own words: what to attend to, which fields to extract, in which "
        "language to write.",
        examples=["the parties, the effective date and the governing law"],
    )
    output_schema: dict[str, PlainJson] | None = Field(
        None,
        alias="schema",
        description="JSON Schema (2020-12) of an object, for extractions: what to fill.",
        examples=[{"type": "object", "properties": {"price": {"type": "number"}}}],
    )
    labels: list[LabelIn] = Field([], description="For classifications.")
    confidence_threshold: float = Field(
        SURE, ge=0, le=1, description="What is less probable to be right is to be reviewed."
    )
    findings: int | None = Field(
        None, ge=1, le=50, description="Most key findings of a summary; 5 for a document."
    )
    engine: str | None = Field(None, description="See `GET /engines`.", examples=["offline"])
    budget_usd: float | None = Field(
        None, gt=0, le=1_000_000, description="What it may cost; then it pauses."
    )
    priority: int = Field(
        0,
        ge=-100,
        le=100,
        description="Jobs of a higher one go first; above 0 only for keys that may.",
    )
    dry_run: bool = Field(
        False, description="Do nothing; say which calls, tokens and costs it would take."
    )

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "kind": "extraction",
                    "collection": "contracts",
                    "instructions": "the parties, the effective date and the governing law",
                }
            ]
        },
    )

    def request(self) -> Request:
        """As `rag.analysis` takes it."""
        return Request(
            kind=self.kind or (Kind.EXTRACTION if self.output_schema else Kind.SUMMARY),
            scope=Scope(
                text=self.text,
                documents=tuple(self.documents or ()),
                collection=self.collection,
                filter=self.filter,
            ),
            over=self.over,
            instructions=self.instructions,
            schema=self.output_schema,
            labels=tuple(one.label() for one in self.labels),
            confidence_threshold=self.confidence_threshold,
            findings=self.findings,
            engine=self.engine,
        )


class DryRunOut(BaseModel):
    """What an analysis would take."""

    object: Literal["analysis.dry_run"] = "analysis.dry_run"
    engine: str
    documents: int
    chunks: int = Field(description="Parts that are read one by one.")
    merges: int = Field(description="How often results are merged.")
    calls: int = Field(description="Calls of language models; repairs come on top.")
    input_tokens: int = Field(description="About as many.")
    most_output_tokens: int = Field(description="An upper bound.")
    most_cost_usd: float | None = Field(description="An upper bound; null without a known price.")
    notes: list[str] = Field([], description="What is left out, and why.")

    @classmethod
    def of(cls, told: DryRun, notes: list[str]) -> DryRunOut:
        """As `rag.analysis` says."""
        forecast = told.forecast
        return cls(
            engine=told.engine,
            documents=told.documents,
            chunks=told.stretches,
            merges=told.merges,
            calls=forecast.calls,
            input_tokens=forecast.input_tokens,
            most_output_tokens=forecast.most_output_tokens,
            most_cost_usd=forecast.most_usd,
            notes=notes,
        )


class NotRead(BaseModel):
    """A part of the text that was not read, or not merged, and why."""

    document_id: str | None
    start_char_index: int | None
    end_char_index: int | None
    what: Literal["chunk", "merge"]
    code: str
    message: str


class CoverageOut(BaseModel):
    """What was read."""

    chunks_read: int = Field(examples=[412])
    chunks_total: int = Field(examples=[412])
    failed: list[NotRead] = Field(description="The first 1,000.")
    failures: dict[str, int] = Field(description="How many, by the code of the error.")


class AnalysisOut(BaseModel):
    """An analysis, and what came of it."""

    id: str = Field(examples=["anl_8c1d7e6f5a4b4c3d9e2f1a0b"])
    object: Literal["analysis"] = "analysis"
    job_id: str = Field(description="The job that carries it out, for `GET /jobs/{id}`.")
    kind: Kind
    status: JobStatus = Field(description="`paused` when a budget is spent.")
    progress: Progress
    work: WorkOut
    error: StoredError | None = Field(description="Why it paused or failed.")
    notes: list[str] = Field(
        [], description="What is left out of it, and what else to know of how it was done."
    )
    created_at: int = Field(description="Unix seconds.")
    updated_at: int = Field(description="Unix seconds.")

    @classmethod
    def of(cls, job: Job, state: WorkState) -> AnalysisOut:
        """An analysis as the catalog gives it."""
        return cls(**_outline(job, state))


class AnalysisResultOut(AnalysisOut):
    """An analysis with its result, once there is one."""

    request: dict[str, Any] = Field(
        description="As it was asked for, in the form of `POST /analyses`, which takes it again; "
        "without an inline text, and what was left open."
    )
    result: Any = Field(
        None, description="By `result_schema`; `documents` with a `value` each when it is of each."
    )
    result_schema: dict[str, Any] = Field(
        description="JSON Schema of the result, or of each document's `value`."
    )
    evidence: dict[str, list[CitationOut]] = Field(
        {}, description="By JSON pointers into `result`: the places that say so."
    )
    confidences: dict[str, float] = Field({}, description="By JSON pointers into `result`.")
    spellings: dict[str, list[str]] = Field(
        {}, description="By JSON pointers: other spellings of the same in the text."
    )
    not_mentioned: list[str] = Field(
        [], description="JSON pointers of what was looked for and is not there."
    )
    corrections: list[dict[str, Any]] = Field([], description="What people put right.")
    corrected_by: dict[str, str] = Field(
        {},
        description="By JSON pointers into `result`: the public name of the API key of who put the "
        "value right. It has no evidence and no confidence of what was found before.",
    )
    in_review: int = Field(0, description="Values in the review list that nobody decided on yet.")
    confidence: float | None = None
    coverage: CoverageOut | None = None
    engine: str | None = None
    calls: int = Field(0, description="Calls of language models that were made.")
    usage: UsageOut | None = None
    dropped_citations: int = Field(0, description="Quotes that were not where they should be.")
    processing_time: float | None = Field(None, description="Seconds from order to result.")

    @classmethod
    def with_result(
        cls, job: Job, state: WorkState, result: Mapping[str, Any] | None
    ) -> AnalysisResultOut:
        """An analysis with its result, in which corrections have been made."""
        request = _as_sent(state.spec["request"])
        outline = _outline(job, state)
        schema = dict(shape_of(Request.from_json(state.spec["request"])))
        if result is None:
            return cls(**outline, request=request, result_schema=schema)
        took = round(job.updated_at - job.created_at, 3)
        found = result_fields(result)
        found["notes"] = [*outline.pop("notes"), *found["notes"]]
        return cls(**outline, request=request, result_schema=schema, processing_time=took, **found)


def result_fields(result: Mapping[str, Any]) -> dict[str, Any]:
    """What came of an analysis, for its fields; ``result`` is as it is kept, with decisions."""
    return {
        "result": result["result"],
        "evidence": {
            pointer: list(map(citation_out, found)) for pointer, found in result["evidence"].items()
        },
        "confidences": result["confidences"],
        "spellings": result["spellings"],
        "not_mentioned": result["not_mentioned"],
        "corrections": result["corrections"],
        "corrected_by": result["corrected_by"],
        "in_review": sum(one["decision"] is None for one in result["review"]),
        "confidence": result["confidence"],
        "coverage": CoverageOut(**result["coverage"]),
        "engine": result["engine"],
        "calls": result["calls"],
        "usage": UsageOut(**result["usage"]),
        "dropped_citations": result["dropped_citations"],
        "notes": result["notes"],
    }


def analysis_id(job_id: str) -> str:
    """An analysis is its job, by another name."""
    return f"anl_{job_id.removeprefix('job_')}"


def job_id_of(analysis_id: str) -> str:
    """The job that is an analysis."""
    return f"job_{analysis_id.removeprefix('anl_')}"


def _as_sent(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A stored request in the form of an `AnalysisBody`."""
    labels = [{name: one[name] for name in one if one[name]} for one in stored["labels"]]
    flat = {**stored, **stored["scope"], "scope": None, "text": None, "labels": labels}
    return {name: value for name, value in flat.items() if value not in (None, [], ())}


def _outline(job: Job, state: WorkState) -> dict[str, Any]:
    return {
        "id": analysis_id(job.id),
        "job_id": job.id,
        "kind": state.spec["request"]["kind"],
        "status": job.status,
        "progress": Progress(done=job.done, total=job.total, unit=job.unit),
        "work": WorkOut.of(state),
        "error": None if job.error is None else StoredError(**job.error),
        "notes": list(state.spec.get("notes", ())),
        "created_at": int(job.created_at),
        "updated_at": int(job.updated_at),
    }
