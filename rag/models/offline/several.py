"""A question of several parts, each answered by itself, and the answers put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from rag.models.tasks import AnswerTask, Outcome, Statement

Answers: TypeAlias = tuple[Statement, ...]
_ENDS = ("?", "？")  # noqa: RUF001


def answer_each(
    task: AnswerTask, answer: Callable[[AnswerTask], Outcome[Answers]]
) -> Outcome[Answers]:
    """What answers each part, in the order of the parts; the least sure says how sure it is.

    Parts that ask nothing, as the names of two things compared, are not answered apart.
    """
    asked = [part for part in task.parts if part.endswith(_ENDS)]
    if len(asked) < len(task.parts) or len(asked) < 2:
        return answer(replace(task, parts=()))
    outcomes = [answer(replace(task, question=part, parts=())) for part in asked]
    found = [one for one in outcomes if one.value]
    if not found:  # how sure the whole is that there is nothing
        return answer(replace(task, parts=()))
    missing = [part for part, one in zip(asked, outcomes, strict=True) if not one.value]
    said = {statement: None for one in found for statement in one.value}
    known = [one.confidence for one in outcomes if one.confidence is not None]
    notes = (f"Nothing was found on: {' '.join(missing)}",) if missing else ()
    timings: dict[str, float] = {}
    for one in outcomes:
        for stage, spent in one.timings.items():
            timings[stage] = round(timings.get(stage, 0.0) + spent, 3)
    return replace(
        found[0],
        value=tuple(said),
        confidence=min(known, default=None),
        notes=notes,
        timings=timings,
    )
