"""Whether two sentences about the same matter say opposite things, by signs that can be counted."""

from __future__ import annotations

import math
import re

from rag.models.offline import cues
from rag.models.offline.english import is_english
from rag.models.offline.values import Kind, find
from rag.models.offline.words import periods, telling, words

_NOT = re.compile(r"n['’]t\b", re.IGNORECASE)  # noqa: RUF001
_WITHOUT = re.compile(
    r"\b(?:without|ohne|sans|senza|sem|zonder)\b\W+(?P<what>(?:\w+\W+){0,3}\w+)", re.I
)
_CAPITAL = re.compile(r"(?<=\w\s)[^\W\d_a-zß-öø-ÿ][\w'’-]*")  # noqa: RUF001
_NAME = re.compile(
    r"\b(?!The\b|A\b|An\b)[A-Z][\w&'’-]*(?: (?:(?:of|&) )?[A-Z][\w&'’-]*)*"  # noqa: RUF001
    r"|(?<=\b[Tt]he )[a-z]\w+"
)
_DONE_BY = re.compile(r"\bby\b")
_OTHER_CLAUSE = re.compile(r"[,;:.()]|\b(?:and|or|but|while|that|which|who|if|when|than)\b")
_HELPING = frozenset(words("shall must has agreed undertakes also not never"))
_EACH_OTHER = frozenset(words("meets marries merges equals resembles borders joins competes"))
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
    different things. Or what one does to another is done the other way round.
    """
    first, second = (periods(set(words(text))) for text in (one, other))
    if any(a and b and not a & b for a, b in zip(first, second, strict=True)):
        return None
    if negated(_said_of(one, other)) != negated(_said_of(other, one)):
        return "One denies what the other states."
    for side, opposite in cues.ANTONYMS:
        for a, b in ((one, other), (other, one)):
            if side.search(a) and opposite.search(b) and not (side.search(b) or opposite.search(a)):
                return "They use opposite words."
    if turned_round(one, other):
        return "They have the parties the other way round."
    return other_figures(one, other)


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


def turned_round(one: str, other: str) -> bool:
    """Whether one says of two names or nouns what the other says with these in each other's place.

    "A pays B" and "B pays A": the word that follows the first name is the same. What is done by
    somebody is not compared, nor what two do with each other.
    """
    if not (is_english(one) and is_english(other)) or any(map(_DONE_BY.search, (one, other))):
        return False
    first, second = (_acting(text) for text in (one, other))
    return any((b, a, does) in second for a, b, does in first if does not in _EACH_OTHER)


def _acting(text: str) -> set[tuple[str, str, str]]:
    """Pairs of names of one clause, in order, with the first telling word between them."""
    found = set()
    names = list(_NAME.finditer(text))
    for place, name in enumerate(names):
        for later in names[place + 1 :]:
            between = text[name.end() : later.start()]
            if _OTHER_CLAUSE.search(between):
                break
            does = next((word for word in telling(between) if word not in _HELPING), None)
            if does is not None:
                found.add((name[0].casefold(), later[0].casefold(), does))
    return found


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
