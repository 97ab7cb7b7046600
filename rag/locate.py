"""Find a quote in a text: verbatim, then with typography evened out, then with small edits.

A place is only reported where the quote says what the text says. A quote never starts or
ends inside a word or a number ("5 million" is not in "15 million", "lawful" is not in
"unlawful"), and a place found with edits must agree with the quote in every number and
every word that matters (`rag.fuzzy`). Scripts written without spaces have no such borders.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from rag.fuzzy import alignments, same_statement
from rag.types import Located

# Scripts that put no spaces between words.
DENSE = (
    "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff"
    "\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
)
_DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
_FOLDED = (
    dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033\uff02", '"')
    | dict.fromkeys("\u2018\u2019\u201a\u201b\u2039\u203a\u2032\u0060\u00b4\uff07", "'")
    | dict.fromkeys(_DASHES, "-")
)
_PIECE = re.compile(
    rf"""
    (?P<soft>(?<=[^\W\d_])[-\u2010\u2011\u00ad\x02\ufffe]\s+(?=[^\W\d_]))
  | (?P<hard>(?<=\w)[{_DASHES}]\s*(?=\w))
  | (?P<white>\s+)
  | (?P<nothing>[\u00ad\u200b-\u200f\u2060\ufeff\x02\ufffe]+)
  | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_IS_DENSE = re.compile(f"[{DENSE}]")
_NONE, _SOFT, _HARD = 0, 1, 2  # the hyphen that stood before a character of the folded text
_MOST_OCCURRENCES = 1_000
_APOSTROPHES = "'\u2019"
# Prefixes that stay apart from their word, or are parted from it by the end of a line.
_NEGATING = re.compile(r"(?i)(?<!\w)(?:(?:non|un|anti)-|(?:non|un|in|im|il|ir|dis|anti)-\s+)$")

_COMPOUND = re.compile(r"-(?=[^\W\d_])")


class Location(NamedTuple):
    """A half-open span of the text searched, and how the quote was found there."""

    start: int
    end: int
    located: Located


def locate(quote: str, text: str, *, near: int = 0) -> Location | None:
    """Find where a text says what is quoted. Linear in the text.

    Args:
        quote: The words looked for; white space around them is ignored.
        text: The text searched.
        near: Of several occurrences prefer the first at or after this offset.

    Returns:
        The place, or ``None`` for an empty quote and for one that is not there.
    """
    quote = quote.strip()
    if not quote:
        return None
    return _exact(quote, text, near) or _similar(fold(quote), fold(text), near)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """A text with its typography evened out, and where each character came from.

    ``starts`` and ``ends`` give the span in ``original`` of each character of ``text``;
    ``hyphens`` says whether a hyphen stood before it, hard or at the end of a line.
    """

    original: str
    text: str
    starts: list[int]
    ends: list[int]
    hyphens: bytes


def fold(original: str) -> Folded:
    """Even out typography: what differs between two prints of the same words.

    White space becomes one space (none inside scripts without spaces), ligatures and
    compatibility characters are decomposed, quotation marks and dashes become plain,
    invisible characters vanish, hyphens inside words are taken out and noted.
    """
    out: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    hyphens = bytearray()
    hyphen = _NONE
    for match in _PIECE.finditer(original):
        start, end = match.span()
        kind = match.lastgroup
        if kind == "other":
            for char in _fold_char(match.group()):
                at = _canonical_place(out, char)
                out.insert(at, char)
                starts.insert(at, start)
                ends.insert(at, end)
                hyphens.append(hyphen)
                hyphen = _NONE
        elif kind == "white":
            if out and out[-1] != " " and not _inside_dense(original, start, end):
                out.append(" ")
                starts.append(start)
                ends.append(end)
                hyphens.append(_NONE)
        elif kind in ("soft", "hard"):
            hyphen = _SOFT if kind == "soft" else _HARD
    if out and out[-1] == " ":
        del out[-1], starts[-1], ends[-1], hyphens[-1]
    return Folded(
        original=original, text="".join(out), starts=starts, ends=ends, hyphens=bytes(hyphens)
    )


@lru_cache(maxsize=4096)
def _fold_char(char: str) -> str:
    if char in _FOLDED:
        return _FOLDED[char]
    plain = unicodedata.normalize("NFKD", char)
    # A raised or circled digit is not that digit: 10² is not 102.
    raised = unicodedata.decomposition(char).startswith(("<super>", "<fraction>", "<circle>"))
    if plain.startswith(" ") or (raised and any(map(str.isdigit, plain))):
        return char
    return plain


