"""Collections: named sets of documents, and the commit log of each."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.database import Database
from rag.errors import Conflict, NotFound
from rag.types import Collection, EditionStatus

_COLUMNS = (
    *(c for c in t.collections.c if c.name not in ("owner", "next_chunk_id")),
    t.editions.c.embedder,
    t.editions.c.chunking,
)
_ALL = sa.select(*_COLUMNS).join(
    t.editions,
    (t.editions.c.collection_id == t.collections.c.id)
    & (t.editions.c.number == t.collections.c.edition),
)
_BY_ID = _ALL.where(
    t.collections.c.tenant == sa.bindparam("tenant"),
    t.collections.c.id == sa.bindparam("collection"),
)
_FIND = _ALL.where(
    t.collections.c.tenant == sa.bindparam("tenant"),
    sa.or_(
        t.collections.c.id == sa.bindparam("name"), t.collections.c.name == sa.bindparam("name")
    ),
).order_by(t.collections.c.created_at, t.collections.c.id)
_NEXT_SEQ = (
    sa.update(t.collections)
    .where(t.collections.c.id == sa.bindparam("collection"))
    .values(seq=t.collections.c.seq + 1)
    .returning(t.collections.c.seq)
)
_INSERT_CHANGE = sa.insert(t.changes)
_SEQ = sa.select(t.collections.c.seq).where(t.collections.c.id == sa.bindparam("collection"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One visible change of a collection.

    By ``op``, a document's chunks appeared (``add``, also under another name of the document)
    or went (``remove``), or its metadata changed (``describe``).
    """

    seq: int
    op: str
    document_id: str
    edition: int
    generation: int
    first_chunk_id: int
    chunk_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A version of a document in an edition of its collection, and the ids of its chunks."""

    collection_id: str
    document_id: str
    edition: int
    generation: int
    first_chunk_id: int
    chunk_count: int


class Collections:
    """Create, find, change and delete collections; read and extend their commit logs."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def create(
        self,
        tenant: str,
        name: str,
        *,
        embedder: str,
        chunking: Mapping[str, Any],
        metadata_schema: Mapping[str, Any] | None = None,
        engine: str | None = None,
    ) -> Collection:
        """Add an empty collection.

        Raises:
            Conflict: the tenant has a collection of this name.
        """
        row = {
            "id": f"col_{uuid.uuid4().hex[:24]}",
            "tenant": tenant,
            "owner": tenant,
            "name": name,
            "engine": engine,
            "metadata_schema": dict(metadata_schema or {}),
            "edition": 1,
            "seq": 0,
            "next_chunk_id": 1,
            "created_at": time.time(),
        }
        edition = {
            "collection_id": row["id"],
            "number": 1,
            "embedder": embedder,
            "chunking": dict(chunking),
            "status": EditionStatus.READY,
            "created_at": row["created_at"],
        }
        try:
            with self._db.write() as connection:
                connection.execute(sa.insert(t.collections).values(row))
                connection.execute(sa.insert(t.editions).values(edition))
        except sa.exc.IntegrityError as error:
            raise Conflict(
                f"There is already a collection named {name!r}.", param="name"
            ) from error
        return self.get(tenant, str(row["id"]))

    def get(self, tenant: str, collection_id: str) -> Collection:
        """The collection with this id.

        Raises:
            NotFound: the tenant has none.
        """
        values = {"tenant": tenant, "collection": collection_id}
        with self._db.read() as connection:
            row = connection.execute(_BY_ID, values).mappings().first()
        if row is None:
            raise NotFound(f"No collection {collection_id!r}.", param="collection")
        return Collection(**row)

    def find(self, tenant: str, name_or_id: str) -> Collection:
        """The collection with this id or name.

        Raises:
            NotFound: the tenant has none.
        """
        rows = self._db.rows(_FIND, {"tenant": tenant, "name": name_or_id})
        found = [Collection(**row._mapping) for row in rows]
        if not found:
            raise NotFound(f"No collection {name_or_id!r}.", param="collection")
        return next((one for one in found if one.id == name_or_id), found[0])

    def all(self, tenant: str | None) -> Sequence[Collection]:
        """The tenant's collections, oldest first; every tenant's for ``None``."""
        c = t.collections.c
        query = _ALL.order_by(c.created_at, c.id)
        if tenant is not None:
            query = query.where(c.tenant == tenant)
        with self._db.read() as connection:
            return [Collection(**row) for row in connection.execute(query).mappings()]

    def update(
        self,
        tenant: str,
        collection_id: str,
        *,
        name: str | None = None,
        metadata_schema: Mapping[str, Any] | None = None,
        engine: str | None = None,
    ) -> Collection:
        """Rename, replace the metadata schema, or pin to an engine; ``""`` takes the pin away.

        Raises:
            NotFound: the tenant has no such collection.
            Conflict: the new name is taken.
        """
        values: dict[str, Any] = {}
        if name is not None:
            values["name"] = name
        if metadata_schema is not None:
            values["metadata_schema"] = dict(metadata_schema)
        if engine is not None:
            values["engine"] = engine or None
        collection = self.get(tenant, collection_id)
        if values:
            try:
                with self._db.write() as connection:
                    connection.execute(
                        sa.update(t.collections)
                        .where(t.collections.c.id == collection.id)
                        .values(values)
                    )
            except sa.exc.IntegrityError as error:
                raise Conflict(
                    f"There is already a collection named {name!r}.", param="name"
                ) from error
        return self.get(tenant, collection_id)

    def delete(self, tenant: str, collection_id: str) -> None:
        """Remove an empty collection and its log; its documents are deleted before.

        Raises:
            NotFound: the tenant has no such collection.
            Conflict: it still holds documents.
        """
        collection = self.get(tenant, collection_id)
        try:
            with self._db.write() as connection:
                for table in (t.changes, t.editions):
                    mine = table.c.collection_id == collection.id
                    connection.execute(sa.delete(table).where(mine))
                connection.execute(
                    sa.delete(t.collections).where(t.collections.c.id == collection.id)
                )
        except sa.exc.IntegrityError as error:
            raise Conflict(f"Collection {collection.name!r} still holds documents.") from error

    def current(self, collection: Collection) -> Collection:
        """The collection as it is now; as it was given when it is gone."""
        values = {"tenant": collection.tenant, "collection": collection.id}
        rows = self._db.rows(_BY_ID, values)
        return Collection(**rows[0]._mapping) if rows else collection

    def seq(self, collection_id: str) -> int:
        """The number of the last committed change; -1 when the collection is gone."""
        found = self._db.value(_SEQ, {"collection": collection_id})
        return -1 if found is None else int(found)

    def changes_after(self, collection_id: str, seq: int) -> Sequence[Change]:
        """The tail of the commit log, in order."""
        c = t.changes.c
        columns = [column for column in c if column is not c.collection_id]
        query = (
            sa.select(*columns).where(c.collection_id == collection_id, c.seq > seq).order_by(c.seq)
        )
        with self._db.read() as connection:
            return [Change(**row) for row in connection.execute(query).mappings()]


def log_change(connection: sa.Connection, op: str, document: Placed) -> None:
    """Append to the collection's commit log within the caller's write transaction.

    The transaction holds the collection's row (or the whole SQLite file) until it commits,
    so numbers are gap-free and become visible in order.
    """
    collection = {"collection": document.collection_id}
    seq = connection.execute(_NEXT_SEQ, collection).scalar_one()
    connection.execute(_INSERT_CHANGE, {"seq": seq, "op": op, **asdict(document)})
