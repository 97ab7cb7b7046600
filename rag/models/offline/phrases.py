"""Noun phrases of questions, found by their small words: English and German.

No parser: a phrase is what stands between words of a closed list, joined by prepositions.
"""

# Word lists read best as strings.
# ruff: noqa: SIM905
from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rag.models.offline.english import is_english

_WORD = re.compile(r"[^\W_]+(?:[.,'’/-][^\W_]+)*|[^\w\s]")  # noqa: RUF001


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """The small words of a language.

    ``joins_any`` join whatever stands before them, ``clauses`` begin one with a subject and a verb,
    ``behind_verb`` follow a verb and no noun.
    """

    articles: frozenset[str]
    joins: frozenset[str]
    joins_any: frozenset[str]
    auxiliaries: frozenset[str]
    small: frozenset[str]
    clauses: frozenset[str] = frozenset()
    behind_verb: frozenset[str] = frozenset()
    nouns_are_capital: bool = False


ENGLISH = Grammar(
    articles=frozenset("the a an our your every each".split()),
    joins=frozenset("of at in for with from between on under by against & to".split()),
    joins_any=frozenset("of &".split()),
    auxiliaries=frozenset("do does did will may must can could shall should would".split()),
    small=frozenset(
        "who whom whose what when where which why how whether if and or but nor so than then as "
        "is are was were be been being am has have had having can could may might must shall "
        "should will would not no any all both only just also ever still yet already there here "
        "i we you he him his she her hers it its they them their theirs this that these those one "
        "about into over after before during since until while because though although per "
        "say says said mean means tell give gives gave explain describe list name show find "
        "compare please much many more most less least long often far old large big high get "
        "according do does did out up off down again please me us my who's what's".split()
    ),
    clauses=frozenset("that which whom if when while because".split()),
    behind_verb=frozenset("out up off down about if when while because".split()),
)
GERMAN = Grammar(
    articles=frozenset(
        "der die das den dem des ein eine einen einem einer eines unser unsere".split()
    ),
    joins=frozenset(
        "von vom in im am an auf für bei beim mit zu zum zur aus gegen über unter der des "
        "einer eines & zwischen".split()
    ),
    joins_any=frozenset("von vom der des einer eines &".split()),
    auxiliaries=frozenset(),
    small=frozenset(
        "wer wem wen wessen was wann wo wohin woher warum wieso weshalb wie welche welcher welches "
        "welchen welchem wieviel viel viele ist sind war waren wird werden wurde wurden hat haben "
        "hatte hatten kann können muss müssen darf dürfen soll sollen und oder aber nicht kein "
        "keine er sie es ihn ihm ihr ihre ihrer sein seine seiner dessen deren ich wir man sich "
        "so als dass ob wenn weil nach vor seit bis um auch noch schon nur laut sagt steht gibt "
        "vergleiche".split()
    ),
    nouns_are_capital=True,
)


# "Must the filter if it leaks be replaced": the verb is still to come.
_PARTICIPLE_FOLLOWS = frozenset("be been have".split())


def _all_small(grammar: Grammar) -> frozenset[str]:
    return grammar.small | grammar.articles | grammar.joins | grammar.auxiliaries


_ONLY_ENGLISH = _all_small(ENGLISH) - _all_small(GERMAN)
_ONLY_GERMAN = _all_small(GERMAN) - _all_small(ENGLISH)


