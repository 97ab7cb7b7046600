"""Where a text mentions what could be the value of a field."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from referencing.exceptions import Unresolvable

from rag.models.offline import cues
from rag.models.offline.candidates import Candidate
from rag.models.offline.labels import labelled_values, whole_value
from rag.models.offline.leaves import Leaf
from rag.models.offline.quantities import Expressions, is_in_currency, is_named, is_other
from rag.models.offline.values import Found, Kind
from rag.models.offline.words import telling, words
from rag.models.schema import problems

# Characters around a value that are read with it.
_BEFORE, _AFTER = 160, 100
_WORD = re.compile(r"\w+")
_SMALL = re.compile(r"(?<![\w'’])[^\W\d_A-Z][\w-]*")  # noqa: RUF001
_SAYS_IT = 0.6
_YES_OR_NO = dict.fromkeys(("yes", "true", "ja", "oui", "sí", "sì", "да", "是"), True) | (
    dict.fromkeys(("no", "false", "nein", "non", "нет", "否"), False)
)
_MOST_IN_SENTENCE = 50
# Characters between a field's name and a value that halve how near they are.
_STEP = 25
_AMOUNTS = (Kind.MONEY, Kind.NUMBER)
_NAMING = (Kind.NAME, Kind.PERSON, Kind.ORGANISATION, Kind.PLACE)


class _Taken(NamedTuple):
    """A value, the rank of its kind, and the expression that it is taken from."""

    value: Any
    rank: int
    found: Found


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """Of the words of all sentences: how rare each is, and which are also written small.

    ``said``: the dates, sums and other expressions in these sentences.
    """

    rarity: Mapping[str, float]
    rarest: float
    small: frozenset[str]
    said: Expressions = field(default_factory=Expressions)

    def weight(self, word: str) -> float:
        """How rare a word is; one that is nowhere said is as rare as can be."""
        return self.rarity.get(word, self.rarest)

    def share(self, wanted: Set[str], known: Set[str]) -> float:
        """Share of the wanted words that are known, by rarity."""
        whole = sum(map(self.weight, wanted))
        return sum(map(self.weight, wanted & known)) / whole if whole else 0.0


def vocabulary(found: Sequence[Candidate]) -> Vocabulary:
    """Count the words of sentences."""
    count = Counter(word for one in found for word in one.words)
    small = (match for one in found for match in _SMALL.findall(one.text))
    return Vocabulary(
        rarity={word: math.log(1 + len(found) / n) for word, n in count.items()},
        rarest=math.log(1 + len(found)),
        small=frozenset(small),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """A value at ``[start, end)`` of a passage, and how well what stands around it suits.

    ``sentence`` is the span of the sentence that is ``text``, ``window`` that of the words
    ``around`` the value. ``covered``: share of the field's words there; ``near``: how close its
    name stands, from 0 to 1; ``labelled``: whether it stands as a label before the value;
    ``rank``: place of its kind among those that the field may hold; ``place``: how
    many of that kind stand before.
    """

    passage: int
    start: int
    end: int
    value: Any
    text: str
    sentence: tuple[int, int]
    window: tuple[int, int]
    around: str
    covered: float
    near: float
    labelled: float
    rank: int
    place: int = 0


def mentions(leaf: Leaf, found: Sequence[Candidate], known: Vocabulary) -> list[Mention]:
    """All places that could give a field its value, in order."""
    counts: Counter[int] = Counter()
    all_of_them = []
    for candidate in found:
        for taken in _values(leaf, candidate, known):
            mention = _mention(leaf, candidate, known, taken)
            all_of_them.append(replace(mention, place=counts[taken.rank]))
            counts[taken.rank] += 1
    return all_of_them


def best_by_words(found: Sequence[Mention], most: int) -> list[Mention]:
    """At most so many mentions, those with most of the field's words; early ones first."""
    order = sorted(
        range(len(found)),
        key=lambda place: (
            -(found[place].covered + found[place].near / 2 + found[place].labelled),
            place,
        ),
    )
    return [found[place] for place in order[:most]]


def converted(leaf: Leaf, found: Found, kind: Kind | None) -> Any:
    """The value of an expression as the field's type wants it; ``None`` when it is none.

    Moments (``date-time``) are not read: texts seldom state them in full.
    """
    value: Any = " ".join(found.text.split())
    if leaf.type in ("number", "integer"):
        value = found.number
        if value is not None and value == int(value):
            value = int(value)
        elif leaf.type == "integer":
            value = None
    elif leaf.schema.get("format") in ("date", "duration"):
        value = found.iso
    elif leaf.schema.get("format") == "date-time" or (kind is None and leaf.type != "string"):
        value = None
    if value is None or (isinstance(value, str) and _says_nothing(leaf, value)):
        return None
    try:
        return None if problems(value, leaf.schema) else value
    except Unresolvable:  # what the field refers to is not among the definitions
        return None


def _says_nothing(leaf: Leaf, value: str) -> bool:
    """Whether a text has no words, or only those that the field is called by."""
    said = telling(value) or words(value)
    return set(said) <= set(leaf.called)


def _values(leaf: Leaf, candidate: Candidate, known: Vocabulary) -> Iterator[_Taken]:
    """What a sentence has that the field could hold."""
    if leaf.type == "boolean":
        yield from _yes_or_no(leaf, candidate)
    elif leaf.choices:
        yield from _choices(leaf, candidate.text)
    elif leaf.kinds:
        for rank, kind in enumerate(leaf.kinds):
            for expression in known.said.of(kind, candidate.text)[:_MOST_IN_SENTENCE]:
                if not _is_of_kind(leaf, candidate.text, kind, expression, known):
                    continue
                if (value := converted(leaf, expression, kind)) is not None:
                    further = _further(leaf, candidate, kind, expression, known)
                    yield _Taken(value, rank + further, expression)
    else:
        yield from _any_text(leaf, candidate)


