"""Numbers that count or measure something, apart from those that names and references carry.

The 7 of "Section 7", the 10 of "Form 10-Q" and the 66 of "Route 66" say which one is meant, not how
many there are.
"""

# Word lists read best as strings.
# ruff: noqa: SIM905
from __future__ import annotations

import re
from collections.abc import Set
from functools import lru_cache

from rag.models.offline.currencies import currency_of
from rag.models.offline.values import Found, Kind, find
from rag.models.offline.words import words

_REFERRING = re.compile(
    r"(?:\b(?P<word>sections?|sec|articles?|art|clauses?|paragraphs?|para|exhibits?|annex(?:es)?|"
    r"appendi(?:x|ces)|schedules?|forms?|figures?|fig|tables?|pages?|pp?|chapters?|parts?|items?|"
    r"notes?|footnotes?|rules?|regulations?|titles?|steps?|versions?|rooms?|suites?|routes?|"
    r"highways?|streets?|avenues?|flights?|gates?|questions?|lines?|class(?:es)?|series|phases?|"
    r"levels?|lots?|models?|types?|quarters?|q|no|nos|nr|number|"
    r"abschnitte?s?|artikel|ziffern?|absatz|anlagen?|anhang|seiten?|kapitel|tabellen?|"
    r"abbildung(?:en)?|abb|punkt|nummern?|paragraf)\b\.?|[#§№]|第)[^\S\t]*"
    r"(?:(?:no|nos|nr|number)\.?\s*|#)?"
    # "Sections 3, 4 and 5(a)"
    r"(?:\d[\d.]*(?:\([\w]{1,3}\))*\s*(?:,|and|or|to|through|und|oder|bis|–|-|&)+\s*)*$",  # noqa: RUF001
    re.IGNORECASE,
)
# "the Boeing 747": a name may end with a short plain number; a long one counts even so.
_CAPITALIZED = re.compile(r"(?<=\S[^\S\n])(?P<word>[A-ZÀ-ÖØ-ÞА-Я][\w'’]*)[^\S\n]$")  # noqa: RUF001
_SHORT_PLAIN = re.compile(r"\d{1,4}")
# "10-Q", "401(k)", "5th"
_GOES_ON = re.compile(r"-[A-Z]|\([a-z]{1,3}\)|(?:st|nd|rd|th)\b")
_YEAR = re.compile(r"(?:19|20)\d\d")
_YEARS = frozenset("year years jahr jahre année año anno founded established built since".split())
_CLOSEST = 60
_MEASURES = (Kind.MONEY, Kind.PERCENT, Kind.DURATION, Kind.DATE)


class Expressions:
    """What sentences are found to say, each looked at once for each kind of expression.

    It lives as long as a reading of some passages: nothing of a document outlasts that.
    """

    def __init__(self) -> None:
        self.of = lru_cache(maxsize=4096)(_all)


def is_named(text: str, found: Found, asked: Set[str], known: Set[str]) -> bool:
    """Whether a number belongs to a name or says which part of something is meant.

    Args:
        text: What it stands in.
        found: The number.
        asked: What the field is called, word by word as it is written: "section" asks for the 7.
        known: Comparable forms of all words of the field, which are no names in "Total Staff 12".
    """
    before = text[max(0, found.start - _CLOSEST) : found.start]
    if (refers := _REFERRING.search(before)) is not None:
        return (refers["word"] or "").casefold() not in asked
    if _GOES_ON.match(text, found.end):
        return True
    name = _CAPITALIZED.search(before)
    if name is None or _SHORT_PLAIN.fullmatch(found.text) is None or "\t" in text or "|" in text:
        return False
    return known.isdisjoint(words(name["word"])) and currency_of(name["word"]) is None


def is_other(text: str, found: Found, kinds: Set[Kind], asked: Set[str], said: Expressions) -> bool:
    """Whether a number is part of an expression of a kind that is not asked for, or a year."""
    if asked & _YEARS:
        return False
    return _YEAR.fullmatch(found.text) is not None or any(
        _overlap(one, found)
        for kind in _MEASURES
        if kind not in kinds
        for one in said.of(kind, text)
    )


def is_in_currency(text: str, found: Found, wanted: str | None, said: Expressions) -> bool:
    """Whether a number is money of the currency wanted, or of none that the text tells apart."""
    sums = said.of(Kind.MONEY, text)
    currencies = {currency_of(one.text) for one in sums if _overlap(one, found)}
    return wanted is None or wanted in currencies or not any(map(_is_code, currencies))


def _is_code(currency: str | None) -> bool:
    return currency is not None and currency.isalpha() and currency.isupper()


def _all(kind: Kind, text: str) -> tuple[Found, ...]:
    return tuple(find(kind, text))


def _overlap(one: Found, other: Found) -> bool:
    return one.start < other.end and other.start < one.end
