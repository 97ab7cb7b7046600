"""Where pieces of a text stand in it, when somebody hands back the pieces alone.

The pieces come in order: starts and ends ascend. Within that, repeated text may leave a
choice. A piece is taken to go on where the last one ended, or else to stand where its maker
says, or else as early as it can. If a later piece is then not found any more, all are placed
anew, as early as they can; so each that does stand there in this order is found.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rag.types import Span


class NotInText(Exception):
    """A piece does not stand in the text, at least not after those before it."""

    def __init__(self, piece: int) -> None:
        self.piece = piece
        super().__init__(f"piece {piece} is not in the text")


def align(text: str, pieces: Sequence[str], hints: Sequence[int | None]) -> list[Span]:
    """Spans of the pieces, but for those that the piece before holds.

    White space may differ, at the ends of a piece or within. ``hints`` are where each is said
    to start.

    Raises:
        NotInText: A piece stands nowhere; it was made up or changed.
    """
    try:
        return _places(text, pieces, hints)
    except NotInText:
        return _places(text, pieces, None)


def without_gaps(text: str, spans: Sequence[Span]) -> list[Span]:
    """The spans, grown over the text between them: each up to the next, the first to the left."""
    grown: list[Span] = []
    for place, span in enumerate(spans):
        start = span.start if place else 0
        after = spans[place + 1].start if place + 1 < len(spans) else len(text)
        grown.append(Span(start=start, end=max(span.end, after)))
    return grown


def _places(text: str, pieces: Sequence[str], hints: Sequence[int | None] | None) -> list[Span]:
    bare = _Bare(text)
    spans: list[Span] = []
    last = Span(start=0, end=0)
    for number, piece in enumerate(pieces):
        words = piece.strip()
        inside = _squeezed(words) in _squeezed(text[last.start : last.end])
        if not words or (inside and hints is None):
            continue
        found = None if hints is None else _expected(text, words, hints[number], last)
        found = found or bare.find(words, last)
        if found is None and inside:
            continue
        if found is None:
            raise NotInText(number)
        if spans and spans[-1].start == found.start:  # it holds the last one
            spans.pop()
        spans.append(found)
        last = found
    return spans


def _expected(text: str, words: str, hint: int | None, last: Span) -> Span | None:
    """Right behind the last piece, or where it is said to stand, or the next place like it."""
    low = max(last.start, last.end + 1 - len(words))  # from there on it ends after the last one
    for near in (last.end, -1 if hint is None else hint):
        at = near
        while 0 <= at < len(text) and text[at].isspace():
            at += 1
        if at >= low and text.startswith(words, at):
            return Span(start=at, end=at + len(words))
    at = text.find(words, low)
    return None if at < 0 else Span(start=at, end=at + len(words))


class _Bare:
    """A text without white space, made when first asked for, and where each character stood."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._bare: str | None = None

    def find(self, words: str, last: Span) -> Span | None:
        """The first place that does not start before, and ends after, the last one."""
        if self._bare is None:
            kept = [k for k, char in enumerate(self._text) if not char.isspace()]
            self._at = np.array(kept, dtype=np.int32)
            self._bare = _squeezed(self._text)
        wanted = _squeezed(words)
        first = int(np.searchsorted(self._at, last.start))
        least = int(np.searchsorted(self._at, last.end)) + 1 - len(wanted)
        at = self._bare.find(wanted, max(first, least))
        if at < 0:
            return None
        return Span(start=int(self._at[at]), end=int(self._at[at + len(wanted) - 1]) + 1)


def _squeezed(text: str) -> str:
    return "".join(text.split())
