"""A home with a large synthetic collection, written straight into its tables.

Texts are drawn from the words of the samples and made-up ones, rare as words of a language are;
vectors as in `vector_sets.py`. Nothing is parsed or embedded. Each document has twenty chunks of 90
words and two fields of metadata: ``tenth`` and ``thousandth`` of the collection it belongs to.
"""

from __future__ import annotations

import hashlib
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from api.composition import open_services
from api.services import Services
from api.settings import Settings
from rag.catalog import schema as t
from rag.types import DocumentStatus, FloatMatrix
from tests.benchmarks.vector_sets import drawn

CHUNKS_EACH = 20
_WORDS_EACH = 90
_VOCABULARY = 60_000
_DOCUMENTS_AT_ONCE = 250
_SAMPLES = Path(__file__).resolve().parents[2] / "data" / "samples"


class Language:
    """Words by rank, the n-th as frequent as 1/n."""

    def __init__(self) -> None:
        found = re.findall(
            r"[a-z]{2,}",
            " ".join(p.read_text(encoding="utf-8").lower() for p in sorted(_SAMPLES.glob("*.md"))),
        )
        real = list(dict.fromkeys(found))
        random = np.random.default_rng(0)
        lengths = random.integers(4, 11, _VOCABULARY)
        letters = random.integers(97, 123, (_VOCABULARY, 11), np.uint8)
        made = [bytes(row[:n]).decode() for row, n in zip(letters, lengths, strict=True)]
        self.words: NDArray[np.str_] = np.array(list(dict.fromkeys([*real, *made]))[:_VOCABULARY])
        shares = 1 / np.arange(1, len(self.words) + 1)
        self._summed = np.cumsum(shares / shares.sum())

    def texts(self, random: np.random.Generator, count: int, length: int) -> list[str]:
        ranks = np.searchsorted(self._summed, random.random((count, length)))
        return [" ".join(row) for row in self.words[np.minimum(ranks, len(self.words) - 1)]]


def make(home: Path, real: FloatMatrix, chunks: int) -> None:
    """Make the home, with the collection ``default``."""
    with open_services(Settings(home=home)) as services:
        collection = services.collection("default", None)
        database, vectors = services.catalog._database, services.catalog.vectors._db
        language, random = Language(), np.random.default_rng(chunks)
        drawn_vectors, _ = drawn(real, chunks)
        documents = chunks // CHUNKS_EACH
        for first in range(0, documents, _DOCUMENTS_AT_ONCE):
            count = min(_DOCUMENTS_AT_ONCE, documents - first)
            texts = language.texts(random, count * CHUNKS_EACH, _WORDS_EACH)
            at = slice(first * CHUNKS_EACH, (first + count) * CHUNKS_EACH)
            rows = _rows(services, collection.id, first, texts)
            with database.write(durable=False) as connection:
                for table, some in rows.items():
                    connection.execute(sa.insert(t.metadata.tables[table]), some)
            with vectors.write(durable=False) as connection:
                connection.execute(
                    sa.text("INSERT OR IGNORE INTO vectors VALUES (NULL, :t, :e, :h, :v)"),
                    [
                        {"t": "default", "e": collection.embedder, "h": _hash(text), "v": v}
                        for text, v in zip(texts, map(_bytes, drawn_vectors[at]), strict=True)
                    ],
                )
        with database.write() as connection:
            connection.execute(sa.update(t.collections).values(seq=1, next_chunk_id=chunks + 1))


def _rows(
    services: Services, collection: str, first: int, texts: list[str]
) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("documents", "placements", "segments", "chunks")
    }
    now = time.time()
    for place in range(len(texts) // CHUNKS_EACH):
        mine = texts[place * CHUNKS_EACH : (place + 1) * CHUNKS_EACH]
        number, text = first + place, "\n".join(mine)
        key = {"document_id": f"doc_{number:024d}", "generation": 1}
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        rows["documents"].append(
            {
                "id": key["document_id"],
                "tenant": "default",
                "owner": "default",
                "collection_id": collection,
                "sha256": sha256,
                "name": f"{number}.txt",
                "title": None,
                "media_type": "text/plain",
                "size": len(text),
                "status": DocumentStatus.READY,
                "error": None,
                "metadata": {"tenth": number % 10, "thousandth": number % 1_000},
                "job_id": f"job_{number}",
                "uploaded": True,
                "generation": 1,
                "page_count": 0,
                "text_length": len(text),
                "warnings": [],
                "locked": False,
                "created_at": now,
                "updated_at": now,
            }
        )
        ids = {"first_chunk_id": 1 + number * CHUNKS_EACH, "chunk_count": CHUNKS_EACH}
        rows["placements"].append({**key, **ids, "edition": 1, "collection_id": collection})
        for start in range(0, len(text), 16_384):
            part = text[start : start + 16_384]
            rows["segments"].append({**key, "start": start, "end": start + len(part), "text": part})
        start = 0
        for position, one in enumerate(mine):
            span = {"position": position, "start": start, "end": start + len(one)}
            more = {"edition": 1, "tokens": _WORDS_EACH, "text_sha256": _hash(one)}
            rows["chunks"].append({**key, **span, **more})
            start += len(one) + 1
    return rows


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _bytes(vector: FloatMatrix) -> bytes:
    return vector.astype("<f4").tobytes()
