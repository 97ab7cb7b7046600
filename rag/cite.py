"""Quote to place: the only module that turns words into citations.

Everything an engine says rests on quotes. A quote becomes a `Citation` only when it is
found in the stored text, and then the citation carries the stored text, not the quote. It
is looked for verbatim, then with typography evened out, then with a few edits allowed; see
`rag.locate` for what counts as the same words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from rag.errors import NotFound
from rag.locate import Location, locate
from rag.types import Box, Citation, FloatMatrix, Located, Page, Passage, Span

__all__ = ["Location", "Source", "boxes", "cite", "cite_again", "locate"]

# Code points read around a passage: a few, to see whether a quote starts inside a word, and,
# when it is not in the passage, as many as the neighbouring chunks have.
_MARGIN = 64
_NEIGHBOURHOOD = 4_000
# Characters belong to one line while their centres are this close, in line heights, and
# the gap between them is at most this wide.
_LINE_DRIFT = 0.65
_LINE_GAP = 4.0


class Source(Protocol):
    """What citing needs to read of the stored documents."""

    def read(self, document_id: str, start: int, end: int) -> str:
        """The stored text in ``[start, end)``, cut at the end of the document."""
        ...

    def pages(self, document_id: str, span: Span) -> Sequence[Page]:
        """The pages that overlap a span, in order, with their character boxes."""
        ...


def cite(
    quote: str, passage: Passage, source: Source, *, hint: int = 0, support: float | None = None
) -> Citation | None:
    """Find a quote where its passage stands, or close by.

    Args:
        quote: The words that are said to stand in the passage.
        passage: Where to look first; its text is read again from ``source``.
        source: The stored documents.
        hint: Offset into the passage at which to prefer an occurrence.
        support: How well the quote supports the statement, when somebody judged that.

    Returns:
        A citation whose ``cited_text`` is the stored text of its span, or ``None`` when the
        words are not there or the document has been deleted meanwhile.
    """
    try:
        for margin in (_MARGIN, _NEIGHBOURHOOD):
            first = max(0, passage.start - margin)
            text = source.read(passage.document_id, first, passage.end + margin)
            place = locate(quote, text, near=passage.start - first + hint)
            if place is not None:
                cited = text[place.start : place.end]
                span = Span(start=first + place.start, end=first + place.end)
                pages = source.pages(passage.document_id, span)
                break
        else:
            return None
    except NotFound:
        return None
    found = replace(passage, start=span.start, end=span.end, text=cited)
    return _citation(found, pages, located=place.located, support=support)


def cite_again(
    found: Passage, source: Source, *, located: Located, support: float | None = None
) -> Citation | None:
    """The citation of a place that a quote was found at before.

    Args:
        found: The place; its text is read again from ``source``.
        source: The stored documents.
        located: How the quote was found there.
        support: How well it supports the statement, when somebody judged that.

    Returns:
        ``None`` when the document has been deleted meanwhile.
    """
    try:
        text = source.read(found.document_id, found.start, found.end)
        pages = source.pages(found.document_id, Span(start=found.start, end=found.end))
    except NotFound:
        return None
    return _citation(replace(found, text=text), pages, located=located, support=support)


def _citation(
    found: Passage, pages: Sequence[Page], *, located: Located, support: float | None
) -> Citation:
    return Citation(
        document_id=found.document_id,
        document_title=found.document_title,
        document_name=found.document_name,
        cited_text=found.text,
        start=found.start,
        end=found.end,
        located=located,
        start_page=min((page.number for page in pages), default=None),
        end_page=max((page.number for page in pages), default=None),
        boxes=boxes(pages, Span(start=found.start, end=found.end)),
        support=support,
        passage_score=found.score,
    )


def boxes(pages: Sequence[Page], span: Span) -> tuple[Box, ...]:
    """One rectangle per line of the span's text and page, in reading order.

    A wide gap inside a line, as between the cells of a table row, starts another rectangle.
    Characters without a place of their own and pages without geometry give none.
    """
    found: list[Box] = []
    for page in pages:
        start, end = max(span.start, page.start), min(span.end, page.end)
        if start >= end or not page.boxes:
            continue
        packed = page.boxes[8 * (start - page.start) : 8 * (end - page.start)]
        corners = np.frombuffer(packed, dtype="<u2").reshape(-1, 4).astype(np.float32)
        corners = corners[corners.any(axis=1)] / np.float32(65535)
        if len(corners):
            scale = np.array([page.width or 1.0, page.height or 1.0] * 2, dtype=np.float32)
            lines = _lines(corners * scale) / scale
            found.extend(
                Box(page=page.number, x0=x0, y0=y0, x1=x1, y1=y1)
                for x0, y0, x1, y1 in lines.clip(0, 1).tolist()
            )
    return tuple(found)


def _lines(corners: FloatMatrix) -> FloatMatrix:
    """Merge character rectangles, in reading order and in points, into line rectangles."""
    centres = (corners[:, :2] + corners[:, 2:]) / 2
    steps = np.abs(np.diff(centres, axis=0))
    vertical = len(steps) > 0 and bool(np.median(steps[:, 1]) > np.median(steps[:, 0]))
    if vertical:  # text that runs down or up the page: the same with the axes exchanged
        corners = corners[:, [1, 0, 3, 2]]
    usual = float(np.percentile(corners[:, 3] - corners[:, 1], 90))
    lines: list[list[float]] = []
    for x0, y0, x1, y1 in corners.tolist():
        if lines:
            line = lines[-1]
            height = max(line[3] - line[1], y1 - y0, usual)
            drift = abs((y0 + y1) - (line[1] + line[3])) / 2
            gap = max(x0 - line[2], line[0] - x1)
            if drift <= _LINE_DRIFT * height and gap <= _LINE_GAP * height:
                lines[-1] = [
                    min(line[0], x0), min(line[1], y0), max(line[2], x1), max(line[3], y1),
                ]  # fmt: skip
                continue
        lines.append([x0, y0, x1, y1])
    merged = np.array(lines, dtype=np.float32)
    return merged[:, [1, 0, 3, 2]] if vertical else merged