def _canonical_place(out: list[str], char: str) -> int:
    """Where a combining mark belongs: marks of one base stand in canonical order."""
    at = len(out)
    rank = 0 if char < "\u0300" else unicodedata.combining(char)
    while rank and at and unicodedata.combining(out[at - 1]) > rank:
        at -= 1
    return at


def _inside_dense(text: str, start: int, end: int) -> bool:
    return (
        start > 0
        and end < len(text)
        and _IS_DENSE.match(text[start - 1]) is not None
        and _IS_DENSE.match(text[end]) is not None
    )


def _exact(quote: str, text: str, near: int) -> Location | None:
    for start in _occurrences(quote, text, near):
        end = start + len(quote)
        if not cuts(text, start) and not cuts(text, end):
            return Location(start, end, Located.EXACT)
    return None


def _occurrences(quote: str, text: str, near: int) -> Iterator[int]:
    """Offsets of a string: those from ``near`` on first, then the earlier ones."""
    left = _MOST_OCCURRENCES
    for first, stop in ((near, len(text)), (0, min(len(text), near + len(quote) - 1))):
        at = text.find(quote, first, stop)
        while at >= 0 and left:
            yield at
            left -= 1
            at = text.find(quote, at + 1, stop)


def _similar(quote: Folded, text: Folded, near: int) -> Location | None:
    if not quote.text:
        return None
    length = len(quote.text)
    near = bisect_left(text.starts, near)
    for at in _occurrences(quote.text, text.text, near):
        if _same_hyphens(quote.hyphens[1:], text.hyphens[at + 1 : at + length]):
            span = _original(text, at, at + length)
            if span is not None:
                return Location(*span, Located.NORMALIZED)
    for first, last in alignments(quote.text, text.text, near):
        span = _whole_words(text.original, text.starts[first], text.ends[last - 1])
        if span and same_statement(quote.original, text.original[slice(*span)], text.original):
            return Location(*span, Located.FUZZY)
    return None


def _same_hyphens(quote: bytes, text: bytes) -> bool:
    """Whether hyphens agree; one at the end of a line may or may not belong to the word."""
    return quote == text or all(a == b or _SOFT in (a, b) for a, b in zip(quote, text, strict=True))


def _original(text: Folded, first: int, last: int) -> tuple[int, int] | None:
    """The original span of folded characters, unless it would cut a character or a word."""
    start, end = text.starts[first], text.ends[last - 1]
    if first and text.ends[first - 1] > start:
        return None
    if last < len(text.text) and text.starts[last] < end:
        return None
    return None if cuts(text.original, start) or cuts(text.original, end) else (start, end)


def _whole_words(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Widen a span until it cuts no word and trim it; ``None`` where that is not possible."""
    while cuts(text, start):
        start -= 1
    while cuts(text, end):
        end += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    while start < end and (text[start].isspace() or _COMPOUND.match(text, start)):
        start += 1
    return None if start == end or cuts(text, start) or cuts(text, end) else (start, end)


def cuts(text: str, at: int) -> bool:
    """Whether cutting the text at this offset cuts a word, a number or a character in two."""
    if not 0 < at < len(text):
        return False
    left, right = text[at - 1], text[at]
    if unicodedata.combining(right):
        return True
    if left.isalnum() and right.isalnum():
        return (left.isdigit() and right.isdigit()) or not _IS_DENSE.match(left + right)
    before = text[at - 2] if at > 1 else " "
    after = text[at + 1] if at + 1 < len(text) else " "
    if right in ".,":
        return left.isdigit() and after.isdigit()
    if left in ".,":
        return before.isdigit() and right.isdigit()
    if right in _APOSTROPHES:  # the negation in "can't"
        return left.isalpha() and after == "t"
    if left in _APOSTROPHES:
        return before.isalpha() and right == "t"
    return _turned_by_what_precedes(text, at)


def _turned_by_what_precedes(text: str, at: int) -> bool:
    """Whether a minus sign or a negating prefix stands right before this offset."""
    if text[at - 1] in "-\u2212" and text[at].isdigit():
        return at < 2 or not text[at - 2].isalnum()
    return text[at].isalpha() and _NEGATING.search(text[max(0, at - 16) : at]) is not None
