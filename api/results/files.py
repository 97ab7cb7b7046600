"""The formats that results are handed out in."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fastapi.responses import StreamingResponse

from api.results.entries import Entry
from api.results.report import POLICY, Places, as_html
from api.results.tables import as_csv
from api.results.workbook import as_xlsx


class Format(StrEnum):
    """What kind of file results are put in."""

    JSONL = "jsonl"
    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"
    HTML = "html"


MEDIA_TYPES: Mapping[Format, str] = {
    Format.JSONL: "application/jsonl",
    Format.JSON: "application/json",
    Format.CSV: "text/csv; charset=utf-8",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Format.HTML: "text/html; charset=utf-8",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What stands above results that are to be read, and shows where their quotes stand."""

    name: str
    """Of the file, without an extension."""
    title: str
    facts: Mapping[str, object]
    places: Places
    notes: Sequence[str] = ()


def file_of(format: Format, entries: Iterable[Entry], report: Report) -> StreamingResponse:
    """The results as a file, written while it is sent."""
    headers = {"content-disposition": f'attachment; filename="{report.name}.{format}"'}
    if format is Format.HTML:
        headers = {"content-security-policy": POLICY}
    content = content_of(format, entries, report)
    return StreamingResponse(content, media_type=MEDIA_TYPES[format], headers=headers)


def content_of(format: Format, entries: Iterable[Entry], report: Report) -> Iterator[bytes]:
    """The bytes of the file, as they come."""
    match format:
        case Format.JSONL:
            return (_line(entry) + b"\n" for entry in entries)
        case Format.JSON:
            return _json(entries)
        case Format.CSV:
            return as_csv(entries)
        case Format.XLSX:
            return as_xlsx(entries)
        case Format.HTML:
            return as_html(report.title, report.facts, entries, report.places, report.notes)


def _line(entry: Entry) -> bytes:
    try:
        line = json.dumps(entry.raw, ensure_ascii=False, allow_nan=False)
    except ValueError:  # JSON has no such numbers
        line = json.dumps(_finite(entry.raw), ensure_ascii=False)
    return line.encode("utf-8", "backslashreplace")


def _finite(value: Any) -> Any:
    """The value with null for what is no finite number."""
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return list(map(_finite, value))
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _json(entries: Iterable[Entry]) -> Iterator[bytes]:
    yield b'{"object":"list","data":['
    for place, entry in enumerate(entries):
        yield (b"," if place else b"") + _line(entry)
    yield b"]}"
