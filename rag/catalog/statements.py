"""Statements that are built once: building one takes longer than carrying it out."""

from __future__ import annotations

from functools import cache
from typing import Any

import sqlalchemy as sa


@cache
def changing(key: sa.Column[Any], *names: str) -> sa.Update:
    """Set the named columns, each to the parameter of its name, where ``key`` is ``:key_``."""
    table = key.table
    assert isinstance(table, sa.Table)  # noqa: S101 - columns of our schema
    values: dict[str, Any] = {name: sa.bindparam(name) for name in names}
    return sa.update(table).where(key == sa.bindparam("key_")).values(values)
