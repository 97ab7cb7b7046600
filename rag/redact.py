"""Addresses as they may be shown, logged and stored: without what only their owner may know."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from urllib.parse import unquote

_SECRET_PARAMETER = re.compile(r"(?i)([?&;][^=&;]*(?:pass|pwd|secret|token|key)[^=&;]*=)[^&;#]*")
_TELLING = 4
"""Characters in a row that give a secret away; fewer are in every sentence."""

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


def masked_text(text: str, secrets: Iterable[str]) -> str:
    """A message without any piece of the secrets, also of those that it cuts short or in two."""
    hidden = [False] * len(text)
    known = [form for secret in secrets for form in {secret, unquote(secret)}]
    for first in range(len(text) - _TELLING + 1):
        if any(text[first : first + _TELLING] in secret for secret in known):
            hidden[first : first + _TELLING] = [True] * _TELLING
    runs = groupby(zip(text, hidden, strict=True), key=itemgetter(1))
    return "".join("***" if hide else "".join(c for c, _ in run) for hide, run in runs)


def _split(url: str) -> tuple[str, str, str]:
    """Scheme, credentials with their ``@``, and the rest.

    Passwords hold any character when they are not escaped: all up to the last ``@`` is one.
    """
    match = _AUTHORITY.fullmatch(url)
    assert match is not None  # noqa: S101 - every string matches
    return match["scheme"], match["credentials"] or "", match["rest"]
