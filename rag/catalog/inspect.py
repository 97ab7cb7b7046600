"""What an audit reads of the catalog, and the repairs that are SQL's to make."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.database import Database
from rag.catalog.jobs import UNFINISHED, cancel_job, insert_job
from rag.catalog.links import orphans
from rag.catalog.texts import ChunkText, chunk_texts, read_text
from rag.catalog.versions import STAGED, delete_rows
from rag.types import DocumentStatus, EditionStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class VisibleDocument:
    """The visible version of one document in an edition, as it stands in SQL."""

    id: str
    collection_id: str
    edition: int
    generation: int
    first_chunk_id: int
    chunk_count: int
    page_count: int
    text_length: int


class Inspection:
    """Reads the catalog against itself."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def visible(self, collection_id: str, edition: int) -> Sequence[VisibleDocument]:
        """The documents of an edition of a collection, in order of chunk id."""
        c, p = t.documents.c, t.placements.c
        query = (
            sa.select(
                c.id,
                c.collection_id,
                p.edition,
                p.generation,
                p.first_chunk_id,
                p.chunk_count,
                c.page_count,
                c.text_length,
            )
            .join(t.placements, p.document_id == c.id)
            .where(c.collection_id == collection_id, p.edition == edition)
            .order_by(p.first_chunk_id)
        )
        with self._db.read() as connection:
            return [VisibleDocument(**row) for row in connection.execute(query).mappings()]

    def chunks(self, document: VisibleDocument) -> Sequence[ChunkText]:
        """The document's chunks, cut from its text by their spans."""
        with self._db.read() as connection:
            return list(
                chunk_texts(
                    connection,
                    document.id,
                    document.generation,
                    t.chunks.c.edition == document.edition,
                    document.first_chunk_id,
                )
            )

    def broken_spans(self, document: VisibleDocument) -> Iterator[str]:
        """Spans of the document that do not resolve, in words."""
        version = (document.id, document.generation)
        with self._db.read() as connection:
            text = read_text(connection, *version, 0, document.text_length)
            if len(text) != document.text_length:
                yield f"{len(text)} of {document.text_length} characters of its text are there"
            mine = t.chunks.c.edition == document.edition
            chunks = list(chunk_texts(connection, *version, mine, 0))
            if [chunk.id for chunk in chunks] != list(range(document.chunk_count)):
                yield f"{len(chunks)} of {document.chunk_count} chunks are there"
            for chunk in chunks:
                if hashlib.sha256(chunk.text.encode()).digest() != chunk.text_sha256:
                    yield f"chunk {chunk.id} is not the text that was embedded"
            pages = connection.execute(
                sa.select(t.pages.c.start, t.pages.c.end).where(
                    t.pages.c.document_id == document.id,
                    t.pages.c.generation == document.generation,
                )
            ).all()
            if len(pages) != document.page_count:
                yield f"{len(pages)} of {document.page_count} pages are there"
            if any(not 0 <= page.start <= page.end <= len(text) for page in pages):
                yield "a page lies outside the text"
            blocks = connection.execute(
                sa.select(t.blocks.c.start, t.blocks.c.end).where(
                    t.blocks.c.document_id == document.id,
                    t.blocks.c.generation == document.generation,
                )
            ).all()
            if any(not 0 <= block.start <= block.end <= len(text) for block in blocks):
                yield "a block lies outside the text"

    def orphans(self) -> Sequence[tuple[str, int]]:
        """Versions that are neither visible nor being written: (document id, generation)."""
        found: set[tuple[str, int]] = set()
        with self._db.read() as connection:
            for table in STAGED:
                visible = sa.exists().where(
                    t.documents.c.id == table.c.document_id,
                    t.documents.c.generation == table.c.generation,
                )
                written = sa.exists().where(
                    t.jobs.c.number == table.c.generation, t.jobs.c.status.in_(UNFINISHED)
                )
                query = (
                    sa.select(table.c.document_id, table.c.generation)
                    .where(~visible, ~written)
                    .distinct()
                )
                found.update((row[0], row[1]) for row in connection.execute(query))
        return sorted(found)

    def unplaced(self) -> Sequence[str]:
        """Documents that have a text and are not in the edition that is searched, or as another."""
        c, p, own = t.documents.c, t.placements.c, t.collections.c
        placed = sa.exists().where(
            p.document_id == c.id, p.edition == own.edition, p.generation == c.generation
        )
        query = (
            sa.select(c.id)
            .join(t.collections, own.id == c.collection_id)
            .where(c.generation.is_not(None), ~placed)
        )
        with self._db.read() as connection:
            return list(connection.execute(query).scalars())

    def loose_chunks(self) -> Sequence[tuple[str, int]]:
        """Chunks that are in no edition and that nobody is at: (document id, edition)."""
        c, d, e, p = t.chunks.c, t.documents.c, t.editions.c, t.placements.c
        placed = sa.exists().where(
            p.document_id == c.document_id, p.edition == c.edition, p.generation == c.generation
        )
        written = sa.exists().where(
            t.jobs.c.number == c.generation, t.jobs.c.status.in_(UNFINISHED)
        )
        changing = (EditionStatus.BUILDING, EditionStatus.DROPPED)
        query = (
            sa.select(c.document_id, c.edition)
            .join(t.documents, d.id == c.document_id)
            .join(t.editions, (e.collection_id == d.collection_id) & (e.number == c.edition))
            .where(c.generation == d.generation, e.status.not_in(changing), ~placed, ~written)
            .distinct()
        )
        with self._db.read() as connection:
            return [(row[0], row[1]) for row in connection.execute(query)]

    def remove_loose_chunks(self, document_id: str, edition: int) -> None:
        """Delete chunks that are in no edition, unless they came to be meanwhile."""
        c, p = t.chunks.c, t.placements.c
        mine = (c.document_id == document_id) & (c.edition == edition)
        placed = sa.exists().where(p.document_id == document_id, p.edition == edition)
        with self._db.write() as connection:
            connection.execute(sa.delete(t.chunks).where(mine, ~placed))

    def remove_orphan(self, document_id: str, generation: int) -> None:
        """Delete the rows of a version that nobody will make visible."""
        with self._db.write() as connection:
            delete_rows(connection, document_id, only=generation)

    def stranded(self) -> Sequence[str]:
        """Documents that wait for a job that is not there, or are ready without a version."""
        c = t.documents.c
        wanted = sa.exists().where(t.jobs.c.id == c.job_id, t.jobs.c.status.in_(UNFINISHED))
        waiting = c.status.in_((DocumentStatus.QUEUED, DocumentStatus.PROCESSING)) & ~wanted
        hollow = (c.status == DocumentStatus.READY) & c.generation.is_(None)
        query = sa.select(c.id).where(waiting | hollow)
        with self._db.read() as connection:
            return list(connection.execute(query).scalars())

    def unattached(self) -> set[str]:
        """Documents that came inside another one which is gone."""
        with self._db.read() as connection:
            return orphans(connection)

    def ingest_again(self, document_id: str) -> None:
        """Give a document a new job, which will replace whatever version it has.

        A no-op when it was deleted meanwhile.
        """
        c = t.documents.c
        with self._db.write() as connection:
            row = connection.execute(
                sa.select(c.tenant, c.collection_id, c.job_id).where(c.id == document_id)
            ).one_or_none()
            if row is None:
                return
            cancel_job(connection, row.job_id)
            job_id = insert_job(
                connection,
                tenant=row.tenant,
                kind="ingest",
                document_id=document_id,
                collection_id=row.collection_id,
            )
            connection.execute(
                sa.update(t.documents)
                .where(c.id == document_id)
                .values(job_id=job_id, status=DocumentStatus.QUEUED)
            )

    def log_gaps(self, collection_id: str) -> int:
        """How many numbers up to the committed seq the commit log lacks."""
        with self._db.read() as connection:
            seq = connection.execute(
                sa.select(t.collections.c.seq).where(t.collections.c.id == collection_id)
            ).scalar()
            rows = connection.execute(
                sa.select(sa.func.count()).where(t.changes.c.collection_id == collection_id)
            ).scalar_one()
        return abs(int(seq or 0) - int(rows))

    def contents(self) -> Mapping[str, str]:
        """The sha256 of every document's original, with one document that has it."""
        with self._db.read() as connection:
            query = sa.select(t.documents.c.sha256, t.documents.c.id)
            return {row[0]: row[1] for row in connection.execute(query)}

    def used_vectors(self) -> set[tuple[str, str, bytes]]:
        """The key of every vector that a chunk, staged or visible, stands on."""
        d, e = t.documents.c, t.editions.c
        query = (
            sa.select(d.tenant, e.embedder, t.chunks.c.text_sha256)
            .join(t.documents, d.id == t.chunks.c.document_id)
            .join(
                t.editions,
                (e.collection_id == d.collection_id) & (e.number == t.chunks.c.edition),
            )
            .distinct()
        )
        with self._db.read() as connection:
            return {(row[0], row[1], row[2]) for row in connection.execute(query)}
