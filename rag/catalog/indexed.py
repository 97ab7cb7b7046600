"""What indexes are made of: the chunks of visible documents, and what each stands in."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.database import Database
from rag.catalog.passages import of_placement
from rag.catalog.texts import ChunkText, chunk_texts, read_text
from rag.headings import LONGEST, Heading, heading_paths
from rag.types import BlockKind, Ids

_DOCUMENTS = sa.select(
    t.documents.c.id,
    t.documents.c.name,
    t.documents.c.title,
    t.placements.c.edition,
    t.placements.c.generation,
    t.placements.c.first_chunk_id,
    t.placements.c.chunk_count,
).join(t.placements, t.placements.c.document_id == t.documents.c.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentTexts:
    """A document's chunks in an edition, and for each the names of what it stands in, one a line.

    These are the document's title and file name and the headings above the chunk.
    """

    id: str
    edition: int
    generation: int
    chunks: Sequence[ChunkText]
    contexts: Sequence[str]


class ChunkHashes(NamedTuple):
    """A chunk with the hashes of its text and of its document's first chunk."""

    id: int
    text_sha256: bytes
    first_sha256: bytes

    @property
    def needed(self) -> set[bytes]:
        """The texts of whose vectors the chunk's own is made."""
        return {self.text_sha256, self.first_sha256}


class Visible:
    """The visible documents of one moment; what they say is read when it is asked for."""

    def __init__(self, seq: int, connection: sa.Connection, rows: Sequence[Any]) -> None:
        self.seq = seq
        self._connection = connection
        self._rows = [row for row in rows if row.chunk_count]
        self._first = np.array([row.first_chunk_id for row in self._rows], np.int64)
        self._end = self._first + np.array([row.chunk_count for row in self._rows], np.int64)

    def chunks(self) -> Ids:
        """The ids of all chunks, sorted."""
        runs = [np.arange(*run) for run in zip(self._first, self._end, strict=True)]
        return np.concatenate([np.empty(0, np.int64), *runs])

    def versions(self) -> Sequence[tuple[str, int, int]]:
        """Each document with its edition and generation."""
        return [(row.id, row.edition, row.generation) for row in self._rows]

    def lacking(self, held: Ids) -> set[str]:
        """Documents that have chunks which are not among these sorted ids."""
        here = np.searchsorted(held, self._end) - np.searchsorted(held, self._first)
        lacking = here < self._end - self._first
        return {row.id for row, lacks in zip(self._rows, lacking, strict=True) if lacks}

    def read(self, ids: Container[str]) -> Iterator[DocumentTexts]:
        """Those of some documents that there are, one after the other."""
        return (_read(self._connection, row) for row in self._rows if row.id in ids)


class Indexed:
    """Reads what belongs into the indexes of an edition of a collection."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @contextmanager
    def visible(self, collection_id: str, edition: int) -> Iterator[Visible]:
        """A snapshot: the committed seq, and every visible document."""
        p = t.placements.c
        mine = (p.collection_id == collection_id) & (p.edition == edition)
        with self._db.read() as connection:
            seq = connection.execute(
                sa.select(t.collections.c.seq).where(t.collections.c.id == collection_id)
            ).scalar()
            rows = connection.execute(_DOCUMENTS.where(mine).order_by(p.first_chunk_id)).all()
            yield Visible(int(seq or 0), connection, rows)

    def placed(self, document_id: str, edition: int, generation: int) -> DocumentTexts | None:
        """One document of an edition; ``None`` when this generation is gone meanwhile."""
        mine = _is_placed(document_id, edition, generation)
        with self._db.read() as connection:
            row = connection.execute(_DOCUMENTS.where(mine)).first()
            return None if row is None else _read(connection, row)

    def is_visible(self, document: DocumentTexts) -> bool:
        """Whether that version of a document can still be searched."""
        mine = _is_placed(document.id, document.edition, document.generation)
        query = sa.select(t.placements.c.document_id).where(mine)
        with self._db.read() as connection:
            return connection.execute(query).first() is not None

    def hashes(self, collection_id: str, ids: Ids) -> Sequence[ChunkHashes]:
        """Those of some chunks that are visible, in order of their ids."""
        values = {"collection": collection_id, "chunks": json.dumps(ids.tolist())}
        with self._db.read() as connection:
            return [ChunkHashes(*row) for row in connection.execute(_HASHES, values)]


def _is_placed(document_id: str, edition: int, generation: int) -> sa.ColumnElement[bool]:
    p = t.placements.c
    return (p.document_id == document_id) & (p.edition == edition) & (p.generation == generation)


def _hashes_query() -> sa.Select[Any]:
    p, c, first = t.placements.c, t.chunks.c, t.chunks.alias("first").c
    wanted = t.json_integers(sa.bindparam("chunks")).table_valued(sa.column("value", sa.BigInteger))
    source = (
        sa.join(wanted, t.placements, p.first_chunk_id == t.owner_of(wanted.c.value))
        .join(t.chunks, of_placement(c))
        .join(first.document_id.table, of_placement(first))
    )
    return (
        sa.select(wanted.c.value, c.text_sha256, first.text_sha256)
        .select_from(source)
        .where(
            p.collection_id == sa.bindparam("collection"),
            c.position == wanted.c.value - p.first_chunk_id,
            first.position == 0,
        )
        .order_by(wanted.c.value)
    )


_HASHES = _hashes_query()


def _read(connection: sa.Connection, document: Any) -> DocumentTexts:
    """The texts of a row of ``_DOCUMENTS``."""
    chunks = list(
        chunk_texts(
            connection,
            document.id,
            document.generation,
            t.chunks.c.edition == document.edition,
            document.first_chunk_id,
        )
    )
    starts = [chunk.start for chunk in chunks]
    paths = heading_paths(_headings(connection, document), starts)
    names = (document.title or "", document.name)
    contexts = ["\n".join(filter(None, (*names, *path))) for path in paths]
    return DocumentTexts(
        id=document.id,
        edition=document.edition,
        generation=document.generation,
        chunks=chunks,
        contexts=contexts,
    )


def _headings(connection: sa.Connection, document: Any) -> list[Heading]:
    """Start, level and words of each heading, in order."""
    c = t.blocks.c
    rows = connection.execute(
        sa.select(c.start, c.end, c.level)
        .where(
            c.document_id == document.id,
            c.generation == document.generation,
            c.kind == BlockKind.HEADING,
        )
        .order_by(c.start)
    ).all()
    if not rows:
        return []
    text = read_text(connection, document.id, document.generation, 0, rows[-1].end)
    return [
        Heading(start, level, text[start : min(end, start + LONGEST)]) for start, end, level in rows
    ]
