"""Chunks of sentences that are alike, by the embedding model that searches them.

Sentences are put together into small groups, and these into chunks such that the similarities
within all chunks, each less the mean of all pairs of the document, add up to the most that is
possible: dynamic programming, as in the cluster-semantic chunker of Smith, Troynikov,
"Evaluating Chunking Strategies for Retrieval", Chroma, 2024. Only groups near enough to share
a chunk are compared, and the mean follows from the sum of the vectors, so that time grows with
the text, and memory holds no more than a batch of vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.chunk.options import SMALLEST, check_size
from ingest.chunk.spans import cut_spans
from ingest.chunk.units import units
from rag.embedding import Embedder
from rag.errors import InvalidRequest
from rag.sentences import split
from rag.types import BlockKind, Chunk, ParsedDocument, Span

_BATCH = 256
"""Groups embedded in one call."""
_SMALLEST_GROUP = SMALLEST // 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SemanticChunker:
    """At most ``size`` tokens a chunk, made of groups of sentences of about ``group`` tokens.

    Embeds the text once more than the other strategies.
    """

    size: int = 200
    group: int = 48

    def __post_init__(self) -> None:
        """Refuse sizes with which there is nothing to compare.

        Raises:
            InvalidRequest: The size is too small, or groups are larger than half of it.
        """
        check_size(self.size)
        if not _SMALLEST_GROUP <= self.group <= self.size // 2:
            raise InvalidRequest(
                f"group must be from {_SMALLEST_GROUP} to half of size", param="chunking.group"
            )

    def chunk(self, document: ParsedDocument, embedder: Embedder) -> list[Chunk]:
        """Chunks in document order.

        Raises:
            EmbeddingFailed: The model could not encode the sentences.
        """
        groups, lengths = self._groups(document, embedder)
        if not groups:
            return []
        gains = _gains(document.text, groups, embedder, self._most(lengths))
        firsts = _clusters(gains, lengths, self.size)
        lasts = [*(first - 1 for first in firsts[1:]), len(groups) - 1]
        spans = [
            Span(start=groups[first].start, end=groups[last].end)
            for first, last in zip(firsts, lasts, strict=True)
        ]
        return cut_spans(document.text, spans, embedder, self.size)

    def _groups(
        self, document: ParsedDocument, embedder: Embedder
    ) -> tuple[list[Span], NDArray[np.int64]]:
        """Neighbouring sentences, up to ``group`` tokens together, and their tokens."""
        found = units(document.text, embedder.token_offsets)
        headings = {block.start for block in document.blocks if block.kind is BlockKind.HEADING}
        groups: list[Span] = []
        lengths: list[int] = []
        for span in split(document.text):
            edges = found.from_position(np.array([span.start, span.end], dtype=np.int32))
            length = int(edges[1] - edges[0])
            opens = not groups or span.start in headings
            if opens or lengths[-1] + length > self.group:
                groups.append(span)
                lengths.append(length)
            else:
                groups[-1] = Span(start=groups[-1].start, end=span.end)
                lengths[-1] += length
        return groups, np.array(lengths, dtype=np.int64)

    def _most(self, lengths: NDArray[np.int64]) -> int:
        """The most groups that share a chunk."""
        before = np.concatenate([[0], np.cumsum(lengths)])
        behind = np.searchsorted(before, before[:-1] + self.size, side="right") - 1
        return max(1, int((behind - np.arange(len(lengths))).max()))


def _gains(text: str, groups: Sequence[Span], embedder: Embedder, most: int) -> NDArray[np.float32]:
    """What group j adds to a chunk of the k+1 groups before it, shape (groups, most - 1).

    It is the sum of its similarities to them, each less the mean over all pairs.
    """
    near = np.zeros((len(groups), max(0, most - 1)), dtype=np.float32)
    total = np.zeros(embedder.dimension)
    squares = 0.0
    recent = np.zeros((0, embedder.dimension), dtype=np.float32)
    for first in range(0, len(groups), _BATCH):
        batch = groups[first : first + _BATCH]
        vectors = embedder.embed_passages([text[one.start : one.end] for one in batch])
        total += vectors.sum(axis=0, dtype=np.float64)
        squares += float(np.square(vectors, dtype=np.float64).sum())
        known = np.concatenate([recent, vectors])
        for back in range(1, most):
            rows = np.arange(max(0, back - len(recent)), len(vectors))
            pairs = known[rows + len(recent)], known[rows + len(recent) - back]
            near[first + rows, back - 1] = np.einsum("ij,ij->i", *pairs)
        recent = known[-most:]
    pairs_twice = max(1, len(groups) * (len(groups) - 1))
    mean = (float(total @ total) - squares) / pairs_twice
    return np.cumsum(near - np.float32(mean), axis=1, dtype=np.float32)


def _clusters(gains: NDArray[np.float32], lengths: NDArray[np.int64], size: int) -> list[int]:
    """First groups of the chunks whose gains add up to the most."""
    count, most = len(gains), gains.shape[1] + 1
    before = np.concatenate([[0], np.cumsum(lengths)])
    value = np.zeros(count + 1)
    taken = np.ones(count + 1, dtype=np.int64)
    inner = np.zeros(most)  # worth of the chunk of so many groups, plus one, that ends here
    for end in range(1, count + 1):
        reach = min(end, most)
        inner[1:] = inner[:-1] + gains[end - 1]
        starts = end - 1 - np.arange(reach)
        sums = value[starts] + inner[:reach]
        sums[1:][before[end] - before[starts[1:]] > size] = -np.inf
        taken[end] = int(np.argmax(sums)) + 1
        value[end] = sums[taken[end] - 1]
    firsts = [count - int(taken[count])]
    while firsts[-1]:
        firsts.append(firsts[-1] - int(taken[firsts[-1]]))
    return firsts[::-1]
