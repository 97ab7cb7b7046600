"""Summaries: the sentences that stand for the others, chosen so that they differ.

A sentence counts by how near it is to all others (centrality), to the title and to the query,
by its place, and by words that say it states the topic, a finding or a conclusion. The weights
were chosen on a part of SciTLDR and QMSum that is not reported.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from rag.embedding import Embedder
from rag.models.offline import ID, cues
from rag.models.offline.candidates import Candidate
from rag.models.offline.sentences import (
    diverse,
    embed,
    most_promising,
    smoothed,
    statement,
    telling_sentences,
)
from rag.models.tasks import Outcome, Statement, SummarizeTask, Summary
from rag.types import FloatMatrix, FloatVector, Passage

# Sentences compared; in longer texts, those that have most of what they are about.
MOST_COMPARED = 200
MOST_CONCLUSIONS = 2
TITLE, TOPIC, FIRST, FINDING = 0.4, 0.1, 0.1, 0.03
QUERY = 2.0
PULL = 0.2


class Summarizing:
    """Selects the sentences that say most of what the passages say."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def run(self, task: SummarizeTask) -> Outcome[Summary]:
        """Select the topic, then conclusions, then findings; each in the text's order.

        A text without sentences has a topic without words.
        """
        started = time.perf_counter()
        everything = telling_sentences(task.passages)
        query = task.query or task.instructions
        found = most_promising(everything, MOST_COMPARED, query)
        if not found:
            nothing = Summary(main_topic=Statement(text="", evidence=()), key_findings=())
            return Outcome(value=nothing, confidence=None, engine=ID)
        vectors = embed(found, self._embedder)
        worth = self._worth(found, vectors, task, query)
        topic = int(np.argmax(worth + TOPIC * _matching(cues.TOPIC, found) + FIRST * _first(found)))
        ends = [place for place in _concluding(found) if place != topic]
        ends = sorted(ends, key=lambda place: -worth[place])[:MOST_CONCLUSIONS]
        worth += FINDING * _matching(cues.FINDING, found)
        findings = diverse(worth, vectors, task.findings, [topic, *ends], pull=PULL)
        value = Summary(
            main_topic=statement(found[topic]),
            key_findings=tuple(statement(found[place]) for place in sorted(findings)),
            conclusions=tuple(statement(found[place]) for place in sorted(ends)),
        )
        left = len(everything) - len(found)
        return Outcome(
            value=value,
            confidence=None,
            engine=ID,
            timings={"select": round((time.perf_counter() - started) * 1000, 3)},
            notes=(f"{left} of {len(everything)} sentences were compared by words only.",)
            if left
            else (),
        )

    def _worth(
        self,
        found: Sequence[Candidate],
        vectors: FloatMatrix,
        task: SummarizeTask,
        query: str | None,
    ) -> FloatVector:
        """How much a sentence says of the text, of its document's title and on the query."""
        worth = vectors @ vectors.mean(axis=0)
        titles = [_title(passage) for passage in task.passages]
        known = {title: self._embedder.embed_query(title) for title in {*titles} if title}
        if known and not query:
            zero = np.zeros(vectors.shape[1], dtype=np.float32)
            named = np.stack([known.get(titles[one.passage], zero) for one in found])
            worth = worth + TITLE * np.einsum("nd,nd->n", vectors, named)
        if query:
            asked = vectors @ self._embedder.embed_query(query)
            worth = worth + QUERY * smoothed(asked, found)
        return np.asarray(worth, dtype=np.float32)


def _title(passage: Passage) -> str:
    """A document's title; a file's name says too little to be one."""
    return "" if passage.document_title == passage.document_name else passage.document_title


def _matching(cue: cues.Cue, found: Sequence[Candidate]) -> FloatVector:
    return np.array([cue.search(one.text) is not None for one in found], dtype=np.float32)


def _first(found: Sequence[Candidate]) -> FloatVector:
    return np.float32(1) / (1 + np.arange(len(found), dtype=np.float32))


def _concluding(found: Sequence[Candidate]) -> list[int]:
    return [
        place
        for place, one in enumerate(found)
        if cues.CONCLUSION.search(one.text) or cues.CONCLUDING_SECTION.search(one.heading.text)
    ]
