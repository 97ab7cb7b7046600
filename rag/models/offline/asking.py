"""The fields of a schema as questions to the reader."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rag.models.offline.english import is_english
from rag.models.offline.leaves import Leaf
from rag.models.offline.mentions import Mention
from rag.models.offline.reader import Reader
from rag.types import Span

USE = "extract"
# Logits are pressed into -1 to 1, so that no reading outweighs all else.
_STEEP = 4.0


class Asking:
    """Says how likely the reader finds each mention to be a field's value.

    ``read`` weighs how much likelier than none its best answer within the value is, and
    ``least`` what is taken off, so that a threshold on scores stays what it was.
    """

    def __init__(self, reader: Reader, *, read: float, least: float) -> None:
        self._reader = reader
        self._read = read
        self._least = least

    def scores(self, leaf: Leaf, mentions: Sequence[Mention]) -> list[float]:
        """What the reader adds to the score of each mention of a field."""
        if not is_english(leaf.asks):
            return [0.0] * len(mentions)
        question = f"{leaf.asks.rstrip('.:?')}?"
        readings = self._reader.read_each(
            question,
            [one.around for one in mentions],
            [[_place(one)] for one in mentions],
        )
        return [
            self._read * math.tanh(max(-1e3, one.span) / _STEEP) - self._least
            for (one,) in readings
        ]


def _place(mention: Mention) -> Span:
    """Where in the words around it a value stands; all of them, where it spans sentences."""
    start = len(mention.around) - (mention.window[1] - mention.window[0])
    start += mention.start - mention.window[0]
    end = start + mention.end - mention.start
    whole = Span(start=0, end=len(mention.around))
    return Span(start=start, end=end) if 0 <= start < end <= whole.end else whole


def open_asking(reader: Reader | None) -> Asking | None:
    """What asks a reader for fields; ``None`` for one that was not found to help."""
    fitted = reader.card.fitted.get(USE) if reader is not None else None
    return Asking(reader, **fitted) if reader is not None and fitted is not None else None
