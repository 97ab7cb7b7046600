"""Dates and periods as texts write them."""

# Word lists read best as strings.
# ruff: noqa: SIM905
from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

_MONTHS = (
    "january january jan januar jänner janvier enero gennaio janeiro januari января",
    "february feb februar février febrero febbraio fevereiro februari февраля",
    "march mar märz mars marzo março maart марта",
    "april apr avril abril aprile апреля",
    "may mai mayo maggio maio mei мая",
    "june jun juni juin junio giugno junho июня",
    "july jul juli juillet julio luglio julho июля",
    "august aug août agosto augustus августа",
    "september sep sept septembre septiembre settembre setembro сентября",
    "october oct oktober octobre octubre ottobre outubro октября",
    "november nov novembre noviembre novembro ноября",
    "december dec dezember décembre diciembre dicembre dezembro декабря",
)
_MONTH = {name: number for number, row in enumerate(_MONTHS, 1) for name in row.split()}
_NAMED = "|".join(sorted(_MONTH, key=len, reverse=True))
_YEAR = r"(?P<year>(?:1[89]|20)\d\d)"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th|er|º|\.)?"
_DATES = tuple(
    re.compile(expression, re.IGNORECASE)
    for expression in (
        rf"\b{_YEAR}-(?P<month>\d\d)-(?P<day>\d\d)(?!\d)",
        rf"(?<!\d){_YEAR}\s?年\s?(?P<month>\d{{1,2}})\s?月\s?(?P<day>\d{{1,2}})\s?日",
        rf"\b(?P<named>{_NAMED})\.?\s+{_DAY}\s*,?\s*{_YEAR}\b",
        rf"\b{_DAY}\s*(?:day\s+)?(?:(?:of|de)\s+)?(?P<named>{_NAMED})\.?\s*,?\s*(?:de\s+|of\s+)?{_YEAR}\b",
        rf"(?<![\d.])(?P<day>\d{{1,2}})\.\s?(?P<month>\d{{1,2}})\.\s?{_YEAR}\b",
        r"(?<![\d/])(?P<one>\d{1,2})/(?P<two>\d{1,2})/(?P<year>(?:(?:1[89]|20)\d\d)|\d\d)(?![\d/])",
    )
)
_NUMBERS = dict(
    zip(
        "one two three four five six seven eight nine ten eleven twelve fifteen eighteen twenty "
        "thirty sixty ninety ein zwei drei vier fünf sechs zwölf".split(),
        [*range(1, 13), 15, 18, 20, 30, 60, 90, 1, 2, 3, 4, 5, 6, 12],
        strict=True,
    )
) | {"twenty-four": 24, "thirty-six": 36, "eine": 1, "einem": 1, "einer": 1}
_UNITS = (
    ("Y", "year", r"years?|jahre?n?|ans?|années?|años?|anni|anno|jaar"),
    ("M", "month", r"months?|monate?n?|mois|mes(?:es)?|mesi|maanden|maand"),
    ("W", "week", r"weeks?|wochen?|semaines?|semanas?|settimane|weken"),
    ("D", "day", r"days?|tagen?|tage|jours?|días?|giorni|dagen"),
    ("TH", "hour", r"hours?|stunden?|heures?|horas?|ore"),
    ("TM", "minute", r"minutes?|minuten|minutos?|minuti"),
)
_DURATION = re.compile(
    rf"\b(?P<number>\d+(?:\.\d+)?|{'|'.join(_NUMBERS)})\s*(?:\((?P<again>\d+(?:\.\d+)?)\))?"
    rf"[\s-]*(?:full\s+|calendar\s+|business\s+|consecutive\s+)?"
    rf"(?:{'|'.join(f'(?P<u{place}>{unit[2]})' for place, unit in enumerate(_UNITS))})\b"
    rf"|(?P<zh>\d+)\s?(?P<unit>个月|年|天|日|周|小时|分钟)(?!\d)",
    re.IGNORECASE,
)
_ZH = {"年": 0, "个月": 1, "周": 2, "天": 3, "日": 3, "小时": 4, "分钟": 5}


def dates(text: str) -> Iterator[tuple[int, int, str]]:
    """Whole dates: start, end and ISO form. Of ``3/4/2024``, 3 is the month."""
    taken = 0
    found = [match for expression in _DATES for match in expression.finditer(text)]
    for match in sorted(found, key=lambda match: (match.start(), -match.end())):
        iso = _iso(match.groupdict())
        if iso is not None and match.start() >= taken:
            taken = match.end()
            yield match.start(), match.end(), iso


def _iso(parts: dict[str, str | None]) -> str | None:
    year = int(parts["year"] or 0)
    if parts.get("one"):
        one, two = int(parts["one"] or 0), int(parts["two"] or 0)
        month, day = (two, one) if one > 12 else (one, two)
        year += 2000 if year < 50 else 1900 if year < 100 else 0
    else:
        named = parts.get("named")
        month = _MONTH[named.casefold()] if named else int(parts["month"] or 0)
        day = int(parts["day"] or 0)
    try:
        return dt.date(year, month, day).isoformat()
    except ValueError:
        return None


def durations(text: str) -> Iterator[tuple[int, int, str, str]]:
    """Periods: start, end, in words (``2 years``) and in ISO form (``P2Y``)."""
    for match in _DURATION.finditer(text):
        number, unit = _amount(match)
        code, name, _ = _UNITS[unit]
        plural = name if number == "1" else f"{name}s"
        iso = f"PT{number}{code[1]}" if code.startswith("T") else f"P{number}{code}"
        yield match.start(), match.end(), f"{number} {plural}", iso


def _amount(match: re.Match[str]) -> tuple[str, int]:
    if match["zh"]:
        return match["zh"], _ZH[match["unit"]]
    said = match["again"] or match["number"].casefold()
    unit = next(place for place in range(len(_UNITS)) if match[f"u{place}"])
    return str(_NUMBERS.get(said, said)), unit
