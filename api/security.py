"""Who may knock: API keys, or this machine alone while none is set."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from api.errors import ForeignOrigin, MisdirectedHost, Unauthorized
from rag.models.observe import LOCAL_KEY

TENANT = "default"
"""Whose data every key opens for now."""

OPEN_PATHS = frozenset({"/health", "/v1/health"})
"""Answered without a key."""


class Gate:
    """Checks a request's headers before anything reads its body."""

    def __init__(self, api_keys: Sequence[str]) -> None:
        self._keys = [(_digest(key.encode()), public_name(key)) for key in api_keys]

    def check(self, path: str, headers: Headers) -> str:
        """Let the request through, or say why not; returns the public name of its key.

        Raises:
            Unauthorized: keys are set and the request shows none of them.
            MisdirectedHost: no key is set and the request was meant for another host.
            ForeignOrigin: no key is set and a page of another site sent the request.
        """
        if not self._keys:
            _check_local(headers)
            return LOCAL_KEY
        name = self._find(headers.get("authorization", ""))
        if name is None and path not in OPEN_PATHS:
            raise Unauthorized
        return name or LOCAL_KEY

    def _find(self, authorization: str) -> str | None:
        scheme, _, key = authorization.partition(" ")
        given = _digest(key.strip().encode())
        # Every key is compared, each in constant time: how long it takes tells nothing.
        names = [name for known, name in self._keys if hmac.compare_digest(given, known)]
        return names[0] if names and scheme.lower() == "bearer" else None


def public_name(key: str) -> str:
    """What a key is called in counts: always the same, and it does not tell the key."""
    return f"key_{_digest(b'name of ' + key.encode()).hex()[:12]}"


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
