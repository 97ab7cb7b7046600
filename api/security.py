"""Who may knock: API keys, or this machine alone while none is set."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from api.errors import ForeignOrigin, MisdirectedHost, Unauthorized

TENANT = "default"
"""Whose data every key opens for now."""

OPEN_PATHS = frozenset({"/health", "/v1/health"})
"""Answered without a key."""


class Gate:
    """Checks a request's headers before anything reads its body."""

    def __init__(self, api_keys: Sequence[str]) -> None:
        self._digests = [_digest(key.encode()) for key in api_keys]

    def check(self, path: str, headers: Headers) -> None:
        """Let the request through, or say why not.

        Raises:
            Unauthorized: keys are set and the request shows none of them.
            MisdirectedHost: no key is set and the request was meant for another host.
            ForeignOrigin: no key is set and a page of another site sent the request.
        """
        if not self._digests:
            _check_local(headers)
        elif path not in OPEN_PATHS and not self._knows(headers.get("authorization", "")):
            raise Unauthorized

    def _knows(self, authorization: str) -> bool:
        scheme, _, key = authorization.partition(" ")
        given = _digest(key.strip().encode())
        # Every key is compared, each in constant time: how long it takes tells nothing.
        matches = [hmac.compare_digest(given, known) for known in self._digests]
        return scheme.lower() == "bearer" and any(matches)


def _check_local(headers: Headers) -> None:
    """Keep web pages away, which a browser on this machine would let reach loopback.

    A page whose name was rebound to 127.0.0.1 still sends its own name as Host; a form or
    script of a foreign page sends its own Origin.
    """
    host = headers.get("host", "").lower()
    if not _is_loopback(_hostname(f"//{host}")):
        raise MisdirectedHost
    origin = headers.get("origin")
    if origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}"):
        raise ForeignOrigin


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
