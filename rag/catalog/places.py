"""Calls of language models under way, counted where several processes share a provider's limits.

A process gives signs of life for those it has; places for which none came for the length of a lease
are free again.
"""

from __future__ import annotations

import logging
import threading
import uuid

import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.database import Database
from rag.catalog.workers import database_clock
from rag.models.limits import Allowance, Entry

LEASE_S = 20.0
"""A place is free so long after the last sign of life of who had it."""
_BEAT_S = 5.0
_MINUTE = 60.0
_log = logging.getLogger(__name__)

_PROVIDER: sa.BindParameter[str] = sa.bindparam("of")
_NOW = sa.select(database_clock())
_FREE = sa.delete(t.model_places).where(
    t.model_places.c.provider == _PROVIDER, t.model_places.c.until < sa.bindparam("now")
)
_COUNT = sa.select(sa.func.count()).where(t.model_places.c.provider == _PROVIDER)
_LEAVE = sa.delete(t.model_places).where(t.model_places.c.id == sa.bindparam("place"))
_RATES = sa.select(t.model_rates).where(t.model_rates.c.provider == _PROVIDER)
_SPEND = sa.update(t.model_rates).where(t.model_rates.c.provider == _PROVIDER)


class SharedPlaces:
    """The `rag.models.limits.Places` of a database that several processes work on."""

    def __init__(self, database: Database) -> None:
        """Over a database whose lock for writers is of this use alone: calls wait for it."""
        self._db = database
        self._process = uuid.uuid4().hex
        self._held: set[str] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._beating: threading.Thread | None = None

    def enter(
        self, provider: str, allowance: Allowance, tokens: int, *, patience_s: float
    ) -> Entry:
        """Take a place for a call of so many tokens, if there is one within the patience."""
        with self._db.write(durable=False) as connection:
            now = float(connection.execute(_NOW).scalar_one())
            connection.execute(_FREE, {"of": provider, "now": now})
            under_way = connection.execute(_COUNT, {"of": provider}).scalar_one()
            if under_way >= allowance.concurrent:
                return Entry(place=None)
            wait_s = _spend(connection, provider, allowance, tokens, now, patience_s)
            if wait_s > patience_s:
                return Entry(place=None, wait_s=wait_s)
            place = uuid.uuid4().hex
            connection.execute(
                sa.insert(t.model_places),
                {
                    "id": place,
                    "provider": provider,
                    "process": self._process,
                    "until": now + LEASE_S,
                },
            )
        self._keep(place)
        return Entry(place=place, wait_s=wait_s)

    def leave(self, place: str) -> None:
        """Give a place back."""
        with self._lock:
            self._held.discard(place)
        with self._db.write(durable=False) as connection:
            connection.execute(_LEAVE, {"place": place})

    def close(self) -> None:
        """Give no more signs of life, and all places back."""
        self._stopping.set()
        if self._beating is not None:
            self._beating.join()
            with self._db.write(durable=False) as connection:
                mine = t.model_places.c.process == self._process
                connection.execute(sa.delete(t.model_places).where(mine))

    def _keep(self, place: str) -> None:
        with self._lock:
            self._held.add(place)
            if self._beating is None:
                self._beating = threading.Thread(
                    target=self._show_life, name="model-places", daemon=True
                )
                self._beating.start()

    def _show_life(self) -> None:
        # Only what is held: a place that could not be given back is free after its lease.
        mine = t.model_places.c.id.in_(sa.bindparam("held", expanding=True))
        staying = sa.update(t.model_places).where(mine).values(until=database_clock() + LEASE_S)
        while not self._stopping.wait(_BEAT_S):
            with self._lock:
                held = list(self._held)
            if not held:
                continue
            try:
                with self._db.write(durable=False) as connection:
                    connection.execute(staying, {"held": held})
            except sa.exc.DBAPIError:
                _log.warning("places of calls were not renewed; trying again", exc_info=True)


def _spend(
    connection: sa.Connection,
    provider: str,
    allowance: Allowance,
    tokens: int,
    now: float,
    patience_s: float,
) -> float:
    """Take of a minute's calls and tokens, within the patience; seconds until they are there.

    Of a call larger than a minute's tokens, all of them.
    """
    given = {"calls": allowance.calls_per_minute, "tokens": allowance.tokens_per_minute}
    if not any(given.values()):
        return 0.0
    row = connection.execute(_RATES, {"of": provider}).mappings().first()
    spent = {"calls": 0.0, "tokens": 0.0}
    wait_s = 0.0
    for name, amount in (("calls", 1), ("tokens", tokens)):
        if (most := given[name]) is None:
            continue
        rate = most / _MINUTE
        before = max(0.0, row[name] - (now - row["at"]) * rate) if row else 0.0
        spent[name] = before + min(amount, most)
        wait_s = max(wait_s, (spent[name] - most) / rate)
    if wait_s > patience_s:
        return wait_s
    if row is None:
        connection.execute(sa.insert(t.model_rates), {"provider": provider, "at": now, **spent})
    else:
        connection.execute(_SPEND.values(at=now, **spent), {"of": provider})
    return wait_s
