"""Fixtures that every kind of test shares."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.catalog import Catalog
from rag.catalog.database import open_sqlite
from rag.catalog.vectors import VectorStore


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    """An empty catalog in a folder of its own."""
    catalog = Catalog(
        open_sqlite(tmp_path / "catalog.db"), VectorStore(open_sqlite(tmp_path / "vectors.db"))
    )
    yield catalog
    catalog.close()
