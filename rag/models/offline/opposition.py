"""Whether two sentences about the same matter say opposite things, by signs that can be counted."""

from __future__ import annotations

import math
import re

from rag.models.offline import cues
from rag.models.offline.values import Kind, find
from rag.models.offline.words import periods, telling, words

_NOT = re.compile(r"n['’]t\b", re.IGNORECASE)  # noqa: RUF001
_WITHOUT = re.compile(
    r"\b(?:without|ohne|sans|senza|sem|zonder)\b\W+(?P<what>(?:\w+\W+){0,3}\w+)", re.I
)
_CAPITAL = re.compile(r"(?<=\w\s)[^\W\d_a-zß-öø-ÿ][\w'’-]*")  # noqa: RUF001
_ROUNDED = 0.06
_MEASURED = (Kind.PERCENT, Kind.MONEY, Kind.DATE, Kind.DURATION, Kind.NUMBER)


def overlap(one: str, other: str) -> float:
    """Shared telling words as a share of those of the shorter sentence, figures left out."""
    first, second = (
        {word for word in telling(text) if not word[:1].isdigit()} for text in (one, other)
    )
    return len(first & second) / (min(len(first), len(second)) or 1)


def opposed(one: str, other: str) -> str | None:
    """Why two like sentences cannot both be true; ``None`` when nothing says so.

    One has a negation and the other none; one has a word and the other its opposite; or they
    have different figures of one kind. Sentences that name different periods speak of
    different things.
    """
    first, second = (periods(set(words(text))) for text in (one, other))
    if any(a and b and not a & b for a, b in zip(first, second, strict=True)):
        return None
    if negated(_said_of(one, other)) != negated(_said_of(other, one)):
        return "One denies what the other states."
    for a, b in ((one, other), (other, one)):
        for side, opposite in cues.ANTONYMS:
            if side.search(a) and opposite.search(b) and not (side.search(b) or opposite.search(a)):
                return "They use opposite words."
        for side, opposite in cues.OPPOSED_OF:
            said, opposed_of, also = map(_found, (side, opposite, side), (a, b, b))
            if (said & opposed_of) - also:
                return "They say opposite things of the same word."
    return other_figures(one, other)


def _found(pattern: cues.Cue, text: str) -> set[str]:
    """What a pattern's group has in a text, in comparable form."""
    return {" ".join(words(found)) for found in pattern.findall(text)}


def _said_of(text: str, other: str) -> str:
    """A text but for what it says to be without, where the other does not speak of that."""
    known = set(words(other))

    def kept(found: re.Match[str]) -> str:
        return found[0] if known & set(telling(found["what"])) else " "

    return _WITHOUT.sub(kept, text)


def negated(text: str) -> bool:
    """Whether a sentence denies something; two negations are taken to cancel out."""
    count = len(cues.NEGATION.findall(text)) + len(_NOT.findall(text))
    return count % 2 == 1


def other_figures(one: str, other: str) -> str | None:
    """That both have figures of one kind, as many, and none in common."""
    for kind in _MEASURED:
        first, second = (
            [found.iso if kind is Kind.DATE else found.number for found in find(kind, text)]
            for text in (one, other)
        )
        if first and second:
            same = any(_alike(a, b) for a in first for b in second)
            return None if same or len(first) != len(second) else "They give different figures."
    return None


def _alike(one: str | float | None, other: str | float | None) -> bool:
    """Whether two figures are the same, or one the other rounded."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=_ROUNDED)
    return one == other


def other_names(one: str, other: str) -> bool:
    """Whether each names something that the other does not, beside what opens a sentence."""
    first, second = (set(_CAPITAL.findall(text)) for text in (one, other))
    folded = [set(words(text)) for text in (one, other)]
    only = [
        {name for name in names if not set(words(name)) <= known}
        for names, known in zip((first, second), reversed(folded), strict=True)
    ]
    return all(only)
