"""Words of questions and sentences as the offline engine compares them."""

# Word lists read best as strings, and the apostrophes of other languages are meant.
# ruff: noqa: E501, RUF001, SIM905
from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Set
from enum import Enum
from functools import lru_cache

# Indic vowel signs are no letters to `re`, hence the range.
_WORD = re.compile(
    r"(?P<dense>[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
    r"\uf900-\ufaff\U00020000-\U0003ffff]+)"
    r"|\d+(?:[.,]\d+)*|(?:[^\W\d_]|[\u0900-\u0dff])(?:[^\W_]|[\u0900-\u0dff]|['’](?=[^\W\d_]))*"
)
_STOP = frozenset(
    "a about also am an and any are as at be been being between both but by can could did do does "
    "during each for from had has have he her here him his how i if in into is it its just many "
    "may me more most much my no not of on only or other our s say says said she should so some "
    "such t tell than that the their them then there these they this those to too us was we were "
    "what when where which who whom whose why will with would you your "
    "according describe explain give list name please state "
    "der die das den dem des ein eine einer eines einem einen und oder ist sind war waren wird "
    "wurde wurden von vom zu zum zur im am mit für auf aus bei nach wer wie wo wann was welche "
    "welcher welches wieviel viele "
    "le la les l un une des du de d et ou est sont qui que quel quelle quels quelles quand où "
    "combien comment el los las y o es son quién quién cuándo dónde cuánto cuántos qué cuál "
    "по и в на с что кто когда где как сколько какой какая какие".split()
)
# Words of questions, and particles, in writing without spaces.
_PARTICLES = re.compile(
    "为什么|為什麼|什么|什麼|多少|怎么样?|如何|是否|哪[里些个]?|[的了吗呢是在は]|ですか"
)
_IRREGULAR = dict(
    pair.split(">")
    for pair in "broke>break broken>break rose>rise risen>rise fell>fall fallen>fall grew>grow "
    "grown>grow sold>sell bought>buy paid>pay made>make took>take taken>take gave>give given>give "
    "began>begin begun>begin went>go gone>go came>come became>become held>hold led>lead "
    "built>build wrote>write written>write won>win lost>lose spent>spend chose>choose "
    "chosen>choose left>leave sent>send kept>keep told>tell brought>bring drove>drive "
    "driven>drive knew>know known>know ran>run saw>see seen>see spoke>speak stood>stand "
    "struck>strike wore>wear worn>wear shot>shoot met>meet died>die death>die".split()
)
# Reports say "third quarter" or "Q3", as it happens.
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4} | {
    "erstes": 1, "zweites": 2, "drittes": 3, "viertes": 4,
    "ersten": 1, "zweiten": 2, "dritten": 3, "vierten": 4,
}  # fmt: skip
_QUARTER = re.compile(rf"\b({'|'.join(_ORDINALS)}) (?:quarter|quartal)s?\b", re.I)
_PERIODS = (re.compile(r"(?:19|20)\d\d"), re.compile(r"q[1-4]"))
_ENDINGS = ("ingly", "edly", "ing", "ied", "ies", "ed", "es", "ly", "s", "e", "y")


def words(text: str) -> list[str]:
    """Comparable forms of a text's words, in order: folded, stemmed, without accents.

    Scripts written without spaces give overlapping pairs of characters.
    """
    return [stem for _, stem in _stems(text)]


def telling(text: str) -> list[str]:
    """The different words of a text that say what it is about, in order."""
    text = _PARTICLES.sub(" ", text)
    kept = (stem for word, stem in _stems(text) if word.removesuffix("'s") not in _STOP)
    return list(dict.fromkeys(kept))


def without(text: str, known: Set[str]) -> str:
    """A text without those of its telling words that are among these."""
    parts = []
    for match in _WORD.finditer(text):
        found = [stem for word, stem in _stems(match.group()) if word not in _STOP]
        parts.append(match.group() if not found or set(found) - known else "")
    return " ".join(filter(None, parts))


def dense(text: str) -> bool:
    """Whether a text has words in a script written without spaces."""
    return any(is_dense for _, is_dense in _spelled(text))


def names(question: str) -> list[str]:
    """Those of a question's telling words that are names or numbers: capitals or digits."""
    first, *others = [word for word, _ in _spelled(question)] or [""]
    kept = [word for word in others if word[0].isupper() or word[0].isdigit()]
    if first[:1].isdigit():
        kept.insert(0, first)
    return list(dict.fromkeys(_stem(w.casefold()) for w in kept if w.casefold() not in _STOP))


def periods(found: Set[str]) -> tuple[frozenset[str], ...]:
    """The years and the quarters among these words."""
    return tuple(frozenset(filter(kind.fullmatch, found)) for kind in _PERIODS)


def _stems(text: str) -> Iterator[tuple[str, str]]:
    for word, dense in _spelled(text):
        if dense:
            pairs = [word[i : i + 2] for i in range(max(1, len(word) - 1))]
            yield from zip(pairs, pairs, strict=True)
        else:
            folded = word.casefold().replace("’", "'")
            yield folded, _stem(folded)


