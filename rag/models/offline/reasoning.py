"""The argument of a text, as far as words such as "because" and "therefore" show it.

Claims and premises are parts of sentences that such a word joins, or neighbouring sentences.
Contradictions are like sentences of which one denies the other, uses the opposite word, or has
other figures. Whether an argument is any good, and what it lacks, these words do not tell: that
is left open.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rag.embedding import Embedder
from rag.models.offline import ID, cues
from rag.models.offline.candidates import Candidate
from rag.models.offline.opposition import opposed, other_names, overlap
from rag.models.offline.sentences import embed, most_promising, statement, telling_sentences
from rag.models.offline.words import telling
from rag.models.tasks import (
    Argument,
    Contradiction,
    Evidence,
    Outcome,
    Reasoning,
    ReasonTask,
    Statement,
)

MOST_COMPARED = 200
MOST_CONTRADICTIONS = 10
# Two sentences speak of one matter from this likeness and share of common words on.
LIKE, SHARED = 0.7, 0.6
_FEWEST_LETTERS = 8
# "since 2019", "since then", "since last May" say when.
_WHEN = re.compile(r"\s+(?:\d|then\b|last\b|the\s+(?:end|beginning|start|year)|its?\s+\w+ing\b|"
                   r"[A-Z][a-z]+\s+\d)")  # fmt: skip
_AT_ONCE = 12  # characters before a word that still opens the sentence: "It is therefore"
# What stands before a conclusion drawn from the same sentence: "it rained, and thus it was wet".
_JOINS = re.compile(r"(?:[,;:–—，；]|\b(?:and|und|et|y|e|и))\s*$")  # noqa: RUF001
_TRIMMED = " \t\n,;:.–—-，、；。"  # noqa: RUF001
_POINTS_BACK = re.compile(
    r"(?i)(?:this|that|it|das|dies|c'est|esto|这)\W?\s*(?:is|was|ist|war|是)?\b"
)


@dataclass(frozen=True, slots=True)
class _Part:
    """A stretch ``[start, end)`` of a sentence."""

    candidate: Candidate
    start: int
    end: int

    @property
    def statement(self) -> Statement:
        quote = self.candidate.text[self.start : self.end]
        place = Evidence(
            passage=self.candidate.passage, quote=quote, hint=self.candidate.start + self.start
        )
        return Statement(text=" ".join(quote.split()), evidence=(place,))


class Arguing:
    """Lays open claims, premises and contradictions."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def run(self, task: ReasonTask) -> Outcome[Reasoning]:
        """Find what is argued from what, and what cannot both be true."""
        started = time.perf_counter()
        found = telling_sentences(task.passages)
        compared = most_promising(found, MOST_COMPARED)
        value = Reasoning(
            arguments=tuple(_arguments(found)),
            contradictions=tuple(self._contradictions(compared)),
        )
        left = len(found) - len(compared)
        return Outcome(
            value=value,
            confidence=None,
            engine=ID,
            timings={"reason": round((time.perf_counter() - started) * 1000, 3)},
            notes=(f"{left} of {len(found)} sentences were not searched for contradictions.",)
            if left
            else (),
        )

    def _contradictions(self, found: Sequence[Candidate]) -> Iterator[Contradiction]:
        """Pairs of like sentences that oppose each other, the most alike first."""
        if len(found) < 2:
            return
        vectors = embed(found, self._embedder)
        likes = np.triu(vectors @ vectors.T, k=1)
        ones, others = np.nonzero(likes >= LIKE)
        given = 0
        for place in np.argsort(-likes[ones, others], kind="stable").tolist():
            one, other = found[ones[place]], found[others[place]]
            if overlap(one.text, other.text) < SHARED or _elsewhere(one, other):
                continue
            why = opposed(one.text, other.text)
            if why is not None:
                yield Contradiction(one=statement(one), other=statement(other), why=why)
                given += 1
            if given == MOST_CONTRADICTIONS:
                return


def _elsewhere(one: Candidate, other: Candidate) -> bool:
    """Whether two sentences speak of different things: of other names, or in other sections."""
    headings = [set(telling(each.heading.text)) for each in (one, other)]
    return other_names(one.text, other.text) or (all(headings) and headings[0] != headings[1])


def _arguments(found: Sequence[Candidate]) -> Iterator[Argument]:
    """Each claim once, with all that is given for it, in the text's order."""
    premises: dict[_Part, list[_Part]] = {}
    before: Candidate | None = None
    for candidate in found:
        neighbour = before if before is not None and before.passage == candidate.passage else None
        joined = _joined(candidate, neighbour)
        if joined is not None:
            premises.setdefault(joined[0], []).append(joined[1])
        before = candidate
    for claim, own in premises.items():
        yield Argument(claim=claim.statement, premises=tuple(one.statement for one in own))


def _joined(candidate: Candidate, before: Candidate | None) -> tuple[_Part, _Part] | None:
    """A claim and its premise, when a sentence has a word that joins them."""
    for cue, is_reason in ((cues.REASON, True), (cues.CONSEQUENCE, False)):
        for match in cue.finditer(candidate.text):
            when = match.group().casefold() == "since" and _WHEN.match(candidate.text, match.end())
            if not when:
                parts = _around(candidate, match, before, is_reason)
                if parts is not None:
                    return parts
    return None


def _around(
    candidate: Candidate, match: re.Match[str], before: Candidate | None, is_reason: bool
) -> tuple[_Part, _Part] | None:
    """The claim and the premise around a word that joins them; ``None`` when one is missing."""
    left = _part(candidate, 0, match.start())
    right = _part(candidate, match.end(), len(candidate.text))
    joins = _JOINS.search(candidate.text[: match.start()]) is not None
    opens = match.start() <= _AT_ONCE or not joins
    back = is_reason and _POINTS_BACK.fullmatch(candidate.text[: match.start()].strip()) is not None
    if (opens and not is_reason) or back:
        whole = _part(candidate, 0, len(candidate.text)) if not back else right
        left = _part(before, 0, len(before.text)) if before is not None else None
        if left is None or whole is None:
            return None
        return (left, whole) if is_reason else (whole, left)
    if match.start() == 0:  # "Because it rained, the match was put off."
        comma = re.compile(r"[,，]\s*").search(candidate.text, match.end())  # noqa: RUF001
        if comma is None:
            return None
        right = _part(candidate, match.end(), comma.start())
        left = _part(candidate, comma.end(), len(candidate.text))
    if left is None or right is None:
        return None
    return (left, right) if is_reason else (right, left)


def _part(candidate: Candidate, start: int, end: int) -> _Part | None:
    """A stretch without the marks at its ends; ``None`` when it is too short to say anything."""
    text = candidate.text
    whole = end == len(text)
    while start < end and text[start] in _TRIMMED:
        start += 1
    while start < end and (text[end - 1].isspace() if whole else text[end - 1] in _TRIMMED):
        end -= 1
    letters = sum(map(str.isalpha, text[start:end]))
    dense = any(ord(letter) > 0x3000 for letter in text[start:end])
    return _Part(candidate, start, end) if letters >= _FEWEST_LETTERS // (1 + dense) else None
