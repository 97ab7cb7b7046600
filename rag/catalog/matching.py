"""Which chunks a filter allows: looked up in SQL once, and then as often as documents change.

To try a condition on the metadata of 50,000 documents takes SQL longer than a search takes. What
matched is kept with the last change of the collection's log that it knows of; for a later moment
only the documents that the log names since are tried again.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.database import Database
from rag.catalog.filters import document_condition
from rag.types import Collection, Ids

_MOST_KEPT = 2_000_000
"""Documents in all that is kept together: 32 MB; what alone has more than half is not kept, for
it would push out all the others."""
_EACH = 1_000
"""What is kept takes as much room as so many documents, however few match."""
_MOST_CHANGES = 1_000
"""After more changes than this all documents are tried again."""

_Key: TypeAlias = tuple[str, int, bytes]
_SEQ = sa.select(t.collections.c.seq).where(t.collections.c.id == sa.bindparam("collection"))
_CHANGED = (
    sa.select(t.changes.c.first_chunk_id)
    .where(
        t.changes.c.collection_id == sa.bindparam("collection"),
        t.changes.c.seq > sa.bindparam("seq"),
    )
    .limit(_MOST_CHANGES + 1)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Matched:
    """The chunks of the documents that match, one run for each, in order; as of a change."""

    seq: int
    first: Ids
    count: Ids

    @property
    def room(self) -> int:
        return len(self.first) + _EACH

    def chunks(self) -> Ids:
        before = np.cumsum(self.count) - self.count
        runs: Ids = np.arange(self.count.sum()) + np.repeat(self.first - before, self.count)
        return runs


class Matching:
    """Resolves filters, and keeps what it found for some of them."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._kept: OrderedDict[_Key, _Matched] = OrderedDict()
        self._lock = threading.Lock()

    def chunks(self, collection: Collection, filter: Mapping[str, Any] | None) -> Ids | None:
        """Sorted ids of the chunks whose documents pass the filter; ``None`` without a filter.

        They are of the moment that the collection was read in, or a later one.

        Raises:
            InvalidFilter: it is malformed; the message names the place.
        """
        if not filter:
            return None
        condition = document_condition(filter, collection.metadata_schema)
        asked = hashlib.sha256(json.dumps(filter).encode()).digest()
        key = (collection.id, collection.edition, asked)
        with self._lock:
            known = self._kept.get(key)
            if known is not None:
                self._kept.move_to_end(key)
        if known is None or known.seq < collection.seq:
            known = self._read(collection, condition, known)
            self._keep(key, known)
        return known.chunks()

    def _read(
        self, collection: Collection, condition: sa.ColumnElement[bool], known: _Matched | None
    ) -> _Matched:
        """What matches now, from what did when that was looked up last, if it was."""
        mine = {"collection": collection.id}
        with self._db.read() as connection:
            seq = int(connection.execute(_SEQ, mine).scalar() or 0)
            changed = None
            if known is not None:
                since = {**mine, "seq": known.seq}
                changed = connection.execute(_CHANGED, since).scalars().all()
            if known is None or changed is None or len(changed) > _MOST_CHANGES:
                first, count = _matching(connection, collection, condition)
            else:
                new, of_new = _matching(connection, collection, condition, changed)
                same = ~np.isin(known.first, np.array(changed, np.int64))
                places = np.searchsorted(known.first[same], new)
                first = np.insert(known.first[same], places, new)
                count = np.insert(known.count[same], places, of_new)
        return _Matched(seq=seq, first=first, count=count)

    def _keep(self, key: _Key, matched: _Matched) -> None:
        with self._lock:
            self._kept.pop(key, None)
            if matched.room > _MOST_KEPT // 2:
                return
            self._kept[key] = matched
            while sum(one.room for one in self._kept.values()) > _MOST_KEPT:
                self._kept.popitem(last=False)


def _matching(
    connection: sa.Connection,
    collection: Collection,
    condition: sa.ColumnElement[bool],
    among: Sequence[int] | None = None,
) -> tuple[Ids, Ids]:
    """First chunk and number of chunks of the documents that match, among those that begin so."""
    p = t.placements.c
    query = (
        sa.select(p.first_chunk_id, p.chunk_count)
        .join(t.documents, t.documents.c.id == p.document_id)
        .where(
            p.collection_id == collection.id,
            p.edition == collection.edition,
            condition,
        )
        .order_by(p.first_chunk_id)
    )
    if among is not None:
        query = query.where(p.first_chunk_id.in_(among))
    rows = connection.execute(query).all()
    # numpy takes many times as long over the rows of SQLAlchemy as over tuples.
    first, count = np.array([*map(tuple, rows)], np.int64).reshape(-1, 2).T
    return first, count
