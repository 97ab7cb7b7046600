"""Editions of collections: how each is or was cut and embedded, from order to removal.

One edition of a collection is searched. Another one is built beside it, document by document,
while both see every addition and deletion, until a single transaction has it searched instead.
The one before is kept for a way back, and is removed later, some documents at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.database import Database
from rag.catalog.placing import discard_vectors, place, searched_edition
from rag.catalog.staging import chunk_rows
from rag.errors import NotFound
from rag.types import Chunk, Collection, Edition, EditionStatus, JobStatus

_BATCH = 1_000
_REMOVED_AT_ONCE = 50
_ENDED = (JobStatus.COMPLETED, JobStatus.CANCELLED)


class EditionKey(NamedTuple):
    """Which edition it is, and the model of its vectors."""

    collection_id: str
    number: int
    embedder: str


class Editions:
    """Begin, fill, change over and remove editions."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def of(self, collection_id: str) -> Sequence[Edition]:
        """The collection's editions that are not removed, oldest first."""
        return self._select(t.editions.c.collection_id == collection_id)

    def get(self, collection: Collection, number: int) -> Edition:
        """One of the collection's editions.

        Raises:
            NotFound: there is none of this number any more.
        """
        for edition in self.of(collection.id):
            if edition.number == number:
                return edition
        raise NotFound(f"Collection {collection.name!r} has no index {number} any more.")

    def needed(self) -> Sequence[EditionKey]:
        """The editions of all collections that are searched or being built."""
        e = t.editions.c
        searched = sa.exists().where(
            t.collections.c.id == e.collection_id, t.collections.c.edition == e.number
        )
        query = sa.select(e.collection_id, e.number, e.embedder).where(
            (e.status == EditionStatus.BUILDING) | searched
        )
        with self._db.read() as connection:
            return [EditionKey(*row) for row in connection.execute(query)]

    def last_number(self, collection_id: str) -> int:
        """The greatest number that an edition of the collection has or had."""
        c = t.editions.c
        query = sa.select(sa.func.max(c.number)).where(c.collection_id == collection_id)
        with self._db.read() as connection:
            return int(connection.execute(query).scalar() or 0)

    def lacking(
        self, collection_id: str, number: int, *, after: str = "", limit: int = 500
    ) -> Sequence[str]:
        """Documents with a text that an edition has not, or not as it is now, by id."""
        with self._db.read() as connection:
            return _lacking(connection, collection_id, number, after=after, limit=limit)

    def close_for(self, edition: Edition, seconds: float) -> None:
        """Have documents that were read wait a little, so that no more come to be lacking."""
        e = t.editions.c
        mine = (e.collection_id == edition.collection_id) & (e.number == edition.number)
        with self._db.write(durable=False) as connection:
            until = time.time() + seconds
            connection.execute(sa.update(t.editions).where(mine).values(closing_until=until))

    def is_closing(self, collection_id: str) -> bool:
        """Whether documents of the collection should wait; see ``close_for``."""
        values = {"collection": collection_id, "now": time.time()}
        with self._db.read() as connection:
            return connection.execute(_CLOSING, values).first() is not None

    def stage(
        self, edition: Edition, document_id: str, generation: int, chunks: Sequence[Chunk]
    ) -> None:
        """Write a document's chunks, replacing what an earlier attempt left.

        Raises:
            NotFound: the document is another one by now, or nobody wants the edition any more.
        """
        key = {"document_id": document_id, "generation": generation}
        rows = [row for _, row in chunk_rows(key, edition.number, chunks)]
        for first in range(0, max(1, len(rows)), _BATCH):
            with self._db.write(durable=False) as connection:
                _check(connection, edition, document_id, generation)
                if first == 0:
                    c = t.chunks.c
                    mine = (c.document_id == document_id) & (c.edition == edition.number)
                    connection.execute(sa.delete(t.chunks).where(mine))
                if batch := rows[first : first + _BATCH]:
                    connection.execute(sa.insert(t.chunks), batch)

    def keep(
        self, edition: Edition, document_id: str, generation: int, store: Callable[[], None]
    ) -> None:
        """Have ``store`` keep vectors of staged chunks while nobody can delete the document.

        Raises:
            NotFound: as for ``stage``.
        """
        with self._db.write(durable=False) as connection:
            _check(connection, edition, document_id, generation)
            store()

    def place(
        self,
        edition: Edition,
        document_id: str,
        generation: int,
        *,
        chunks: int,
        store: Callable[[], None],
    ) -> None:
        """Add a document whose chunks are staged to the edition; ``store`` keeps its last vectors.

        Raises:
            NotFound: as for ``stage``; also when not all chunks are staged.
        """
        with self._db.write(durable=False) as connection:
            _check(connection, edition, document_id, generation)
            c = t.chunks.c
            mine = (c.document_id == document_id) & (c.generation == generation)
            counted = sa.select(sa.func.count()).where(mine, c.edition == edition.number)
            if connection.execute(counted).scalar_one() != chunks:
                raise NotFound("The chunks of the document are gone.")
            store()
            version = {"edition": edition.number, "generation": generation}
            place(connection, edition.collection_id, document_id, chunks=chunks, **version)

    def change_over(self, edition: Edition) -> bool:
        """Have this edition searched from now on; false while it lacks documents.

        The one that was is kept, and what was kept before it is dropped.

        Raises:
            NotFound: nobody wants the edition any more.
        """
        e, now = t.editions.c, time.time()
        mine = e.collection_id == edition.collection_id
        with self._db.write() as connection:
            _check(connection, edition)
            if _lacking(connection, edition.collection_id, edition.number, limit=1):
                return False
            before = searched_edition(connection, edition.collection_id)
            kept = mine & (e.status == EditionStatus.READY) & (e.number != before)
            connection.execute(sa.update(t.editions).where(kept).values(status=_DROPPED))
            replaced = sa.update(t.editions).where(mine, e.number == before)
            connection.execute(replaced.values(replaced_at=now))
            ready = {"status": EditionStatus.READY, "job_id": None, "replaced_at": None}
            connection.execute(
                sa.update(t.editions).where(mine, e.number == edition.number).values(ready)
            )
            connection.execute(
                sa.update(t.collections)
                .where(t.collections.c.id == edition.collection_id)
                .values(edition=edition.number)
            )
        return True

    def settle(self, *, kept_s: float) -> None:
        """Give up what nobody builds any more, and drop what was kept long enough."""
        e, j = t.editions.c, t.jobs.c
        unwanted = (e.status == EditionStatus.BUILDING) & ~sa.exists().where(
            j.id == e.job_id, j.status.not_in(_ENDED)
        )
        searched = sa.exists().where(
            t.collections.c.id == e.collection_id, t.collections.c.edition == e.number
        )
        old = (e.status == EditionStatus.READY) & (e.replaced_at < time.time() - kept_s) & ~searched
        with self._db.read() as connection:
            if (
                connection.execute(sa.select(e.number).where(unwanted | old).limit(1)).first()
                is None
            ):
                return
        with self._db.write() as connection:
            again = unwanted & e.replaced_at.is_not(None)  # it was to be gone back to
            values = {"status": EditionStatus.READY, "job_id": None}
            connection.execute(sa.update(t.editions).where(again).values(values))
            values = {"status": _DROPPED, "job_id": None}
            connection.execute(sa.update(t.editions).where(unwanted | old).values(values))

    def dropped(self) -> Sequence[Edition]:
        """Those of all collections that are to be removed."""
        return self._select(t.editions.c.status == _DROPPED)

    def remove_some(self, edition: Edition) -> bool:
        """Remove some documents from a dropped edition; false when there is none left.

        Their vectors become garbage, unless other chunks need them.
        """
        c, d, p = t.chunks.c, t.documents.c, t.placements.c
        placed = sa.select(p.document_id).where(
            p.collection_id == edition.collection_id, p.edition == edition.number
        )
        staged = sa.select(d.id).where(
            d.collection_id == edition.collection_id,
            sa.exists().where(c.document_id == d.id, c.edition == edition.number),
        )
        with self._db.write(durable=False) as connection:
            found = (
                connection.execute(placed.limit(_REMOVED_AT_ONCE)).scalars().all()
                or connection.execute(staged.limit(_REMOVED_AT_ONCE)).scalars().all()
            )
            mine = c.document_id.in_(found) & (c.edition == edition.number)
            discard_vectors(connection, mine)
            connection.execute(sa.delete(t.chunks).where(mine))
            theirs = p.document_id.in_(found) & (p.edition == edition.number)
            connection.execute(sa.delete(t.placements).where(theirs))
        return bool(found)

    def removed(self, edition: Edition) -> None:
        """Write down that nothing is left of an edition, in no index either."""
        with self._db.write() as connection:
            e = t.editions.c
            mine = (e.collection_id == edition.collection_id) & (e.number == edition.number)
            connection.execute(
                sa.update(t.editions).where(mine).values(status=EditionStatus.REMOVED)
            )

    def _select(self, where: sa.ColumnElement[bool]) -> Sequence[Edition]:
        e = t.editions.c
        query = sa.select(*_EDITION).where(where, e.status != EditionStatus.REMOVED)
        with self._db.read() as connection:
            rows = connection.execute(query.order_by(e.collection_id, e.number)).mappings()
            return [Edition(**{**row, "status": EditionStatus(row["status"])}) for row in rows]


