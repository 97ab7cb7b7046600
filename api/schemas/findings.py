"""Tables over what analyses found, as JSON."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.common import StoredError, Strict, Text
from rag.analysis.tables import Operation


class OperationIn(Strict):
    """An operation over the values at a place of each record."""

    op: Operation
    of: Text = Field(
        description="JSON pointer into a record; `*` is every item of a list.",
        max_length=1_000,
        examples=["/payments/*/amount"],
    )


class AggregateBody(Strict):
    """What to compute."""

    operations: list[OperationIn] = Field(min_length=1, max_length=50)

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"operations": [{"op": "group", "of": "/governing_law"}]}]},
    )


class EntryOut(BaseModel):
    """A value that something was computed from."""

    document_id: str | None
    pointer: str = Field(description="Into the analysis's `result`; `evidence` has its places.")
    value: Any


class DatedOut(EntryOut):
    """A value with its date."""

    date: str = Field(examples=["2024-03-01"])


class GroupOut(BaseModel):
    """Equal values, however they are spelled."""

    value: Any = Field(description="As the first of them is spelled.")
    count: int
    documents: int
    entries: list[EntryOut] = Field(description="The first 1,000.")


class AggregateOut(BaseModel):
    """What an operation comes to."""

    op: Operation
    of: str
    count: int = Field(description="Values at the place.")
    documents: int = Field(description="Documents that they are of.")
    unreadable: int = Field(description="Values that are no number, or no date.")
    left_out: list[EntryOut] = Field(description="The first 100 of these.")
    unit: str | None = Field(
        None,
        description="What amounts of min, max and sum are in: a currency, `%`, a unit of time.",
        examples=["EUR"],
    )
    distinct: int | None = None
    value: int | float | str | None = Field(
        None, description="Of min, max and sum; min and max of dates are dates."
    )
    entries: list[EntryOut] | None = Field(None, description="Of min and max: where it stands.")
    groups: list[GroupOut] | None = None
    timeline: list[DatedOut] | None = Field(None, description="The first 1,000.")


class AggregatesOut(BaseModel):
    """What the operations come to, in their order."""

    object: Literal["analysis.aggregates"] = "analysis.aggregates"
    data: list[AggregateOut]


class ComparedDocument(BaseModel):
    """A column of a comparison."""

    document_id: str | None
    document_title: str | None
    document_name: str | None


class ComparedField(BaseModel):
    """A row of a comparison."""

    field: str
    values: list[Any] = Field(description="In the order of the documents.")
    same: bool = Field(description="All say the same; what is not mentioned does not.")
    different_values: int
    not_mentioned: int = Field(description="Documents that do not mention it.")


class ComparisonOut(BaseModel):
    """The same fields of several documents."""

    object: Literal["analysis.comparison"] = "analysis.comparison"
    documents: list[ComparedDocument]
    fields: list[ComparedField]


class ChunkOut(BaseModel):
    """A part of the text, and what was found in it."""

    id: str = Field(description="Its position among all parts; `after` can name it.")
    document_id: str | None = Field(description="Null of a text that came with the request.")
    start_char_index: int
    end_char_index: int
    headings: list[str] = Field(description="Those that hold where it begins, outermost first.")
    status: Literal["completed", "failed"]
    value: Any = Field(
        description="By `result_schema`, of this part alone; null when it failed. Of a report: the "
        "statements that it is written from."
    )
    engines: list[str]
    calls: int
    dropped_citations: int
    error: StoredError | None
