"""Parsed text, pages and chunks of the visible versions."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.database import Database
from rag.catalog.passages import SEGMENT, first_chunks, of_placement, read_passages
from rag.errors import NotFound
from rag.types import (
    Block,
    BlockKind,
    Chunk,
    Ids,
    Page,
    PageSource,
    ParsedDocument,
    Passage,
    Span,
    TableCell,
)

_NO_END = 2**31 - 1

# Built once: an answer reads many places, and building them takes longer than carrying them out.
_DOCUMENT: sa.BindParameter[str] = sa.bindparam("document")
_AFTER: sa.BindParameter[int] = sa.bindparam("after")
_BEFORE: sa.BindParameter[int] = sa.bindparam("before")
_IN_REACH = sa.and_(t.segments.c.start > _AFTER, t.segments.c.start < _BEFORE)
_SEGMENTS = (
    sa.select(t.segments.c.start, t.segments.c.text)
    .where(
        t.segments.c.document_id == _DOCUMENT,
        t.segments.c.generation == sa.bindparam("generation"),
        _IN_REACH,
    )
    .order_by(t.segments.c.start)
)
_GENERATION = sa.select(t.documents.c.generation).where(t.documents.c.id == _DOCUMENT)


def _visible(
    table: sa.Table, columns: Sequence[sa.ColumnElement[Any]], wanted: sa.ColumnElement[bool]
) -> sa.Select[Any]:
    """Rows of a document's visible version; one of nulls where it has none of those wanted."""
    d = t.documents.c
    version = (table.c.document_id == d.id) & (table.c.generation == d.generation)
    return (
        sa.select(*columns)
        .select_from(sa.outerjoin(t.documents, table, version & wanted))
        .where(d.id == _DOCUMENT, d.generation.is_not(None))
        .order_by(columns[0])
    )


