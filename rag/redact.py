"""Addresses as they may be shown, logged and stored: without what only their owner may know."""

from __future__ import annotations

import re

_SECRET_PARAMETER = re.compile(r"(?i)([?&;][^=&;]*(?:pass|pwd|secret|token|key)[^=&;]*=)[^&;#]*")
_AUTHORITY = re.compile(r"(?P<scheme>(?:[^/?#]*://)?)(?P<credentials>.*@)?(?P<rest>.*)", re.DOTALL)


def public_url(url: str) -> str:
    """The address without user, password, query and fragment."""
    return _split(url)[0] + re.split(r"[?#]", _split(url)[2], maxsplit=1)[0]


def masked_url(url: str) -> str:
    """The address with its password, and any parameter that sounds like a secret, as ``***``."""
    scheme, credentials, rest = _split(url)
    if credentials:
        credentials = f"{credentials.partition(':')[0].rstrip('@')}:***@"
    return scheme + credentials + _SECRET_PARAMETER.sub(r"\1***", rest)


def _split(url: str) -> tuple[str, str, str]:
    """Scheme, credentials with their ``@``, and the rest.

    Passwords hold any character when they are not escaped: all up to the last ``@`` is one.
    """
    match = _AUTHORITY.fullmatch(url)
    assert match is not None  # noqa: S101 - every string matches
    return match["scheme"], match["credentials"] or "", match["rest"]
