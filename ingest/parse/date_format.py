"""Dates and times of workbooks: serial numbers shown by the date tokens of a format code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

DATE_TOKEN = r"\[h+\]|\[m+\]|\[s+\]|y+|m+|d+|h+|s+(?:\.0+)?|AM/PM|A/P"  # noqa: S105
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_LAST_DAY = 2_958_466  # after 9999-12-31
_FALSE_LEAP_DAY = 60  # 1900-02-29, which never was, has a number of its own


def format_date(
    serial: float, tokens: Sequence[tuple[str, str]], *, from_1904: bool = False
) -> str | None:
    """A serial number by the tokens of its section, kind and text; ``None`` if it is no date."""
    if not 0 <= serial < _LAST_DAY:
        return None
    finest = max((_fraction(text) for kind, text in tokens if kind == "date"), default=0)
    moment = to_datetime(serial, finest, from_1904=from_1904)
    if moment is None:
        return None
    return "".join(_pieces(moment, serial, tokens)).strip()


def to_datetime(serial: float, decimals: int = 0, *, from_1904: bool = False) -> datetime | None:
    """The moment that a serial number means, its seconds rounded to so many decimals."""
    if from_1904:
        base = datetime(1904, 1, 1)  # noqa: DTZ001 - cells know no time zone
    else:
        first = 31 if serial < _FALSE_LEAP_DAY else 30
        base = datetime(1899, 12, first)  # noqa: DTZ001
    try:
        return base + timedelta(seconds=round(serial * 86400, min(decimals, 6)))
    except OverflowError:
        return None


def _fraction(token: str) -> int:
    return len(token.partition(".")[2])


def _pieces(moment: datetime, serial: float, tokens: Sequence[tuple[str, str]]) -> Iterator[str]:
    dates = [(i, text.lower()) for i, (kind, text) in enumerate(tokens) if kind == "date"]
    halves = any(text in ("am/pm", "a/p") for _, text in dates)
    minutes = set(_minutes(dates))
    for i, (kind, text) in enumerate(tokens):
        if kind in ("literal", "mark"):
            yield text
        elif kind == "date" and text.startswith("["):
            yield _elapsed(serial, text.lower())
        elif kind == "date" and i in minutes:
            yield f"{moment.minute:0{min(len(text), 2)}d}"
        elif kind == "date":
            yield _piece(moment, text.lower(), halves=halves)


def _minutes(dates: Sequence[tuple[int, str]]) -> Iterator[int]:
    """Which "m" are minutes: those after hours or before seconds."""
    for place, (i, token) in enumerate(dates):
        if token in ("m", "mm"):
            before = dates[place - 1][1] if place else ""
            after = dates[place + 1][1] if place + 1 < len(dates) else ""
            if before.strip("[]").startswith("h") or after.strip("[]").startswith("s"):
                yield i


def _piece(moment: datetime, token: str, *, halves: bool) -> str:
    width = min(len(token), 2)
    if token in ("am/pm", "a/p"):
        morning = moment.hour < 12
        return ("AM" if morning else "PM")[: 2 if token == "am/pm" else 1]  # noqa: S105
    if token[0] == "y":
        return f"{moment.year:04d}" if len(token) > 2 else f"{moment.year % 100:02d}"
    if token[0] == "m":
        name = _MONTHS[moment.month - 1]
        return {3: name[:3], 4: name, 5: name[0]}.get(len(token), f"{moment.month:0{width}d}")
    if token[0] == "d":
        name = _DAYS[moment.weekday()]
        return {3: name[:3], 4: name}.get(len(token), f"{moment.day:0{width}d}")
    if token[0] == "h":
        hour = (moment.hour - 1) % 12 + 1 if halves else moment.hour
        return f"{hour:0{width}d}"
    decimals = _fraction(token)
    width = min(len(token.partition(".")[0]), 2)
    fraction = f".{moment.microsecond:06d}"[: decimals + 1] if decimals else ""
    return f"{moment.second:0{width}d}{fraction}"


def _elapsed(serial: float, token: str) -> str:
    unit = {"h": 3600, "m": 60, "s": 1}[token[1]]
    return f"{int(round(serial * 86400) // unit):0{len(token) - 2}d}"
