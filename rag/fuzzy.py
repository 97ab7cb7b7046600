"""Approximate places of a quote, and whether such a place still says the same.

Edit distance alone accepts "revenue increased" for "revenue decreased", and without a
dictionary nothing tells "adopted" for "adapted" from a misprint. So a place found with edits
counts only where both sides have the same words, but for articles and for the few misprints
that seldom make another word: letters that scanners confuse or that typists double, in long
words and not in their endings. In doubt the quote is not there.
"""

# Word lists read best as strings.
# ruff: noqa: SIM905
from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

# At most this share of the quote's characters may be edited.
_MOST_EDITS = 0.15
# Longer quotes are located verbatim or not at all.
_LONGEST_QUOTE = 2_000
_MOST_CANDIDATES = 8

_NUMBERS = re.compile(
    r"\((?=[$€£¥]?\d[\d.,]*%?\))"  # an accountant's negative
    r"|(?:(?<!\w)[-+])?\d+(?:[.,]\d+)*"
    r"|[%‰$€£¥₹₩₽¢<>≤≥±≈~=¹²³⁰-⁹¼-¾⅐-⅞]"
)
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_DENSE_LETTER = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)
# What may be missing on one side. Words that are something else in another of these languages
# (die, as, son) are left out.
_UNIMPORTANT = frozenset(
    "a an the of that der das den dem des le la les du el los las del il gli".split()
)
# A few are some, few are hardly any.
_TURNED_BY_ARTICLE = frozenset({"few", "little"})
# Words that mean something else when written together: every day, over look, care less.
_APART = frozenset("anti every less over self some then under".split())
_SHORTEST_PART = 4
_SHORTEST_MISPRINT = 8
_BROKEN = re.compile(r"(?<=[^\W\d_])[-\u2010\u2011\u00ad\x02\ufffe]+\s+(?=[^\W\d_])")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff\x02\ufffe]")
_DOUBLED = re.compile(r"(.)\1+")
_INNER_CAPITAL_I = re.compile(r"(?<=[^\W\d_])I")
# Accents that prints lose. Not the diaeresis: Forderung and Förderung are two things.
_ACCENTS = re.compile("[\u0300-\u0303\u0327]")
_PLAIN = str.maketrans({"\u2019": "'", "\u2018": "'", "\u2212": "-", "\u2013": "-", "\u2011": "-"})


def alignments(quote: str, text: str, near: int) -> Iterator[tuple[int, int]]:
    """Spans of the text within the allowed edit distance of the quote, nearest first.

    Bit-parallel approximate matching: Myers, "A fast bit-vector algorithm for approximate
    string matching based on dynamic programming", Journal of the ACM 46(3), 1999, with the
    whole column in one integer. One pass over the text finds where matches end; a second,
    backwards from each end, finds where they start. Spans of equal distance come in the
    order of the text, from offset ``near`` on first.
    """
    budget = int(len(quote) * _MOST_EDITS)
    if not budget or len(quote) > _LONGEST_QUOTE:
        return
    quote, text = _lower(quote), _lower(text)
    distances = _distances(quote, text, anchored=False)
    ends: list[tuple[int, bool, int]] = []
    for at, distance in enumerate(distances):
        following = distances[at + 1] if at + 1 < len(distances) else distance
        if (
            distance <= budget
            and following >= distance
            and (not at or distances[at - 1] > distance)
        ):
            ends.append((distance, at < near, at + 1))
    for _, _, end in sorted(ends)[:_MOST_CANDIDATES]:
        window = text[max(0, end - len(quote) - budget) : end]
        backwards = _distances(quote[::-1], window[::-1], anchored=True)
        length = min(range(len(backwards)), key=backwards.__getitem__) + 1
        yield end - length, end


def _lower(text: str) -> str:
    """Lower case, character by character, so that offsets hold."""
    return "".join(low if len(low := char.lower()) == 1 else char for char in text)


def _distances(pattern: str, text: str, *, anchored: bool) -> list[int]:
    """Least edit distance of the pattern to a stretch that ends at each character.

    The stretch may start anywhere, or only at the start of the text when ``anchored``.
    """
    last = 1 << (len(pattern) - 1)
    mask = (last << 1) - 1
    places: dict[str, int] = {}
    for at, char in enumerate(pattern):
        places[char] = places.get(char, 0) | 1 << at
    up, down, distance = mask, 0, len(pattern)
    distances: list[int] = []
    for char in text:
        equal = places.get(char, 0)
        diagonal = (((equal & up) + up) ^ up) | equal | down
        right = down | (mask & ~(diagonal | up))
        left = up & diagonal
        if right & last:
            distance += 1
        elif left & last:
            distance -= 1
        right = (right << 1 | anchored) & mask
        left = left << 1 & mask
        up = left | (mask & ~(diagonal | right))
        down = right & diagonal
        distances.append(distance)
    return distances


