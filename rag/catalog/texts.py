"""Parsed text, pages and chunks of the visible versions."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.database import Database
from rag.catalog.filters import document_condition
from rag.errors import NotFound
from rag.types import Chunk, Collection, Ids, Page, PageSource, Passage, Span

SEGMENT = 16_384
"""Code points of text in one row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkText:
    """A chunk with its id and the hash under which its vector is kept."""

    id: int
    text: str
    text_sha256: bytes


class Texts:
    """Reads the visible version of documents."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def read(self, document_id: str, start: int, end: int) -> str:
        """The visible text between two offsets (cut at its ends)."""
        with self._db.read() as connection:
            return read_text(
                connection, document_id, _generation(connection, document_id), start, end
            )

    def length(self, document_id: str) -> int:
        """Code points of the visible text."""
        query = sa.select(t.documents.c.text_length).where(t.documents.c.id == document_id)
        with self._db.read() as connection:
            return int(connection.execute(query).scalar() or 0)

    def pages(self, document_id: str, span: Span | None = None) -> Sequence[Page]:
        """The visible pages that share text with the span, or all of them."""
        with self._db.read() as connection:
            generation = _generation(connection, document_id)
            where = _version(t.pages, document_id, generation)
            if span is not None:
                where &= (t.pages.c.start < span.end) & (t.pages.c.end > span.start)
            rows = connection.execute(
                sa.select(t.pages).where(where).order_by(t.pages.c.number)
            ).mappings()
            return [_page(row) for row in rows]

    def chunks(
        self, document_id: str, *, first: int = 0, limit: int | None = None
    ) -> Sequence[Chunk]:
        """The visible chunks from position ``first`` on, with their text."""
        with self._db.read() as connection:
            generation = _generation(connection, document_id)
            where = _version(t.chunks, document_id, generation) & (t.chunks.c.position >= first)
            query = sa.select(t.chunks).where(where).order_by(t.chunks.c.position).limit(limit)
            rows = connection.execute(query).mappings().all()
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
        found: dict[int, Passage] = {}
        with self._db.read() as connection:
            for chunk_id, document in _owners(connection, collection_id, ids):
                found[chunk_id] = _passage(connection, document, chunk_id)
        return found

    def allowed_chunks(
        self, collection: Collection, filter: Mapping[str, Any] | None
    ) -> Ids | None:
        """Sorted ids of the chunks whose documents pass the filter; ``None`` without a filter.

        Raises:
            InvalidFilter: it is malformed; the message names the place.
        """
        if not filter:
            return None
        c = t.documents.c
        query = (
            sa.select(c.first_chunk_id, c.chunk_count)
            .where(
                c.collection_id == collection.id,
                c.generation.is_not(None),
                document_condition(filter, collection.metadata_schema),
            )
            .order_by(c.first_chunk_id)
        )
        with self._db.read() as connection:
            runs = [
                np.arange(first, first + count, dtype=np.int64)
                for first, count in connection.execute(query)
            ]
        return np.concatenate(runs) if runs else np.empty(0, dtype=np.int64)

    def visible(self, collection_id: str) -> tuple[int, Sequence[Sequence[ChunkText]]]:
        """A snapshot: the committed seq, and every visible chunk by document."""
        c = t.documents.c
        with self._db.read() as connection:
            seq = connection.execute(
                sa.select(t.collections.c.seq).where(t.collections.c.id == collection_id)
            ).scalar()
            documents = connection.execute(
                sa.select(c.id, c.generation, c.first_chunk_id)
                .where(c.collection_id == collection_id, c.generation.is_not(None))
                .order_by(c.first_chunk_id)
            ).all()
            return int(seq or 0), [
                list(chunk_texts(connection, d.id, d.generation, None, d.first_chunk_id))
                for d in documents
            ]

    def published_chunks(
        self, document_id: str, generation: int, first_chunk_id: int
    ) -> Sequence[ChunkText]:
        """The chunks of one generation with their ids; empty when it is gone meanwhile."""
        with self._db.read() as connection:
            return list(chunk_texts(connection, document_id, generation, None, first_chunk_id))


def _version(table: sa.Table, document_id: str, generation: int) -> sa.ColumnElement[bool]:
    return (table.c.document_id == document_id) & (table.c.generation == generation)


def _generation(connection: sa.Connection, document_id: str) -> int:
    query = sa.select(t.documents.c.generation).where(t.documents.c.id == document_id)
    generation = connection.execute(query).scalar()
    if generation is None:
        raise NotFound(f"Document {document_id!r} has no text yet.", param="document")
    return int(generation)


def read_text(
    connection: sa.Connection, document_id: str, generation: int, start: int, end: int
) -> str:
    """The text of one version between two offsets, cut at its ends."""
    c = t.segments.c
    query = (
        sa.select(c.start, c.text)
        .where(
            _version(t.segments, document_id, generation),
            c.start > start - SEGMENT,
            c.start < end,
        )
        .order_by(c.start)
    )
    parts = connection.execute(query).all()
    if not parts:
        return ""
    origin = parts[0].start
    return "".join(part.text for part in parts)[max(0, start - origin) : max(0, end - origin)]


def _page(row: Mapping[Any, Any]) -> Page:
    return Page(
        number=row["number"],
        start=row["start"],
        end=row["end"],
        width=row["width"],
        height=row["height"],
        source=PageSource(row["source"]),
        boxes=zlib.decompress(row["boxes"]),
    )


def chunk_texts(
    connection: sa.Connection,
    document_id: str,
    generation: int,
    where: sa.ColumnElement[bool] | None,
    first_id: int,
) -> Iterator[ChunkText]:
    """One version's chunks, all or those that ``where`` selects, with ids from ``first_id`` on."""
    c = t.chunks.c
    condition = _version(t.chunks, document_id, generation) if where is None else where
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
            text=text[row.start - origin : row.end - origin],
            text_sha256=row.text_sha256,
        )


def _owners(
    connection: sa.Connection, collection_id: str, ids: Ids
) -> Iterator[tuple[int, sa.RowMapping]]:
    """The visible document that each chunk id belongs to."""
    c = t.documents.c
    columns = (c.id, c.name, c.title, c.generation, c.first_chunk_id, c.chunk_count)
    base = sa.select(*columns).where(c.collection_id == collection_id)
    for chunk_id in ids.tolist():
        row = (
            connection.execute(
                base.where(c.first_chunk_id <= chunk_id).order_by(c.first_chunk_id.desc()).limit(1)
            )
            .mappings()
            .first()
        )
        if row is not None and chunk_id < row["first_chunk_id"] + row["chunk_count"]:
            yield chunk_id, row


def _passage(connection: sa.Connection, document: sa.RowMapping, chunk_id: int) -> Passage:
    version = (document["id"], document["generation"])
    position = chunk_id - document["first_chunk_id"]
    row = connection.execute(
        sa.select(t.chunks.c.start, t.chunks.c.end).where(
            _version(t.chunks, *version), t.chunks.c.position == position
        )
    ).one()
    first_page, last_page = connection.execute(
        sa.select(sa.func.min(t.pages.c.number), sa.func.max(t.pages.c.number)).where(
            _version(t.pages, *version), t.pages.c.start < row.end, t.pages.c.end > row.start
        )
    ).one()
    return Passage(
        document_id=document["id"],
        document_title=document["title"] or document["name"],
        start=row.start,
        end=row.end,
        text=read_text(connection, *version, row.start, row.end),
        score=0.0,
        start_page=first_page,
        end_page=last_page,
    )
