"""What a worker writes before a document is visible, in bounded batches under a generation."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import chain, islice
from typing import Any

import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.database import Database
from rag.catalog.jobs import count_beginning, update_job
from rag.catalog.passages import SEGMENT
from rag.catalog.placing import discard_vectors
from rag.catalog.texts import ChunkText, chunk_texts, hashed
from rag.catalog.versions import VERSIONED, Versions, delete_rows
from rag.minhash import Likeness, pack
from rag.types import Chunk, ParsedDocument, ReadSoFar

_BATCH = 1_000
"""Rows in one transaction: a small document is staged in one, a large one blocks no reader."""

_INSERTS = {table: sa.insert(table) for table in VERSIONED}
_Row = tuple[sa.Table, dict[str, Any]]


class Staging:
    """Writes one generation of a document and reads it back before it is visible."""

    def __init__(self, database: Database, versions: Versions) -> None:
        self._db = database
        self._versions = versions

    def stage(
        self,
        document_id: str,
        generation: int,
        parsed: ParsedDocument,
        chunks: Sequence[Chunk],
        likeness: Likeness,
        *,
        edition: int,
    ) -> None:
        """Write the text and what is derived from it, replacing what an earlier attempt left.

        The chunks are those of an edition of the collection.

        Raises:
            NotFound: the document was deleted, or another job has taken it over.
        """
        key = {"document_id": document_id, "generation": generation}
        rows = chain(_text_rows(key, parsed, likeness), chunk_rows(key, edition, chunks))
        first = True
        while (batch := list(islice(rows, _BATCH))) or first:
            with self._versions.writing(document_id, generation) as connection:
                if first:
                    c = t.chunks.c
                    left = (c.document_id == document_id) & (c.generation == generation)
                    # Embedded by another model, maybe.
                    discard_vectors(connection, left & (c.edition != edition))
                    delete_rows(connection, document_id, only=generation, tables=VERSIONED)
                    # Read to its end: what ends the process from here on is not the document.
                    count_beginning(connection, generation, -1)
                    progress = {"done": 0, "total": len(chunks), "unit": "chunks"}
                    update_job(connection, generation, **progress)
                _insert(connection, batch)
            first = False

    def add_batch(self, document_id: str, generation: int, so_far: ReadSoFar, parts: bytes) -> None:
        """Keep what was read of a long document, and how to go on behind it.

        Raises:
            NotFound: the document was deleted, or another job has taken it over.
        """
        key = {"document_id": document_id, "generation": generation}
        with self._versions.writing(document_id, generation) as connection:
            connection.execute(
                sa.update(t.batches).where(_version(document_id, generation)).values(state=b"")
            )
            connection.execute(sa.insert(t.batches), {**key, **asdict(so_far), "parts": parts})
            # It came on: of the beginnings, only this one is still open.
            progress = {"done": so_far.done, "total": so_far.total, "unit": "pages"}
            update_job(connection, generation, begun=1, **progress)

    def read_so_far(self, document_id: str, generation: int) -> ReadSoFar | None:
        """Where the last batch ended; ``None`` when there is none."""
        c = t.batches.c
        query = (
            sa.select(c.done, c.total, c.characters, c.state)
            .where(_version(document_id, generation))
            .order_by(c.done.desc())
            .limit(1)
        )
        with self._db.read() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else ReadSoFar(**row)

    def batches(self, document_id: str, generation: int) -> Iterator[bytes]:
        """The parts of each batch, in order; one at a time is in memory."""
        c = t.batches.c
        after = 0
        query = (
            sa.select(c.done, c.parts)
            .where(_version(document_id, generation), c.done > sa.bindparam("after"))
            .order_by(c.done)
            .limit(1)
        )
        while True:
            with self._db.read() as connection:
                row = connection.execute(query, {"after": after}).first()
            if row is None:
                return
            after = row.done
            yield row.parts

    def drop_batches(self, document_id: str, generation: int) -> None:
        """Forget the batches of a document that is staged as a whole."""
        with self._versions.writing(document_id, generation) as connection:
            delete_rows(connection, document_id, only=generation, tables=(t.batches,))

    def chunks(
        self, document_id: str, generation: int, edition: int, first: int, count: int
    ) -> Sequence[ChunkText]:
        """Text and hash of staged chunks ``first`` to ``first + count``; id is the position."""
        c = t.chunks.c
        where = (c.edition == edition) & (c.position >= first) & (c.position < first + count)
        with self._db.read() as connection:
            return list(chunk_texts(connection, document_id, generation, where, 0))


def _version(document_id: str, generation: int) -> sa.ColumnElement[bool]:
    return (t.batches.c.document_id == document_id) & (t.batches.c.generation == generation)


def _insert(connection: sa.Connection, batch: Iterable[_Row]) -> None:
    by_table: dict[sa.Table, list[dict[str, Any]]] = {table: [] for table in VERSIONED}
    for table, row in batch:
        by_table[table].append(row)
    for table, rows in by_table.items():
        if rows:
            connection.execute(_INSERTS[table], rows)


def _text_rows(
    key: Mapping[str, Any], parsed: ParsedDocument, likeness: Likeness
) -> Iterator[_Row]:
    said = {"title": parsed.title, "warnings": list(parsed.warnings), "locked": parsed.locked}
    yield t.readings, {**key, **said}
    sketch = pack(likeness.sketch)
    yield t.likenesses, {**key, "sketch": sketch, "words_sha256": likeness.words_sha256}
    for start in range(0, len(parsed.text), SEGMENT):
        piece = parsed.text[start : start + SEGMENT]
        yield t.segments, {**key, "start": start, "end": start + len(piece), "text": piece}
    for page in parsed.pages:
        row = {
            "number": page.number,
            "start": page.start,
            "end": page.end,
            "width": page.width,
            "height": page.height,
            "source": page.source,
            "boxes": zlib.compress(page.boxes, 1),
        }
        yield t.pages, {**key, **row}
    for position, block in enumerate(parsed.blocks):
        row = {
            "position": position,
            "kind": block.kind,
            "start": block.start,
            "end": block.end,
            "level": block.level,
            "cells": [[c.row, c.column, c.start, c.end] for c in block.cells],
        }
        yield t.blocks, {**key, **row}


def chunk_rows(key: Mapping[str, Any], edition: int, chunks: Sequence[Chunk]) -> Iterator[_Row]:
    """Rows of chunks of one version of a document, cut for an edition."""
    for chunk in chunks:
        row = {
            "edition": edition,
            "position": chunk.position,
            "start": chunk.start,
            "end": chunk.end,
            "tokens": chunk.tokens,
            "text_sha256": hashed(chunk).text_sha256,
        }
        yield t.chunks, {**key, **row}
