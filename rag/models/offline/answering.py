"""Answers: the one to three sentences of the passages that answer a question best.

Sentences are compared with the question by embedding and by words; a fitted model turns
that into the probability that the selected ones answer, which is the confidence. Below a
threshold the passages do not say. With a reader, what it reads in each sentence counts for the
choice among them, and the words in it that answer are marked.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Sequence

import numpy as np

from rag.embedding import Embedder
from rag.models.offline import ID
from rag.models.offline.candidates import Candidate, candidates
from rag.models.offline.english import is_english, is_prose
from rag.models.offline.reader import Reader
from rag.models.offline.reading import MOST_READ, Readings, fitted_ranking
from rag.models.offline.scoring import (
    Features,
    Question,
    answer_features,
    called_words,
    coverage,
    gives_asked,
    load_models,
    sentence_features,
    take_apart,
)
from rag.models.offline.several import answer_each
from rag.models.offline.words import Asked, dense, without
from rag.models.tasks import AnswerTask, Evidence, Outcome, Statement
from rag.types import FloatVector, Passage, Span

# Sentences embedded per question: what the words alone rank first.
MOST_EMBEDDED = 20
LONGEST_EMBEDDED = 400
MOST_SENTENCES = 3
# Further sentences may be this much less likely than the best, in log odds.
MARGIN = 0.8
# At least this probability that what would be said answers, or nothing is said. A sentence that
# does not answer is seen to be wrong at its place; an answer not given is not seen at all.
THRESHOLD = 0.4
_NAME = re.compile(r"(?:[^\W\d_a-z][\w.'’-]*\s?){2,4}")  # noqa: RUF001
_WHOLE = re.compile(r"\d+(?:[.,]\d+)*|\w+")
# Words are marked that are so much likelier an answer than none, in log odds.
_LEAST_MARKED = 1.0
# Sentences that share this much of their words say the same.
_SAME = 0.6


class Answering:
    """Selects the sentences that answer."""

    def __init__(self, embedder: Embedder, reader: Reader | None = None) -> None:
        """Select by likeness and words alone, unless a reader was found to do better with them."""
        self._embedder = embedder
        self._models = load_models()
        fitted = fitted_ranking(reader.card) if reader is not None else None
        self._reader = reader if fitted is not None else None
        self._ranking = fitted or self._models.sentence

    def run(self, task: AnswerTask) -> Outcome[tuple[Statement, ...]]:
        """Select the sentences that answer, for each part of a question of several."""
        return answer_each(task, self._one)

    def _one(self, task: AnswerTask) -> Outcome[tuple[Statement, ...]]:
        """Select the sentences that answer, in the order of their documents."""
        started = time.perf_counter()
        readings = None
        if self._reader is not None and is_english(task.question):
            readings = Readings(self._reader, task.question, task.passages)
        read = time.perf_counter()
        found, question = shortlist(task.question, task.passages, readings)
        if not found:
            return Outcome(value=(), confidence=0.0, engine=ID)
        embedding = time.perf_counter()
        similarities = compare(task, question, found, self._embedder)
        embedded = time.perf_counter()

        features = sentence_features(question, found, similarities, task)
        summary = answer_features(question, found, features, self._models, task)
        confidence = 1 / (1 + math.exp(-float(self._models.answer.logit(summary)[0])))
        scores = self._models.sentence.logit(features)
        if readings is not None:
            read_scores = self._ranking.logit(np.hstack([features, readings.features(found)]))
            if _may_choose(question, found, scores, read_scores):
                scores = read_scores
        chosen = select(found, scores, MARGIN) if confidence >= THRESHOLD else []
        timings = {
            "embed_sentences": round((embedded - embedding) * 1000, 3),
            "select": round((time.perf_counter() - embedded + embedding - read) * 1000, 3),
        }
        if readings is not None:
            timings["read"] = round((read - started) * 1000, 3)
        return Outcome(
            value=tuple(_statement(question, one, readings) for one in chosen),
            confidence=round(confidence, 4),
            engine=ID,
            timings=timings,
        )


def shortlist(
    text: str, passages: Sequence[Passage], readings: Readings | None = None
) -> tuple[list[Candidate], Question]:
    """The sentences worth embedding, in their order, and the question taken apart."""
    found = candidates(passages)
    question = take_apart(text, found)
    asked = set(question.rarity)
    promising = []
    for candidate in found:
        # Headings announce answers, and the question's own words do not answer it.
        if candidate.announces or candidate.words <= asked or candidate.text.endswith("?"):
            continue
        here = coverage(question, candidate.words)
        around = coverage(question, candidate.words | candidate.near)
        promising.append((here + around + 0.5 / (1 + candidate.passage), candidate))
    promising.sort(key=lambda pair: -pair[0])
    ranked = [candidate for _, candidate in promising]
    kept = ranked[:MOST_EMBEDDED]
    if readings is not None:
        kept += sorted(ranked[MOST_EMBEDDED:], key=readings.likely, reverse=True)[:MOST_READ]
    return sorted(kept, key=lambda c: (c.passage, c.start)), question


def compare(
    task: AnswerTask, question: Question, found: Sequence[Candidate], embedder: Embedder
) -> FloatVector:
    """How near each sentence is to the question, by embedding, shape (n,).

    Of a document that is called what the question names, all sentences are about that name:
    they are compared with the rest of the question too. Small models know little of scripts
    without spaces; there pairs of characters are compared, unless all that a sentence could do
    is to repeat the question.
    """
    vectors = embedder.embed_passages(list(map(embedded_text, found)))
    whole = vectors @ embedder.embed_query(task.question)
    rests = [without(task.question, called_words(one, task)) for one in task.passages]
    asked = {rest: vectors @ embedder.embed_query(rest) for rest in dict.fromkeys(rests) if rest}
    rest_of = [asked.get(rests[one.passage], whole)[i] for i, one in enumerate(found)]
    near = (whole + np.array(rest_of)) / 2
    if dense(task.question):
        asks = question.kind is not Asked.OTHER
        echoes = [asks and not gives_asked(question, one) for one in found]
        covered = [
            0.0 if echo else coverage(question, one.words)
            for one, echo in zip(found, echoes, strict=True)
        ]
        near = (near.mean() + np.array(covered)) / 2
    return np.asarray(near, dtype=np.float32)


def embedded_text(candidate: Candidate) -> str:
    """What is embedded for a sentence: its start, under its heading."""
    heading = f"{candidate.heading.text[:80]}: " if candidate.heading.text else ""
    return heading + candidate.text[:LONGEST_EMBEDDED]


def select(found: Sequence[Candidate], scores: Features, margin: float) -> list[Candidate]:
    """The best sentence, and those that come close and add to it, as a reader meets them."""
    order = np.argsort(-scores, kind="stable").tolist()
    least = scores[order[0]] - margin
    chosen: list[Candidate] = []
    for place in order:
        candidate = found[place]
        if scores[place] < least or len(chosen) == MOST_SENTENCES:
            break
        if not any(_same(candidate, other) for other in chosen):
            chosen.append(candidate)
    return sorted(chosen, key=lambda c: (c.passage, c.start))


def _may_choose(
    question: Question, found: Sequence[Candidate], plain: Features, read: Features
) -> bool:
    """Whether a reader is to choose: among sentences, as it knows no tables.

    The sentence that is read to answer must have the figures asked for that the other has: what
    is so for the model TX-125 or for 2021 is no answer for the TX-200 or for 2022.
    """
    figures = {name for name in question.names if any(sign.isdigit() for sign in name)}
    first, other = (found[int(np.argmax(scores))] for scores in (plain, read))
    prose = is_prose(first.text) and is_prose(other.text)
    return prose and figures & (first.words | first.near) <= other.words | other.near


def _same(one: Candidate, two: Candidate) -> bool:
    shared = len(one.words & two.words)
    return shared >= _SAME * max(1, min(len(one.words), len(two.words)))


def _statement(question: Question, candidate: Candidate, readings: Readings | None) -> Statement:
    """A sentence as its own evidence; the row of a table comes with what its columns are.

    Where a name is asked for, one that stands above, as in signatures, comes with it.
    """
    said = " ".join(candidate.text.split())
    row = Evidence(
        passage=candidate.passage,
        quote=candidate.text,
        hint=candidate.start,
        answer=_marked(candidate, readings),
    )
    above = candidate.header
    if question.kind is Asked.NAME and _NAME.fullmatch(candidate.heading.text):
        above = above if above.text else candidate.heading
    if not above.text:
        return Statement(text=said, evidence=(row,))
    header = Evidence(passage=candidate.passage, quote=above.text, hint=above.start)
    return Statement(text=f"{' '.join(above.text.split())}: {said}", evidence=(header, row))


def _marked(candidate: Candidate, readings: Readings | None) -> Span | None:
    """Where in a sentence the words stand that answer, if the reader is sure that some do."""
    read = readings.of(candidate) if readings is not None else None
    if read is None or read.span <= _LEAST_MARKED or not is_prose(candidate.text):
        return None
    start, end = read.answer.start - candidate.start, read.answer.end - candidate.start
    for word in _WHOLE.finditer(candidate.text):  # tokens of a model can be parts of a number
        if word.start() < start < word.end():
            start = word.start()
        if word.start() < end < word.end():
            end = word.end()
    return Span(start=start, end=end)
