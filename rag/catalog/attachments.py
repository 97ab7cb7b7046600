"""Files inside files: each is a document of its own, linked to the one that it was found in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.additions import NewDocument, add_document
from rag.catalog.database import Database
from rag.catalog.document_rows import find_document
from rag.catalog.links import batches, insert_link, locked, parents, uploaded
from rag.catalog.versions import Versions
from rag.types import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Ids of the documents that one was found inside, and of those found inside it."""

    parents: tuple[str, ...] = ()
    children: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Where a document stands among files inside files.

    ``depth`` counts the files around it up to one that was uploaded. ``above`` are all of
    those, with itself; ``within`` is everything inside that uploaded one, ``size`` in bytes.
    """

    depth: int
    above: frozenset[str]
    within: frozenset[str]
    size: int


class Attachments:
    """Adds the files found inside documents, and tells how documents hang together."""

    def __init__(self, database: Database, versions: Versions) -> None:
        self._db = database
        self._versions = versions

    def adopt(
        self,
        parent: Document,
        generation: int,
        new: NewDocument,
        *,
        position: int,
        store: Callable[[], None],
        unlocked: bool,
    ) -> tuple[Document, bool]:
        """Add a document that was found inside another, with the link, at once.

        As often as this is repeated, there is one document and one link. One that is there
        stays as it is, also one that failed: except for what wants a password, when now
        ``unlocked``. See `Documents.add`.

        Raises:
            NotFound: the parent was deleted, or another job has taken it over.
        """
        with self._versions.writing(parent.id, generation) as connection:
            known = find_document(connection, new.id)
            if known is None or (unlocked and locked(connection, [new.id])):
                if known is not None:
                    new = replace(
                        new, name=known.name, media_type=known.media_type, metadata=known.metadata
                    )
                added = add_document(connection, new, store=store, uploaded=False, unlocks=unlocked)
            else:
                store()
                added = known, False
            insert_link(connection, parent.id, new.id, position)
            return added

    def inside(self, document_ids: Iterable[str]) -> set[str]:
        """The documents that were found inside these, at any depth."""
        with self._db.read() as connection:
            return set(_within(connection, set(document_ids)))

    def links(self, document_ids: Sequence[str]) -> Mapping[str, Links]:
        """What each of these documents was found inside, and what inside it, in order."""
        c = t.attachments.c
        query = (
            sa.select(c.parent_id, c.child_id)
            .where(c.parent_id.in_(document_ids) | c.child_id.in_(document_ids))
            .order_by(c.position, c.parent_id)
        )
        with self._db.read() as connection:
            rows = connection.execute(query).all()
        return {
            one: Links(
                parents=tuple(parent for parent, child in rows if child == one),
                children=tuple(child for parent, child in rows if parent == one),
            )
            for one in document_ids
        }

    def lineage(self, document_id: str) -> Lineage:
        """Where a document stands among files inside files."""
        with self._db.read() as connection:
            layer, above = {document_id}, {document_id}
            depth, roots = 0, uploaded(connection, layer)
            while layer:
                layer = parents(connection, layer) - above
                above |= layer
                if layer and not roots:
                    depth, roots = depth + 1, uploaded(connection, layer)
            within = _within(connection, roots or {document_id})
        return Lineage(
            depth=depth,
            above=frozenset(above),
            within=frozenset(within),
            size=sum(within.values()),
        )


def _within(connection: sa.Connection, roots: set[str]) -> dict[str, int]:
    """Everything that was found inside these, at any depth, with its size in bytes."""
    c, d = t.attachments.c, t.documents.c
    found: dict[str, int] = {}
    for batch in batches(roots):
        first = sa.select(c.child_id).where(c.parent_id.in_(batch)).cte(recursive=True)
        inside = first.union(sa.select(c.child_id).join(first, c.parent_id == first.c.child_id))
        query = sa.select(d.id, d.size).join(inside, d.id == inside.c.child_id)
        found.update((row.id, int(row.size)) for row in connection.execute(query))
    return found
