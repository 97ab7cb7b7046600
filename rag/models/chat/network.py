"""Connections that end with the time for all of a request, however it is spent.

The timeouts of an HTTP client are for one wait each: a server that sends a byte now and then,
in its headers or in one interim reply after another, is never late by them.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable
from ssl import SSLContext
from typing import Any

import httpcore2
import httpx2


class _Request(threading.local):
    """The request that a thread is carrying out, which one at a time does for itself."""

    deadline = float("inf")


class DeadlineNetwork(httpcore2.NetworkBackend):
    """Gives every wait of a thread what is left until its deadline, or less."""

    def __init__(self) -> None:
        self._inner = httpcore2.SyncBackend()
        self._request = _Request()

    def until(self, deadline: float) -> None:
        """End what this thread does from now on by then, as ``time.monotonic()`` counts."""
        self._request.deadline = deadline

    def left(self, timeout: float | None, late: type[Exception]) -> float | None:
        """How long to wait now.

        Raises:
            late: The time is over.
        """
        left = self._request.deadline - time.monotonic()
        if left <= 0:
            raise late("the time for the request is over")
        if timeout is not None:
            return min(left, timeout)
        return None if left == float("inf") else left

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect to a server."""
        left = self.left(timeout, httpcore2.ConnectTimeout)
        return _Stream(
            self._inner.connect_tcp(host, port, left, local_address, socket_options), self
        )


class _Stream(httpcore2.NetworkStream):
    def __init__(self, inner: httpcore2.NetworkStream, network: DeadlineNetwork) -> None:
        self._inner = inner
        self._network = network

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._network.left(timeout, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # Piece by piece: the other end may take them as slowly as it likes.
        view = memoryview(buffer)
        connection: socket.socket = self._inner.get_extra_info("socket")
        while view:
            connection.settimeout(self._network.left(timeout, httpcore2.WriteTimeout))
            try:
                view = view[connection.send(view) :]
            except TimeoutError as error:
                raise httpcore2.WriteTimeout(str(error)) from error
            except OSError as error:
                raise httpcore2.WriteError(str(error)) from error

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        left = self._network.left(timeout, httpcore2.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left), self._network)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class DeadlineTransport(httpx2.HTTPTransport):
    """HTTP over such connections, as many as there are requests at once."""

    def __init__(self) -> None:
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=64)
        super().__init__(limits=limits)
        self.network = DeadlineNetwork()
        # The transport has no parameter for what its pool of connections has one for.
        self._pool._network_backend = self.network
