"""What the reader learns from: questions and statements, each with a passage and the truth.

An epoch has each answerable question with its own passage, a quarter of them besides with one
that does not answer, two fifths changed so that their own does not, every unanswerable question,
and for every third question a statement.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rag.models.offline.training import claims
from rag.models.offline.training.astray import astray
from rag.models.offline.training.questions import Corpus, Question


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A question or statement and a passage.

    ``answers`` occur in the passage. Of a question ``supported`` is ``None``, of a statement
    it is the truth, and there are no answers.
    """

    text: str
    passage: str
    answers: tuple[str, ...] = ()
    supported: bool | None = None


def epoch(corpus: Corpus, negatives: Sequence[Sequence[int]], seed: int) -> list[Example]:
    """The examples of one epoch, shuffled; the same seed gives the same ones."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    of_paragraph: dict[int, list[Question]] = defaultdict(list)
    for question in corpus.questions:
        of_paragraph[question.paragraph].append(question)
    examples: list[Example] = []
    for question, near in zip(corpus.questions, negatives, strict=True):
        own = corpus.paragraphs[question.paragraph]
        examples.append(Example(text=question.text, passage=own, answers=question.answers))
        if near and dice.random() < 0.25:
            other = corpus.paragraphs[dice.choice(near)]
            examples.append(Example(text=question.text, passage=other))
        if question.answers and dice.random() < 0.4:
            beside = [corpus.paragraphs[place] for place in near[:1]]
            changed = astray(question.text, own, beside, dice)
            if changed is not None:
                examples.append(Example(text=changed, passage=own))
        if dice.random() < 1 / 3:
            examples += _statement(corpus, question, near, of_paragraph[question.paragraph], dice)
    dice.shuffle(examples)
    return examples


def _statement(
    corpus: Corpus,
    question: Question,
    near: Sequence[int],
    beside: Sequence[Question],
    dice: random.Random,
) -> Iterator[Example]:
    """A sentence, or a question with an answer: each as often true as false.

    False ones are as often a near copy of what is true as taken from somewhere else. Were there
    only copies, what looks most like the passage would be false more often than not.
    """
    own = corpus.paragraphs[question.paragraph]
    other = corpus.paragraphs[dice.choice(near)] if near else None
    true, copied, whole = (dice.random() < 0.5 for _ in range(3))
    if whole:
        stated = claims.sentence(corpus, question.paragraph, dice)
        copy = claims.falsified(stated, own, dice) if stated else None
    elif question.answers:
        stated = claims.claim(question, dice.choice(question.answers))
        wrong = claims.wrong_answer(question, beside, dice)
        copy = None if wrong is None else claims.claim(question, wrong)
    else:
        return
    if stated and true:
        text = claims.shortened(stated, dice) if whole else stated
        yield Example(text=text, passage=own, supported=True)
    elif copy and (copied or not other):
        yield Example(text=copy, passage=own, supported=False)
    elif stated and other:
        yield Example(text=stated, passage=other, supported=False)
