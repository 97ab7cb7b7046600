"""Whether two sentences give one thing in different units: a month, a year; dollars, euros."""

# Word lists read best as strings.
from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from rag.models.offline.words import words

_TIME = {
    "second": "s", "minute": "min", "hour": "h", "hourly": "h", "day": "d", "daily": "d",
    "week": "w", "weekly": "w", "month": "m", "monthly": "m", "quarter": "q", "quarterly": "q",
    "year": "y", "yearly": "y", "annual": "y", "annually": "y", "annum": "y",
}  # fmt: skip
_MONEY = {
    "$": "usd", "usd": "usd", "dollar": "usd", "€": "eur", "eur": "eur", "euro": "eur",
    "£": "gbp", "gbp": "gbp", "pound": "gbp", "chf": "chf", "franc": "chf", "jpy": "jpy",
    "¥": "jpy", "yen": "jpy",
}  # fmt: skip
_TIMES = "seconds?|minutes?|hours?|days?|weeks?|months?|quarters?|years?|annum"
_OFTEN = "hourly|daily|weekly|monthly|quarterly|yearly|annual|annually"
_MANY = "thousand|million|billion|trillion|bn|m"
_NUMBER = rf"\d[\d.,]*%?(?: (?:{_MANY})\b)?"
_CODES = "USD|EUR|GBP|CHF|JPY"
_MEASURED = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?P<of>{_NUMBER})(?: (?:full|calendar|business|working|consecutive))?[ -]"
        rf"(?P<time>{_TIMES})\b",
        rf"\b(?P<of>{_NUMBER}|[^\W\d]\w*) (?:per|an?|each|every) (?P<time>{_TIMES})\b"
        r"(?! (?:ago|earlier))",
        rf"\b(?P<time>{_OFTEN}) (?P<of>[^\W\d]\w*)",
        rf"\b(?P<of>{_NUMBER}|[^\W\d]\w*) (?P<time>{_OFTEN})\b",
        rf"(?P<money>[$€£¥]|\b(?:{_CODES})) ?(?P<of>{_NUMBER})",
        rf"\b(?P<of>{_NUMBER}) ?(?P<money>dollars?|euros?|pounds?|francs?|yen|€|(?:{_CODES})\b)",
    )
)


def other_units(one: str, other: str) -> bool:
    """Whether something is measured in both, in units of one kind, and in none that both have."""
    first, second = _measured(one), _measured(other)
    return any(not first[what] & second[what] for what in first.keys() & second.keys())


def _measured(text: str) -> Mapping[tuple[str, str], set[str]]:
    """The units of each number or word that has one beside it, by kind."""
    found = defaultdict(set)
    for kind, what, unit in _each(text):
        found[kind, what].add(unit)
    return found


def _each(text: str) -> Iterator[tuple[str, str, str]]:
    for pattern in _MEASURED:
        for match in pattern.finditer(text):
            groups = match.groupdict()
            what = " ".join(words(groups["of"]))
            if groups.get("time"):
                said = groups["time"].casefold()
                yield "time", what, _TIME.get(said) or _TIME[said.removesuffix("s")]
            else:
                said = groups["money"].casefold()
                yield "money", what, _MONEY.get(said) or _MONEY[said.removesuffix("s")]
