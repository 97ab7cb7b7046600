"""Amounts in texts: a number with its sign and its unit, however they are written."""

# Word lists read best as strings.
# ruff: noqa: SIM905
from __future__ import annotations

import re
from dataclasses import dataclass, replace

from rag.models.offline.currencies import currency_of
from rag.models.offline.values import Found, Kind, find

_PERCENT = "%"
_MINUS = ("-", "−")  # noqa: RUF001
# A number of more digits than these is not told apart from the next by a float.
_MOST_DIGITS, _MOST_DECIMALS = 15, 6
_INEXACT = re.compile(rf"^\D*0\d|[.,]\d{{{_MOST_DECIMALS + 1}}}")
# What stands right beside a number that is a part of something else: a version, a range, a code.
_PART_BEFORE = re.compile(r"[\w.,/:-]$")
_PART_AFTER = re.compile(r"[\w/:-]|[.,]\d")
# What may stand before a number that is a value, and after it.
_QUALIFYING = frozenset(
    "about approximately approx around roughly nearly almost some ca circa over under up to at "
    "least most than more less fewer minimum maximum min max of in all total a an only just "
    "exactly ungefähr etwa rund mindestens höchstens insgesamt environ plus moins "
    "one two three four five six seven eight nine ten eleven twelve fifteen eighteen twenty "
    "thirty sixty ninety".split()
)
# "days", "m/s", "Tage"; not "th", nor the "Angry Men" of a title.
_MEASURED = re.compile(
    r"\)?(?!st\b|nd\b|rd\b|th\b)\s*"
    r"(?:[^\W\d_][\w²³/]*|(?:[^\W\d_A-ZÀ-Þ][\w'/-]*[\s.]*){1,4})?[\s.]*"
)
_LONE_SCALE = re.compile(r"\d\s?[km]\.?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """A number at ``[start, end)`` of a text; ``unit`` is a currency, ``%`` or ``None``.

    Of a `stated_amount` it may also be one of time, such as "months".
    """

    start: int
    end: int
    number: float
    unit: str | None

    def __str__(self) -> str:
        """The same for the same amount, however it is written."""
        return f"{self.number:.{_MOST_DIGITS}g}{self.unit or ''}"


def amount_of(text: str) -> Amount | None:
    """The only amount that a text says: of money, else of percents, else any number."""
    for kind in (Kind.MONEY, Kind.PERCENT, Kind.NUMBER):
        found = [one for one in find(kind, text) if one.number is not None]
        if found:
            return _amount(kind, found[0], text) if len(found) == 1 else None
    return None


def stated_amount(text: str) -> Amount | None:
    """The amount that a text says and nothing else, as in "about 30 days", "EUR 5.00 a month".

    ``None`` for names with digits, as "Route 66", "Form 10-Q" and "TX-125" are. A sentence states
    one if it is of money or a share.
    """
    one = amount_of(text)
    if one is None or one.unit is not None:
        return one
    before = re.findall(r"\w+", text[: one.start].casefold())
    said = text[one.start : one.end]
    if _INEXACT.search(said) or _LONE_SCALE.search(said) or not _QUALIFYING.issuperset(before):
        return None
    if _MEASURED.fullmatch(text, one.end) is None:
        return None
    units = [period.text.split()[1] for period in find(Kind.DURATION, text)]
    return replace(one, unit=f"{units[0].rstrip('s')}s") if len(units) == 1 else one


def amounts(text: str) -> list[Amount]:
    """The amounts of a text that can be compared as numbers, in order.

    Those are left out that are parts of something else, as in ``1.2.3``, ``5-10`` or ``007``, and
    those that a float would confuse with others.
    """
    made: list[Amount] = []
    for kind in (Kind.MONEY, Kind.PERCENT, Kind.NUMBER):
        for found in find(kind, text):
            one = _amount(kind, found, text)
            if _is_whole(one, text) and not any(
                other.start < one.end and one.start < other.end for other in made
            ):
                made.append(one)
    return sorted(made, key=lambda one: one.start)


def _amount(kind: Kind, found: Found, text: str) -> Amount:
    unit = _PERCENT if kind is Kind.PERCENT else None
    if kind is Kind.MONEY:
        unit = currency_of(found.text)
    start, end, number = found.start, found.end, found.number or 0.0
    before = text[:start].rstrip()
    if before.endswith(_MINUS) and not before[:-1].strip():  # "-$5"
        return Amount(start=len(before) - 1, end=end, number=-number, unit=unit)
    if before == "(" and text[end:].strip() == ")":  # as accounts write what is owed
        return Amount(start=0, end=len(text), number=-abs(number), unit=unit)
    return Amount(start=start, end=end, number=number, unit=unit)


def _is_whole(one: Amount, text: str) -> bool:
    said = text[one.start : one.end]
    return not (
        sum(map(str.isdigit, said)) > _MOST_DIGITS
        or _INEXACT.search(said)
        or (one.unit is None and _LONE_SCALE.search(said))  # metres, or millions
        or _PART_BEFORE.search(text[: one.start])
        or _PART_AFTER.match(text, one.end)
    )
