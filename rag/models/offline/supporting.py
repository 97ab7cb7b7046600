"""How well a quote supports a statement, by the reader's head for it."""

from __future__ import annotations

from collections.abc import Sequence

from rag.models.offline.english import is_english
from rag.models.offline.folder import Curve
from rag.models.offline.reader import Reader


class Supporting:
    """Judges statements by quotes; a `rag.support.Judge`."""

    def __init__(self, reader: Reader, curve: Curve) -> None:
        self._reader = reader
        self._curve = curve

    def support(self, pairs: Sequence[tuple[str, str]]) -> list[float | None]:
        """For each statement and the text quoted for it, the probability that it is supported.

        ``None`` for statements in languages that the reader was not trained on.
        """
        known = [pair for pair in pairs if is_english(pair[0])]
        logits = dict(zip(known, self._reader.support(known), strict=True))
        return [
            round(self._curve.probability(logits[pair]), 4) if pair in logits else None
            for pair in pairs
        ]

    def supports(self, probability: float) -> bool:
        """Whether so much is enough."""
        return probability >= self._curve.least


def open_supporting(reader: Reader | None) -> Supporting | None:
    """What judges by a reader; ``None`` for one whose judgement was not found good enough."""
    curve = reader.card.curve("support") if reader is not None else None
    return Supporting(reader, curve) if reader is not None and curve is not None else None