def grammar_of(text: str) -> Grammar | None:
    """The grammar of a text's language, if there is one for it."""
    found = {word.casefold() for word in _WORD.findall(text)}
    if len(found & _ONLY_GERMAN) > len(found & _ONLY_ENGLISH):
        return GERMAN
    return ENGLISH if is_english(text) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word or a sign of a question, and where it stands."""

    text: str
    start: int
    end: int

    @property
    def folded(self) -> str:
        """For comparing."""
        return self.text.casefold()

    @property
    def is_named(self) -> bool:
        """Whether it looks like a name or a number."""
        return self.text[0].isupper() or self.text[0].isdigit()


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """A noun phrase. ``named``: with a name or a number in it."""

    text: str
    start: int
    end: int
    named: bool
    definite: bool


def words_of(text: str) -> list[Word]:
    """The words and signs of a text."""
    return [Word(text=m.group(), start=m.start(), end=m.end()) for m in _WORD.finditer(text)]


def is_content(word: Word, grammar: Grammar) -> bool:
    """Whether a word is none of the small ones, and no sign."""
    small = grammar.small, grammar.joins, grammar.articles
    return word.text[0].isalnum() and not any(word.folded in one for one in small)


def noun_phrases(question: str, grammar: Grammar) -> list[Phrase]:
    """The noun phrases of a question, in order; none overlaps another."""
    words = words_of(question)
    return list(_Reading(question, words, grammar).phrases())


class _Reading:
    """One question being read, word by word."""

    def __init__(self, question: str, words: Sequence[Word], grammar: Grammar) -> None:
        self._question = question
        self._words = words
        self._grammar = grammar
        self._has_its_verb: set[int] = set()

    def phrases(self) -> Iterator[Phrase]:
        at = 0
        while at < len(self._words):
            end, cut = self._run(at)
            if end is None:
                at += 1
                continue
            start = self._head(at, end)
            while not cut and start < end:
                longer, cut = self._joined(start, end)
                if longer is None:
                    break
                end = longer
            if start < end:
                yield self._phrase(start, end)
            at = max(end, at + 1)

    def _run(self, at: int) -> tuple[int | None, bool]:
        """Where what begins here ends, if anything does, and whether a verb cut it short."""
        g, words = self._grammar, self._words
        after = at + (words[at].folded in g.articles)
        end = after
        while end < len(words) and self._is_content(end):
            end += 1
        if end == after:
            return None, False
        if g.nouns_are_capital:
            while end > after and not words[end - 1].is_named:
                end -= 1
            return (end, False) if end > after else (None, False)
        if self._has_verb(at, after, end):
            return end - 1, True
        subject = self._subject(at, after, end)
        return subject, subject < end

    def _is_content(self, at: int) -> bool:
        return is_content(self._words[at], self._grammar)

    def _has_verb(self, at: int, after: int, end: int) -> bool:
        """Whether the last word is the verb that belongs to "does": the subject stands before."""
        g, words = self._grammar, self._words
        begun = next((n for n in range(at - 1, -1, -1) if words[n].folded in g.small), None)
        if begun is None or words[begun].folded not in g.auxiliaries or end - after < 2:
            return False
        if begun in self._has_its_verb:
            return False
        follows = words[end].folded if end < len(words) else ""
        if follows == "of" or follows in g.small - g.behind_verb:
            return False
        if any(word.folded in _PARTICIPLE_FOLLOWS for word in words[end:]):
            return False
        self._has_its_verb.add(begun)
        return True

    def _subject(self, at: int, after: int, end: int) -> int:
        """Where a name ends whose verb follows it in a clause: "that Pellcombe Water pays"."""
        g, words = self._grammar, self._words
        if at < 2 or words[at - 1].folded not in g.clauses or words[at - 2].folded in g.joins:
            return end
        ended = end == len(words) or not words[end].text[0].isalnum()
        verb = ended and end - after > 1 and words[end - 2].is_named and not words[end - 1].is_named
        return end - 1 if verb else end

    def _head(self, at: int, end: int) -> int:
        """Where the phrase begins: behind a verb that follows "who"."""
        words, g = self._words, self._grammar
        bare = words[at].folded not in g.articles and not words[at].is_named
        return at + (bare and at > 0 and words[at - 1].folded == "who")

    def _joined(self, start: int, end: int) -> tuple[int | None, bool]:
        """Where it ends when what follows belongs to it."""
        words, g = self._words, self._grammar
        if end >= len(words) - 1 or words[end].folded not in g.joins:
            return None, False
        join = words[end].folded
        anchored = words[start].folded in g.articles or self._is_named(start, end)
        if not anchored and join not in g.joins_any:
            return None, False
        genitive = join in g.articles  # which is its own article
        return self._run(end if genitive else end + 1)

    def _is_named(self, start: int, end: int) -> bool:
        return any(
            word.is_named and (number > 0 or self._is_content(number))
            for number, word in enumerate(self._words[start:end], start=start)
        )

    def _phrase(self, start: int, end: int) -> Phrase:
        first, last = self._words[start], self._words[end - 1]
        return Phrase(
            text=self._question[first.start : last.end],
            start=first.start,
            end=last.end,
            named=self._is_named(start, end),
            definite=first.folded in self._grammar.articles,
        )
