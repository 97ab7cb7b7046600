"""HTTP to providers, bounded in time and size.

The SDKs bound the wait for each piece of a reply, so that a byte a second holds a call for
ever, and read a reply of any size, or one that grows to any size when it is unpacked.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import httpx2

from rag.models.chat.network import DeadlineTransport

if TYPE_CHECKING:
    from httpx2 import Request, Response

_MOST_BYTES = ContextVar("most_bytes", default=8 << 20)
_CONNECT_S = 10.0


class ReplyTooLarge(httpx2.TransportError):
    """The reply is larger than any model's output."""


class EncodedReply(httpx2.TransportError):
    """The reply is packed, though none was asked for that is."""


class BoundedTransport(httpx2.BaseTransport):
    """Ends a request once the time for all of it is over, or its reply grows too large.

    The time is the request's ``read`` timeout, counted from its beginning. It holds for every
    wait of a `DeadlineTransport`, and between the pieces of another's replies.
    """

    def __init__(self, inner: httpx2.BaseTransport) -> None:
        self._inner = inner
        self._network = inner.network if isinstance(inner, DeadlineTransport) else None

    def handle_request(self, request: Request) -> Response:
        """Send, and hand the reply on piece by piece."""
        seconds = request.extensions.get("timeout", {}).get("read")
        deadline = time.monotonic() + seconds if seconds is not None else float("inf")
        if self._network is not None:
            self._network.until(deadline)
        response = self._inner.handle_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            response.close()
            raise EncodedReply("the reply is packed")
        response.stream = _Bounded(response.stream, deadline)
        return response

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


class _Bounded(httpx2.SyncByteStream):
    def __init__(self, inner: Any, deadline: float) -> None:
        self._inner = inner
        self._deadline = deadline
        self._most_bytes = _MOST_BYTES.get()

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for piece in self._inner:
            size += len(piece)
            if size > self._most_bytes:
                raise ReplyTooLarge("the reply is larger than any model's output")
            if time.monotonic() > self._deadline:
                raise httpx2.ReadTimeout("the reply did not end in time")
            yield piece

    def close(self) -> None:
        self._inner.close()


@contextmanager
def replies_up_to(most_bytes: int) -> Iterator[None]:
    """Let replies to what this thread asks for meanwhile be larger than a model's output."""
    before = _MOST_BYTES.set(most_bytes)
    try:
        yield
    finally:
        _MOST_BYTES.reset(before)


def bounded_client(transport: httpx2.BaseTransport | None = None) -> httpx2.Client:
    """An HTTP client for an SDK; ``transport`` stands in for the network."""
    return httpx2.Client(
        transport=BoundedTransport(transport or DeadlineTransport()),
        headers={"accept-encoding": "identity"},
        follow_redirects=False,
    )


def timeouts(seconds: float) -> httpx2.Timeout:
    """For one request: all of it in so many seconds, the connection sooner."""
    return httpx2.Timeout(seconds, connect=min(seconds, _CONNECT_S))
