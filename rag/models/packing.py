"""Passages into a prompt that fits a model's window: the best of them, and never silently less."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rag.models.prompts import Prompt
from rag.models.tasks import Shown
from rag.models.tokens import size
from rag.models.wording.base import passage_input
from rag.sentences import split
from rag.types import Passage

_MARKER = "0" * 16
# The name of a passage, twice, and the number of its page.
_NAMES = 32
# Characters behind the last that can fit, by which the end of a sentence is told.
_AHEAD = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """Texts of passages by their positions in the task, in its order."""

    texts: Mapping[int, str]
    shown: Shown


def pack(passages: Sequence[Passage], room: int, frame: Callable[[Passage], int]) -> Packed:
    """As much of passages as goes into a room, best first.

    The first that does not fit is cut at the end of a sentence; those with lower scores are
    left out.

    Args:
        passages: In the order of the task, which breaks ties between scores.
        room: Bytes.
        frame: Bytes that a passage takes besides those of its text.
    """
    texts: dict[int, str] = {}
    for place in sorted(range(len(passages)), key=lambda place: -passages[place].score):
        passage = passages[place]
        room -= frame(passage)
        text = _beginning(passage.text, room)
        if text is None:
            break
        texts[place] = text
        room -= size(text)
        if len(text) < len(passage.text):
            break
    return Packed(texts=dict(sorted(texts.items())), shown=_shown(passages, texts))


def fit(
    prompt: Prompt, inputs: Mapping[str, Any], passages: Sequence[Passage], *, room: int
) -> tuple[dict[str, Any], Shown] | None:
    """The inputs of a prompt with as much of the passages as it can have, and how much that is.

    ``None`` when nothing of them goes in, or the prompt alone does not.

    Args:
        prompt: What is rendered; all of it counts.
        inputs: What it takes besides the marker and the passages.
        passages: Each keeps the name that its place in the task gives it.
        room: Bytes that system and turns may have together.
    """

    def rendered(given: Sequence[Mapping[str, Any]]) -> int:
        made = prompt.render({**inputs, "passages": given, "marker": _MARKER})
        return size(made.system) + sum(size(turn.text) for turn in made.turns)

    whole = [passage_input(number, one) for number, one in enumerate(passages, start=1)]
    if sum(size(one.text) for one in passages) <= room and rendered(whole) <= room:
        everything = {place: passage.text for place, passage in enumerate(passages)}
        return {**inputs, "passages": whole}, _shown(passages, everything)
    bare = rendered([])
    empty = {"name": "", "document": "", "page": 1, "text": ""}
    around = rendered([empty]) - bare + _NAMES
    packed = pack(passages, room - bare, lambda one: around + size(one.document_title))
    if not packed.texts:
        return None
    some = [{**whole[place], "text": text} for place, text in packed.texts.items()]
    return {**inputs, "passages": some}, packed.shown


def left_out(shown: Shown, model: str, window: int) -> tuple[str, ...]:
    """What is to be said of passages that did not fit; nothing, when all did."""
    if not shown.cut and not shown.left_out:
        return ()
    return (
        f"The window of {model}, {window} tokens, had room for {shown.characters} of "
        f"{shown.of_characters} characters: {len(shown.left_out)} of the passages were left out, "
        f"and {len(shown.cut)} cut at the end of a sentence.",
    )


def _beginning(text: str, room: int) -> str | None:
    """A text, or its sentences that fit; ``None`` when not one does."""
    if size(text) <= room:
        return text
    head = text[: max(0, room) + _AHEAD]  # no character has less than a byte
    fitting = None
    for span in split(head):
        if span.end == len(head) or size(head[: span.end]) > room:
            break
        fitting = head[: span.end]
    return fitting


def _shown(passages: Sequence[Passage], texts: Mapping[int, str]) -> Shown:
    return Shown(
        characters=sum(map(len, texts.values())),
        of_characters=sum(len(passage.text) for passage in passages),
        cut=tuple(
            place for place in sorted(texts) if len(texts[place]) < len(passages[place].text)
        ),
        left_out=tuple(place for place in range(len(passages)) if place not in texts),
    )