def _spelled(text: str) -> Iterator[tuple[str, bool]]:
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    text = _QUARTER.sub(lambda match: f"Q{_ORDINALS[match.group(1).casefold()]}", text)
    for match in _WORD.finditer(text):
        yield match.group(), match.group("dense") is not None


@lru_cache(maxsize=65536)
def _stem(word: str) -> str:
    """A crude stem: enough that "increases" meets "increased"."""
    word = word.removesuffix("'s")
    word = _IRREGULAR.get(word, word)
    if word[:1].isdigit():
        return word.replace(",", "")
    if not word.isascii():
        letters = unicodedata.normalize("NFD", word)
        word = "".join(letter for letter in letters if not unicodedata.combining(letter))
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)]
            break
    if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "ls":
        word = word[:-1]
    return word[:10]


class Asked(Enum):
    """The kind of expression that a question asks for."""

    TIME = "time"
    QUANTITY = "quantity"
    MONEY = "money"
    PERCENT = "percent"
    NAME = "name"
    REASON = "reason"
    OTHER = "other"


_ASKED = (
    (Asked.PERCENT, r"what percent|percentage|(?:growth|tax|interest|margin) rate|wie viel prozent"),
    (Asked.TIME, r"\bwhen\b|what (?:year|date|day|month|decade|century|time)|which (?:year|month|"
                 r"day|century|decade)|how (?:long|old)|in what year|\bwann\b|\bquand\b|cuándo|когда"),
    (Asked.MONEY, r"how much (?:money|did .* (?:cost|pay|spend)|is .* (?:worth|paid|owed))|"
                  r"what (?:is|was|were|are) (?:the )?(?:\w+ ){0,3}(?:revenues?|price|cost|income|"
                  r"sales|salary|fee|budget|profit|expenses?|cash|assets|liabilities)\b"),
    (Asked.QUANTITY, r"how (?:many|much|far|tall|high|large|big|deep|fast|often|wide|heavy)|"
                     r"what (?:number|amount|size|population|distance|temperature)|wie ?viele?|"
                     r"combien|cuánt|сколько|多少"),
    (Asked.REASON, r"\bwhy\b|what (?:caused|was the (?:cause|reason)|is the (?:cause|reason))|"
                   r"\bwarum\b|weshalb|wieso|ursache|grund\b|pourquoi|por qué|почему|为什么|原因"),
    (Asked.NAME, r"\bwho(?:m|se)?\b|\bwhere\b|(?:what|which) (?:\w+ )?(?:country|city|state|person|"
                 r"company|place|county|river|island|region|nation|king|president|author|name)|"
                 r"\bwer\b|\bwo\b|\bqui\b|\bquién|dónde|\bкто\b|\bгде\b"),
)  # fmt: skip
_ASKED_PATTERNS = tuple((kind, re.compile(pattern, re.I)) for kind, pattern in _ASKED)
_NUMBER_WORDS = (
    r"\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|"
    r"hundred|thousand|million|billion|dozen|half|third|quarter|once|twice|double|one)s?\b"
)
_GIVES = {
    Asked.TIME: re.compile(
        r"\b1[0-9]{3}s?\b|\b20\d\d\b|\b\d{1,2}(?:st|nd|rd|th)\b|centur|\b\d+ (?:BC|AD|CE)\b|"
        r"\b(?:january|february|march|april|may|june|july|august|september|october|november|"
        r"december|januar|februar|märz|mai|juni|juli|oktober|dezember)\b|"
        r"\b(?:day|week|month|year|hour|minute|decade|tag|woche|monat|jahr)e?s?\b|年|月",
        re.I,
    ),
    Asked.QUANTITY: re.compile(  # a model's number, "TX-200", is no quantity
        r"(?:(?<![\w.,])(?<![^\W\d_]-)|(?<=[\u3040-\u9fff]))\d[\d.,]*|[०-९٠-٩]+|" + _NUMBER_WORDS,
        re.I,
    ),
    Asked.MONEY: re.compile(
        r"[$€£¥₹]\s?\d[\d.,]*|\d[\d.,]*\s?(?:dollars|euros?|EUR|USD|€)|\d[\d.,]*,\d{3}", re.I
    ),
    Asked.PERCENT: re.compile(r"\d[\d.,]*\s?(?:%|percent|per cent|prozent)|" + _NUMBER_WORDS, re.I),
    Asked.REASON: re.compile(
        r"\b(?:because|due to|owing|since|as a result|caus\w+|so that|therefore|reason|weil|denn|"
        r"wegen|aufgrund|durch|ursache|parce|porque|потому)\b|因为|由于|原因|所以",
        re.I,
    ),
    Asked.NAME: re.compile(r"(?<=\S\s)[^\W\d_a-zß-öø-ÿ]\w+"),
}


def asked(question: str) -> Asked:
    """What kind of expression would answer a question."""
    for kind, pattern in _ASKED_PATTERNS:
        if pattern.search(question):
            return kind
    return Asked.OTHER


def gives(kind: Asked, sentence: str, question: str) -> bool:
    """Whether a sentence has an expression of that kind which the question has not."""
    known = set(words(question))
    return any(not set(words(match.group())) <= known for match in _GIVES[kind].finditer(sentence))
