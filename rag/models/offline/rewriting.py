"""What to look up for a question, by the form of its words alone."""

from __future__ import annotations

from rag.models.offline import ID
from rag.models.offline.following import Followed, Told, standing_alone
from rag.models.offline.parting import parts_of
from rag.models.tasks import Outcome, Queries, RewriteTask

# What is longer is no question that anything could be told of by its form.
_LONGEST = 600
_ALONE, _CARRIED, _OPEN = 0.8, 0.5, 0.2
_NOTHING_IMAGINED = "The offline engine makes nothing up; no passage was imagined."


def rewrite(task: RewriteTask) -> Outcome[Queries]:
    """The question so that it stands by itself, and its parts; nothing is made up."""
    earlier = [
        Told(
            question=one.question,
            quotes=tuple(task.passages[place].text for place in one.passages),
        )
        for one in task.earlier
    ]
    followed = Followed(question=task.question)
    parts: tuple[str, ...] = ()
    if len(task.question) <= _LONGEST:
        followed = standing_alone(task.question, earlier)
        parts = parts_of(followed.question)
    return Outcome(
        value=Queries(question=followed.question, parts=parts),
        confidence=0.0 if task.imagine else _confidence(followed),
        engine=ID,
        notes=(_NOTHING_IMAGINED,) if task.imagine else (),
    )


def _confidence(followed: Followed) -> float:
    """How probably nothing is missing; what was carried over is a guess."""
    if not followed.leans:
        return _ALONE
    return _CARRIED if followed.resolved else _OPEN
