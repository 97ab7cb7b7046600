"""The folders that a collection is kept in step with: which file has become which document.

Every content that a file has had is a row until the newest can be searched, so that the version
before it stays visible that long, and an interruption loses nothing. A document is removed with
its file only if it came from a source, and no other file has the same content.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.database import Database
from rag.errors import NotFound
from rag.types import DocumentStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file as it was when it was last sent: its path within the source, size and time."""

    source: str
    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFile:
    """A file and its document; ``status`` is ``None`` when that was deleted by other means."""

    file: SourceFile
    document_id: str
    sha256: str | None
    status: DocumentStatus | None
    error: Mapping[str, Any] | None

    @property
    def id(self) -> str:
        """Its path: unique within a source."""
        return self.file.path


class Sources:
    """Note files, list them, and find out which documents their going leaves without one."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def note(self, collection_id: str, file: SourceFile, document_id: str) -> None:
        """Write down what a file has become, before the document is added.

        Raises:
            NotFound: the collection was deleted meanwhile.
        """
        c = t.source_files.c
        mine = c.collection_id == collection_id
        of_file = mine & (c.source == file.source) & (c.path == file.path)
        with self._db.write() as connection:
            kept = sa.select(t.collections.c.id).where(t.collections.c.id == collection_id)
            if connection.execute(kept).first() is None:
                raise NotFound("The collection was deleted meanwhile.", param="collection")
            from_source = sa.exists().where(mine, c.document_id == document_id, c.owned)
            there = sa.exists().where(t.documents.c.id == document_id)
            owned = connection.execute(sa.select(from_source | ~there)).scalar_one()
            connection.execute(sa.update(t.source_files).where(of_file).values(current=False))
            connection.execute(
                sa.delete(t.source_files).where(of_file, c.document_id == document_id)
            )
            connection.execute(
                sa.insert(t.source_files).values(
                    collection_id=collection_id,
                    source=file.source,
                    path=file.path,
                    document_id=document_id,
                    size=file.size,
                    mtime_ns=file.mtime_ns,
                    current=True,
                    owned=bool(owned),
                )
            )

    def files(
        self, collection_id: str, source: str, *, after: str | None, limit: int
    ) -> Sequence[KnownFile]:
        """The files of a source in order of their paths, with the newest document of each."""
        c, d = t.source_files.c, t.documents.c
        where = (c.collection_id == collection_id) & (c.source == source) & c.current
        if after is not None:
            where &= c.path > after
        query = (
            sa.select(c.path, c.size, c.mtime_ns, c.document_id, d.sha256, d.status, d.error)
            .join_from(t.source_files, t.documents, d.id == c.document_id, isouter=True)
            .where(where)
            .order_by(c.path)
            .limit(limit)
        )
        with self._db.read() as connection:
            return [
                KnownFile(
                    file=SourceFile(
                        source=source, path=row.path, size=row.size, mtime_ns=row.mtime_ns
                    ),
                    document_id=row.document_id,
                    sha256=row.sha256,
                    status=None if row.status is None else DocumentStatus(row.status),
                    error=row.error,
                )
                for row in connection.execute(query)
            ]

    def touch(self, collection_id: str, file: SourceFile) -> None:
        """Note another time of a file whose content has not changed."""
        c = t.source_files.c
        of_file = (c.collection_id == collection_id) & (c.source == file.source)
        with self._db.write() as connection:
            connection.execute(
                sa.update(t.source_files)
                .where(of_file, c.path == file.path, c.current)
                .values(size=file.size, mtime_ns=file.mtime_ns)
            )

    def outdated(
        self, collection_id: str, source: str, removed: Sequence[str]
    ) -> tuple[Sequence[tuple[str, str]], Sequence[str]]:
        """What can go: rows as (path, document), and documents that no file has any more.

        Rows go of files that were removed, and of earlier contents once the present one can
        be searched. Forget the rows after the documents are deleted: an interruption between
        the two then leaves no document behind.
        """
        c, d = t.source_files.c, t.documents.c
        newest = t.source_files.alias()
        ready = (
            sa.exists()
            .where(newest.c.collection_id == c.collection_id, newest.c.source == c.source)
            .where(newest.c.path == c.path, newest.c.current)
            .where(d.id == newest.c.document_id, d.status == DocumentStatus.READY)
        )
        mine = c.collection_id == collection_id
        gone = c.path.in_(removed) | (~c.current & ready)
        rows = sa.select(c.path, c.document_id, c.owned).where(mine, c.source == source, gone)
        with self._db.read() as connection:
            going = connection.execute(rows).all()
            documents = {row.document_id for row in going}
            kept = sa.select(c.source, c.path, c.document_id).where(
                mine, c.document_id.in_(documents)
            )
            places = {(source, row.path, row.document_id) for row in going}
            used = {row.document_id for row in connection.execute(kept) if tuple(row) not in places}
        owned = sorted({row.document_id for row in going if row.owned} - used)
        return [(row.path, row.document_id) for row in going], owned

    def forget(self, collection_id: str, source: str, rows: Sequence[tuple[str, str]]) -> None:
        """Remove rows that ``outdated`` named."""
        c = t.source_files.c
        with self._db.write() as connection:
            for path, document_id in rows:
                connection.execute(
                    sa.delete(t.source_files).where(
                        c.collection_id == collection_id,
                        c.source == source,
                        c.path == path,
                        c.document_id == document_id,
                    )
                )
