"""What stands around passages: the chunks beside them, or the section that they are in."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.database import Database
from rag.catalog.texts import read_text
from rag.headings import section_at
from rag.types import Around, BlockKind, Collection, Passage, Span, Surroundings

LONGEST = 8_000
"""Code points up to which surroundings reach, the passage among them."""


class SurroundingTexts:
    """Reads around passages, in the editions of collections that they were found in."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def read(
        self, collections: Sequence[Collection], passages: Sequence[Passage], around: Around
    ) -> list[Surroundings | None]:
        """Of each passage what stands around it; ``None`` if its document is another by now.

        They are made of whole chunks, of a section cut at its ends, and reach ``LONGEST`` code
        points, or as far as a passage that is longer.
        """
        with self._db.read() as connection:
            placed = _placed(connection, collections, {one.document_id for one in passages})
            return [
                _surroundings(connection, placed[one.document_id], one, around)
                if one.document_id in placed
                else None
                for one in passages
            ]


def _placed(
    connection: sa.Connection, collections: Sequence[Collection], documents: set[str]
) -> dict[str, Any]:
    """Which generation of the documents is in the editions of the collections."""
    p = t.placements.c
    query = sa.select(p.document_id, p.collection_id, p.generation, p.edition)
    searched = {(one.id, one.edition) for one in collections}
    rows = connection.execute(query.where(p.document_id.in_(documents)))
    return {row.document_id: row for row in rows if (row.collection_id, row.edition) in searched}


def _surroundings(
    connection: sa.Connection, placed: Any, passage: Passage, around: Around
) -> Surroundings | None:
    chunks = _chunks(connection, placed, passage)
    before = [one for one in chunks if one.start < passage.start][::-1]
    after = [one for one in chunks if one.end > passage.end]
    limits = Span(start=0, end=passage.end + LONGEST)
    if around is Around.NEIGHBOURS:
        before, after = before[:1], after[:1]
    else:
        limits = _section(connection, placed, passage, limits)
    span = _reached(passage, before, after, limits)
    text = read_text(connection, placed.document_id, placed.generation, span.start, span.end)
    if text[passage.start - span.start : passage.end - span.start] != passage.text:
        return None  # it was read anew since it was found
    return Surroundings(start=span.start, end=span.end, text=text)


def _chunks(connection: sa.Connection, placed: Any, passage: Passage) -> Sequence[Any]:
    """Start and end of the chunks in reach of a passage, in order."""
    c = t.chunks.c
    query = sa.select(c.start, c.end).where(
        c.document_id == placed.document_id,
        c.generation == placed.generation,
        c.edition == placed.edition,
        c.end > passage.end - LONGEST,
        c.start < passage.start + LONGEST,
    )
    return connection.execute(query.order_by(c.position)).all()


def _section(connection: sa.Connection, placed: Any, passage: Passage, reach: Span) -> Span:
    """The section that the middle of a passage is in, for its ends may reach into others."""
    c = t.blocks.c
    query = sa.select(c.start, c.level).where(
        c.document_id == placed.document_id,
        c.generation == placed.generation,
        c.kind == BlockKind.HEADING,
        c.start < reach.end,
    )
    headings = [(row.start, row.level) for row in connection.execute(query.order_by(c.start))]
    start, end = section_at(headings, (passage.start + passage.end) // 2)
    return Span(start=start, end=reach.end if end is None else end)


def _reached(passage: Passage, before: Sequence[Any], after: Sequence[Any], limits: Span) -> Span:
    """From the passage outward, a chunk on either side in turn, as far as that is allowed."""
    start, end = passage.start, passage.end
    for earlier, later in zip_longest(before, after):
        if earlier is not None:
            first = min(start, max(earlier.start, limits.start))
            start = first if end - first <= LONGEST else start
        if later is not None:
            last = max(end, min(later.end, limits.end))
            end = last if last - start <= LONGEST else end
    return Span(start=start, end=end)
