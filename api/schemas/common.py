"""Shapes that several routes share."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, Protocol, TypeAlias, TypeVar

from fastapi import Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Strict(BaseModel):
    """A request body: unknown keys are an error."""

    model_config = ConfigDict(extra="forbid")


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:  # JSON can name half a character, such as \ud800
        raise ValueError("must be Unicode text") from None
    return text


def _standard(value: Any) -> Any:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise ValueError("must hold no number that is not finite") from None
    _storable(text)
    return value


PlainJson: TypeAlias = Annotated[Any, AfterValidator(_standard)]
"""JSON as the standard has it, and Unicode; Python reads more than that."""

Text: TypeAlias = Annotated[str, AfterValidator(_storable)]
"""Unicode without NUL, which is what every database stores."""


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


Words: TypeAlias = Annotated[Text, AfterValidator(_not_blank)]
"""Text that says something."""

Scalar: TypeAlias = str | int | float | bool | None

Metadata: TypeAlias = Annotated[
    dict[str, Any],
    Field(
        description="A flat object of strings, numbers, booleans and nulls, to filter by.",
        examples=[{"year": 2024, "department": "legal"}],
    ),
]

Filter: TypeAlias = Annotated[
    dict[str, Any],
    Field(
        description=(
            "Which documents to look at, by their metadata and by `document_id`, `name` and "
            "`media_type`: `$eq $ne $gt $gte $lt $lte $in $nin $exists` on fields, "
            "`$and $or $not` around them, at most 8 levels deep."
        ),
        examples=[{"year": {"$gte": 2023}}],
    ),
]


class HasId(Protocol):
    """Anything a list can hold."""

    @property
    def id(self) -> str:
        """Its id, which ``after`` can name."""
        ...


Item = TypeVar("Item")
Row = TypeVar("Row", bound=HasId)


class ListOf(BaseModel, Generic[Item]):
    """One page of a list. The next page starts with `after` = `last_id`."""

    object: Literal["list"] = "list"
    data: list[Item]
    has_more: bool
    first_id: str | None
    last_id: str | None


def page(rows: Sequence[Row], limit: int, show: Callable[[Row], Item]) -> ListOf[Item]:
    """A page of at most ``limit`` rows, of which one more than that were fetched if there are."""
    shown = rows[:limit]
    return ListOf(
        data=[show(row) for row in shown],
        has_more=len(rows) > limit,
        first_id=shown[0].id if shown else None,
        last_id=shown[-1].id if shown else None,
    )


Limit: TypeAlias = Annotated[
    int, Query(ge=1, le=100, description="How many to return, 1 to 100.", examples=[20])
]
After: TypeAlias = Annotated[
    str | None, Query(description="Start behind the object with this id.", max_length=64)
]
Order: TypeAlias = Annotated[
    Literal["asc", "desc"], Query(description="`desc`: newest first. `asc`: oldest first.")
]


class Deleted(BaseModel):
    """What a DELETE did."""

    id: str = Field(examples=["doc_0f3c9a7be1d24c55a6b8e9f0"])
    object: str = Field(examples=["document"])
    deleted: Literal[True] = True


class StoredError(BaseModel):
    """Why something could not be done."""

    code: str = Field(examples=["encrypted_document"])
    message: str = Field(examples=["The document is encrypted and needs a password."])


class ErrorDetail(BaseModel):
    """What went wrong, to what, and what to do."""

    type: str = Field(description="The kind of error.", examples=["invalid_request_error"])
    code: str = Field(description="Stable name of the error.", examples=["not_found"])
    message: str = Field(examples=["No collection 'col_1'."])
    param: str | None = Field(description="The input at fault.", examples=["collection"])
    request_id: str = Field(
        description="As in the `X-Request-Id` header; the log has it too.",
        examples=["req_5b1f6d0c9e5a4d0f8a3c2b1e"],
    )


class ErrorBody(BaseModel):
    """Every error has this form."""

    error: ErrorDetail


_MEANINGS: Mapping[int, str] = {
    400: "The body is not valid JSON.",
    401: "An API key is needed.",
    402: "The budget for language models does not suffice; the message says which one.",
    403: "This API key may not do this.",
    404: "There is no such object.",
    409: "The request contradicts the present state.",
    413: "The body is too large.",
    415: "This type cannot be read.",
    422: "The request is malformed; `param` names the place.",
    500: "Something went wrong inside Ibidem.",
    503: "Too many requests are waiting; `Retry-After` says when to try again.",
    507: "The disk is full; nothing was stored.",
}
_CODES: Mapping[int, tuple[str, str]] = {
    400: ("invalid_request_error", "malformed_json"),
    401: ("authentication_error", "unauthorized"),
    402: ("budget_error", "budget_exceeded"),
    403: ("permission_error", "not_allowed"),
    404: ("not_found_error", "not_found"),
    409: ("conflict_error", "conflict"),
    413: ("invalid_request_error", "payload_too_large"),
    415: ("invalid_request_error", "unsupported_type"),
    422: ("invalid_request_error", "invalid_request"),
    500: ("api_error", "ibidem_error"),
    503: ("overloaded_error", "overloaded"),
    507: ("storage_error", "storage_full"),
}


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI descriptions of the errors that a route can answer with."""
    return {status: _failure(status) for status in sorted({401, 422, 500, *statuses})}


def _failure(status: int) -> dict[str, Any]:
    kind, code = _CODES[status]
    example = {
        "error": {
            "type": kind,
            "code": code,
            "message": _MEANINGS[status],
            "param": None,
            "request_id": "req_5b1f6d0c9e5a4d0f8a3c2b1e",
        }
    }
    return {
        "model": ErrorBody,
        "description": _MEANINGS[status],
        "content": {"application/json": {"example": example}},
    }
