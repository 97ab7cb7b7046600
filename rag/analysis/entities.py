"""One thing under several spellings: "Acme Pumps Ltd", "ACME PUMPS LIMITED", "Acme"."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from rag.analysis.amounts import amounts
from rag.models.offline.dates import dates

_FORMS = {
    "incorporated": "inc",
    "corporation": "corp",
    "limited": "ltd",
    "company": "co",
    "gesellschaft mit beschränkter haftung": "gmbh",
    "aktiengesellschaft": "ag",
    "limited liability company": "llc",
    "limited partnership": "lp",
    "public limited company": "plc",
}
_LONG_FORM = re.compile("|".join(rf"\b{one}\b" for one in sorted(_FORMS, key=len, reverse=True)))
_SHORT_FORMS = frozenset(
    {*_FORMS.values(), "llp", "sa", "srl", "sarl", "bv", "nv", "kg", "ug", "se", "pty", "oy", "ab"}
)
_DOTTED = re.compile(r"(?<=\b[^\W\d])\.(?=[^\W\d]\b)|(?<=\b[^\W\d])\.(?=\s|$|,)")
# Marks that a name is the same without: not those of currencies, nor those in "C++" and "C#".
_MARKS = re.compile(r"(?<![\w+])\+|[^\w\s+#%$€£¥₹]+")
# Beside numbers there are fewer of them: "<5" is not "5", nor is "1.5" the same as "15".
_MARKS_BY_NUMBERS = re.compile(
    r"[.,:;](?!\d)|[\"“”‘’()\[\]{}!?]|(?<=[^\W\d])-(?=\w)|(?<=\w)-(?=[^\W\d])"  # noqa: RUF001
)
_QUOTED = r"[\"“”'‘’]"  # noqa: RUF001
_DEFINED = re.compile(
    rf"\(\s*(?:hereinafter\s+|the\s+|each\s+a\s+|referred to as\s+|collectively,?\s+)*"
    rf"{_QUOTED}(?P<alias>[^\"“”()]{{2,60}}?){_QUOTED}"
)
_FEWEST_INITIALS = 2
_LONGEST_NAME = 12
_LONGEST_DATE = 40
# Characters between a name and the short form that it is introduced with: an address, a form.
_REACH = 60


def folded(text: str) -> str:
    """A text without what its spelling leaves open: case, marks, and how a company's form is put.

    Dates and amounts are the same however they are written, and differ where they say another
    number, sign or unit.
    """
    if len(text) <= _LONGEST_DATE:
        for start, end, iso in dates(text):
            if not re.search(r"\w", text[:start] + text[end:]):
                return iso
    bare = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    marks = _MARKS_BY_NUMBERS if any(map(str.isdigit, bare)) else _MARKS
    parts, at = [], 0
    for amount in amounts(bare):
        parts += [_words(bare[at : amount.start], marks), str(amount)]
        at = amount.end
    bare = " ".join(filter(None, (*parts, _words(bare[at:], marks))))
    bare = _LONG_FORM.sub(lambda match: _FORMS[match.group()], bare)
    return bare.removeprefix("the ") or text.casefold().strip()


def _words(text: str, marks: re.Pattern[str]) -> str:
    bare = _DOTTED.sub("", text).replace("&", " and ")
    return " ".join(marks.sub(" ", bare).split())


def same_names(names: Sequence[str], defined: Mapping[str, str]) -> list[list[int]]:
    """Which of several different names are of one thing, as positions; each is in one group.

    A short form is taken for a longer name only where there is just one that it can be short for:
    its beginning, its last word, its initials, or what the text defines it as.

    Args:
        names: Names, no two of which are the same when `folded`.
        defined: Folded names by the folded short forms that the text introduces them with.
    """
    split = [_Name(one) for one in names]
    nearest = _Index(split)
    by_name = {one.folded: place for place, one in enumerate(split)}
    parent = list(range(len(names)))
    for place, one in enumerate(split):
        longer = by_name.get(defined.get(one.folded, ""))
        fitting = [at for at in nearest.to(one) if at != place and one.is_short_for(split[at])]
        longest = [
            at for at in fitting if not any(split[at].is_short_for(split[o]) for o in fitting)
        ]
        if longer is not None and longer != place:
            _join(parent, place, longer)
        elif len(longest) == 1:
            _join(parent, place, longest[0])
    groups: dict[int, list[int]] = {}
    for place in range(len(names)):
        groups.setdefault(_root(parent, place), []).append(place)
    return list(groups.values())


def looks_like_name(text: str) -> bool:
    """Whether a text can be a name: not a long one, the words that matter with capitals, no digits.

    What a text introduces as a short form looks like one, too.
    """
    return _Name(text).is_name


def definitions(texts: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Short forms that texts introduce: ``Acme Pumps Ltd (the "Supplier")``, both folded.

    What is introduced twice for different names defines none.
    """
    found: dict[str, set[str]] = {}
    for text in texts:
        for match in _DEFINED.finditer(text):
            before = text[: match.start()]
            ends = [(before.rfind(name) + len(name), name) for name in names if name in before]
            near = [(end, name) for end, name in ends if len(before) - end <= _REACH]
            if near:
                found.setdefault(folded(match["alias"]), set()).add(folded(max(near)[1]))
    return {alias: next(iter(of)) for alias, of in found.items() if len(of) == 1}


