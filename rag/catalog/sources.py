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
from rag.catalog.document_rows import document_by_id
from rag.catalog.links import locked, parents
from rag.catalog.statements import changing
from rag.catalog.versions import Versions, delete_document
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
    """A file and its document; ``status`` is ``None`` when that was deleted by other means.

    ``locked``: a password may open more of it, or of a file inside it.
    """

    file: SourceFile
    document_id: str
    sha256: str | None
    status: DocumentStatus | None
    error: Mapping[str, Any] | None
    locked: bool

    @property
    def id(self) -> str:
        """Its path: unique within a source."""
        return self.file.path


class Sources:
    """Note files, list them, and find out which documents their going leaves without one."""

    def __init__(self, database: Database, versions: Versions) -> None:
        self._db = database
        self._versions = versions

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
            there = sa.exists().where(t.documents.c.id == document_id, t.documents.c.uploaded)
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
            rows = connection.execute(query).all()
            closed = locked(connection, {row.document_id for row in rows})
            return [
                KnownFile(
                    file=SourceFile(
                        source=source, path=row.path, size=row.size, mtime_ns=row.mtime_ns
                    ),
                    document_id=row.document_id,
                    sha256=row.sha256,
                    status=None if row.status is None else DocumentStatus(row.status),
                    error=row.error,
                    locked=row.document_id in closed,
                )
                for row in rows
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
    ) -> Mapping[str, Sequence[str]]:
        """Documents that files are done with, which were removed or read anew, by those files."""
        c = t.source_files.c
        query = sa.select(c.document_id, c.path).where(_gone(collection_id, source, removed))
        found: dict[str, list[str]] = {}
        with self._db.read() as connection:
            for row in connection.execute(query.order_by(c.document_id, c.path)):
                found.setdefault(row.document_id, []).append(row.path)
        return found

    def staying(
        self, collection_id: str, source: str, removed: Sequence[str], document_id: str
    ) -> Sequence[str]:
        """The files of all sources that are a document now, without those that were removed."""
        c = t.source_files.c
        gone = (c.source == source) & c.path.in_(removed)
        query = sa.select(c.path).where(
            c.collection_id == collection_id, c.document_id == document_id, c.current, ~gone
        )
        with self._db.read() as connection:
            return connection.execute(query.order_by(c.path)).scalars().all()

    def release(
        self, collection_id: str, source: str, removed: Sequence[str], document_id: str
    ) -> bool:
        """Forget the files that are done with a document; true if it was deleted with them.

        It stays when another file is the same, or it was uploaded other than from a source;
        what is inside another document goes with that one. All this is looked at in the
        transaction that deletes, since an upload may have come in between.
        """
        c = t.source_files.c
        going = _gone(collection_id, source, removed) & (c.document_id == document_id)
        same = (c.collection_id == collection_id) & (c.document_id == document_id)
        with self._db.write() as connection:
            rows = connection.execute(sa.select(c.path, c.owned).where(going)).all()
            paths = [row.path for row in rows]
            connection.execute(
                sa.delete(t.source_files).where(same, c.source == source, c.path.in_(paths))
            )
            is_used = connection.execute(sa.select(sa.exists().where(same))).scalar()
            if is_used or not any(row.owned for row in rows):
                return False
            if parents(connection, [document_id]):
                statement = changing(t.documents.c.id, "uploaded")
                connection.execute(statement, {"key_": document_id, "uploaded": False})
                return False
            try:
                document = document_by_id(connection, document_id)
            except NotFound:  # deleted by other means
                return False
            left = delete_document(connection, document)
        self._versions.delete_orphans(left)
        return True


def _gone(collection_id: str, source: str, removed: Sequence[str]) -> sa.ColumnElement[bool]:
    """Rows of files that were removed, and earlier contents once the present can be searched."""
    c, d = t.source_files.c, t.documents.c
    newest = t.source_files.alias()
    ready = (
        sa.exists()
        .where(newest.c.collection_id == c.collection_id, newest.c.source == c.source)
        .where(newest.c.path == c.path, newest.c.current)
        .where(d.id == newest.c.document_id, d.status == DocumentStatus.READY)
    )
    of_source = (c.collection_id == collection_id) & (c.source == source)
    return of_source & (c.path.in_(removed) | (~c.current & ready))