def _is_of_kind(leaf: Leaf, text: str, kind: Kind, found: Found, known: Vocabulary) -> bool:
    """Whether an expression is what it looks like: a name, a quantity, the currency asked for."""
    if kind in _NAMING:
        return _is_name(found.text, known)
    if kind is Kind.NUMBER and is_named(text, found, leaf.named, leaf.words):
        return False
    return kind not in _AMOUNTS or is_in_currency(text, found, leaf.currency, known.said)


def _further(leaf: Leaf, candidate: Candidate, kind: Kind, found: Found, known: Vocabulary) -> int:
    """1 for a number that measures something else than the field, such as a sum, or else 0."""
    if kind is not Kind.NUMBER:
        return 0
    return is_other(candidate.text, found, {*leaf.kinds}, leaf.named, known.said)


def _yes_or_no(leaf: Leaf, candidate: Candidate) -> Iterator[_Taken]:
    """What stands after a label, or whether a sentence states or denies what is asked for."""
    text = candidate.text
    said = False
    for label, start, end in labelled_values(text):
        value = _YES_OR_NO.get(text[start:end].casefold().rstrip("."))
        if value is not None and _share(leaf.called, label) >= _SAYS_IT:
            said = True
            yield _Taken(value, 0, Found(start=start, end=end, text=text[start:end]))
    if not (said or text.endswith("?") or candidate.announces) and _speaks_of(leaf, candidate):
        negated = cues.NEGATION.search(text) is not None
        yield _Taken(not negated, 1, Found(start=0, end=len(text), text=text))


def _choices(leaf: Leaf, text: str) -> Iterator[_Taken]:
    for choice in leaf.choices:
        said = re.escape(str(choice).replace("_", " "))
        for match in re.finditer(rf"(?<!\w){said}(?!\w)", text, re.IGNORECASE):
            expression = Found(start=match.start(), end=match.end(), text=match.group())
            yield _Taken(choice, 0, expression)


def _any_text(leaf: Leaf, candidate: Candidate) -> Iterator[_Taken]:
    """What labels announce, or else a sentence as a whole."""
    text = candidate.text
    spans = [
        (start, whole_value(text, start, end), 0)
        for label, start, end in labelled_values(text)
        if _share(leaf.called, label) >= _SAYS_IT
    ]
    if not spans and leaf.sentences and not candidate.announces and _speaks_of(leaf, candidate):
        spans = [(0, len(text), 1)]
    for start, end, rank in spans:
        expression = Found(start=start, end=end, text=text[start:end])
        if (value := converted(leaf, expression, None)) is not None:
            yield _Taken(value, rank, expression)


def _speaks_of(leaf: Leaf, candidate: Candidate) -> bool:
    """Whether a sentence has half of what the field asks for, so that it may say it as a whole."""
    wanted = {*leaf.called, *leaf.told}
    return len(wanted & candidate.words) * 2 >= len(wanted)


def _is_name(text: str, known: Vocabulary) -> bool:
    """Whether one of its words is never written small; what opens a sentence often is."""
    return any(word.casefold() not in known.small for word in _WORD.findall(text))


def _mention(leaf: Leaf, candidate: Candidate, known: Vocabulary, taken: _Taken) -> Mention:
    text, found = candidate.text, taken.found
    first, last = _window(text, found)
    around = f"{candidate.heading.text[:80]} {candidate.header.text[:80]} {text[first:last]}"
    own = set(words(around))
    return Mention(
        passage=candidate.passage,
        start=candidate.start + found.start,
        end=candidate.start + found.end,
        value=taken.value,
        text=text,
        sentence=(candidate.start, candidate.end),
        window=(candidate.start + first, candidate.start + last),
        around=around.strip(),
        covered=known.share(leaf.words, own),
        near=_nearness(leaf, text, found, known),
        labelled=_label(leaf, text, found),
        rank=taken.rank,
    )


def _nearness(leaf: Leaf, text: str, found: Found, known: Vocabulary) -> float:
    """1 where the field's rarest word stands beside the value, less with what is between."""
    rarest = max((known.weight(word) for word in leaf.words), default=0.0)
    best = 0.0
    for match in _WORD.finditer(text):
        own = leaf.words.intersection(words(match.group()))
        if own and (match.end() <= found.start or match.start() >= found.end):
            gap = max(found.start - match.end(), match.start() - found.end)
            worth = max(known.weight(word) for word in own) / (rarest or 1.0)
            best = max(best, worth / (1 + gap / _STEP))
    return best


def _label(leaf: Leaf, text: str, found: Found) -> float:
    labels = (label for label, start, end in labelled_values(text) if start <= found.start < end)
    return max((_share(leaf.called, label) for label in labels), default=0.0)


def _share(called: Sequence[str], said: str) -> float:
    own = set(words(said))
    return sum(word in own for word in called) / max(1, len(called))


def _window(text: str, found: Found) -> tuple[int, int]:
    """What stands around an expression, from word to word."""
    first, last = max(0, found.start - _BEFORE), min(len(text), found.end + _AFTER)
    if first and (space := text.find(" ", first, found.start)) >= 0:
        first = space + 1
    if last < len(text) and (space := text.rfind(" ", found.end, last)) > 0:
        last = space
    return first, min(last, first + 2 * (_BEFORE + _AFTER))