_VISIBLE_TEXT = _visible(t.segments, (t.segments.c.start, t.segments.c.text), _IN_REACH)
_VISIBLE_PAGES = _visible(
    t.pages,
    (t.pages.c.number, *(one for one in t.pages.c if one is not t.pages.c.number)),
    sa.and_(t.pages.c.start < _BEFORE, t.pages.c.end > _AFTER),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkText:
    """A chunk with its id, its place and the hash under which its vector is kept."""

    id: int
    start: int
    text: str
    text_sha256: bytes


class Texts:
    """Reads the visible version of documents."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def read(self, document_id: str, start: int, end: int) -> str:
        """The visible text between two offsets (cut at its ends)."""
        values = {"document": document_id, "after": start - SEGMENT, "before": end}
        parts = self._db.rows(_VISIBLE_TEXT, values)
        if not parts:
            raise _without_text(document_id)
        return _between(parts, start, end) if parts[0].text is not None else ""

    def length(self, document_id: str) -> int:
        """Code points of the visible text."""
        query = sa.select(t.documents.c.text_length).where(t.documents.c.id == document_id)
        with self._db.read() as connection:
            return int(connection.execute(query).scalar() or 0)

    def pages(self, document_id: str, span: Span | None = None) -> Sequence[Page]:
        """The visible pages that share text with the span, or all of them."""
        start, end = (-1, _NO_END) if span is None else (span.start, span.end)
        values = {"document": document_id, "after": start, "before": end}
        rows = self._db.rows(_VISIBLE_PAGES, values)
        if not rows:
            raise _without_text(document_id)
        return [_page(row._mapping) for row in rows if row.number is not None]

    def blocks(self, document_id: str) -> Sequence[Block]:
        """The visible headings, tables, lists and code, in order; tables without their cells."""
        c = t.blocks.c
        with self._db.read() as connection:
            generation = _generation(connection, document_id)
            rows = connection.execute(
                sa.select(c.kind, c.start, c.end, c.level)
                .where(_version(t.blocks, document_id, generation))
                .order_by(c.start, c.position)
            )
            return [
                Block(kind=BlockKind(row.kind), start=row.start, end=row.end, level=row.level)
                for row in rows
            ]

    def parsed(self, document_id: str) -> tuple[int, ParsedDocument]:
        """The visible generation of a document, and as much of it as cutting it takes.

        Raises:
            NotFound: it has none.
        """
        d, c = t.documents.c, t.blocks.c
        query = sa.select(d.generation, d.text_length, d.media_type).where(
            d.id == document_id, d.generation.is_not(None)
        )
        with self._db.read() as connection:
            row = connection.execute(query).first()
            if row is None:
                raise NotFound(f"Document {document_id!r} has no text.", param="document")
            text = read_text(connection, document_id, row.generation, 0, row.text_length)
            mine = _version(t.blocks, document_id, row.generation)
            blocks = connection.execute(sa.select(t.blocks).where(mine).order_by(c.position))
            return row.generation, ParsedDocument(
                text=text,
                media_type=row.media_type,
                blocks=tuple(_block(one) for one in blocks.mappings()),
            )

    def page_list(self, document_id: str, *, first: int, limit: int) -> Sequence[Page]:
        """The visible pages from number ``first`` on, without boxes."""
        with self._db.read() as connection:
            generation = _generation(connection, document_id)
            where = _version(t.pages, document_id, generation) & (t.pages.c.number >= first)
            columns = [column for column in t.pages.c if column is not t.pages.c.boxes]
            query = sa.select(*columns).where(where).order_by(t.pages.c.number).limit(limit)
            rows = connection.execute(query).mappings()
            return [_page({**row, "boxes": b""}) for row in rows]

    def chunks(
        self, document_id: str, *, first: int = 0, limit: int | None = None
    ) -> Sequence[Chunk]:
        """The visible chunks from position ``first`` on, with their text."""
        with self._db.read() as connection:
            generation = _generation(connection, document_id)
            p, c = t.placements.c, t.chunks.c
            query = (
                sa.select(t.chunks)
                .join(t.placements, of_placement(c))
                .join(t.collections, p.collection_id == t.collections.c.id)
                .where(p.document_id == document_id, p.edition == t.collections.c.edition)
                .where(c.position >= first)
            )
            rows = connection.execute(query.order_by(c.position).limit(limit)).mappings().all()
            if not rows:
                return []
            origin = rows[0]["start"]
            end = max(row["end"] for row in rows)
            text = read_text(connection, document_id, generation, origin, end)
            return [
                Chunk(
                    position=row["position"],
                    start=row["start"],
                    end=row["end"],
                    tokens=row["tokens"],
                    text=text[row["start"] - origin : row["end"] - origin],
                )
                for row in rows
            ]

    def passages(self, collection_id: str, ids: Ids) -> Mapping[int, Passage]:
        """Visible chunks by id, with text and pages; ids that are gone are left out."""
        return read_passages(self._db, collection_id, ids)

    def first_chunks(self, collection_id: str, ids: Ids) -> Ids:
        """For each chunk the id of its document's first one; 0 or another's if it is gone."""
        return first_chunks(self._db, collection_id, ids)


def _version(table: sa.Table, document_id: str, generation: int) -> sa.ColumnElement[bool]:
    return (table.c.document_id == document_id) & (table.c.generation == generation)


def _generation(connection: sa.Connection, document_id: str) -> int:
    generation = connection.execute(_GENERATION, {"document": document_id}).scalar()
    if generation is None:
        raise _without_text(document_id)
    return int(generation)


def _without_text(document_id: str) -> NotFound:
    return NotFound(f"Document {document_id!r} has no text yet.", param="document")


def read_text(
    connection: sa.Connection, document_id: str, generation: int, start: int, end: int
) -> str:
    """The text of one version between two offsets, cut at its ends."""
    values = {"document": document_id, "generation": generation, "after": start - SEGMENT}
    parts = connection.execute(_SEGMENTS, {**values, "before": end}).all()
    return _between(parts, start, end) if parts else ""


def _between(parts: Sequence[Any], start: int, end: int) -> str:
    origin = parts[0].start
    return "".join(part.text for part in parts)[max(0, start - origin) : max(0, end - origin)]


def _block(row: Mapping[Any, Any]) -> Block:
    return Block(
        kind=BlockKind(row["kind"]),
        start=row["start"],
        end=row["end"],
        level=row["level"],
        cells=tuple(
            TableCell(row=at, column=column, start=start, end=end)
            for at, column, start, end in row["cells"]
        ),
    )


def _page(row: Mapping[Any, Any]) -> Page:
    return Page(
        number=row["number"],
        start=row["start"],
        end=row["end"],
        width=row["width"],
        height=row["height"],
        source=PageSource(row["source"]),
        boxes=zlib.decompress(row["boxes"]) if row["boxes"] else b"",
    )


def chunk_texts(
    connection: sa.Connection,
    document_id: str,
    generation: int,
    where: sa.ColumnElement[bool],
    first_id: int,
) -> Iterator[ChunkText]:
    """Those of one version's chunks that ``where`` selects, with ids from ``first_id`` on."""
    c = t.chunks.c
    condition = _version(t.chunks, document_id, generation) & where
    rows = connection.execute(
        sa.select(c.position, c.start, c.end, c.text_sha256).where(condition).order_by(c.position)
    ).all()
    if not rows:
        return
    origin = min(row.start for row in rows)
    text = read_text(connection, document_id, generation, origin, max(row.end for row in rows))
    for row in rows:
        yield ChunkText(
            id=first_id + row.position,
            start=row.start,
            text=text[row.start - origin : row.end - origin],
            text_sha256=row.text_sha256,
        )


def hashed(chunk: Chunk) -> ChunkText:
    """A chunk that is not stored yet, with its position as its id."""
    return ChunkText(
        id=chunk.position,
        start=chunk.start,
        text=chunk.text,
        text_sha256=hashlib.sha256(chunk.text.encode()).digest(),
    )
