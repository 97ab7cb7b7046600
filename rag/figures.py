"""Dates, large amounts and numbers of clauses as words: one each, however a text writes it.

BM25 knows "$5.2 billion" and "5,200 million dollars" for different words, and so does it "March 5,
2024" and "2024-03-05"; and of "Section 7.2" the clause that has this number is no better to it
than those that refer to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rag.models.offline.dates import dates
from rag.models.offline.values import Kind, find

_DIGIT = re.compile(r"\d")
# Where dates and large amounts can be at all: looking for them everywhere takes long.
_YEAR = re.compile(r"(?:1[89]|20)\d\d|\d/\d")
_BEFORE, _AFTER = 40, 24
_MANY = re.compile(
    r"\d[.,' \u00a0\u202f]\d{3}|\d{5}"
    r"|\d\s?(?:thousand|tausend|mil|mio|m\b|mn|mrd|billi|bn|k\b|万|亿)",
    re.IGNORECASE,
)
_CLAUSE = r"(?P<number>\d{1,3}(?:\.\d{1,2}){0,4})(?![\d.]*\d)"
_REFERRED = re.compile(
    rf"(?:\b(?:sections?|sec\.|clauses?|articles?|art\.|paragraphs?|para\.)|§§?)\s*{_CLAUSE}",
    re.IGNORECASE,
)
_HEADED = re.compile(
    rf"^[ \t#*]*(?:(?:section|clause|article|§)\s*)?{_CLAUSE}[.):]?[ \t]+[^\W\d_]",
    re.IGNORECASE | re.MULTILINE,
)
_HEADS = 2
"""A clause counts so much more often where it begins."""
_LARGE, _NO_YEAR = 1_000, 10_000
"""Amounts below are written in one way; bare digits below may be a year."""


def figures(text: str) -> list[str]:
    """A word for each date, amount from a thousand on and clause in a text, repeated as they are.

    The word of a clause comes more often where the clause begins.
    """
    return list(_figures(text)) if _DIGIT.search(text) else []


def _figures(text: str) -> Iterator[str]:
    for part in _around(_YEAR, text):
        for _, _, iso in dates(part):
            yield f"date{iso.replace('-', '')}"
    for one in find(Kind.NUMBER, text) if _MANY.search(text) else ():
        least = _NO_YEAR if one.text.isdecimal() else _LARGE
        if one.number is not None and abs(one.number) >= least:
            yield f"amount{abs(one.number):.2f}".removesuffix(".00").replace(".", "x")
    for match in _REFERRED.finditer(text):
        yield _clause(match["number"])
    for match in _HEADED.finditer(text):
        yield from [_clause(match["number"])] * _HEADS


def _clause(number: str) -> str:
    return f"clause{number.replace('.', 'x')}"


def _around(pattern: re.Pattern[str], text: str) -> Iterator[str]:
    """The parts of a text around what is found in it, where these overlap as one."""
    start = end = 0
    for match in pattern.finditer(text):
        if match.start() - _BEFORE > end:
            yield text[start:end]
            start = match.start() - _BEFORE
        end = match.end() + _AFTER
    yield text[start:end]
