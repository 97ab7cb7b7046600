"""Statements that a passage supports, and near copies of them that it does not."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from rag.models.offline.training.questions import Corpus, Question
from rag.sentences import split

_NUMBER = re.compile(r"\d[\d,.]*\d|\d")
_NAME = re.compile(r"(?<!^)(?<![.!?] )\b[A-Z][a-z]+(?: [A-Z][a-z]+)*")
_NEGATED = re.compile(r"\b(is|are|was|were|has|have|had|can|could|will|would|did|does|do)\b")
_NEGATION = re.compile(r"\b(is|are|was|were|has|have|had|can|could|will|would|did|does|do) not\b")


_SHORTEST = 30
"""Characters of a sentence that states something."""


def kind(answer: str) -> str:
    """What sort of answer it is, roughly: only those of one sort can be mistaken."""
    if re.search(r"\d", answer):
        return "number"
    if answer[:1].isupper():
        return "name"
    return "short" if answer.count(" ") < 3 else "long"


def claim(question: Question, answer: str) -> str:
    """A question and an answer to it as one statement."""
    return f"{question.text} {answer}"


def wrong_answer(question: Question, others: Sequence[Question], dice: random.Random) -> str | None:
    """An answer to another question that could be meant as one to this."""
    right = {answer.casefold() for answer in question.answers}
    wanted = kind(question.answers[0])
    possible = [
        other.answers[0]
        for other in others
        if other.answers
        and kind(other.answers[0]) == wanted
        and not any(
            other.answers[0].casefold() in one or one in other.answers[0].casefold()
            for one in right
        )
    ]
    return dice.choice(possible) if possible else None


def sentence(corpus: Corpus, paragraph: int, dice: random.Random) -> str | None:
    """A sentence of a paragraph, of a length that states something."""
    text = corpus.paragraphs[paragraph]
    all_ = [text[one.start : one.end] for one in split(text)]
    whole = [one for one in all_ if _SHORTEST <= len(one) <= 300]
    return dice.choice(whole) if whole else None


def shortened(stated: str, dice: random.Random) -> str:
    """The statement, or what stands before one of its commas: what is less is true as well."""
    commas = [place for place, sign in enumerate(stated) if sign == "," and place >= _SHORTEST]
    if not commas or dice.random() < 0.5:
        return stated
    return f"{stated[: dice.choice(commas)]}."


def falsified(stated: str, passage: str, dice: random.Random) -> str | None:
    """The statement with a number, a name or its sense changed; nothing where it has none."""
    edits = [_other_number, _other_name, _negated]
    dice.shuffle(edits)
    for edit in edits:
        changed = edit(stated, passage, dice)
        if changed is not None and changed not in passage:
            return changed
    return None


def _other_number(stated: str, passage: str, dice: random.Random) -> str | None:
    here = list(_NUMBER.finditer(stated))
    if not here:
        return None
    spot = dice.choice(here)
    others: list[str] = [one for one in _NUMBER.findall(passage) if one != spot[0]]
    if others and dice.random() < 0.5:
        other = dice.choice(others)
    else:
        digits = [place for place, sign in enumerate(spot[0]) if sign.isdigit()]
        place = dice.choice(digits)
        shifted = str((int(spot[0][place]) + dice.randint(1, 9)) % 10)
        other = spot[0][:place] + shifted + spot[0][place + 1 :]
    return f"{stated[: spot.start()]}{other}{stated[spot.end() :]}"


def _other_name(stated: str, passage: str, dice: random.Random) -> str | None:
    here = list(_NAME.finditer(stated))
    others: list[str] = [one for one in dict.fromkeys(_NAME.findall(passage)) if one not in stated]
    if not here or not others:
        return None
    spot = dice.choice(here)
    return f"{stated[: spot.start()]}{dice.choice(others)}{stated[spot.end() :]}"


def _negated(stated: str, passage: str, dice: random.Random) -> str | None:
    if _NEGATION.search(stated):
        return _NEGATION.sub(r"\1", stated, count=1)
    verb = _NEGATED.search(stated)
    return None if verb is None else f"{stated[: verb.end()]} not{stated[verb.end() :]}"
