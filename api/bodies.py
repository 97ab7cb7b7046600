"""A request's body, handed piece by piece to a worker thread: never more than a piece in memory.

And JSON, read more strictly than Python does: what it takes beyond the standard, not every
database keeps.
"""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, TypeAlias

import anyio
import anyio.from_thread
from fastapi import Depends
from starlette.requests import Request

from api.errors import RequestTimeout
from rag.errors import InvalidRequest, PayloadTooLarge

_PIECE = 262_144
_SILENCE_S = 30.0
_FORM_OVERHEAD = 1_000_000


def body_parts(request: Request, *, file_limit: int) -> Iterator[bytes]:
    """The body, read as the caller asks for it; to be called from a worker thread.

    Raises:
        PayloadTooLarge: more than ``file_limit`` and what a form needs beside the file.
        RequestTimeout: nothing came for half a minute.
    """
    limit = file_limit + _FORM_OVERHEAD
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(file_limit)
    stream = request.stream()
    size = 0
    while piece := anyio.from_thread.run(_next_piece, stream):
        size += len(piece)
        if size > limit:
            raise _too_large(file_limit)
        yield piece


def json_object(text: str) -> dict[str, Any] | None:
    """The object that a text holds; ``None`` for anything else, however it fails to be one."""
    try:
        value = strict_json(text)
    except (ValueError, RecursionError, InvalidRequest):
        return None
    return value if isinstance(value, dict) else None


async def _raw_body(request: Request) -> bytes:
    return await request.body()


RawBody: TypeAlias = Annotated[bytes, Depends(_raw_body)]
"""A request's body as it came, beside what it was read as."""


def strict_json(text: str | bytes) -> Any:
    """The value of JSON whose numbers are finite and whose characters are Unicode.

    Raises:
        InvalidRequest: they are not.
        ValueError, RecursionError: it is no JSON.
    """
    value = json.loads(text, parse_float=_finite, parse_constant=_finite)
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidRequest("it holds characters that are no Unicode text.") from None
    return value


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise InvalidRequest(f"the number {number[:20]} is not finite.")
    return value


async def _next_piece(stream: AsyncIterator[bytes]) -> bytes:
    """Up to about a quarter of a megabyte: a hop between threads for each packet is slow."""
    parts: list[bytes] = []
    size = 0
    try:
        while size < _PIECE:
            with anyio.fail_after(_SILENCE_S):
                part = await anext(stream, None)
            if part is None:
                break
            parts.append(part)
            size += len(part)
    except TimeoutError as error:
        raise RequestTimeout from error
    return b"".join(parts)


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"The file is larger than {limit / 1e6:.0f} MB; "
        "raise IBIDEM_MAX_UPLOAD_MB or send it in parts."
    )
