"""What each error means over HTTP: the one place that knows statuses.

RequestError                (rag.errors)
+-- MalformedJson           400
+-- Unauthorized            401
+-- ForeignOrigin           403
+-- NotAllowed              403
+-- UnknownRoute            404
+-- MethodNotAllowed        405
+-- RequestTimeout          408
+-- MisdirectedHost         421
"""

from __future__ import annotations

import errno
import logging
import traceback
from collections.abc import Mapping

import sqlalchemy as sa
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from api.complaints import complaint
from rag import errors as e

_log = logging.getLogger(__name__)


class MalformedJson(e.RequestError):
    """The body is not valid JSON."""


class Unauthorized(e.RequestError):
    """An API key is needed; send it as `Authorization: Bearer KEY`."""


class ForeignOrigin(e.RequestError):
    """Requests from other web sites are refused while no API key is set."""


class NotAllowed(e.RequestError):
    """This API key may not do this."""


class UnknownRoute(e.RequestError):
    """There is nothing at this path; /openapi.json lists what there is."""


class MethodNotAllowed(e.RequestError):
    """This path does not take this method; /openapi.json lists those that it takes."""


class RequestTimeout(e.RequestError):
    """The body did not arrive in time; nothing was stored."""


class MisdirectedHost(e.RequestError):
    """Without an API key only loopback names are served, such as 127.0.0.1 and localhost."""


STATUS: Mapping[type[e.IbidemError], tuple[int, str]] = {
    e.IbidemError: (500, "api_error"),
    e.RequestError: (400, "invalid_request_error"),
    e.InvalidRequest: (422, "invalid_request_error"),
    e.InvalidFilter: (422, "invalid_request_error"),
    e.NotFound: (404, "not_found_error"),
    e.Conflict: (409, "conflict_error"),
    e.Superseded: (409, "conflict_error"),
    e.PayloadTooLarge: (413, "invalid_request_error"),
    e.UnsupportedType: (415, "invalid_request_error"),
    e.DocumentError: (422, "document_error"),
    e.EmptyDocument: (422, "document_error"),
    e.EncryptedDocument: (422, "document_error"),
    e.CorruptDocument: (422, "document_error"),
    e.ParserLimit: (422, "document_error"),
    e.OcrUnavailable: (422, "document_error"),
    e.ChunkingFailed: (422, "document_error"),
    e.OriginalMissing: (422, "document_error"),
    e.StorageError: (500, "storage_error"),
    e.StorageFull: (507, "storage_error"),
    e.StoreDamaged: (500, "storage_error"),
    e.HomeBusy: (503, "storage_error"),
    e.Overloaded: (503, "overloaded_error"),
    e.ShuttingDown: (503, "overloaded_error"),
    e.EmbeddingFailed: (500, "api_error"),
    e.RerankFailed: (500, "api_error"),
    e.ModelError: (502, "model_error"),
    e.ModelUnavailable: (503, "model_error"),
    e.RateLimited: (503, "model_error"),
    e.ModelTimeout: (504, "model_error"),
    e.MalformedReply: (502, "model_error"),
    e.ModelAccessDenied: (502, "model_error"),
    e.ModelRejected: (502, "model_error"),
    e.ModelRefused: (502, "model_error"),
    e.OutputTruncated: (502, "model_error"),
    e.InvalidOutput: (502, "model_error"),
    e.BudgetExceeded: (402, "budget_error"),
    e.ConfigurationError: (500, "api_error"),
    e.MissingExtra: (500, "api_error"),
    MalformedJson: (400, "invalid_request_error"),
    Unauthorized: (401, "authentication_error"),
    ForeignOrigin: (403, "permission_error"),
    NotAllowed: (403, "permission_error"),
    UnknownRoute: (404, "not_found_error"),
    MethodNotAllowed: (405, "invalid_request_error"),
    RequestTimeout: (408, "invalid_request_error"),
    MisdirectedHost: (421, "permission_error"),
}
"""HTTP status and ``type`` of every error, each class named; a test finds what is missing."""

_HEADERS: Mapping[type[e.IbidemError], Mapping[str, str]] = {
    e.Overloaded: {"retry-after": "1"},
    e.ShuttingDown: {"retry-after": "5"},
    Unauthorized: {"www-authenticate": 'Bearer realm="ibidem"'},
}
_FROM_STARLETTE: Mapping[int, type[e.IbidemError]] = {
    400: MalformedJson,
    404: UnknownRoute,
    405: MethodNotAllowed,
}
_INTERNAL = "Something went wrong inside Ibidem; its log says more under this request id."


def body(error: e.IbidemError, request_id: str) -> dict[str, object]:
    """The shared JSON form of an error."""
    return {
        "error": {
            "type": STATUS[type(error)][1],
            "code": error.code,
            "message": _fit(error.message, 1000),
            "param": None if error.param is None else _fit(error.param, 200),
            "request_id": request_id,
        }
    }


def response(error: e.IbidemError, request_id: str, **headers: str) -> Response:
    """An error as a reply."""
    return JSONResponse(
        body(error, request_id),
        status_code=STATUS[type(error)][0],
        headers={**_HEADERS.get(type(error), {}), **headers},
    )


def translate(error: Exception, request_id: str) -> e.IbidemError:
    """Any exception as an error of ours; one that nobody foresaw is logged, and told nobody.

    Only its type and the places it came through are logged: its message may quote a document.
    """
    if isinstance(error, e.IbidemError):
        if STATUS[type(error)][0] == 500:
            _log_places(error, request_id)
        return error
    if isinstance(error, ClientDisconnect):
        return e.InvalidRequest("The connection was closed before the whole request had come.")
    if _says_disk_full(error):
        return e.StorageFull()
    _log_places(error, request_id)
    return e.IbidemError(_INTERNAL)


def register(app: FastAPI) -> None:
    """Answer every exception that a route raises in the shared form."""

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> Response:
        return response(_from_validation(error), request.state.request_id)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        known = _FROM_STARLETTE.get(error.status_code, e.InvalidRequest)
        return response(known(), request.state.request_id, **dict(error.headers or {}))

    @app.exception_handler(e.IbidemError)
    async def _ours(request: Request, error: e.IbidemError) -> Response:
        request_id = request.state.request_id
        return response(translate(error, request_id), request_id)


def _from_validation(error: RequestValidationError) -> e.RequestError:
    """The first complaint, and where it is; values are not repeated."""
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return MalformedJson(f"The body is not valid JSON, near character {first['loc'][-1]}.")
    if first["loc"] == ("body",):
        return e.InvalidRequest(
            "The body must be a JSON object, sent with Content-Type: application/json.",
            param="body",
        )
    place = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    return e.InvalidRequest(f"{place}: {complaint(first)}.", param=place)


def _fit(text: str, limit: int) -> str:
    """Messages may name what the caller sent: cut it, and escape what is no Unicode text."""
    cut = text if len(text) <= limit else f"{text[: limit - 1]}…"
    return cut.encode("utf-8", "backslashreplace").decode()


def _says_disk_full(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return isinstance(error, sa.exc.OperationalError) and "disk is full" in str(error.orig)


def _log_places(error: BaseException, request_id: str) -> None:
    places = "".join(traceback.format_tb(error.__traceback__))
    kind = type(error).__name__
    if isinstance(error, sa.exc.OperationalError):  # of the database, never of documents
        kind += f" ({error.orig})"
    _log.error("request %s failed with %s\n%s", request_id, kind, places)
