"""Documents and changes in batches, and the words by which chunks are found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import numpy as np

from rag.catalog.collections import Change
from rag.catalog.indexed import DocumentTexts
from rag.lexical import LexicalIndex
from rag.types import Ids

_BATCH_CHUNKS = 4_000


def batches(documents: Iterable[DocumentTexts]) -> Iterator[list[DocumentTexts]]:
    """Documents together, until they have so many chunks that it is enough for one step."""
    batch: list[DocumentTexts] = []
    for document in documents:
        batch.append(document)
        if sum(len(one.chunks) for one in batch) >= _BATCH_CHUNKS:
            yield batch
            batch = []
    if batch:
        yield batch


def alike(changes: Sequence[Change], edition: int) -> Iterator[tuple[bool, list[Change]]]:
    """Removals from an edition together, and additions together, in the order of the log.

    What documents are described by is in no index.
    """
    mine = [one for one in changes if one.edition == edition and one.op != "describe"]
    for removed, same in groupby(mine, key=lambda change: change.op == "remove"):
        batch: list[Change] = []
        for change in same:
            batch.append(change)
            if sum(one.chunk_count for one in batch) >= _BATCH_CHUNKS:
                yield removed, batch
                batch = []
        if batch:
            yield removed, batch


def ids_of(changes: Sequence[Change]) -> Ids:
    """The chunks that changes are about."""
    runs = [
        np.arange(one.first_chunk_id, one.first_chunk_id + one.chunk_count, dtype=np.int64)
        for one in changes
    ]
    return np.concatenate(runs)


def add_words(index: LexicalIndex, documents: Sequence[DocumentTexts]) -> None:
    """Add or replace the words of documents."""
    chunks = [chunk for document in documents for chunk in document.chunks]
    contexts = [context for document in documents for context in document.contexts]
    if chunks:
        words = [with_context(c, one.text) for c, one in zip(contexts, chunks, strict=True)]
        index.add(np.array([chunk.id for chunk in chunks], np.int64), words)


def with_context(context: str, text: str) -> str:
    """The words by which a chunk is found: its own, and those of what it stands in."""
    return f"{context}\n{text}" if context else text
