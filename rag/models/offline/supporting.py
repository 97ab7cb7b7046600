"""How well a quote supports a statement: by reading, by likeness, and by words, names and figures.

A head of the reader was trained on statements about paragraphs of an encyclopedia and on near
copies that are false. Elsewhere it knows little more than likeness does, and neither misses a name
that the quote lacks; so all of them count. How much each counts was set by hand, with 300 pairs of
each public set in view (see `tests/benchmarks/support.py`), so that figures on those are a little
kinder than on others. Who does what to whom is told only where two names or nouns change places
around one of some verbs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np

from rag.embedding import Embedder
from rag.models.offline.english import is_english, is_prose
from rag.models.offline.folder import Curve
from rag.models.offline.opposition import opposed
from rag.models.offline.parties import turned_round
from rag.models.offline.reader import Reader
from rag.models.offline.units import other_units
from rag.models.offline.words import names, telling, words
from rag.sentences import split

# Beside the reader's logit: the cosine of the nearest sentence, the share of the statement's
# telling words that are there and, against it, each name and figure that is not, and that the
# nearest sentence says the opposite.
LIKE, COVERED, MISSING, OPPOSED = 6.0, 3.0, 0.75, 6.0
# Characters of a sentence that are embedded.
_LONGEST = 400


class Supporting:
    """Judges statements by quotes; a `rag.support.Judge`."""

    def __init__(self, reader: Reader, curve: Curve, embedder: Embedder) -> None:
        self._reader = reader
        self._curve = curve
        self._embedder = embedder

    def support(self, pairs: Sequence[tuple[str, str]]) -> list[float | None]:
        """For each statement and the text quoted for it, the probability that it is supported.

        ``None`` of rows of tables and in languages that the reader was not trained on.
        """
        known = [
            pair
            for pair in dict.fromkeys(pairs)
            if all(is_english(text) and is_prose(text) for text in pair)
        ]
        scores = dict(zip(known, weighed(known, self._reader, self._embedder), strict=True))
        return [
            round(self._curve.probability(scores[pair]), 4) if pair in scores else None
            for pair in pairs
        ]


def weighed(pairs: Sequence[tuple[str, str]], reader: Reader, embedder: Embedder) -> list[float]:
    """What speaks for each statement's being supported: the mean over its sentences."""
    parts = [(place, part) for place, (said, _) in enumerate(pairs) for part in _sentences(said)]
    single = [(part, pairs[place][1]) for place, part in parts]
    scores: list[list[float]] = [[] for _ in pairs]
    for (place, _), (part, text), logit, (cosine, nearest) in zip(
        parts, single, reader.support(single), _nearest(single, embedder), strict=True
    ):
        there = set(words(text))
        asked = set(telling(part)) or set(words(part))
        covered = len(asked & there) / max(1, len(asked))
        missing = sum(name not in there for name in names(part))
        score = logit + LIKE * cosine + COVERED * covered - MISSING * missing
        against = (
            opposed(part, nearest) is not None
            or turned_round(part, nearest)
            or other_units(part, nearest)
        )
        scores[place].append(score - OPPOSED * against)
    return [float(np.mean(of)) for of in scores]


def _nearest(pairs: Sequence[tuple[str, str]], embedder: Embedder) -> list[tuple[float, str]]:
    """For each sentence and text the text's nearest sentence, and its cosine."""
    if not pairs:
        return []
    of_text = {text: [one[:_LONGEST] for one in _sentences(text)] for _, text in pairs}
    said = (part[:_LONGEST] for part, _ in pairs)
    texts = list(dict.fromkeys(chain(said, *of_text.values())))
    vectors = embedder.embed_passages(texts)
    at = {text: place for place, text in enumerate(texts)}
    found = []
    for part, text in pairs:
        likes = vectors[[at[one] for one in of_text[text]]] @ vectors[at[part[:_LONGEST]]]
        best = int(likes.argmax())
        found.append((float(likes[best]), of_text[text][best]))
    return found


def _sentences(text: str) -> list[str]:
    return [text[one.start : one.end] for one in split(text)] or [text]


def open_supporting(reader: Reader | None, embedder: Embedder) -> Supporting | None:
    """What judges by a reader; ``None`` for one whose judgement was not found good enough.

    The embedder must be the packaged one, whose cosines the curve was fitted to.
    """
    curve = reader.card.curve("support") if reader is not None else None
    if reader is None or curve is None:
        return None
    return Supporting(reader, curve, embedder)