class _Name:
    """A name in its words, with and without the form of a company."""

    def __init__(self, text: str) -> None:
        self.folded = folded(text)
        words = self.folded.split()
        self.form = next((one for one in words[1:] if one in _SHORT_FORMS), None)
        self.words = [one for one in words if one not in _SHORT_FORMS] or words
        self.is_name = _looks_like_one(text) and len(self.words) <= _LONGEST_NAME
        self.capitals = text.strip().isupper() and len(self.words) == 1

    def is_short_for(self, other: _Name) -> bool:
        """Whether this can be a shorter spelling of another name."""
        if not (self.is_name and other.is_name) or (self.form and self.form != other.form):
            return False
        mine, theirs = self.words, other.words
        if mine == theirs:
            return self.form is None and other.form is not None
        if len(mine) >= len(theirs):
            return len(mine) == len(theirs) and _initialled(mine, theirs)
        initials = "".join(word[0] for word in theirs)
        if self.capitals and len(mine[0]) > _FEWEST_INITIALS and mine[0] == initials:
            return True
        return theirs[: len(mine)] == mine or (
            other.form is None and len(mine) == 1 and theirs[-1] == mine[0]
        )


class _Index:
    """Finds the names that another may be short for, by the words that these would share."""

    def __init__(self, names: Sequence[_Name]) -> None:
        self._by: dict[tuple[str, str], list[int]] = {}
        for place, one in enumerate(names):
            initials = "".join(word[0] for word in one.words)
            for key in {("first", one.words[0]), ("last", one.words[-1]), ("all", initials)}:
                self._by.setdefault(key, []).append(place)

    def to(self, name: _Name) -> list[int]:
        first, last = name.words[0], name.words[-1]
        keys = ("first", first), ("last", last), ("all", first)
        return sorted({at for key in keys for at in self._by.get(key, ())})


def _initialled(mine: Sequence[str], theirs: Sequence[str]) -> bool:
    """Whether one has initials where the other has names: "J. Smith" for "John Smith"."""
    shorter = [a for a, b in zip(mine, theirs, strict=True) if a != b and len(a) == 1]
    fit = all(
        a == b or (len(a) == 1 and b.startswith(a)) for a, b in zip(mine, theirs, strict=True)
    )
    return fit and bool(shorter) and mine[-1] == theirs[-1]


def _looks_like_one(text: str) -> bool:
    """Whether the words that matter begin with capitals, and there are no numbers."""
    words = [word for word in re.findall(r"[^\W_]+", text) if len(word) > 3 or word[0].isupper()]
    if any(map(str.isdigit, text)):
        return False
    return bool(words) and all(word[0].isupper() for word in words)


def _root(parent: Sequence[int], place: int) -> int:
    while parent[place] != place:
        place = parent[place]
    return place


def _join(parent: list[int], one: int, other: int) -> None:
    roots = sorted((_root(parent, one), _root(parent, other)))
    parent[roots[1]] = roots[0]


def key_of(value: Any) -> Any:
    """What makes two values the same."""
    if isinstance(value, str):
        return ("string", folded(value))
    if isinstance(value, bool):
        return ("boolean", value)
    return ("number", value)
