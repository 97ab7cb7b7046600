"""Question to passages: dense and lexical, fused, filtered, neighbours merged.

If asked, the first ones are reranked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Any

import numpy as np

from rag.catalog import Catalog
from rag.catalog.filters import document_condition
from rag.embedding import Embedder
from rag.errors import InvalidRequest
from rag.fuse import (
    DENSE_WEIGHT,
    PAIR_WEIGHT,
    Search,
    dense_weight,
    likeness_trust,
    search_hybrid,
)
from rag.indexes import CollectionIndexes, Indexes
from rag.regularize import Contents
from rag.rerank import RERANKED, Rerank, reranked
from rag.types import Collection, Ids, Passage
from rag.vectors import Hits

_LONGEST_MERGED = 4_000
"""Code points up to which a chain of neighbours is merged: no passage swallows a document."""
_SHIFT = 40
"""Chunk ids are counted per collection; shifted by this many bits they are unique together."""


class Mode(StrEnum):
    """Which rankings are asked."""

    HYBRID = "hybrid"
    DENSE = "dense"
    LEXICAL = "lexical"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """A query over collections of one tenant; ``filter`` as in `rag.catalog.filters`."""

    query: str
    collections: tuple[Collection, ...]
    filter: Mapping[str, Any] | None = None
    mode: Mode = Mode.HYBRID
    top_k: int = 8
    rerank: bool = False


class Retriever:
    """Searches the indexes of this process, brought up to the last committed change."""

    def __init__(
        self,
        catalog: Catalog,
        indexes: Indexes,
        rerank: Rerank | None = None,
    ) -> None:
        self._catalog = catalog
        self._indexes = indexes
        self._rerank = rerank

    @property
    def can_rerank(self) -> bool:
        """Whether there is anything that reranks."""
        return self._rerank is not None

    def search(self, request: SearchRequest) -> list[Passage]:
        """The best passages, at most ``top_k``, best first.

        Raises:
            InvalidFilter: the filter is malformed.
            InvalidRequest: nothing reranks here.
            Conflict: a collection was embedded with another model.
            StoreDamaged: the store contradicts itself.
        """
        if request.rerank and self._rerank is None:
            raise InvalidRequest(
                "Nothing reranks here: this service has no reader that was found to do it better "
                "(IBIDEM_READER), and no cross-encoder (IBIDEM_RERANK).",
                param="rerank",
            )
        # As they are now: all of a search is of one edition, even if another comes meanwhile.
        current = tuple(map(self._catalog.collections.current, request.collections))
        request = replace(request, collections=current)
        opened = [self._indexes.of_edition(collection) for collection in current]
        allowed = self._allowed(request)
        if allowed is not None and not len(allowed):
            return []
        ranking, scores = self._rank(request, opened, allowed)
        if not request.rerank or self._rerank is None:
            return self._passages(request, ranking, scores)
        more = replace(request, top_k=max(request.top_k, RERANKED))
        found = self._passages(more, ranking, scores)
        return reranked(request.query, found, self._rerank)[: request.top_k]

    def _allowed(self, request: SearchRequest) -> Ids | None:
        if not request.filter:
            return None
        if not request.collections:
            document_condition(request.filter, {})  # malformed is malformed, also in nothing
        parts = []
        for place, collection in enumerate(request.collections):
            ids = self._catalog.texts.allowed_chunks(collection, request.filter)
            if ids is not None:
                parts.append(ids + (place << _SHIFT))
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    def _rank(
        self, request: SearchRequest, opened: Sequence[CollectionIndexes], allowed: Ids | None
    ) -> tuple[Hits, Mapping[str, Hits]]:
        depth = max(request.top_k * 4, 50)
        if request.mode is Mode.LEXICAL:
            hits = _lexical(opened, request.query)(depth, allowed)
            return hits, {"lexical": hits}
        dense = self._dense(opened, request.query)
        if request.mode is Mode.DENSE:
            hits = dense(depth, allowed)
            return hits, {"dense": hits}
        lexical = _lexical(opened, request.query)
        models = _models(opened)
        weight = min(
            (dense_weight(request.query, one) for one in models.values()), default=DENSE_WEIGHT
        )
        trust = min((likeness_trust(request.query, one) for one in models.values()), default=1.0)
        # Vectors of several models do not compare.
        read = partial(self._contents, request.collections, opened) if len(models) == 1 else None
        found = search_hybrid(dense, lexical, allowed, weight=weight, read=read, trust=trust)
        return found.fused, {"dense": found.dense, "lexical": found.lexical, "fused": found.fused}

    def _dense(self, opened: Sequence[CollectionIndexes], query: str) -> Search:
        vectors = {key: one.embed_query(query) for key, one in _models(opened).items()}
        return _together([partial(one.vectors.search, vectors[one.embedder.id]) for one in opened])

    def _contents(
        self, collections: Sequence[Collection], opened: Sequence[CollectionIndexes], keys: Ids
    ) -> Contents:
        """Vectors and documents of some candidates, ids shifted as in ``_together``."""
        found = []
        for place, (collection, one) in enumerate(zip(collections, opened, strict=True)):
            ids = keys[keys >> _SHIFT == place] - (place << _SHIFT)
            held, vectors = one.vectors.get(ids)
            first = self._catalog.texts.first_chunks(collection.id, held)
            found.append((held + (place << _SHIFT), vectors, first + (place << _SHIFT)))
        return Contents(*map(np.concatenate, zip(*found, strict=True)))

    def _passages(
        self, request: SearchRequest, ranking: Hits, scores: Mapping[str, Hits]
    ) -> list[Passage]:
        by_stage = {
            stage: dict(zip(hits.ids.tolist(), hits.scores.tolist(), strict=True))
            for stage, hits in scores.items()
        }
        merged: list[Passage] = []
        step = request.top_k
        for start in range(0, len(ranking.ids), step):
            batch = ranking.ids[start : start + step]
            found = self._read(request.collections, batch)
            for key, score in zip(
                batch.tolist(), ranking.scores[start : start + step].tolist(), strict=True
            ):
                if key in found:  # its document may have been deleted since
                    stages = {s: known[key] for s, known in by_stage.items() if key in known}
                    passage = replace(found[key], score=score, scores=stages)
                    if not _merge_into(merged, passage) and len(merged) < request.top_k:
                        merged.append(passage)
            if len(merged) >= request.top_k:
                break
        return merged

    def _read(self, collections: Sequence[Collection], keys: Ids) -> dict[int, Passage]:
        found = {}
        for place, collection in enumerate(collections):
            ids = keys[keys >> _SHIFT == place] - (place << _SHIFT)
            passages = self._catalog.texts.passages(collection.id, ids)
            found.update({i + (place << _SHIFT): passage for i, passage in passages.items()})
        return found


def _models(opened: Sequence[CollectionIndexes]) -> Mapping[str, Embedder]:
    """The embedding models of the collections, by id: nearly always one."""
    return {one.embedder.id: one.embedder for one in opened}


def _lexical(opened: Sequence[CollectionIndexes], query: str) -> Search:
    return _together([partial(one.lexical.search, query, pairs=PAIR_WEIGHT) for one in opened])


def _together(searches: Sequence[Search]) -> Search:
    """The indexes of several collections as one, ids shifted by the collection's place."""

    def search(k: int, allowed: Ids | None) -> Hits:
        found = []
        for place, one in enumerate(searches):
            mine = None
            if allowed is not None:
                mine = allowed[allowed >> _SHIFT == place] - (place << _SHIFT)
                if not len(mine):
                    continue
            hits = one(k, mine)
            found.append(Hits(hits.ids + (place << _SHIFT), hits.scores))
        if len(found) == 1:
            return found[0]
        if not found:
            return Hits(np.empty(0, np.int64), np.empty(0, np.float32))
        ids = np.concatenate([hits.ids for hits in found])
        scores = np.concatenate([hits.scores for hits in found])
        order = np.lexsort((ids, -scores))[:k]
        return Hits(ids[order], scores[order])

    return search


def _merge_into(merged: list[Passage], passage: Passage) -> bool:
    """Extend a better passage of the same document that overlaps this one, if there is one."""
    for place, other in enumerate(merged):
        if other.document_id != passage.document_id:
            continue
        start, end = min(other.start, passage.start), max(other.end, passage.end)
        overlap = other.start < passage.end and passage.start < other.end
        if overlap and end - start <= _LONGEST_MERGED:
            first, second = sorted((other, passage), key=lambda p: p.start)
            text = first.text + second.text[max(0, first.end - second.start) :]
            merged[place] = replace(
                other,
                start=start,
                end=end,
                text=text,
                start_page=_least(other.start_page, passage.start_page),
                end_page=_most(other.end_page, passage.end_page),
            )
            return True
    return False


def _least(a: int | None, b: int | None) -> int | None:
    return a if b is None else b if a is None else min(a, b)


def _most(a: int | None, b: int | None) -> int | None:
    return a if b is None else b if a is None else max(a, b)
