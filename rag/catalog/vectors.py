"""Vectors by the text they encode, in a file or table of their own, off the catalog's hot pages.

Keyed by (tenant, embedder, sha256 of the text): the same text is never embedded twice.
Nothing here is truth: a lost vector is embedded again by ``ibidem audit --repair``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import sqlalchemy as sa

from rag.catalog.database import Database
from rag.types import FloatMatrix, FloatVector

_metadata = sa.MetaData()
_vectors = sa.Table(
    "vectors",
    _metadata,
    sa.Column(  # rows stay in the order of insertion
        "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True
    ),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("embedder", sa.Text, nullable=False),
    sa.Column("text_sha256", sa.LargeBinary, nullable=False),
    sa.Column("vector", sa.LargeBinary, nullable=False),
    sa.UniqueConstraint("tenant", "embedder", "text_sha256", name="vectors_key"),
)
_BATCH = 500
_IN = (
    (_vectors.c.tenant == sa.bindparam("tenant"))
    & (_vectors.c.embedder == sa.bindparam("embedder"))
    & _vectors.c.text_sha256.in_(sa.bindparam("hashes", expanding=True))
)
_INSERT = sa.insert(_vectors)
_DELETE = sa.delete(_vectors).where(_IN)


class VectorStore:
    """Put, get and delete float32 vectors."""

    def __init__(self, database: Database) -> None:
        self._db = database
        with database.write() as connection:
            _metadata.create_all(connection)

    def put(
        self, tenant: str, embedder: str, hashes: Sequence[bytes], vectors: FloatMatrix
    ) -> None:
        """Keep vectors, shape (len(hashes), dimension); those already kept stay."""
        rows = {
            key: {
                "tenant": tenant,
                "embedder": embedder,
                "text_sha256": key,
                "vector": vector.astype("<f4").tobytes(),
            }
            for key, vector in zip(hashes, vectors, strict=True)
        }
        try:
            self._insert(rows)
        except sa.exc.IntegrityError:  # seldom: another document brought one of them meanwhile
            present = self.present(tenant, embedder, hashes)
            self._insert({key: row for key, row in rows.items() if key not in present})

    def present(self, tenant: str, embedder: str, hashes: Sequence[bytes]) -> set[bytes]:
        """Which of these texts have a vector."""
        return {key for key, _ in self._select(tenant, embedder, hashes, _vectors.c.tenant)}

    def get(
        self, tenant: str, embedder: str, hashes: Sequence[bytes]
    ) -> Mapping[bytes, FloatVector]:
        """The vectors of these texts, each of shape (dimension,); missing ones are left out."""
        return {
            key: np.frombuffer(value, dtype="<f4")
            for key, value in self._select(tenant, embedder, hashes, _vectors.c.vector)
        }

    def delete(self, tenant: str, embedder: str, hashes: Sequence[bytes]) -> None:
        """Forget the vectors of these texts."""
        for batch in _batches(hashes):
            with self._db.write() as connection:
                values = {"tenant": tenant, "embedder": embedder, "hashes": batch}
                connection.execute(_DELETE, values)

    def scrub(self) -> None:
        """Leave nothing readable of vectors that were deleted."""
        self._db.scrub()

    def close(self) -> None:
        """Close the database's connections."""
        self._db.close()

    def all_keys(self) -> Iterator[tuple[str, str, bytes]]:
        """Every key held, for the audit."""
        c = _vectors.c
        with self._db.read() as connection:
            for row in connection.execute(sa.select(c.tenant, c.embedder, c.text_sha256)):
                yield row.tenant, row.embedder, row.text_sha256

    def _insert(self, rows: Mapping[bytes, Mapping[str, Any]]) -> None:
        if rows:
            with self._db.write() as connection:
                connection.execute(_INSERT, list(rows.values()))

    def _select(
        self, tenant: str, embedder: str, hashes: Sequence[bytes], column: sa.Column[bytes]
    ) -> Iterator[tuple[bytes, bytes]]:
        with self._db.read() as connection:
            for batch in _batches(hashes):
                values = {"tenant": tenant, "embedder": embedder, "hashes": batch}
                for row in connection.execute(_selecting(column), values):
                    yield row[0], row[1]


@cache
def _selecting(column: sa.Column[bytes]) -> sa.Select[Any]:
    return sa.select(_vectors.c.text_sha256, column).where(_IN)


def _batches(hashes: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(hashes), _BATCH):
        yield hashes[start : start + _BATCH]
