"""The formats of strings that a schema can ask for; each is checked, and there are no others.

Dates, times and durations are those of RFC 3339, the form of ISO 8601 that JSON Schema names. A
moment says where it holds: without an offset it could be any of a day's.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from collections.abc import Callable

from jsonschema import FormatChecker

FORMATS = FormatChecker(formats=())

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(
    r"(?P<clock>[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]+)?"
    r"(?:[Zz]|[+-](?P<offset>[0-9]{2}:[0-9]{2}))"
)
_DURATION = re.compile(
    r"P(?:[0-9]+W|(?=[0-9T])(?:[0-9]+Y)?(?:[0-9]+M)?(?:[0-9]+D)?"
    r"(?:T(?=[0-9])(?:[0-9]+H)?(?:[0-9]+M)?(?:[0-9]+S)?)?)"
)
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+")
_PHONE = re.compile(r"\+?[\d\s()./-]{5,}")
_URL = re.compile(r"https?://[^\s/$.?#].\S*", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)
_LONGEST_HOSTNAME = 253

Check = Callable[[str], bool]


def _format(*names: str) -> Callable[[Check], Check]:
    """Register a check of strings; one that raises a ``ValueError`` does not hold."""

    def register(check: Check) -> Check:
        for name in names:
            FORMATS.checks(name, raises=ValueError)(
                lambda value: check(value) if isinstance(value, str) else True
            )
        return check

    return register


@_format("date")
def _is_date(text: str) -> bool:
    return bool(_DATE.fullmatch(text) and dt.date.fromisoformat(text))


@_format("time")
def _is_time(text: str) -> bool:
    match = _TIME.fullmatch(text)
    if match is None:
        return False
    dt.time.fromisoformat(match["clock"])
    dt.time.fromisoformat(match["offset"] or "00:00")
    return True


@_format("date-time")
def _is_moment(text: str) -> bool:
    return text[10:11] in ("T", "t") and _is_date(text[:10]) and _is_time(text[11:])


@_format("duration")
def _is_duration(text: str) -> bool:
    return bool(_DURATION.fullmatch(text))


@_format("email", "e-mail")
def _is_email(text: str) -> bool:
    return bool(_EMAIL.fullmatch(text))


@_format("phone")
def _is_phone(text: str) -> bool:
    return bool(_PHONE.fullmatch(text)) and sum(map(str.isdigit, text)) >= 5


@_format("url", "uri")
def _is_url(text: str) -> bool:
    return bool(_URL.fullmatch(text))


@_format("hostname")
def _is_hostname(text: str) -> bool:
    return len(text) <= _LONGEST_HOSTNAME and all(map(_LABEL.fullmatch, text.split(".")))


@_format("ipv4")
def _is_ipv4(text: str) -> bool:
    return bool(ipaddress.IPv4Address(text))


@_format("ipv6")
def _is_ipv6(text: str) -> bool:
    return "%" not in text and bool(ipaddress.IPv6Address(text))


@_format("uuid")
def _is_uuid(text: str) -> bool:
    return bool(_UUID.fullmatch(text))
