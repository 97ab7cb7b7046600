"""Versions of documents: staged under a generation, made visible at once, deleted at once.

A deletion commits in SQL first and writes down what lies outside (vectors, the original) as
garbage, for `rag.catalog.garbage` to collect. The files inside a document go with it, and of
very many the rest after it, some in each transaction: one that belongs to nothing any more is
known by that, also after a crash.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.database import Database
from rag.catalog.document_rows import document_by_id
from rag.catalog.garbage import ORIGINAL, discard
from rag.catalog.jobs import UNFINISHED, cancel_job, count_beginning, update_job
from rag.catalog.links import children, orphans, remove_links
from rag.catalog.placing import discard_vectors, place, searched_edition, take_out
from rag.catalog.records import forget_answers
from rag.catalog.replies import forget_replies
from rag.catalog.rounds import forget_work
from rag.catalog.statements import changing
from rag.errors import NotFound, StoreDamaged, Superseded
from rag.types import Document, DocumentStatus, JobStatus

VERSIONED = (t.readings, t.segments, t.pages, t.blocks, t.chunks, t.likenesses)
"""Tables whose rows belong to one generation of a document and become visible with it."""
STAGED = (*VERSIONED, t.batches)
"""All tables whose rows belong to one generation."""
_DELETED_AT_ONCE = 20
_WRITER = (
    sa.select(t.jobs.c.number)
    .join(t.documents, t.documents.c.job_id == t.jobs.c.id)
    .where(t.documents.c.id == sa.bindparam("document"), t.jobs.c.status.in_(UNFINISHED))
)


class Versions:
    """What a worker does to a document, and how everything of one goes away."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._has_unfinished = False

    @contextmanager
    def writing(
        self, document_id: str, generation: int, *, durable: bool = False
    ) -> Iterator[sa.Connection]:
        """A write transaction in which this generation's job owns the document.

        Raises:
            NotFound: the document was deleted, another job has taken it over, or this one has
                come to its end.
        """
        with self._db.write(durable=durable) as connection:
            if connection.execute(_WRITER, {"document": document_id}).scalar() != generation:
                raise NotFound(
                    "The document was deleted or uploaded anew while it was being read, or has "
                    "been read already."
                )
            yield connection

    def start(self, document_id: str, generation: int) -> int:
        """Note that a worker has taken the document up; returns how often one did in vain before.

        The note stands before anything is read, so that it outlives a process that the
        document brings down.
        """
        with self.writing(document_id, generation) as connection:
            _set(connection, document_id, status=DocumentStatus.PROCESSING)
            update_job(connection, generation, status=JobStatus.IN_PROGRESS)
            return count_beginning(connection, generation) - 1

    def advance(
        self,
        document_id: str,
        generation: int,
        *,
        done: int,
        total: int,
        store: Callable[[], None],
    ) -> None:
        """Record progress; ``store`` keeps vectors while nobody can delete the document."""
        with self.writing(document_id, generation) as connection:
            store()
            update_job(connection, generation, done=done, total=total)

    def publish(
        self,
        document_id: str,
        generation: int,
        *,
        edition: int,
        chunks: int,
        store: Callable[[], None] = lambda: None,
    ) -> None:
        """Make a staged generation the visible one, in one small transaction.

        ``store`` keeps its last vectors while nobody can delete the document. Other editions
        than that which is searched get it from whoever builds them.

        Raises:
            NotFound: the document is no longer this job's.
            Superseded: it is staged for an edition that is not searched any more.
            StoreDamaged: not all ``chunks`` are staged, as after a power failure.
        """
        with self.writing(document_id, generation, durable=True) as connection:
            store()
            before = document_by_id(connection, document_id)
            if searched_edition(connection, before.collection_id) != edition:
                raise Superseded
            counts = _counts(connection, document_id, generation, edition)
            staged = counts.pop("chunk_count")
            if staged != chunks:
                raise StoreDamaged(
                    f"Only {staged} of {chunks} chunks were staged; "
                    "the document has to be read again."
                )
            if take_out(connection, document_id):
                _drop(connection, before, keep=generation)
            _set(
                connection,
                document_id,
                status=DocumentStatus.READY,
                error=None,
                generation=generation,
                **_reading(connection, document_id, generation),
                **counts,
            )
            version = {"edition": edition, "generation": generation}
            place(connection, before.collection_id, document_id, chunks=chunks, **version)
            ended = {"status": JobStatus.COMPLETED, "error": None}
            update_job(connection, generation, done=chunks, **ended)

    def fail(self, document_id: str, generation: int, error: Mapping[str, Any]) -> None:
        """Give a document up: what was staged is removed, the reason is kept.

        One that was read before stays as it was: its text goes on being searched.
        """
        with self.writing(document_id, generation, durable=True) as connection:
            document = document_by_id(connection, document_id)
            _drop(connection, document, keep=document.generation)
            readable = document.generation is not None
            status = DocumentStatus.READY if readable else DocumentStatus.FAILED
            _set(connection, document_id, status=status, error=dict(error))
            update_job(connection, generation, status=JobStatus.FAILED, error=dict(error))

    def delete(self, tenant: str, document_id: str) -> None:
        """Remove a document, all rows derived from it and the answers that repeat its text.

        With it go the files inside it that came with nothing else. The next search does not
        find them.

        Raises:
            NotFound: the tenant has no such document.
        """
        with self._db.write() as connection:
            left = delete_document(connection, document_by_id(connection, document_id, tenant))
        self.delete_orphans(left)

    def delete_orphans(self, candidates: Collection[str] | None = None) -> None:
        """Remove files that came only inside documents which are gone; by default, look for all.

        Others can write between transactions of some documents each. What an error leaves is
        for `finish_deletions`.
        """
        try:
            left = self._orphans() if candidates is None else set(candidates)
            while left:
                with self._db.write() as connection:
                    left = _delete_some(connection, left)
        except BaseException:
            self._has_unfinished = True
            raise

    def finish_deletions(self) -> None:
        """Remove what deletions left that an error has ended; a crash's is found at the start."""
        if self._has_unfinished:
            self._has_unfinished = False
            self.delete_orphans()

    def _orphans(self) -> set[str]:
        with self._db.read() as connection:
            return orphans(connection)


