"""Questions that lean on earlier ones, made to stand by themselves: "Who signed it?".

What a pronoun stands for, and what an ellipsis leaves out, is carried over from the last questions
and from what their answers quote. A question that stands by itself is left as it is, letter by
letter; so is one that leans on nothing that can be found.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rag.models.offline.ellipses import completed
from rag.models.offline.pronouns import Told, with_pronouns_replaced
from rag.models.offline.words import dense

__all__ = ["Followed", "Told", "standing_alone"]

# Further back nothing is meant by "it".
_MOST_BACK = 4
_DENSE_PRONOUN = re.compile(
    "^(?:那么?|请问|还有)?[,，]?(?P<it>它们|他们|她们|[它他她](?!们)|这个|那个|该(?=[\u4e00-\u9fff]))"  # noqa: RUF001
)
_DENSE_FRAGMENT = re.compile("^(?:那么?|那麼|还有|至于)?[,，\\s]*(?P<what>.{1,20}?)呢[?？]*$")  # noqa: RUF001
_DENSE_TOPIC = re.compile(r"^(?:请问)?(?P<topic>[^，。？?的]{2,30})的")  # noqa: RUF001
_DENSE_YEAR = re.compile(r"(?:19|20)\d\d ?年")


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A question that stands by itself. ``leans`` on earlier ones, ``resolved`` or not."""

    question: str
    leans: bool = False
    resolved: bool = False


def standing_alone(question: str, earlier: Sequence[Told]) -> Followed:
    """The question so that it can be understood without those before it, oldest first."""
    asked = question.strip()
    recent = [one for one in earlier[-_MOST_BACK:] if one.question.strip()]
    if not recent:
        return Followed(question=question)
    if dense(asked):
        found = _dense(asked, recent[-1].question)
    else:
        found = completed(asked, recent[-1].question) or with_pronouns_replaced(asked, recent)
    if found is None:
        return Followed(question=question)
    resolved = found != asked
    return Followed(question=found if resolved else question, leans=True, resolved=resolved)


def _dense(asked: str, last: str) -> str | None:
    topic = _DENSE_TOPIC.match(last)
    fragment = _DENSE_FRAGMENT.match(asked)
    if fragment is not None:
        what = fragment["what"].strip()
        if _DENSE_YEAR.search(what) and _DENSE_YEAR.search(last):
            return _DENSE_YEAR.sub(_DENSE_YEAR.search(what).group(), last)  # type: ignore[union-attr]
        if topic is not None:
            return what + last[topic.end("topic") :]
        return f"{what}：{last}"  # noqa: RUF001
    pronoun = _DENSE_PRONOUN.match(asked)
    if pronoun is None:
        return None
    return asked if topic is None else topic["topic"] + asked[pronoun.end() :]
