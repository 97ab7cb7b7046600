"""Whether a text is English: the only language that readers are trained on."""

# Word lists read best as strings.
# ruff: noqa: SIM905
from __future__ import annotations

import re

# Words of each side that are none of the other's ("was", "die", "in" and "on" are of several).
_ENGLISH = frozenset(
    "the of and to is are were for that with what who whom whose how when where which why by from "
    "does did do has have had it its this these be been or as at not than their they he she his "
    "her there can could would should must into after before if".split()
)
_OTHERS = frozenset(
    "der das den dem ein eine einer eines einem einen und oder ist sind wird wurde von vom zu zum "
    "zur im mit für auf aus bei nach wie wann welche welcher welches nicht "
    "le la les une du des et est sont qui que quel quelle dans pour avec sur pas "
    "el los las del y es con por para una unos como quién cuándo dónde cuánto qué "
    "het een van voor niet wie wat waar il lo gli che di della è sono um os uma não".split()
)
_SHARED = frozenset(("was", "die", "wer", "war"))
_WORD = re.compile(r"[^\W\d_]+")
# Letters of names and loans that English texts do without, as a share of all.
_MOST_FOREIGN = 0.1
_FIGURES = 2


def is_english(text: str) -> bool:
    """Whether its letters are English ones, and its small words not rather another language's.

    What has no such words, as names and figures, counts as English when its letters do, unless
    it has words that German shares with English, as "Was kostet die Pumpe?".
    """
    found = _WORD.findall(text.casefold())
    letters = sum(map(len, found))
    foreign = sum(not letter.isascii() for word in found for letter in word)
    if foreign > _MOST_FOREIGN * letters:
        return False
    ours = sum(word in _ENGLISH for word in found)
    if not ours and not _SHARED.isdisjoint(found):
        return False
    return ours >= sum(word in _OTHERS for word in found)


def is_prose(text: str) -> bool:
    """Whether it is no row of a table: those have columns, or are figures by a third and more."""
    parts = text.split()
    figures = sum(any(sign.isdigit() for sign in part) for part in parts)
    return "|" not in text and not (figures >= _FIGURES and 3 * figures >= len(parts))