_DROPPED = EditionStatus.DROPPED
_CLOSING = sa.select(t.editions.c.number).where(
    t.editions.c.collection_id == sa.bindparam("collection"),
    t.editions.c.status == EditionStatus.BUILDING,
    t.editions.c.closing_until > sa.bindparam("now"),
)
_EDITION = [column for column in t.editions.c if column.name != "closing_until"]


def as_edition(collection: Collection, edition: Edition) -> Collection:
    """The collection as that edition has it."""
    return replace(
        collection,
        edition=edition.number,
        embedder=edition.embedder,
        chunking=edition.chunking,
    )


def _check(
    connection: sa.Connection,
    edition: Edition,
    document_id: str | None = None,
    generation: int | None = None,
) -> None:
    """Refuse to write what nobody wants any more."""
    e, d = t.editions.c, t.documents.c
    mine = (e.collection_id == edition.collection_id) & (e.number == edition.number)
    wanted = sa.select(e.number).where(
        mine, e.status == EditionStatus.BUILDING, e.job_id == edition.job_id
    )
    if connection.execute(wanted).first() is None:
        raise NotFound("The index is not built any more.")
    if document_id is not None:
        current = sa.select(d.id).where(d.id == document_id, d.generation == generation)
        if connection.execute(current).first() is None:
            raise NotFound("The document was deleted or read anew meanwhile.")


def _lacking(
    connection: sa.Connection, collection_id: str, number: int, *, after: str = "", limit: int
) -> list[str]:
    d, p = t.documents.c, t.placements.c
    placed = sa.exists().where(
        p.document_id == d.id, p.edition == number, p.generation == d.generation
    )
    query = (
        sa.select(d.id)
        .where(d.collection_id == collection_id, d.generation.is_not(None), d.id > after, ~placed)
        .order_by(d.id)
        .limit(limit)
    )
    return list(connection.execute(query).scalars())
