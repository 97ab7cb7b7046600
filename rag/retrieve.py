"""Question to passages: dense and lexical, fused, filtered, neighbours merged.

If asked, the first ones are reranked, chosen to differ, and read with what stands around them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Any

import numpy as np

from rag.across import ids_in, keys_of, likeness, models_of, together, vectors_of
from rag.ahead import Ahead
from rag.catalog import Catalog
from rag.catalog.filters import document_condition
from rag.computing import waiting
from rag.diversify import CANDIDATES, diversified
from rag.errors import InvalidRequest
from rag.filling import CollectionIndexes
from rag.fuse import (
    DENSE_WEIGHT,
    DEPTH,
    PAIR_WEIGHT,
    Context,
    Search,
    dense_weight,
    likeness_trust,
    search_hybrid,
)
from rag.indexes import Indexes
from rag.rerank import RERANKED, Rerank, reranked
from rag.types import Around, Collection, Ids, Passage
from rag.vectors import Hits

_LONGEST_MERGED = 4_000
"""Code points up to which a chain of neighbours is merged: no passage swallows a document."""


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
    diversity: float = 0.0
    """From 0 to 1: how much it counts that passages are unlike one another."""
    around: Around = Around.NONE


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
        self._ahead = Ahead()

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
        with self._ahead.asking():
            ranking, scores = self._rank(request, opened, allowed)
        found = self._passages(request, _candidates(request), ranking, scores)
        passages = [passage for _, passage in found]
        if request.rerank and self._rerank is not None:
            with waiting():
                passages = reranked(request.query, passages, self._rerank)
        if request.diversity:
            keys = {_span(passage): key for key, passage in found}
            alike = likeness(opened, [keys[_span(passage)] for passage in passages])
            passages = diversified(passages, alike, request.diversity, request.top_k)
        passages = passages[: request.top_k]
        if request.around is Around.NONE:
            return passages
        read = self._catalog.surroundings.read(current, passages, request.around)
        return [
            replace(passage, surroundings=around)
            for passage, around in zip(passages, read, strict=True)
        ]

    def _allowed(self, request: SearchRequest) -> Ids | None:
        if not request.filter:
            return None
        if not request.collections:
            document_condition(request.filter, {})  # malformed is malformed, also in nothing
        parts = []
        for place, collection in enumerate(request.collections):
            ids = self._catalog.matching.chunks(collection, request.filter)
            if ids is not None:
                parts.append(keys_of(ids, place))
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    def _rank(
        self, request: SearchRequest, opened: Sequence[CollectionIndexes], allowed: Ids | None
    ) -> tuple[Hits, Mapping[str, Hits]]:
        depth = max(request.top_k * 4, 50)
        if request.mode is Mode.LEXICAL:
            hits = _lexical(opened, request.query)(depth, allowed)
            return hits, {"lexical": hits}
        if request.mode is Mode.DENSE:
            hits = self._dense(opened, request.query)(depth, allowed)
            return hits, {"dense": hits}
        lexical = self._ahead.begin(_lexical(opened, request.query), DEPTH, allowed)
        dense = self._dense(opened, request.query)
        models = models_of(opened)
        weight = min(
            (dense_weight(request.query, one) for one in models.values()), default=DENSE_WEIGHT
        )
        trust = min((likeness_trust(request.query, one) for one in models.values()), default=1.0)
        words = [partial(one.lexical.search, request.query) for one in opened]
        context = Context(
            documents=partial(self._documents, request.collections),
            opening=together(words),
            # Vectors of several models do not compare.
            read=partial(vectors_of, opened) if len(models) == 1 else None,
        )
        found = search_hybrid(dense, lexical, allowed, weight=weight, context=context, trust=trust)
        return found.fused, {
            "dense": found.dense,
            "lexical": found.lexical,
            "opening": found.opening,
            "fused": found.fused,
        }

    def _dense(self, opened: Sequence[CollectionIndexes], query: str) -> Search:
        with waiting():
            vectors = {key: one.embed_query(query) for key, one in models_of(opened).items()}
        return together([partial(one.vectors.search, vectors[one.embedder.id]) for one in opened])

    def _documents(self, collections: Sequence[Collection], keys: Ids) -> Ids:
        """For each of some sorted keys that of its document's first chunk."""
        found = []
        for place, collection in enumerate(collections):
            ids = ids_in(keys, place)
            first = self._catalog.texts.first_chunks(collection.id, ids)
            found.append(keys_of(first, place))
        return np.concatenate(found)

    def _passages(
        self, request: SearchRequest, most: int, ranking: Hits, scores: Mapping[str, Hits]
    ) -> list[tuple[int, Passage]]:
        """The first passages, each under the id of the best chunk in it."""
        by_stage = {
            stage: dict(zip(hits.ids.tolist(), hits.scores.tolist(), strict=True))
            for stage, hits in scores.items()
        }
        keys: list[int] = []
        merged: list[Passage] = []
        for start in range(0, len(ranking.ids), most):
            batch = ranking.ids[start : start + most]
            found = self._read(request.collections, batch)
            for key, score in zip(
                batch.tolist(), ranking.scores[start : start + most].tolist(), strict=True
            ):
                if key in found:  # its document may have been deleted since
                    stages = {s: known[key] for s, known in by_stage.items() if key in known}
                    passage = replace(found[key], score=score, scores=stages)
                    if not _merge_into(merged, passage) and len(merged) < most:
                        keys.append(key)
                        merged.append(passage)
            if len(merged) >= most:
                break
        return list(zip(keys, merged, strict=True))

    def _read(self, collections: Sequence[Collection], keys: Ids) -> dict[int, Passage]:
        found = {}
        for place, collection in enumerate(collections):
            ids = ids_in(keys, place)
            passages = self._catalog.texts.passages(collection.id, ids)
            found.update({keys_of(i, place): passage for i, passage in passages.items()})
        return found


def _candidates(request: SearchRequest) -> int:
    """How many passages the last stages choose from."""
    most = request.top_k
    if request.rerank:
        most = max(most, RERANKED)
    if request.diversity:
        most = max(most, 2 * request.top_k, CANDIDATES)
    return most


def _span(passage: Passage) -> tuple[str, int, int]:
    return passage.document_id, passage.start, passage.end


def _lexical(opened: Sequence[CollectionIndexes], query: str) -> Search:
    return together([partial(one.lexical.search, query, pairs=PAIR_WEIGHT) for one in opened])


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
