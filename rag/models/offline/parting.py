"""Questions of several parts, taken apart by their form: "What is X, and who signed Y?".

Only what is plainly several questions is: two sentences that ask, a second clause with a question
word of its own, a comparison of two named things. What may be one question is left as it is.
"""

from __future__ import annotations

import re

from rag.models.offline.following import Told, standing_alone
from rag.models.offline.phrases import Grammar, grammar_of, is_content, words_of

MOST_PARTS = 4
_WH = (
    r"who|whom|whose|what|which|when|where|why|how|wer|wen|wem|wessen|was|wann|wo|warum|weshalb|"
    r"wie|welche[rsnm]?"
)
_AUXILIARY = (
    r"is|are|was|were|do|does|did|has|have|had|can|could|may|must|will|would|should|shall|ist|sind|"
    r"war|waren|hat|haben|wird|werden|kann|muss|darf|soll"
)
_ASKS = re.compile(
    rf"^(?:(?:in|by|for|at|on|to|from|until|with|under|within|seit|bis|von|für|mit|in|zu) )?"
    rf"(?:{_WH})\b|^(?:{_AUXILIARY})\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[?？])\s+(?=\S)|(?<=[？])(?=\S)")  # noqa: RUF001
# "... and who signed it": the word before is none that a relative clause could hang on.
_CLAUSE = re.compile(
    rf"(?:\s*[,;]\s*|\s+)(?:and|und)\s+(?=(?:(?:by|for|to|from|at|on|in|since|until|under|within|"
    rf"seit|bis|von|für|mit) )?(?:{_WH})\b)",
    re.IGNORECASE,
)
_RELATIVE = re.compile(r"(?<=[\w,] )(?:who|which|that|where|whose|whom)\b", re.IGNORECASE)
_COMPARE = r"^(?:(?:please|bitte) )?(?:compare|vergleichen? (?:sie )?)"
_PAIR = r"(?P<one>[^,;?]+?),? (?:and|und) (?P<two>[^,;?]+?)[.?]*$"
_OF = r"(?:of|in|at|for|between|under|from|von|bei|für|zwischen|der|des)"
_COMPARED = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_COMPARE}(?P<what>.+? {_OF}) {_PAIR}",
        rf"{_COMPARE}(?P<what>) ?{_PAIR}",
        rf"^what (?:is|are|was|were) the differences? (?P<what>.*?)between {_PAIR}",
        rf"^was ist der unterschied (?P<what>)zwischen {_PAIR}",
        r"^how (?:do|does|did) (?P<what>)(?P<one>[^,;?]+?) (?:differ from|compare (?:with|to)) "
        r"(?P<two>[^,;?]+?)[.?]*$",
    )
)
_VERSUS = re.compile(
    r"^(?P<what>)(?P<one>[^,;?]+?) (?:vs\.?|versus) (?P<two>[^,;?]+?)[.?]*$", re.IGNORECASE
)
_LEAST_WORDS = 2


def parts_of(question: str) -> tuple[str, ...]:
    """The questions that one is made of; none when it is one."""
    asked = " ".join(question.split())
    grammar = grammar_of(asked)
    if grammar is None:
        return ()
    found = _compared(asked, grammar) or _clauses(asked, grammar)
    return tuple(found[:MOST_PARTS]) if len(found) > 1 else ()


def _clauses(asked: str, grammar: Grammar) -> list[str]:
    """Each sentence that asks, and each clause with a question word of its own."""
    sentences = [one.strip() for one in _SENTENCE.split(asked)]
    if not all(_ASKS.match(one) for one in sentences):
        return []
    parts: list[str] = []
    for sentence in sentences:
        parts += _by_and(sentence, grammar)
    return _resolved(parts) if all(_content(one, grammar) for one in parts) else []


def _by_and(sentence: str, grammar: Grammar) -> list[str]:
    """A sentence cut where "and" begins another question, unless that may be a relative clause."""
    at = _CLAUSE.search(sentence)
    if at is None:
        return [sentence]
    first, second = sentence[: at.start()].rstrip(" ,;"), sentence[at.end() :]
    asks = _ASKS.match(first)
    relative = _RELATIVE.search(first[asks.end() if asks else 0 :])
    enough = _content(first, grammar) >= _LEAST_WORDS and _content(second, grammar) > 0
    if relative or not enough:
        return [sentence]
    return [f"{first.rstrip('?')}?", *_by_and(second[0].upper() + second[1:], grammar)]


def _resolved(parts: list[str]) -> list[str]:
    """Each part so that it can be understood without those before it."""
    told: list[Told] = []
    for part in parts:
        told.append(Told(question=standing_alone(part, told).question))
    return [one.question for one in told]


def _compared(asked: str, grammar: Grammar) -> list[str]:
    """What is said of each of two things that are compared."""
    for pattern in (*_COMPARED, _VERSUS):
        match = pattern.match(asked)
        if match is None:
            continue
        if pattern is _VERSUS and _ASKS.match(asked):
            return []
        what = match["what"].strip()
        one, two = match["one"].strip(), match["two"].strip()
        if not all(_names(side, grammar) for side in (one, two)):
            return []
        one, two = _alike(one, two)
        # Things alone are looked up; what is asked of them can be answered, too.
        return [f"{what} {side}?" if what else side for side in (one, two)]
    return []


def _alike(one: str, two: str) -> tuple[str, str]:
    """Both sides with the words that only one of them has, and means for both.

    "the Acme and Beta leases" are leases; "the rent in 2023 and 2024" is rent both times.
    """
    first, second = one.split(), two.split()
    if not second[-1][0].isupper() and first[-1][0].isupper():
        named = [word[0].isupper() for word in second]
        start = named.index(True) if True in named else 0
        while start < len(second) and named[start]:
            start += 1
        tail = second[start:]  # behind its name
        one = " ".join([*first, *[word for word in tail if word not in first]])
    elif len(second) == 1 and len(first) > 1 and second[0][0].isdigit() == first[-1][0].isdigit():
        two = " ".join([*first[:-1], *second])
    return one, two


def _names(side: str, grammar: Grammar) -> bool:
    """Whether a side is a name or a number, or has an article: something to be looked up."""
    words = words_of(side)
    named = any(word.is_named for word in words)
    return named or (bool(words) and words[0].folded in grammar.articles)


def _content(text: str, grammar: Grammar) -> int:
    return sum(is_content(word, grammar) for word in words_of(text))
