"""Verification: what the sentence that comes closest to a claim says of it.

Cautious on both sides: a claim is supported when one sentence, read with its heading and the
sentence before, has nearly all of its words and all of its figures; contradicted when it has nearly
all of its words and denies them or has other figures. Thresholds were chosen on a part of
Climate-FEVER that is not reported. A reader has no say: it called no more true claims supported,
and some false ones.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from rag.embedding import Embedder
from rag.models.offline import ID
from rag.models.offline.candidates import Candidate, candidates
from rag.models.offline.opposition import opposed, other_names
from rag.models.offline.parties import turned_round
from rag.models.offline.scoring import Question, coverage, take_apart
from rag.models.offline.sentences import embed, evidence
from rag.models.offline.units import other_units
from rag.models.offline.values import Kind, find
from rag.models.offline.words import telling, words
from rag.models.tasks import Outcome, Verdict, Verification, VerifyTask

MOST_EMBEDDED = 16
# A sentence speaks of the claim from this likeness and share of its words on; it supports or
# contradicts it from that on.
LIKE, COVERED = 0.55, 0.5
SUPPORTS_LIKE, SUPPORTS_COVERED = 0.75, 0.6
DENIES_LIKE, DENIES_COVERED = 0.75, 0.65
_SURE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    candidate: Candidate
    like: float
    covered: float
    verdict: Verdict
    score: float


class Verifying:
    """Judges claims by single sentences."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def run(self, task: VerifyTask) -> Outcome[Verification]:
        """Judge a claim. What was not found has no evidence, and no confidence."""
        started = time.perf_counter()
        judged = self._judged(task)
        telling = [one for one in judged if one.verdict is not Verdict.NOT_FOUND]
        best = max(telling, key=lambda one: one.score, default=None)
        if best is None:
            value = Verification(verdict=Verdict.NOT_FOUND, evidence=())
        else:
            value = Verification(verdict=best.verdict, evidence=(evidence(best.candidate),))
        return Outcome(
            value=value,
            confidence=None if best is None else round(min(_SURE, best.score), 4),
            engine=ID,
            timings={"verify": round((time.perf_counter() - started) * 1000, 3)},
        )

    def _judged(self, task: VerifyTask) -> list[_Judged]:
        found = [one for one in candidates(task.passages) if not one.text.endswith("?")]
        claim = take_apart(task.claim, found)
        if not claim.rarity:
            return []
        shares = [coverage(claim, one.words | one.near) for one in found]
        order = sorted(range(len(found)), key=lambda place: -shares[place])[:MOST_EMBEDDED]
        kept = [place for place in order if shares[place] >= COVERED]
        if not kept:
            return []
        near = embed([found[place] for place in kept], self._embedder)
        likes = near @ self._embedder.embed_query(task.claim)
        return [
            _Judged(
                candidate=found[place],
                like=float(like),
                covered=shares[place],
                verdict=_verdict(claim, found[place], float(like), shares[place]),
                score=(float(like) + shares[place]) / 2,
            )
            for place, like in zip(kept, np.asarray(likes), strict=True)
            if like >= LIKE
        ]


def _verdict(claim: Question, candidate: Candidate, like: float, covered: float) -> Verdict:
    said = candidate.text
    if other_names(claim.text, said):
        return Verdict.NOT_FOUND
    if opposed(claim.text, said) is not None:
        denies = like >= DENIES_LIKE and covered >= DENIES_COVERED
        return Verdict.CONTRADICTED if denies else Verdict.NOT_FOUND
    whole = candidate.words | candidate.near
    figures = {one.number for one in find(Kind.NUMBER, claim.text)}
    known = {one.number for one in find(Kind.NUMBER, f"{candidate.heading.text} {said}")}
    if not figures <= known or not claim.names <= whole:
        return Verdict.NOT_FOUND
    if turned_round(claim.text, said) or other_units(claim.text, said):
        return Verdict.NOT_FOUND
    if not set(words(claim.text)[:1]) & set(telling(claim.text)) <= whole:  # a name, perhaps
        return Verdict.NOT_FOUND
    if like >= SUPPORTS_LIKE and covered >= SUPPORTS_COVERED:
        return Verdict.SUPPORTED
    return Verdict.NOT_FOUND
