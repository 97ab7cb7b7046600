"""An embedder that never embeds a text twice, across runs."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from rag.embedding import Embedder
from rag.types import FloatMatrix, FloatVector, Ids

_BATCH = 512


class CachedEmbedder:
    """Wraps an embedder; vectors lie in one SQLite file, by embedder, role and text."""

    def __init__(self, embedder: Embedder, path: Path) -> None:
        self._embedder = embedder
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, check_same_thread=False)
        self._database.execute("create table if not exists vectors (key blob primary key, v blob)")
        self._lock = threading.Lock()

    @property
    def id(self) -> str:
        return self._embedder.id

    @property
    def dimension(self) -> int:
        return self._embedder.dimension

    @property
    def window(self) -> int:
        return self._embedder.window

    @property
    def tokenizer(self) -> str:
        return self._embedder.tokenizer  # type: ignore[attr-defined, no-any-return]

    def token_offsets(self, text: str) -> Ids:
        return self._embedder.token_offsets(text)

    def embed_passages(self, texts: Sequence[str]) -> FloatMatrix:
        return self._embed("passage", texts, self._embedder.embed_passages)

    def embed_query(self, text: str) -> FloatVector:
        def embed(texts: Sequence[str]) -> FloatMatrix:
            return np.stack([self._embedder.embed_query(one) for one in texts])

        vector: FloatVector = self._embed("query", [text], embed)[0]
        return vector

    def close(self) -> None:
        self._database.close()

    def _embed(
        self, role: str, texts: Sequence[str], embed: Callable[[Sequence[str]], FloatMatrix]
    ) -> FloatMatrix:
        keys = [self._key(role, text) for text in texts]
        found = {key: vector for key in keys if (vector := self._read(key)) is not None}
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        for start in range(0, len(missing), _BATCH):
            batch = list(missing.items())[start : start + _BATCH]
            vectors = embed([text for _, text in batch])
            for (key, _), vector in zip(batch, vectors, strict=True):
                found[key] = vector
            with self._lock, self._database:
                self._database.executemany(
                    "insert or replace into vectors values (?, ?)",
                    [(key, found[key].astype("<f4").tobytes()) for key, _ in batch],
                )
        return np.stack([found[key] for key in keys])

    def _read(self, key: bytes) -> FloatVector | None:
        with self._lock:
            row = self._database.execute("select v from vectors where key = ?", (key,)).fetchone()
        return None if row is None else np.frombuffer(row[0], "<f4")

    def _key(self, role: str, text: str) -> bytes:
        parts = "\x00".join((self._embedder.id, role, text)).encode("utf-8", "replace")
        return hashlib.sha256(parts).digest()
