"""Whether the text layer of a PDF page says what the page shows.

A layer may be missing (a scan), be nonsense (fonts that do not tell which characters their
glyphs are, an old and poor recognition), or be a mere stamp on a scan. No dictionary is
asked, so that it works for every language; what is doubtful is left to a comparison with
what text recognition reads.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import pairwise

import numpy as np

from ingest.parse.pdf_lines import BULLETS, LINE_HYPHEN, Line
from ingest.parse.pdfium import Glyphs

_FEWEST = 20
_MOST_UNKNOWN = 0.1
_LIKE_WORDS = 0.65
_SPARSE = 0.05
_PICTURED = 0.5
_MARGIN = 0.1
_VOWELS = frozenset("aeiouy")
_FEWEST_VOWELS, _MOST_VOWELS = 0.22, 0.65
_ENOUGH_LETTERS = 100
_NUMBER = re.compile(r"[\d.,:/%+\-\u2013\u2212$€£¥#*x\u00d7°']+[A-Za-z%°]{0,3}")
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019.\-\u2010\u2011&/@_][^\W\d_]+)*\.?")
_CODE = re.compile(r"[^\W\d_]{1,12}[-./_]?\d+[^\W\d_]{0,3}|\d+[-./_]?[^\W\d_]{1,12}")
_LEADERS = re.compile(r"([^\w\s])\1{2,}|_{2,}|(?:[.\u00b7] ){3,}")
_AROUND = (
    "()[]{}<>\"'\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb.,;:!?*"
    "\u2020\u2021\u2022\u00a7|-\u2013\u2014"
)


class Verdict(Enum):
    """What a page's own text is worth."""

    SOUND = auto()
    MISSING = auto()
    SPARSE = auto()
    """Little text on a page that is mostly picture: a stamp on a scan, or a slide."""
    GARBLED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """The text that a page brings along."""

    verdict: Verdict
    letters: int
    likeness: float

    def is_worse_than(self, lines: Sequence[Line]) -> bool:
        """Whether recognized lines are to replace it."""
        text = _text(lines)
        if self.verdict is Verdict.MISSING:
            return bool(text)
        if self.verdict is Verdict.SPARSE:
            return _letters(text) > 2 * self.letters
        enough = 2 * _letters(text) > self.letters
        return enough and likeness(text) > self.likeness + _MARGIN


NO_LAYER = Layer(verdict=Verdict.MISSING, letters=0, likeness=0.0)
"""What an image has."""


def judge(glyphs: Glyphs, lines: Sequence[Line], pictured: float) -> Layer:
    """What the text of a page is worth; ``pictured`` is the share of it that images cover."""
    text = _text(lines)
    unmapped = unknown(glyphs)
    like = likeness(text) * (1 - unmapped)
    if not text and not unmapped:
        verdict = Verdict.MISSING
    elif pictured >= _PICTURED and _text_area(glyphs) < _SPARSE:
        verdict = Verdict.SPARSE
    elif unmapped > _MOST_UNKNOWN or (len(text) >= _FEWEST and like < _LIKE_WORDS):
        verdict = Verdict.GARBLED
    else:
        verdict = Verdict.SOUND
    return Layer(verdict=verdict, letters=_letters(text), likeness=like)


def unknown(glyphs: Glyphs) -> float:
    """Share of the written characters that are none: unmapped, control, private, replaced."""
    codes = glyphs.codes[glyphs.written]
    codes = codes[(codes != 0x20) & (codes != 10) & (codes != 13)]
    if not len(codes):
        return 0.0
    bad = (codes < 0x20) & (codes != 2) & (codes != 9)
    bad |= (codes >= 0x7F) & (codes < 0xA0)
    bad |= (codes >= 0xE000) & (codes < 0xF900) & ~np.isin(codes, BULLETS)
    bad |= (codes >= 0xFFF0) & (codes < 0x10000)
    return float(np.count_nonzero(bad)) / len(codes)


def likeness(text: str) -> float:
    """Share of the characters that stand in words, numbers or codes, from 0 to 1."""
    total = good = 0
    for token in _LEADERS.sub(" ", text).split():
        bare = token.strip(_AROUND)
        if bare:
            total += len(token)
            good += len(token) if _like_a_word(bare) else 0
    if not total:
        return 0.0
    return good / total * (1.0 if _vowels_are_usual(text) else 0.3)


def _like_a_word(token: str) -> bool:
    if _NUMBER.fullmatch(token) or _CODE.fullmatch(token):
        return True
    if not _WORD.fullmatch(token):
        return not token.isascii() and all(_is_wordy(char) for char in token)
    turns = sum(a.islower() and b.isupper() for a, b in pairwise(token))
    return turns <= 1 + token.count("-")


def _is_wordy(char: str) -> bool:
    # Scripts without spaces write words, numbers and punctuation in one.
    return unicodedata.category(char)[0] in "LMNP" and not "\ue000" <= char < "\uf900"


def _vowels_are_usual(text: str) -> bool:
    latin = [c for c in unicodedata.normalize("NFD", text.lower()) if "a" <= c <= "z"]
    if len(latin) < _ENOUGH_LETTERS:
        return True
    share = sum(char in _VOWELS for char in latin) / len(latin)
    return _FEWEST_VOWELS <= share <= _MOST_VOWELS


def _text(lines: Sequence[Line]) -> str:
    return "\n".join(line.text.replace(LINE_HYPHEN, "") for line in lines)


def _letters(text: str) -> int:
    return sum(char.isalnum() for char in text)


def _text_area(glyphs: Glyphs) -> float:
    page = glyphs.width * glyphs.height
    seen = glyphs.boxes[glyphs.written]
    areas = np.clip(seen[:, 2] - seen[:, 0], 0, None) * np.clip(seen[:, 3] - seen[:, 1], 0, None)
    return float(areas.sum()) / page if page else 0.0
