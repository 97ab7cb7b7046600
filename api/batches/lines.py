"""The lines of a batch: each a request by itself, and a broken one breaks no other."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from pydantic import ConfigDict, Field, ValidationError

from api.bodies import strict_json
from api.complaints import complaint
from api.schemas.analyses import AnalysisBody
from api.schemas.asking import AskBody
from api.schemas.common import Words
from rag.analysis.requests import check
from rag.errors import InvalidRequest, PayloadTooLarge, RequestError
from rag.work import NewItem

MOST_LINES = 100_000
_LONGEST_LINE = 1_000_000
_LONGEST_ID = 200
_NOT_HERE = ("stream", "conversation", "budget_usd", "priority", "dry_run")
_ANALYSIS = ("kind", "schema")
"""What tells an analysis from a question."""
_WHERE = ("collection", "collections", "documents", "text")


class Broken:
    """Counts the broken lines of a file while it is read, and keeps the first of them."""

    def __init__(self, most: int) -> None:
        self.count = 0
        self.first: list[tuple[int, str]] = []
        self._most = most

    def noted(self, items: Iterable[NewItem]) -> Iterator[NewItem]:
        """The same items."""
        for item in items:
            if "error" in item.payload:
                self.count += 1
                if len(self.first) < self._most:
                    self.first.append((item.payload["line"], item.payload["error"]))
            yield item


class BatchAsk(AskBody):
    """A question of a batch: what `POST /ask` takes, and a name to find its answer by."""

    custom_id: Words = Field(max_length=_LONGEST_ID, examples=["q-17"])

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"custom_id": "q-17", "question": "What notice does termination need?"}]
        },
    )


class BatchAnalysis(AnalysisBody):
    """An analysis of a batch: what `POST /analyses` takes, and a name to find its result by."""

    custom_id: Words = Field(max_length=_LONGEST_ID, examples=["contract-17"])


def read_items(path: Path, defaults: Mapping[str, Any]) -> Iterator[NewItem]:
    """An item for each line that is not blank, in their order; of a broken one, what is wrong.

    ``defaults`` are for lines that do not say themselves.

    Raises:
        InvalidRequest: there is no line.
        PayloadTooLarge: there are too many.
    """
    seen: dict[str, int] = {}
    position = -1
    with path.open("rb") as file:
        for number, line in _lines(file):
            position += 1
            if position == MOST_LINES:
                raise PayloadTooLarge(
                    f"A batch has at most {MOST_LINES} lines; send the rest as another."
                )
            yield NewItem(position=position, payload=_payload(number, line, defaults, seen))
    if position < 0:
        raise InvalidRequest("The batch has no lines: send one JSON object per line.")


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Numbered from 1; of one that is too long, its beginning."""
    number = 0
    while line := file.readline(_LONGEST_LINE + 1):
        number += 1
        rest = line
        while not rest.endswith(b"\n") and (rest := file.readline(_LONGEST_LINE)):
            pass
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line.strip():
            yield number, line


def _payload(
    number: int, line: bytes, defaults: Mapping[str, Any], seen: dict[str, int]
) -> dict[str, Any]:
    """What is stored of a line: its request, or why it is none."""
    payload: dict[str, Any] = {"line": number, "custom_id": None}
    try:
        given = _object(line)
        name = given.get("custom_id")
        if isinstance(name, str) and seen.setdefault(name, number) != number:
            raise InvalidRequest(f"the custom_id {name!r} is that of line {seen[name]} already.")
        if isinstance(name, str) and len(name) <= _LONGEST_ID:
            payload["custom_id"] = name
        payload |= _request(given, defaults)
    except RequestError as error:
        payload["error"] = f"Line {number}: {error.message}"
    return payload


def _object(line: bytes) -> dict[str, Any]:
    if len(line) > _LONGEST_LINE:
        raise InvalidRequest(f"it has more than {_LONGEST_LINE} bytes.")
    try:
        value = strict_json(line.decode())
    except UnicodeDecodeError:
        raise InvalidRequest("it is not UTF-8.") from None
    except json.JSONDecodeError as error:
        raise InvalidRequest(f"it is not JSON: {error.msg} at character {error.pos}.") from None
    except (ValueError, RecursionError):  # a number of thousands of digits, a thousand brackets
        raise InvalidRequest("it is not JSON that can be read.") from None
    if not isinstance(value, dict):
        raise InvalidRequest("it is not a JSON object.")
    return value


def _request(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """What a line asks for, as it is stored.

    Raises:
        RequestError: it asks for nothing, or for what cannot be.
    """
    for name in _NOT_HERE:
        if name in given:
            raise InvalidRequest(f"`{name}` is not for lines of a batch.")
    analyzes = any(name in given for name in _ANALYSIS)
    if not analyzes and "question" not in given:
        raise InvalidRequest("it has neither a `question` nor the `kind` of an analysis.")
    says_where = not given.keys().isdisjoint(_WHERE)
    more = {
        name: value
        for name, value in defaults.items()
        if name not in given and not (says_where and name in _WHERE)
    }
    try:
        if analyzes:
            request = BatchAnalysis(**{**given, **more}).request()
            check(request)
            return {"analysis": request.as_json()}
        asked = BatchAsk(**{**given, **more})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InvalidRequest(f"{place}: {complaint(first)}.") from None
    return {"ask": asked.model_dump(mode="json", exclude_none=True, exclude={"custom_id"})}
