"""Passages that look like they answer a question, and do not."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rag.embedding import Embedder
from rag.models.offline.training.questions import Corpus
from rag.types import FloatMatrix

_KEPT = 3
_AT_ONCE = 512


def mine(corpus: Corpus, embedder: Embedder, kept_in: Path) -> list[list[int]]:
    """For each question the paragraphs of its article that are nearest and lack its answers.

    Args:
        corpus: The questions.
        embedder: Tells what is near.
        kept_in: A file; what it holds from an earlier run is not computed again.

    Returns:
        Up to three paragraphs a question, nearest first; none for a question without answer,
        whose own paragraph already is such a one.
    """
    if kept_in.exists():
        kept: list[list[int]] = json.loads(kept_in.read_bytes())
        return kept
    paragraphs = _embedded(embedder, corpus.paragraphs)
    questions = _embedded(embedder, [one.text for one in corpus.questions])
    of_article: dict[str, list[int]] = defaultdict(list)
    for place, article in enumerate(corpus.articles):
        of_article[article].append(place)
    lower = [paragraph.casefold() for paragraph in corpus.paragraphs]
    found = []
    for question, vector in zip(corpus.questions, questions, strict=True):
        others = of_article[corpus.articles[question.paragraph]] if question.answers else []
        order = np.argsort(-(paragraphs[others] @ vector)).tolist() if others else []
        near = [others[place] for place in order]
        lacking = [
            place
            for place in near
            if place != question.paragraph
            and not any(answer.casefold() in lower[place] for answer in question.answers)
        ]
        found.append(lacking[:_KEPT])
    kept_in.write_text(json.dumps(found), encoding="utf-8")
    return found


def _embedded(embedder: Embedder, texts: Sequence[str]) -> FloatMatrix:
    parts = [
        embedder.embed_passages(texts[start : start + _AT_ONCE])
        for start in range(0, len(texts), _AT_ONCE)
    ]
    return np.concatenate(parts)
