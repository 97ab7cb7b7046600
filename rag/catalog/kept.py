"""Items of work as they are kept, read back a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.database import Database
from rag.catalog.rounds import STEP
from rag.work import Done, Failed

_PAGE = 100
_Kept = TypeVar("_Kept")


class KeptItems(Iterable[_Kept]):
    """Items in a state, a page at a time: however many, only a few are in memory."""

    def __init__(
        self,
        database: Database,
        job_id: str,
        status: str,
        read: Callable[[Any], _Kept],
        round: int | None = None,
    ) -> None:
        """Those of a job in a status, of one round or all; ``read`` makes each of its row."""
        c = t.work_items.c
        self._db = database
        self._mine = (c.job_id == job_id) & (c.status == status)
        if round is not None:
            self._mine &= c.round == round
        self._read = read

    def __iter__(self) -> Iterator[_Kept]:
        """By round and position, read anew each time."""
        c = t.work_items.c
        place = (-1, STEP)
        query = (
            sa.select(c.round, c.position, c.payload, c.result, c.error)
            .where(self._mine)
            .order_by(c.round, c.position)
            .limit(_PAGE)
        )
        while True:
            behind = sa.tuple_(c.round, c.position) > sa.tuple_(*map(sa.literal, place))
            with self._db.read() as connection:
                rows = connection.execute(query.where(behind)).all()
            for row in rows:
                yield self._read(row)
            if len(rows) < _PAGE:
                return
            place = (rows[-1].round, rows[-1].position)


def as_done(row: Any) -> Done:
    """A row of an item that was done."""
    return Done(round=row.round, position=row.position, payload=row.payload, value=row.result)


def as_failed(row: Any) -> Failed:
    """A row of an item that failed."""
    return Failed(round=row.round, position=row.position, payload=row.payload, error=row.error)
