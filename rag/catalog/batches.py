"""Batches of calls that providers have not ended yet, so that no restart loses one.

They hold no text: what was asked is known by its content key. A row goes once what came of its
request is kept; those who ask for the same meanwhile wait for it.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.database import Database
from rag.models.observe import Purpose
from rag.types import PromptUsed

_CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBatch:
    """A batch that was begun. ``provider_id`` is ``None`` until the provider has told it."""

    id: str
    provider_id: str | None
    created_at: float
    count: int


class BatchStore:
    """Keeps batches from before they are handed in until all that came of them is kept."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def begin(
        self, model: str, purposes: Sequence[Purpose], *, estimate_usd: float | None
    ) -> str | None:
        """Write down a batch of calls of one tenant, key and job; returns its id, durable.

        ``estimate_usd`` is what it may cost, which counts as spent until the batch has ended.
        ``None`` when another batch was begun meanwhile that is to bring one of the replies.
        """
        batch_id = f"bat_{uuid.uuid4().hex[:24]}"
        first = purposes[0]
        row = {
            "id": batch_id,
            "model": model,
            "tenant": first.tenant,
            "key": first.key,
            "job": first.job or "",
            "estimate_usd": estimate_usd or 0.0,
            "count": len(purposes),
            "created_at": time.time(),
        }
        items = [
            {
                "batch_id": batch_id,
                "reply_key": one.reply_key,
                "prompt": asdict(one.prompt) if one.prompt else None,
                "repair": one.repair,
                "documents": sorted(one.documents),
            }
            for one in purposes
        ]
        keys = [one.reply_key or "" for one in purposes]
        with self._db.write() as connection:
            if _waiting(connection, first.tenant, keys):
                return None
            connection.execute(sa.insert(t.model_batches), row)
            connection.execute(sa.insert(t.model_batch_items), items)
        return batch_id

    def submitted(self, batch_id: str, provider_id: str) -> None:
        """Keep under which id the provider knows a batch; durable on return."""
        c = t.model_batches.c
        with self._db.write() as connection:
            connection.execute(
                sa.update(t.model_batches).where(c.id == batch_id).values(provider_id=provider_id)
            )

    def open(self, model: str) -> Sequence[OpenBatch]:
        """The batches of a model that have not been closed, oldest first."""
        c = t.model_batches.c
        query = (
            sa.select(c.id, c.provider_id, c.created_at, c.count)
            .where(c.model == model)
            .order_by(c.created_at)
        )
        with self._db.read() as connection:
            return [OpenBatch(**row) for row in connection.execute(query).mappings()]

    def waiting(self, tenant: str, reply_keys: Sequence[str]) -> Set[str]:
        """Which of these keys some open batch is to bring a reply for."""
        with self._db.read() as connection:
            return _waiting(connection, tenant, reply_keys)

    def purposes(self, batch_id: str) -> Mapping[str, Purpose]:
        """What the calls of a batch that nothing came of yet were made for, by content key."""
        b, c = t.model_batches.c, t.model_batch_items.c
        query = (
            sa.select(t.model_batch_items, b.tenant, b.key, b.job)
            .join(t.model_batches, b.id == c.batch_id)
            .where(c.batch_id == batch_id)
        )
        with self._db.read() as connection:
            return {row["reply_key"]: _purpose(row) for row in connection.execute(query).mappings()}

    def settle(self, batch_id: str, reply_key: str) -> None:
        """Be done with one call: what came of it is kept."""
        c = t.model_batch_items.c
        mine = (c.batch_id == batch_id) & (c.reply_key == reply_key)
        with self._db.write(durable=False) as connection:
            connection.execute(sa.delete(t.model_batch_items).where(mine))

    def close(self, batch_id: str) -> None:
        """Be done with a batch, and with all of it that nothing came of; durable on return."""
        with self._db.write() as connection:
            connection.execute(sa.delete(t.model_batches).where(t.model_batches.c.id == batch_id))


def _waiting(connection: sa.Connection, tenant: str, reply_keys: Sequence[str]) -> Set[str]:
    b, c = t.model_batches.c, t.model_batch_items.c
    found: set[str] = set()
    for start in range(0, len(reply_keys), _CHUNK):
        query = (
            sa.select(c.reply_key)
            .join(t.model_batches, b.id == c.batch_id)
            .where(b.tenant == tenant, c.reply_key.in_(reply_keys[start : start + _CHUNK]))
        )
        found.update(connection.execute(query).scalars())
    return found


def _purpose(row: sa.RowMapping) -> Purpose:
    return Purpose(
        tenant=row["tenant"],
        key=row["key"],
        job=row["job"] or None,
        prompt=PromptUsed(**row["prompt"]) if row["prompt"] else None,
        repair=row["repair"],
        reply_key=row["reply_key"],
        documents=frozenset(row["documents"]),
    )
