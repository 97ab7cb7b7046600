"""ROUGE: which part of a reference's words, pairs of words and order a summary has.

F1 of ROUGE-1, ROUGE-2 and ROUGE-L after Lin, "ROUGE: A Package for Automatic Evaluation of
Summaries", 2004. Words are runs of ASCII letters and digits in lower case, neither stemmed nor
stopped; ROUGE-L is the longest common subsequence of the two texts as wholes. The original
program can stem (``-m``) and takes ROUGE-L sentence by sentence, which scores higher.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

_WORD = re.compile(r"[a-z0-9]+")


class Rouge(NamedTuple):
    """F1 by overlap of words, of pairs, and by the longest common subsequence."""

    one: float
    two: float
    longest: float


def rouge(summary: str, reference: str) -> Rouge:
    """Score one summary against one reference."""
    said, wanted = _WORD.findall(summary.lower()), _WORD.findall(reference.lower())
    one, two = (_overlap(_grams(said, n), _grams(wanted, n)) for n in (1, 2))
    return Rouge(one, two, _f1(_common(said, wanted), len(said), len(wanted)))


def best_rouge(summary: str, references: Sequence[str]) -> Rouge:
    """The scores against the reference with which ROUGE-1 is highest."""
    return max(rouge(summary, reference) for reference in references)


def _grams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[i:] for i in range(n)), strict=False))


def _overlap(said: Counter[tuple[str, ...]], wanted: Counter[tuple[str, ...]]) -> float:
    return _f1((said & wanted).total(), said.total(), wanted.total())


def _f1(shared: int, said: int, wanted: int) -> float:
    return 2 * shared / (said + wanted) if shared else 0.0


def _common(one: Sequence[str], two: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(two) + 1)
    for word in one:
        before = row
        row = [0]
        for place, other in enumerate(two):
            step = before[place] + 1 if word == other else max(row[place], before[place + 1])
            row.append(step)
    return row[-1]
