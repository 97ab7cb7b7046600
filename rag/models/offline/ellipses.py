"""Fragments of questions, completed by the question before: "And in 2023?"."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.models.offline.phrases import (
    ENGLISH,
    GERMAN,
    Grammar,
    Phrase,
    grammar_of,
    noun_phrases,
    words_of,
)

_LONGEST_FRAGMENT = 8
LEAD = re.compile(
    r"^(?:(?:and|but|so|ok(?:ay)?|also|then|und|aber)\b[,\s]*)+"
    r"(?P<about>(?:(?:what|how) about|what of|was ist mit|wie sieht es mit)\b\s*)?|"
    r"^(?P<only>(?:(?:what|how) about|what of|was ist mit|wie sieht es mit)\b\s*)",
    re.IGNORECASE,
)
_WH = (
    r"(?:(?:in|by|for|at|on|to|since|from|until|with) )?(?:what|which)(?: \w+){0,2}?"
    r"(?= (?:is|are|was|were|do|does|did|has|have|had|can|will|would|should|may|must)\b)|"
    r"(?:(?:by|for|to|since|from|until|with) )?(?:who|whom|when|where|why|what|how(?: (?:many|much|"
    r"long|often|far|large|high|old|heavy|big)(?: (?!is|are|was|were|do|does|did|has|have)\w+)?)?)|"
    r"(?:(?:seit|bis|von|für|mit) )?(?:wer|wen|wem|was|wann|wo|warum|weshalb|wieso|"
    r"wie(?: (?:viele?|hoch|lange?|oft|groß|alt|schwer))?)"
)
_BARE_WH = re.compile(rf"^(?P<wh>{_WH}|why not|how so|which ones?)\s*[?.!]*$", re.IGNORECASE)
_FIRST_WH = re.compile(rf"^(?:{_WH})\b", re.IGNORECASE)
_HAS_WH = re.compile(
    rf"^(?:{_WH})\b|^(?:is|are|was|were|do|does|did|has|have|can|may|must|will)\b|"
    r"^(?:ist|sind|war|waren|hat|haben|wird|kann|muss|darf)\b",
    re.IGNORECASE,
)
_ANY_WH = re.compile(
    r"\b(?:what|which|whom?|whose|how|when|welche[rsnm]?|wie|wem|wer|was)\b", re.IGNORECASE
)
_YEAR = re.compile(r"(?<![\w.,/-])(?:19|20)\d\d(?![\w/-]|[.,]\d)")
_QUARTER = re.compile(
    r"\b(?:(?:first|second|third|fourth) quarter|(?:first|second) half|Q[1-4]|"
    r"(?:erste[ns]?|zweite[ns]?|dritte[ns]?|vierte[ns]?) Quartal)\b",
    re.IGNORECASE,
)
_PREPOSITION = re.compile(
    r"^(?:in|for|to|from|at|on|of|by|with|about|under|since|until|before|after|between|"
    r"im|für|von|vom|bei|beim|mit|zu|zum|zur|über|seit|bis|aus|gegen|an(?= [A-ZÄÖÜ]))\b",
    re.IGNORECASE,
)
_ONE = re.compile(r"^(?:the )?(?:ones?|those|that) (?=(?:of|with|for|in|at|from|by|on|to) )")
# What begins another of a phrase's parts.
_FURTHER = re.compile(
    r" (?=(?:in|for|at|on|by|with|from|to|under|since|until|im|für|bei|mit|zu|seit|bis)\b)"
)
_PRONOUN = re.compile(r"(?:it|them|him|her|that|those|this|these)\b", re.IGNORECASE)
_ARTICLES = ENGLISH.articles | GERMAN.articles


def completed(asked: str, last: str) -> str | None:
    """A fragment completed by the last question; ``None`` for what is none."""
    bare = _BARE_WH.match(asked)
    if bare is not None:
        return _asked_anew(bare["wh"], last)
    lead = LEAD.match(asked)
    rest = asked[lead.end() :] if lead else asked
    about = lead is not None and bool(lead["about"] or lead["only"])
    fragment = _ONE.sub("", rest.strip(" ?!.,"))
    if not fragment or len(fragment.split()) > _LONGEST_FRAGMENT:
        return None
    bare = _BARE_WH.match(rest)
    if lead is not None and bare is not None:
        return _asked_anew(bare["wh"], last)
    if not about and _HAS_WH.match(rest):
        return None
    if lead is None and not (asked.endswith("?") and _starts_midway(fragment)):
        return None
    if about and _PRONOUN.match(fragment):
        return None
    if about and grammar_of(asked) is GERMAN and not fragment.split()[-1][0].isupper():
        return None  # "Was ist mit Kräften verbunden?"
    return _put_in(fragment, last, about=about)


def _starts_midway(fragment: str) -> bool:
    """Whether no question begins so: with a preposition, or with nothing but a year."""
    if _PREPOSITION.match(fragment) is not None:
        return _ANY_WH.search(fragment) is None
    return _YEAR.fullmatch(fragment) is not None


def _asked_anew(wh: str, last: str) -> str:
    """The last question with another question word: "Why?"."""
    wh = wh[0].upper() + wh[1:]
    first = _FIRST_WH.match(last)
    if first is not None and wh.split()[-1].casefold() not in ("ones", "one", "so", "not"):
        return wh + last[first.end() :]
    return f"{wh}: {last}"


def _put_in(fragment: str, last: str, *, about: bool) -> str:
    """The last question with a fragment in the place of what it takes the place of."""
    body = last.rstrip(" ?!.")
    for kind in (_QUARTER, _YEAR):
        mine, theirs = kind.search(fragment), kind.search(body)
        if mine is not None and theirs is not None:
            text = kind.sub(mine.group(), body)
            if kind is _QUARTER and (year := _YEAR.search(fragment)) is not None:
                text = _YEAR.sub(year.group(), text)
            return f"{text}?"
    if _YEAR.search(fragment) or _QUARTER.search(fragment):
        return f"{body} {fragment}?"
    grammar = _grammar(last)
    found = noun_phrases(body, grammar)
    named = [one for one in found if one.named]
    is_name = _is_name(fragment, grammar)
    preposition = _PREPOSITION.match(fragment)
    if preposition is not None:
        same = _behind_same(fragment, preposition.group(), body, found)
        if same is not None or not (named and is_name):
            return f"{same or f'{body} {fragment}'}?"
        fragment = fragment[preposition.end() :].strip()
    if named and is_name:
        return f"{_instead(named, fragment, body)}?"
    if about and named:
        return f"What about {fragment}, {named[0].text}?"
    if "about" in body.split():
        return f"{body[: body.rindex('about')]}about {fragment}?"
    return f"{body}: {fragment}?"


def _behind_same(fragment: str, preposition: str, body: str, found: Sequence[Phrase]) -> str | None:
    """What follows the same preposition, replaced; ``None`` if nothing of its kind follows one."""
    kind = _kind(fragment[len(preposition) :])
    places = list(re.finditer(rf"\b{re.escape(preposition)} ", body, re.IGNORECASE))
    kinds = [_kind(body[at.end() :]) for at in places]
    # A name takes the place of a name, if there is one; a period only that of another.
    for alike in ([kind], {"name", "word"} if kind != "period" else ()):
        for at, other in reversed(list(zip(places, kinds, strict=True))):
            if other in alike:
                end = _end_behind(at.start(), at.end(), body, found)
                return body[: at.start()] + fragment + body[end:]
    return None


def _end_behind(start: int, at: int, body: str, found: Sequence[Phrase]) -> int:
    """Where the phrase behind a preposition ends, or another part of it begins."""
    inside = next((one.end for one in found if one.start <= start < one.end), None)
    behind = next((one.end for one in found if one.start >= at), None)
    end = inside or behind or len(body)
    further = _FURTHER.search(body, at, end)
    return further.start() if further else end


def _kind(text: str) -> str:
    """Whether a text begins with a period of time, a name, or an ordinary word."""
    words = [word for word in words_of(text) if word.folded not in _ARTICLES]
    if not words:
        return ""
    if _YEAR.fullmatch(words[0].text) or _QUARTER.match(text, words[0].start):
        return "period"
    return "name" if words[0].is_named else "word"


def _is_name(fragment: str, grammar: Grammar) -> bool:
    words = words_of(fragment)
    if _PREPOSITION.match(fragment):
        words = words[1:]
    return any(word.is_named and word.folded not in grammar.articles for word in words)


def _instead(named: Sequence[Phrase], fragment: str, body: str) -> str:
    """One name in the place of another: of the phrase of the same kind, else of the name alone."""
    head = fragment.split()[-1].casefold()
    for one in named:
        if one.text.split()[-1].casefold() == head and len(fragment.split()) > 1:
            return body[: one.start] + fragment + body[one.end :]
    one = named[-1]
    words = words_of(one.text)
    runs: list[list[int]] = []
    for number, word in enumerate(words):
        if not word.is_named or (_YEAR.fullmatch(word.text) and runs):
            continue
        if runs and number - runs[-1][-1] <= 1 + (words[number - 1].text == "&"):
            runs[-1].append(number)
        else:
            runs.append([number])
    first, last = words[runs[-1][0]], words[runs[-1][-1]]
    name = re.sub(r"^(?:the|der|die|das|den|dem) ", "", fragment, flags=re.IGNORECASE)
    return body[: one.start + first.start] + name + body[one.start + last.end :]


def _grammar(*texts: str) -> Grammar:
    """The grammar of the first text that has one; questions of a word may not show theirs."""
    return next((g for text in texts if (g := grammar_of(text)) is not None), ENGLISH)