def delete_document(connection: sa.Connection, document: Document) -> set[str]:
    """Remove one document within the caller's write transaction, and some of what was inside it.

    Returns the ids of the rest, for `Versions.delete_orphans` when the transaction has ended:
    few documents hold so many files that not all go at once.
    """
    return _delete_some(connection, _delete(connection, document))


def delete_rows(
    connection: sa.Connection,
    document_id: str,
    *,
    keep: int | None = None,
    only: int | None = None,
    tables: Iterable[sa.Table] = STAGED,
) -> None:
    """Remove what was derived from a document: all, all but one generation, or one only."""
    generations = {"keep": keep, "only": only}
    for table in tables:
        statement = _delete_from(table, keep is not None, only is not None)
        connection.execute(statement, {"document": document_id, **generations})


@cache
def _delete_from(table: sa.Table, but_one: bool, only_one: bool) -> sa.Delete:
    where = table.c.document_id == sa.bindparam("document")
    if but_one:
        where &= table.c.generation != sa.bindparam("keep")
    if only_one:
        where &= table.c.generation == sa.bindparam("only")
    return sa.delete(table).where(where)


def _delete_some(connection: sa.Connection, candidates: Collection[str]) -> set[str]:
    """Remove as many orphans as one transaction should; returns the ids that are left to look at.

    What is inside an orphan may be one with it.
    """
    left, room = set(candidates), _DELETED_AT_ONCE
    while left and room:
        batch = [left.pop() for _ in range(min(len(left), room))]
        room -= len(batch)
        for one in orphans(connection, batch):
            left |= _delete(connection, document_by_id(connection, one))
    return left


def _delete(connection: sa.Connection, document: Document) -> set[str]:
    """Remove one document alone; returns the ids of those inside it."""
    inside = children(connection, [document.id])
    take_out(connection, document.id)
    _drop(connection, document, keep=None)
    forget_answers(connection, document.id)
    forget_replies(connection, document.id)
    forget_work(connection, document.id)
    remove_links(connection, document.id)
    connection.execute(sa.delete(t.documents).where(t.documents.c.id == document.id))
    cancel_job(connection, document.job_id)
    discard(connection, document.tenant, ORIGINAL, [bytes.fromhex(document.sha256)])
    return inside


def _drop(connection: sa.Connection, document: Document, *, keep: int | None) -> None:
    """Remove rows of a document but for one generation; their vectors become garbage."""
    c = t.chunks.c
    where = c.document_id == document.id
    if keep is not None:
        where &= c.generation != keep
    discard_vectors(connection, where)
    delete_rows(connection, document.id, keep=keep)


def _set(connection: sa.Connection, document_id: str, **values: Any) -> None:
    statement = changing(t.documents.c.id, "updated_at", *values)
    connection.execute(statement, {"key_": document_id, "updated_at": time.time(), **values})


def _counts(
    connection: sa.Connection, document_id: str, generation: int, edition: int
) -> dict[str, int]:
    version = {"document": document_id, "generation_": generation, "edition_": edition}
    return dict(connection.execute(_COUNTS, version).one()._mapping)


def _reading(connection: sa.Connection, document_id: str, generation: int) -> dict[str, Any]:
    version = {"document": document_id, "generation_": generation}
    return dict(connection.execute(_READING, version).one()._mapping)


def _of_version(table: sa.Table, value: sa.ColumnElement[Any]) -> Any:
    mine = table.c.document_id == sa.bindparam("document")
    mine &= table.c.generation == sa.bindparam("generation_")
    if table is t.chunks:
        mine &= table.c.edition == sa.bindparam("edition_")
    return sa.select(sa.func.coalesce(value, 0)).where(mine).scalar_subquery()


_COUNTS = sa.select(
    _of_version(t.chunks, sa.func.count()).label("chunk_count"),
    _of_version(t.pages, sa.func.count()).label("page_count"),
    _of_version(t.segments, sa.func.max(t.segments.c.end)).label("text_length"),
)


_READING = sa.select(t.readings.c.title, t.readings.c.warnings, t.readings.c.locked).where(
    t.readings.c.document_id == sa.bindparam("document"),
    t.readings.c.generation == sa.bindparam("generation_"),
)
