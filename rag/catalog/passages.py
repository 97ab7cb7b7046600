"""Chunks as passages: with their text, and with the document and the pages that they stand in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.database import Database
from rag.types import Ids, Passage

SEGMENT = 16_384
"""Code points of text in one row."""


def read_passages(database: Database, collection_id: str, ids: Ids) -> Mapping[int, Passage]:
    """Chunks of any edition by id, with text and pages; ids that are gone are left out."""
    values = {"collection": collection_id, "chunks": json.dumps(ids.tolist())}
    found: dict[int, Passage] = {}
    for row in database.rows(_PASSAGES, values):
        start = max(0, row.start - row.segment_start)
        piece = row.text[start : row.end - row.segment_start]
        known = found.get(row.chunk_id)  # a chunk that crosses segments has several rows
        found[row.chunk_id] = _passage(row, (known.text if known else "") + piece)
    return found


def first_chunks(database: Database, collection_id: str, ids: Ids) -> Ids:
    """For each chunk the id of its document's first one; 0 or another's if it is gone."""
    values = {"collection": collection_id, "chunks": json.dumps(ids.tolist())}
    told = database.value(_FIRST_CHUNKS, values) or ""  # nothing is told of none
    pairs = (pair.split(":") for pair in told.split(",") if pair)
    found = {int(one): int(first) for one, first in pairs}
    return np.array([found[one] for one in ids.tolist()], np.int64)


def of_placement(chunk: Any) -> sa.ColumnElement[bool]:
    """Whether a chunk (columns of the table, or of an alias of it) is one of a placement's."""
    p = t.placements.c
    return sa.and_(
        chunk.document_id == p.document_id,
        chunk.generation == p.generation,
        chunk.edition == p.edition,
    )


def _passage(row: sa.Row[Any], text: str) -> Passage:
    return Passage(
        document_id=row.id,
        document_title=row.title or row.name,
        document_name=row.name,
        start=row.start,
        end=row.end,
        text=text,
        score=0.0,
        start_page=row.start_page,
        end_page=row.end_page,
    )


def _passages() -> sa.Select[Any]:
    """Chunks by id with document, pages and text."""
    d, c, p, s, at = t.documents.c, t.chunks.c, t.pages.c, t.segments.c, t.placements.c
    wanted = t.json_integers(sa.bindparam("chunks")).table_valued(sa.column("value", sa.BigInteger))
    chunk_id = wanted.c.value

    def page(value: sa.ColumnElement[Any]) -> Any:
        mine = (p.document_id == c.document_id) & (p.generation == c.generation)
        overlap = (p.start < c.end) & (p.end > c.start)
        chunk_pages = sa.select(value).where(mine, overlap)
        return chunk_pages.correlate(t.chunks).scalar_subquery()

    in_version = (s.document_id == c.document_id) & (s.generation == c.generation)
    in_reach = (s.start > c.start - SEGMENT) & (s.start < c.end) & (s.end > c.start)
    source = (
        sa.join(
            wanted,
            t.placements,
            (at.collection_id == sa.bindparam("collection"))
            & (at.first_chunk_id == t.owner_of(chunk_id)),
        )
        .join(t.documents, d.id == at.document_id)
        .join(t.chunks, of_placement(c) & (c.position == chunk_id - at.first_chunk_id))
        .join(t.segments, in_version & in_reach)
    )
    return (
        sa.select(
            chunk_id.label("chunk_id"),
            d.id,
            d.name,
            d.title,
            c.start,
            c.end,
            page(sa.func.min(p.number)).label("start_page"),
            page(sa.func.max(p.number)).label("end_page"),
            s.start.label("segment_start"),
            s.text,
        )
        .select_from(source)
        .order_by(chunk_id, s.start)
    )


def _first_chunks() -> sa.Select[Any]:
    """Chunks and their documents' first ones, such as ``7:1,8:1``.

    In one row: SQLite has other threads run Python between any two.
    """
    wanted = t.json_integers(sa.bindparam("chunks")).table_valued(sa.column("value", sa.BigInteger))
    first = sa.func.coalesce(t.owner_of(wanted.c.value), 0)
    pair = sa.cast(wanted.c.value, sa.Text) + ":" + sa.cast(first, sa.Text)
    return sa.select(sa.func.aggregate_strings(pair, ","))


# Built once: a search takes milliseconds.
_PASSAGES = _passages()
_FIRST_CHUNKS = _first_chunks()
