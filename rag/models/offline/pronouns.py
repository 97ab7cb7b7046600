"""What pronouns stand for, by what was asked and answered before: "Who signed it?"."""

# Word lists read best as strings.
# ruff: noqa: SIM905
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rag.models.offline.ellipses import LEAD
from rag.models.offline.phrases import (
    ENGLISH,
    GERMAN,
    Grammar,
    Phrase,
    grammar_of,
    is_content,
    noun_phrases,
    words_of,
)

_BEFORE_THAT = (
    r"(?:^|(?<=\babout )|(?<=\bof )|(?<=\bfor )|(?<=\bdoes )|(?<=\bdid )|(?<=\bis )|(?<=\bwas )|"
    r"(?<=\bwhy )|(?<=\bwhen )|(?<=\bhow ))"
)
_THING = r"it(?!['’])|its|itself|they|them|their|theirs"  # noqa: RUF001
_PERSON = r"he|him|his|she|her|hers"
_PRONOUN = re.compile(
    rf"\b(?P<demonstrative>(?:this|these|that same|the said) (?P<noun>(?!year|month|week|time|day|"
    rf"quarter|type|kind|sort|way)[a-z]+))\b|\b(?P<thing>{_THING})\b|\b(?P<person>{_PERSON})\b|"
    rf"{_BEFORE_THAT}(?P<that>that|those|this|these)(?=\s*[?.,!]|\s*$|\s+(?:is|are|was|were|does|do|"
    rf"did|has|have|mean|cost|apply|happen)\b)|"
    rf"(?<!is )(?<!are )(?<!was )(?<!were )(?<=\s)(?P<there>there)(?=\s*[?.!]|\s*$)",
    re.IGNORECASE,
)
# "It" that stands for what comes behind it.
_EMPTY_IT = re.compile(
    r"\bit (?:possible|true|necessary|allowed|legal|required|rain|matter)\b|"
    r"\bit (?:take|mean|cost) (?:to|for|when|that|if)\b|"
    r"\b(?:when|if|while) it (?:rains|snows|matters|gets)\b|"
    r"\b(?:is|was|will|would) it (?:be )?(?:\w+ ){1,5}(?:to|that)\b|"
    r"\bit (?:is|was|has been) (?:\w+ ){0,3}(?:to|that)\b|\bit comes to\b|"
    r"\bit (?:\w+ )?(?:when|if)\b",
    re.IGNORECASE,
)
_PRONOUN_DE = re.compile(
    r"\b(?P<demonstrative>(?:dies(?:e[rsmn]?)|derselben?|dieselben?) "
    r"(?!Jahr|Monat|Woche|Quartal)(?P<noun>[A-ZÄÖÜ]\w+))\b|\b(?P<person>ihn|ihm)\b|"
    r"\b(?P<thing>(?:er|sie|Er|Sie)\b(?! (?:gibt|möglich|erlaubt))|es(?=\s*[?.!]|\s*$))|"
    r"\b(?P<possessive>sein(?:e[rsmn]?)?|ihr(?:e[rsmn]?)?|dessen|deren|"
    r"da(?:für|mit|von|zu|ran|bei)(?!, (?:dass|ob)))\b"
)
_CLAUSE = re.compile(
    r"[;,?!.]|\b(?:and|but|when|if|because|that|which|who|before|after|while|although|since|where|"
    r"und|aber|wenn|weil|dass|bevor|nachdem|während|als|ob)\b"
)
_PERSON_NAME = re.compile(
    r"\b(?!(?:The|A|An|In|On|At|By|For|This|Der|Die|Das|Im|Am) )"
    r"[^\W\d_a-z][\w.'’-]+(?: [^\W\d_a-z][\w.'’-]*){1,3}"  # noqa: RUF001
)
# "Who said that he ..." is its own subject; "who signed it" is not.
_BY_SUBJECT = re.compile(
    r"^(?:who|whose|what|which)\b(?!.*\b(?:do|does|did|can|may|must|will)\s*$)", re.IGNORECASE
)
_ITS_SUBJECT = frozenset("he she his her hers its itself their theirs they".split())
_AFTER_VERB = re.compile(
    r"\b(?:do|does|did|is|are|was|were|can|may|must|will|would|should|has|have|had|ist|sind|war|"
    r"waren|hat|haben|wird|kann|muss|darf)\s+$",
    re.IGNORECASE,
)
_HAVING = re.compile(r"^(?:who|what|which)\b.*\b(?:has|have|had)\s+$", re.IGNORECASE)
_ASKING = re.compile(
    r"\b(?:who|whose|what|which|when|where|why|how|is|are|was|were|does|do|did|has|have|can|may|must|"
    r"will|the|tell|show|explain|list)\b",
    re.IGNORECASE,
)
_TEXTS = frozenset(
    "document text file page report paper article letter book manual contract agreement lease "
    "policy section clause dokument text bericht vertrag brief artikel abschnitt".split()
)
_OWNING = frozenset("its their his theirs hers".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An earlier question, as it was understood, and what its answer quotes."""

    question: str
    quotes: tuple[str, ...] = ()


def with_pronouns_replaced(asked: str, earlier: Sequence[Told]) -> str | None:
    """With the first pronoun replaced that means something said before, if there is one."""
    grammar = grammar_of(asked)
    if grammar is None or (grammar is ENGLISH and not _ASKING.search(asked)):
        return None
    pattern = _PRONOUN_DE if grammar is GERMAN else _PRONOUN
    idle = [match.span() for match in _EMPTY_IT.finditer(asked)] if grammar is ENGLISH else []
    for match in pattern.finditer(asked):
        if any(start <= match.start() < end for start, end in idle):
            continue
        if _is_quoted(match, asked) or _names_text(match, earlier):
            continue
        if match.group() == "Sie" and match.start() > 0:  # whom one addresses
            continue
        if _is_explained(match, asked, grammar):
            return None
        return _replaced(asked, match, earlier)
    return None


def _is_quoted(match: re.Match[str], asked: str) -> bool:
    """Whether it is a word that is asked about, or points to what follows a colon."""
    before, behind = asked[: match.start()], asked[match.end() :]
    return before.count('"') % 2 == 1 or re.search(r":\s+\S", behind) is not None


def _names_text(match: re.Match[str], earlier: Sequence[Told]) -> bool:
    """Whether it is the text that is being read, and none that was spoken of."""
    noun = (match.groupdict().get("noun") or "").casefold()
    return noun in _TEXTS and not any(
        re.search(rf"\b{noun}", one.question, re.IGNORECASE) for one in earlier
    )


def _is_explained(match: re.Match[str], asked: str, grammar: Grammar) -> bool:
    """Whether something in the question itself is, or may be, what a pronoun stands for."""
    lead = LEAD.match(asked)
    before = asked[lead.end() if lead else 0 : match.start()]
    own = noun_phrases(before, grammar)
    ends = re.match(r"\s*[?.!]*$", asked[match.end() :]) is not None
    if any(one.named for one in own if one.start > 0 or grammar is ENGLISH):
        return True
    content = sum(is_content(word, grammar) for word in words_of(before))
    if content and _CLAUSE.search(before.strip()):
        return True
    if any(one.definite for one in own) and not ends:
        return True
    if _AFTER_VERB.search(before) and not _HAVING.search(before):
        return False
    said = match.group().casefold()
    if _BY_SUBJECT.match(before) and said in _ITS_SUBJECT:
        # Nobody is "it", so that who did something is not what "its" stands for.
        return not (said in ("its", "itself") and before.casefold().startswith("who"))
    return content > (3 if ends or match.groupdict().get("noun") else 1)


def _replaced(asked: str, match: re.Match[str], earlier: Sequence[Told]) -> str:
    groups = match.groupdict()
    noun = groups.get("noun")
    person = groups.get("person")
    meant = _person(earlier) if person and person.casefold() not in ("ihn", "ihm") else None
    meant = meant or _meant(earlier, noun)
    if meant is None:
        return asked
    word = match.group().casefold()
    if groups.get("possessive"):
        return f"{asked.rstrip(' ?')} ({meant})?"
    if groups.get("there"):
        meant = f"at {meant}"
    elif word in _OWNING or (word == "her" and re.match(r"\s+[a-z]", asked[match.end() :])):
        meant = f"{meant}'s"
    lead = LEAD.match(asked)
    text = asked[lead.end() if lead else 0 : match.start()] + meant + asked[match.end() :]
    return text[0].upper() + text[1:]


def _meant(earlier: Sequence[Told], noun: str | None) -> str | None:
    """What the last question is about; with a name from one before it, if it has none itself."""
    last: Phrase | None = None
    for told in reversed(earlier):
        grammar = grammar_of(told.question)
        if grammar is None:
            continue
        found = noun_phrases(told.question, grammar)
        if noun is not None and last is None:
            found = [one for one in found if noun.casefold() in one.text.casefold()] or found
        if last is None:
            last = _best(found)
            if last is not None and last.named:
                return last.text
        elif (named := next((one for one in found if one.named), None)) is not None:
            return f"{last.text} ({named.text})"
    return last.text if last is not None else None


def _best(found: Sequence[Phrase]) -> Phrase | None:
    """The phrase that a question is about: with a name, else with an article, else the first."""
    ranked = sorted(found, key=lambda one: (not one.named, not one.definite))
    return ranked[0] if ranked else None


def _person(earlier: Sequence[Told]) -> str | None:
    """The last person that an answer named, or a question."""
    for told in reversed(earlier):
        asked = told.question
        for quote in told.quotes:
            for match in _PERSON_NAME.finditer(quote):
                if not any(word in asked for word in match.group().split()):
                    return match.group()
        names = [m.group() for m in _PERSON_NAME.finditer(asked) if m.start() > 0]
        if names:
            return names[0]
    return None
