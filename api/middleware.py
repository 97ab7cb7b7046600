"""Around every request: its id, the gate, a bound on its body, its count, and the last resort.

Plain ASGI: nothing here buffers a reply, so event streams pass through.
"""

from __future__ import annotations

import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import errors
from api.metrics import Metrics
from api.security import Gate
from rag.errors import IbidemError, PayloadTooLarge

JSON_LIMIT = 1_000_000
"""Largest JSON body in bytes; uploads have a limit of their own and are streamed."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class RequestContext:
    """Outermost: gives the request its id, lets it in or not, counts it, catches what escaped."""

    def __init__(self, app: ASGIApp, *, gate: Gate, metrics: Metrics) -> None:
        self._app = app
        self._gate = gate
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else f"req_{uuid.uuid4().hex[:24]}"
        scope.setdefault("state", {})["request_id"] = request_id
        reply = _Reply(send, request_id)
        started = time.perf_counter()
        self._metrics.in_flight.inc()
        try:
            scope["state"]["key"] = self._gate.check(scope["path"], headers)
            await self._app(scope, receive, reply.send)
        except Exception as error:
            failure = errors.translate(error, request_id)
            if reply.status is not None:
                raise ConnectionAbortedError("the reply broke off") from None
            await errors.response(failure, request_id)(scope, receive, reply.send)
        finally:
            self._metrics.in_flight.dec()
            self._count(scope, reply.status, time.perf_counter() - started)

    def _count(self, scope: Scope, status: int | None, seconds: float) -> None:
        # Labels come from fixed sets: a stranger's paths and methods would grow without bound.
        route = getattr(scope.get("route"), "path", "(none)")
        method = scope["method"] if scope["method"] in _METHODS else "(other)"
        self._metrics.requests.labels(method, route, str(status or "aborted")).inc()
        self._metrics.seconds.labels(method, route).observe(seconds)


class _Reply:
    """Adds to each reply what all of them carry, and remembers its status."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        """Pass a message on to the server."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["x-request-id"] = self._request_id
            headers["x-content-type-options"] = "nosniff"
            headers["cross-origin-resource-policy"] = "same-origin"
            headers.setdefault("cache-control", "no-store")
        await self._send(message)


class BodyLimit:
    """Reads the whole body of a request, bounded, before the app; leaves uploads alone."""

    def __init__(self, app: ASGIApp, *, streamed: frozenset[str]) -> None:
        self._app = app
        self._streamed = streamed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in self._streamed:
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdigit() and int(declared) > JSON_LIMIT:
            raise _too_large()
        body = await _read(receive) if scope["method"] not in ("GET", "HEAD") else None
        await self._app(scope, receive if body is None else _replay(body, receive), send)


async def _read(receive: Receive) -> bytes | None:
    """The body; ``None`` when the client went away."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        size += len(part)
        if size > JSON_LIMIT:
            raise _too_large()
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay


def _too_large() -> IbidemError:
    return PayloadTooLarge(
        f"The body is larger than {JSON_LIMIT // 1_000_000} MB; send a long text as a document, "
        "and many requests as a batch."
    )
