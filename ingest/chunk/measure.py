"""Tokens as the size of a chunk counts them: about as much text in every language.

A tokenizer spells what it has no words for, letter by letter, or makes one unknown token of a
stretch without spaces. Counted like that, a chunk of 200 tokens holds a page of English, a
fifth of one in Greek or Russian, and ten in Thai. So in scripts other than the Latin one so
many letters as a common word has are one token, if they have any: of a paragraph in English,
German, Greek, Russian, Hindi and Arabic that is 164, 306, 209, 202, 183 and 157. ASCII text,
and a letter with an accent among others, count as they are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rag.types import Ids

_ALPHABETS = "\u0370-\u1dff\u1f00-\u1fff\u2c00-\u2dff\ua000-\uabff\ufb13-\ufdff\ufe70-\ufefe"
_SYLLABLES = "\u3040-\u30ff\uac00-\ud7ff"  # kana and hangul; a Chinese character is a word
_GROUP = re.compile(rf"[{_ALPHABETS}]{{1,6}}|[{_SYLLABLES}]{{1,2}}")
_LONGEST = 12
"""Code points of a token; in these scripts a longer one may be a whole clause, as in Thai."""


def measured(text: str, spans: Ids) -> Ids:
    """Spans of a text's tokens, shape (tokens, 2), with those of one group of letters as one.

    They are in the order of their starts, unless there is nothing to do.
    """
    if text.isascii() or not len(spans):
        return spans
    groups = np.array([match.span() for match in _GROUP.finditer(text)], dtype=np.int64)
    if not len(groups):
        return spans
    spans = _divided(text, spans[np.argsort(spans[:, 0], kind="stable")], groups)
    group = np.searchsorted(groups[:, 0], spans[:, 0], side="right") - 1
    outside = spans[:, 0] >= groups[group, 1]
    outside |= group < 0
    opens = np.append(True, outside[1:] | (group[1:] != group[:-1]))
    kept = np.flatnonzero(opens)
    return np.stack([spans[kept, 0], np.maximum.reduceat(spans[:, 1], kept)], axis=1)


def _divided(text: str, spans: Ids, groups: NDArray[np.int64]) -> Ids:
    """The spans, each long one cut where groups start in it; marks stay with their letters."""
    long = spans[:, 1] - spans[:, 0] > _LONGEST
    if not long.any():
        return spans
    pieces = [spans[~long]]
    for start, end in spans[long].tolist():
        low, high = np.searchsorted(groups[:, 0], [start + 1, end])
        inner = _between_letters(text, groups[low:high, 0].tolist(), end)
        pieces.append(np.array(list(pairwise([start, *inner, end])), dtype=np.int64))
    cut = np.concatenate(pieces)
    return cut[np.argsort(cut[:, 0], kind="stable")]


def _between_letters(text: str, places: Iterable[int], end: int) -> Iterator[int]:
    """The places before ``end``, each moved behind the marks that stand there."""
    last = 0
    for place in places:
        at = max(place, last)
        while at < end and unicodedata.category(text[at]).startswith("M"):
            at += 1
        if last < at < end:
            yield at
        last = at
