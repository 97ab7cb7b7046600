"""Questions as the offline engine meets them: searched for, taken apart, their sentences judged."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, islice

import numpy as np
from numpy.typing import NDArray

from rag.answer import OPENING
from rag.filling import with_opening
from rag.fuse import PAIR_WEIGHT, Context, likeness_trust, search_hybrid
from rag.indexing import with_context
from rag.lexical import LexicalIndex
from rag.models.offline import scoring
from rag.models.offline.answering import compare, embedded_text, shortlist
from rag.models.offline.candidates import Candidate
from rag.models.offline.reader import Reader
from rag.models.offline.reading import Readings
from rag.models.tasks import AnswerTask
from rag.types import Passage
from rag.vectors.faiss import FaissIndex
from tests.benchmarks.answer_sets import TOP_K, Case, Gold, Text, other_domain, removed
from tests.benchmarks.cached import CachedEmbedder

KINDS = ("answerable", "adversarial", "article removed", "paragraph removed", "other domain")
# Cosine from which a sentence of the right report says what the gold answer says.
_SAYS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A question after retrieval: its candidate sentences and their features."""

    case: Case
    found: list[Candidate]
    features: scoring.Features
    right: NDArray[np.bool_]
    question: scoring.Question
    task: AnswerTask


class Corpus:
    """Texts with the indexes that the service would build over them."""

    def __init__(
        self, texts: Sequence[Text], embedder: CachedEmbedder, reader: Reader | None
    ) -> None:
        self.texts = texts
        self._embedder = embedder
        self._reader = reader
        self._dense = FaissIndex(embedder.dimension)
        self._lexical = LexicalIndex()
        self._openings = {}
        names = [one.document for one in texts]
        _, firsts, places = np.unique(names, return_index=True, return_inverse=True)
        self._first = firsts[places]
        for document, numbers in groupby(range(len(texts)), lambda i: texts[i].document):
            ids = np.array(list(numbers), dtype=np.int64)
            mine = [texts[i] for i in ids]
            self._openings[document] = mine[0].text[:OPENING]
            vectors = embedder.embed_passages([one.text for one in mine])
            self._dense.add(ids, with_opening(vectors))
            contexts = ["\n".join(filter(None, (one.title, one.name))) for one in mine]
            self._lexical.add(
                ids, [with_context(c, one.text) for c, one in zip(contexts, mine, strict=True)]
            )

    def search(self, case: Case) -> list[Passage]:
        vector = self._embedder.embed_query(case.text)
        allowed = None
        if case.hidden:
            shown = (i for i in range(len(self.texts)) if i not in case.hidden)
            allowed = np.fromiter(shown, dtype=np.int64)
        hits = search_hybrid(
            lambda k, ids: self._dense.search(vector, k, ids),
            lambda k, ids: self._lexical.search(case.text, k, ids, pairs=PAIR_WEIGHT),
            allowed,
            context=Context(
                documents=self._first.__getitem__,
                opening=lambda k, ids: self._lexical.search(case.text, k, ids),
                read=self._dense.get,
            ),
            trust=likeness_trust(case.text, self._embedder),
        )
        dense = dict(zip(hits.dense.ids.tolist(), hits.dense.scores.tolist(), strict=True))
        ranked = zip(hits.fused.ids.tolist(), hits.fused.scores.tolist(), strict=True)
        return [
            Passage(
                document_id=self.texts[key].document,
                document_title=self.texts[key].title,
                document_name=self.texts[key].name,
                start=self.texts[key].start,
                end=self.texts[key].start + len(self.texts[key].text),
                text=self.texts[key].text,
                score=score,
                scores={"dense": dense[key]},
            )
            for key, score in islice(ranked, TOP_K)
        ]

    def row(self, case: Case) -> Row:
        task = AnswerTask(
            question=case.text, passages=tuple(self.search(case)), openings=self._openings
        )
        readings = None
        if self._reader is not None:
            readings = Readings(self._reader, case.text, task.passages)
        found, question = shortlist(case.text, task.passages, readings)
        if not found:
            more = 0 if readings is None else len(scoring.READ_FEATURES)
            features = np.empty((0, len(scoring.SENTENCE_FEATURES) + more))
            return Row(case=case, found=[], features=features, right=np.empty(0, bool),
                       question=question, task=task)  # fmt: skip
        right = [_answers(one, task.passages[one.passage], case.gold) for one in found]
        if case.answer:
            vectors = self._embedder.embed_passages(list(map(embedded_text, found)))
            close = vectors @ self._embedder.embed_query(case.answer) >= _SAYS
            named = [task.passages[one.passage].document_id in case.sources for one in found]
            right = (np.array(named) & (close | np.array(right))).tolist()
        similarities = compare(task, question, found, self._embedder)
        features = scoring.sentence_features(question, found, similarities, task)
        if readings is not None:
            features = np.hstack([features, readings.features(found)])
        return Row(
            case=case,
            found=found,
            features=features,
            right=np.array(right, dtype=bool),
            question=question,
            task=task,
        )


def _answers(candidate: Candidate, passage: Passage, gold: Sequence[Gold]) -> bool:
    """Whether a sentence has at least half of a gold span, or lies at least half in one."""
    first, last = passage.start + candidate.start, passage.start + candidate.end
    return any(
        document == passage.document_id
        and min(last, end) - max(first, start) >= min(last - first, end - start) / 2
        for document, start, end in gold
    )


def rows_of(
    data: tuple[Sequence[Text], Sequence[Case]],
    embedder: CachedEmbedder,
    most: int,
    reader: Reader | None = None,
) -> list[Row]:
    """Questions of one corpus with their features, at most so many of each kind.

    With a reader only those that have an answer: it has no say in whether there is one.
    """
    texts, cases = data
    index = Corpus(texts, embedder, reader)
    everything = [*cases, *removed(texts, cases), *other_domain()]
    rows: list[Row] = []
    for kind in KINDS[:1] if reader else KINDS:
        mine = [case for case in everything if case.kind == kind]
        rows += map(index.row, random.Random(0).sample(mine, min(most, len(mine))))
        print(f"\r{len(rows)} questions", end="", file=sys.stderr)
    print(file=sys.stderr)
    return rows
