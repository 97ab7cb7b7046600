"""Callers' own prompts: versions that are added and never changed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.database import Database
from rag.errors import NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPrompt:
    """The text of one version of a prompt."""

    name: str
    version: int
    text: str
    created_at: float


class Prompts:
    """Each tenant's prompts by name and version, counted from 1."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, tenant: str, name: str, text: str) -> tuple[StoredPrompt, bool]:
        """The next version of a prompt, or the one that says the same; true when it is new."""
        with self._db.write() as connection:
            versions = _read(connection, tenant, name)
            for known in versions:
                if known.text == text:
                    return known, False
            added = StoredPrompt(
                name=name, version=len(versions) + 1, text=text, created_at=time.time()
            )
            connection.execute(
                sa.insert(t.prompts).values(
                    tenant=tenant,
                    name=name,
                    version=added.version,
                    text=text,
                    created_at=added.created_at,
                )
            )
        return added, True

    def all(self, tenant: str) -> Sequence[StoredPrompt]:
        """Every version of every prompt, by name and version."""
        with self._db.read() as connection:
            return _read(connection, tenant)

    def find(self, tenant: str, name: str, version: int | None = None) -> StoredPrompt:
        """One version of a prompt, the newest when none is named.

        Raises:
            NotFound: The tenant has none.
        """
        with self._db.read() as connection:
            versions = _read(connection, tenant, name)
        for known in reversed(versions):
            if version in (None, known.version):
                return known
        which = f" of version {version}" if version and versions else ""
        raise NotFound(f"No prompt {name[:80]!r}{which}; see GET /prompts.", param="prompt")


def _read(connection: sa.Connection, tenant: str, name: str | None = None) -> list[StoredPrompt]:
    c = t.prompts.c
    query = sa.select(c.name, c.version, c.text, c.created_at).where(c.tenant == tenant)
    if name is not None:
        query = query.where(c.name == name)
    rows = connection.execute(query.order_by(c.name, c.version)).mappings()
    return [StoredPrompt(**row) for row in rows]