def same_statement(quote: str, text: str, source: str) -> bool:
    """Whether two wordings differ only in ways that do not change what is said.

    Numbers with their signs and currencies, and the vowel signs of scripts that have them,
    must be the same in the same order; so must words, but for unimportant ones and misprints.

    Args:
        quote: What is quoted.
        text: What stands at the place found.
        source: All the text searched; a word that it has elsewhere is no misprint.
    """
    quote, text = _plain(quote), _plain(text)
    if _NUMBERS.findall(quote) != _NUMBERS.findall(text) or _marks(quote) != _marks(text):
        return False
    return _same_sequence(_words(quote), _words(text), source)


def _same_sequence(ours: list[str], theirs: list[str], source: str) -> bool:
    # The side whose word was just passed over is kept: of two articles none stands for the other.
    paths, seen = [(0, 0, 0)], set()
    while paths:
        i, j, side = path = paths.pop()
        if i == len(ours) and j == len(theirs):
            return True
        if path in seen:
            continue
        seen.add(path)
        if side >= 0 and _may_miss(ours, i):
            paths.append((i + 1, j, 1))
        if side <= 0 and _may_miss(theirs, j):
            paths.append((i, j + 1, -1))
        width = _same_start(ours[i : i + 2], theirs[j : j + 2], source)
        if width is not None:
            paths.append((i + width[0], j + width[1], 0))
    return False


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFC", text.translate(_PLAIN))
    return _INVISIBLE.sub("", _BROKEN.sub("", text))


def _words(text: str) -> list[str]:
    spaced = _DENSE_LETTER.sub(lambda match: f" {match.group()} ", text)
    return [unicodedata.normalize("NFKC", word) for word in _WORD.findall(spaced)]


def _marks(text: str) -> list[str]:
    """Combining characters that are no accents: the vowels of many scripts."""
    return [char for char in text if char > "\u036f" and unicodedata.category(char).startswith("M")]


def _may_miss(words: list[str], at: int) -> bool:
    word = words[at] if at < len(words) else ""
    if word.lower() not in _UNIMPORTANT or word == "A":  # hepatitis A
        return False
    before, after = ["", *words][at], [*words, ""][at + 1]
    if before[:1].isdigit() or after[:1].isdigit():  # 2 of 3, the 5 members
        return False
    return after.lower() not in _TURNED_BY_ARTICLE


def _same_start(ours: list[str], theirs: list[str], source: str) -> tuple[int, int] | None:
    """How many of the next two words of either side are the same, if any are."""
    if not ours or not theirs:
        return None
    if _same_word(ours[0], theirs[0], source):
        return 1, 1
    if _joined(ours, theirs[0]):
        return 2, 1
    return (1, 2) if _joined(theirs, ours[0]) else None


def _joined(parts: list[str], whole: str) -> bool:
    parts = [part.lower() for part in parts]
    return (
        "".join(parts) == whole.lower()
        and len(parts) == 2
        and min(map(len, parts)) >= _SHORTEST_PART
        and _APART.isdisjoint(parts)
        and not _DENSE_LETTER.search(whole)
    )


def _same_word(one: str, two: str, source: str) -> bool:
    """Whether the first of two words is the second, misprinted or its misprint corrected."""
    if one.lower() == two.lower() or _capital_i(one) == _capital_i(two):
        return True
    one, two = one.lower(), two.lower()
    if min(len(one), len(two)) < _SHORTEST_MISPRINT or one[-2:] != two[-2:]:
        return False
    return _misread(one) == _misread(two) and not _has_word(source, one)


def _capital_i(word: str) -> str:
    """A word in which scanners took l for I: feII."""
    return word.lower() if word.isupper() else _INNER_CAPITAL_I.sub("l", word).lower()


def _misread(word: str) -> str:
    """A form that is the same for what scanners confuse and typists double."""
    word = _ACCENTS.sub("", unicodedata.normalize("NFD", word))
    return _DOUBLED.sub(r"\1", word.replace("rn", "m").replace("vv", "w"))


def _has_word(source: str, word: str) -> bool:
    return re.search(rf"(?i)(?<!\w){re.escape(word)}(?!\w)", source) is not None
