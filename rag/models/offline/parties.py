"""Who does what to whom: whether two sentences have two names in each other's place."""

# Word lists read best as strings.
from __future__ import annotations

import re

from rag.models.offline.english import is_english
from rag.models.offline.words import telling, words

_CAPITAL = r"[^\W\d_a-zß-öø-ÿ]"
_WORD = rf"{_CAPITAL}[\w&'’-]*"  # noqa: RUF001
_NO_NAME = (
    "The|A|An|In|On|At|By|For|From|Under|Since|After|Before|During|If|When|While|January|February|"
    "March|April|May|June|July|August|September|October|November|December|USD|EUR|GBP|CHF|JPY"
)
_NAME = re.compile(
    rf"\b(?!(?:{_NO_NAME})\b){_WORD}(?: (?:(?:of|&) )?(?!(?:{_NO_NAME})\b){_WORD})*"
    r"|(?<=\b[Tt]he )[a-z]\w+"
)
_ABBREVIATED = re.compile(r"\b(Inc|Ltd|Corp|Co|Mr|Mrs|Ms|Dr|St)\.")
_OTHER_CLAUSE = re.compile(r"[,;:.()]|\b(?:and|or|but|while|that|which|who|if|when|than)\b")
_DONE_BY = re.compile(r"\b(?:is|are|was|were|be|been|being)\b.*\bby\b", re.DOTALL)
# What one does to the other, whatever preposition joins them.
_ONE_WAY = frozenset(
    words(
        "pays buys sells acquires purchases owns sues sued employs hires appoints notifies informs "
        "tells owes lends grants gives delivers supplies sends transfers assigns invoices "
        "reimburses compensates indemnifies exceeds outperforms beats precedes follows replaces "
        "contains includes causes controls manages supervises governs leads reports advises "
        "represents teaches treats funds finances sponsors founded wrote invented defeated killed "
        "attacked"
    )
)
_NEXT = 2


def turned_round(one: str, other: str) -> bool:
    """Whether one says of two names or nouns what the other says with these in each other's place.

    "A pays B" and "B pays A". Both may be true, so this is no contradiction: only that the one does
    not show the other.
    """
    if not (is_english(one) and is_english(other)):
        return False
    first, second = (_acting(text) for text in (one, other))
    return any((b, a, does) in second - first for a, b, does in first - second)


def _acting(text: str) -> set[tuple[str, str, str]]:
    """Pairs of names of one clause, in order, with what the first does to the second."""
    text = _ABBREVIATED.sub(r"\1", text)
    found = set()
    names = list(_NAME.finditer(text))
    for place, name in enumerate(names):
        for later in names[place + 1 : place + 1 + _NEXT]:
            between = text[name.end() : later.start()]
            if _OTHER_CLAUSE.search(between):
                break
            does = next((word for word in telling(between) if word in _ONE_WAY), None)
            if does is not None:
                pair = [one[0].casefold().removesuffix("'s") for one in (name, later)]
                acting, other = reversed(pair) if _DONE_BY.search(between) else pair
                found.add((acting, other, does))
    return found
