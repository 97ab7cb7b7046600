"""What the reader learns from: questions and statements, each with a passage and the truth.

An epoch has each answerable question with its own passage, half of them besides with one that
does not answer, every unanswerable question, and for every third question a statement.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rag.models.offline.training import claims
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
        if near and dice.random() < 0.5:
            other = corpus.paragraphs[dice.choice(near)]
            examples.append(Example(text=question.text, passage=other))
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
    own = corpus.paragraphs[question.paragraph]
    way = dice.random()
    if way < 0.4:
        stated = claims.sentence(corpus, question.paragraph, dice)
        false = claims.falsified(stated, own, dice) if stated and dice.random() < 0.6 else None
        if stated:
            yield Example(text=false or stated, passage=own, supported=false is None)
    elif question.answers:
        answer = dice.choice(question.answers)
        wrong = claims.wrong_answer(question, beside, dice) if way < 0.7 else None
        if wrong is not None:
            yield Example(text=claims.claim(question, wrong), passage=own, supported=False)
        elif near and way < 0.8:
            other = corpus.paragraphs[dice.choice(near)]
            yield Example(text=claims.claim(question, answer), passage=other, supported=False)
        else:
            yield Example(text=claims.claim(question, answer), passage=own, supported=True)
