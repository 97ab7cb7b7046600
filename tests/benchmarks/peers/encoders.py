"""Bare encoders, nothing stored: what the machine and the model allow the systems above them.

Called as ``encoders ingest MODEL CORPUS INDEX VARIANT`` like a system; variants are
``sentence-transformers`` and the names of our own embedders.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.benchmarks.corpus import SEPARATOR
from tests.benchmarks.peers.contract import claim_stdout, peak_memory_mb, report

Encode = Callable[[Sequence[str]], object]

_LAYERS, _WIDTH, _INNER = 6, 384, 1536
_TOKENS = 225 + 2


def _sentence_transformers(model: Path, cache: Path) -> Encode:
    from sentence_transformers import SentenceTransformer

    encode: Encode = SentenceTransformer(str(model)).encode
    return encode


def _ours(name: str) -> Callable[[Path, Path], Encode]:
    def load(model: Path, cache: Path) -> Encode:
        from rag.embedding.registry import open_embedder

        encode: Encode = open_embedder(name, cache=cache).embed_passages
        return encode

    return load


def fp32_ceiling() -> float:
    """Chunks of 225 tokens per second if the machine did nothing but multiply fp32 matrices.

    The best of 30 large products gives the machine's rate; a chunk needs, per layer and token,
    8 d^2 operations for the attention's projections, 4 d m for the feed-forward block and
    4 n d for scores and mixing (d = 384 wide, m = 1536 inside, n = 227 tokens with specials).
    """
    import torch

    size = 1536
    left, right = torch.rand(size, size), torch.rand(size, size)
    seconds = []
    for _ in range(30):
        start = time.perf_counter()
        torch.mm(left, right)
        seconds.append(time.perf_counter() - start)
    rate = 2 * size**3 / min(seconds)
    per_token = 8 * _WIDTH**2 + 4 * _WIDTH * _INNER + 4 * _TOKENS * _WIDTH
    return rate / (_LAYERS * _TOKENS * per_token)


def main() -> None:
    out = claim_stdout()
    _, model, corpus, index, variant = sys.argv[1:6]
    files = sorted((Path(corpus) / "files").iterdir())
    texts = [
        paragraph
        for path in files
        for paragraph in path.read_text("utf-8").strip().split(SEPARATOR)
    ]
    load = _sentence_transformers if variant == "sentence-transformers" else _ours(variant)
    encode = load(Path(model), Path(index) / "models")
    encode(["warm up"])
    start = time.perf_counter()
    encode(texts)
    figures = {"seconds": time.perf_counter() - start, "chunks": len(texts)}
    if variant == "sentence-transformers":
        figures["fp32_ceiling"] = fp32_ceiling()
    report(out, event="done", peak_mb=peak_memory_mb(), **figures)


if __name__ == "__main__":
    main()
