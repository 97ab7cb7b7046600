"""Approximate places of a quote, and whether such a place still says the same.

Edit distance alone accepts "revenue increased" for "revenue decreased". So a place found
with edits counts only when numbers and negations are the same on both sides and every other
difference looks like a slip of print or of copying.
"""

# Word lists read best as strings, and the punctuation of other scripts is meant.
# ruff: noqa: SIM905
from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from difflib import SequenceMatcher

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
_NEGATIONS = frozenset(
    "no not never none nor neither without cannot nothing nobody nowhere hardly except unless "
    "nicht kein keine keinen keinem keiner keines nie niemals ohne weder "
    "ne pas sans jamais aucun aucune ni nunca sin jamás ninguno ninguna non né mai senza "
    "não nem sem нет не без никогда ни لا لم لن ليس غير بدون नहीं न बिना".split()
)
_TURNING = _NEGATIONS | frozenset(
    "only if or before after above below more less over under up down in out on off may must "
    "shall should could might first last all some any each every than most least".split()
)
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


def same_statement(quote: str, text: str) -> bool:
    """Whether two wordings differ only in ways that do not change what is said.

    Numbers with their signs and currencies, and negations, must be the same in the same
    order. Words may differ by one letter or by a misread one, and unimportant words may
    be missing; words of scripts without spaces may not differ at all.
    """
    quote, text = _plain(quote), _plain(text)
    if _NUMBERS.findall(quote) != _NUMBERS.findall(text):
        return False
    ours, theirs = _words(quote), _words(text)
    if list(filter(None, map(_negation, ours))) != list(filter(None, map(_negation, theirs))):
        return False
    matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
    return all(
        tag == "equal" or _slip(ours[i1:i2], theirs[j1:j2])
        for tag, i1, i2, j1, j2 in matcher.get_opcodes()
    )


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFC", text.translate(_PLAIN)).lower()
    return re.sub(r"(?<=[^\W\d_])-?[\u00ad-]\s+(?=[^\W\d_])|\u00ad", "", text)


def _words(text: str) -> list[str]:
    spaced = _DENSE_LETTER.sub(lambda match: f" {match.group()} ", text)
    return _WORD.findall(spaced)


def _negation(word: str) -> str:
    if word.endswith("n't") or word == "cannot":
        return "not"
    return word if word in _NEGATIONS else ""


def _slip(ours: list[str], theirs: list[str]) -> bool:
    """Whether a stretch of differing words may be a misprint or an unimportant omission."""
    one, two = "".join(ours), "".join(theirs)
    if _DENSE_LETTER.search(one + two):
        return False
    if not one or not two:
        return _TURNING.isdisjoint(ours + theirs) and not any(map(str.isdigit, one + two))
    if _misread(one) == _misread(two):
        return True
    if len(ours) == len(theirs):
        return all(map(_misprint, ours, theirs))
    return _misprint(one, two)


def _misread(word: str) -> str:
    """A form that is the same for letters which scanners confuse, without accents."""
    letters = (char for char in unicodedata.normalize("NFKD", word) if char.isalnum())
    return "".join(letters).translate({ord("i"): "l"}).replace("rn", "m").replace("vv", "w")


def _misprint(one: str, two: str) -> bool:
    """Whether two words differ by one letter, and not in a way that makes another word.

    The first two letters must agree: prefixes turn a word round (increase, decrease;
    lawful, unlawful). So must the endings that name the parties to a contract.
    """
    if one == two or _misread(one) == _misread(two):
        return True
    if min(len(one), len(two)) < 4 or one[:2] != two[:2] or not (one + two).isalpha():
        return False
    if not _TURNING.isdisjoint((one, two)) or one.endswith("ee") != two.endswith("ee"):
        return False
    while one and two and one[0] == two[0]:
        one, two = one[1:], two[1:]
    while one and two and one[-1] == two[-1]:
        one, two = one[:-1], two[:-1]
    return max(len(one), len(two)) <= 1 or (len(one) == 2 and one == two[::-1])
