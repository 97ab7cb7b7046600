"""Vectors of texts that are longer than what the model reads at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rag.embedding import Embedder
from rag.types import FloatMatrix

_TINY = np.float32(1e-12)
_SPARE = 16
"""One of so many tokens is left free: a word that is divided may become more of them."""


def embed_whole(embedder: Embedder, texts: Sequence[str]) -> FloatMatrix:
    """As ``embed_passages``, but nothing of a long text is cut off.

    It is read in windows of about equal length, and its vector is the direction of the mean of
    theirs. Texts that fit have the vectors that they have anyway.

    Raises:
        EmbeddingFailed: The model could not encode them.
    """
    pieces: list[str] = []
    firsts: list[int] = []
    for text in texts:
        firsts.append(len(pieces))
        pieces += _windows(text, embedder)
    vectors = embedder.embed_passages(pieces)
    if len(pieces) == len(texts):
        return vectors
    sums = np.add.reduceat(vectors, firsts, axis=0)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    alone = np.diff(firsts, append=len(pieces)) == 1
    means: FloatMatrix = np.where(alone[:, None], sums, sums / np.maximum(lengths, _TINY))
    return means


def _windows(text: str, embedder: Embedder) -> list[str]:
    starts = embedder.token_offsets(text)[:, 0]
    if len(starts) <= embedder.window:
        return [text]
    count = -(-len(starts) // (embedder.window - embedder.window // _SPARE))
    cuts = starts[np.arange(1, count) * len(starts) // count].tolist()
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
