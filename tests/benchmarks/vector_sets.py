"""Vectors to search among: drawn between real ones, or of real chunks; and queries.

Synthetic ones are drawn between those of the sentences of the samples and, when the public data
sets are beside the repository, of paragraphs of Wikipedia, with a little noise, from a seed; so
are queries. Real ones are those of small chunks of contracts and of a folder of text; half of
the queries are such chunks, half questions on the contracts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ingest.chunk.recursive import RecursiveChunker
from rag.embedding import Embedder
from rag.embedding.registry import open_embedder
from rag.sentences import split
from rag.types import FloatMatrix, ParsedDocument
from tests.benchmarks.cached import CachedEmbedder
from tests.benchmarks.datasets import load_contracts, rows
from tests.realdata import REAL_DATA

QUERIES = 300
AT_ONCE = 20_000
_SAMPLES = Path(__file__).resolve().parents[2] / "data" / "samples"
_NOISE = 0.02
_PARAGRAPHS = 4_000
_CHUNK_SIZE = 48
_TEXT_FILES = {".txt", ".md", ".rst"}


def real_vectors(cache: Path) -> FloatMatrix:
    """Of real sentences and paragraphs, by the embedder that ships."""
    texts = []
    for path in sorted(_SAMPLES.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        texts += [text[one.start : one.end] for one in split(text)]
    if REAL_DATA is not None:
        for folder in ("cranfield", "squad2-passages", "anthropic-docs"):
            file = REAL_DATA / "retrieval" / folder / "corpus.jsonl.gz"
            texts += [row["text"] for row in rows(file)]
    texts = list(dict.fromkeys(texts))[:_PARAGRAPHS]
    return _embedder(cache).embed_passages(texts)


def drawn(real: FloatMatrix, count: int) -> tuple[FloatMatrix, FloatMatrix]:
    """So many unit vectors between real ones, and queries."""
    random = np.random.default_rng(count)

    def some(number: int) -> FloatMatrix:
        first, second = random.integers(0, len(real), (2, number))
        share = random.uniform(0.55, 1.0, (number, 1)).astype(np.float32)
        noise = random.standard_normal((number, real.shape[1]), np.float32) * np.float32(_NOISE)
        mixed: FloatMatrix = share * real[first] + (1 - share) * real[second] + noise
        mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
        return mixed

    vectors = np.empty((count, real.shape[1]), np.float32)
    for start in range(0, count, AT_ONCE):
        vectors[start : start + AT_ONCE] = some(min(AT_ONCE, count - start))
    return vectors, some(QUERIES)


def of_chunks(folder: Path, cache: Path, most: int) -> tuple[FloatMatrix, FloatMatrix]:
    """Of at most so many different chunks of the contracts and of the folder, and queries."""
    if REAL_DATA is None:
        raise SystemExit("The contracts are not beside the repository (../shared/data).")
    contracts = load_contracts(REAL_DATA / "retrieval" / "cuad-spans")
    texts = [*contracts.documents.values(), *_read(folder)]
    embedder, random = _embedder(cache), np.random.default_rng(0)
    chunks = list(dict.fromkeys(_cut(texts, embedder)))
    asked = list(dict.fromkeys(contracts.questions.values()))
    random.shuffle(chunks)
    random.shuffle(asked)
    half = QUERIES // 2
    vectors = embedder.embed_passages(chunks[: half + most])
    questions = [embedder.embed_query(one) for one in asked[: QUERIES - half]]
    return vectors[half:], np.stack([*vectors[:half], *questions])


def _read(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.suffix in _TEXT_FILES and path.is_file():
            yield path.read_text(encoding="utf-8", errors="replace")


def _cut(texts: list[str], embedder: Embedder) -> Iterator[str]:
    chunker = RecursiveChunker(size=_CHUNK_SIZE, overlap=0)
    for text in texts:
        document = ParsedDocument(text=text, media_type="text/plain")
        yield from (chunk.text for chunk in chunker.chunk(document, embedder))


def _embedder(cache: Path) -> CachedEmbedder:
    return CachedEmbedder(open_embedder("onnx", cache=cache / "models"), cache / "vectors.sqlite")
