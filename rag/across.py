"""Several collections searched as one.

Chunk ids are counted per collection. A key is an id shifted by the place of its collection among
those that are searched, so that keys are unique together and, collection by collection, sorted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from rag.embedding import Embedder
from rag.filling import CollectionIndexes
from rag.fuse import Search
from rag.types import FloatMatrix, Ids
from rag.vectors import Hits, nothing

Number = TypeVar("Number", int, Ids)

_SHIFT = 40


def keys_of(ids: Number, place: int) -> Number:
    """The keys of chunks of the collection at this place."""
    return ids + (place << _SHIFT)


def ids_in(keys: Ids, place: int) -> Ids:
    """The ids of those keys that are of the collection at this place."""
    ids: Ids = keys[keys >> _SHIFT == place] - (place << _SHIFT)
    return ids


def models_of(opened: Sequence[CollectionIndexes]) -> Mapping[str, Embedder]:
    """The embedding models of the collections, by id: nearly always one."""
    return {one.embedder.id: one.embedder for one in opened}


def together(searches: Sequence[Search]) -> Search:
    """The indexes of several collections as one, which finds keys."""

    def search(k: int, allowed: Ids | None) -> Hits:
        found = []
        for place, one in enumerate(searches):
            mine = None
            if allowed is not None:
                mine = ids_in(allowed, place)
                if not len(mine):
                    continue
            hits = one(k, mine)
            found.append(Hits(keys_of(hits.ids, place), hits.scores))
        if len(found) == 1:
            return found[0]
        if not found:
            return nothing()
        ids = np.concatenate([hits.ids for hits in found])
        scores = np.concatenate([hits.scores for hits in found])
        order = np.lexsort((ids, -scores))[:k]
        return Hits(ids[order], scores[order])

    return search


def vectors_of(opened: Sequence[CollectionIndexes], keys: Ids) -> tuple[Ids, FloatMatrix]:
    """Those of some sorted keys that have vectors, and these."""
    found, vectors = [], []
    for place, one in enumerate(opened):
        held, rows = one.vectors.get(ids_in(keys, place))
        found.append(keys_of(held, place))
        vectors.append(rows)
    return np.concatenate(found), np.concatenate(vectors)


def likeness(opened: Sequence[CollectionIndexes], keys: Sequence[int]) -> FloatMatrix:
    """Cosines of some chunks' vectors; 0 where these are of different models, or gone."""
    at = {key: place for place, key in enumerate(keys)}
    ids = np.array(sorted(at), np.int64)
    alike = np.zeros((len(keys), len(keys)), np.float32)
    for model, embedder in models_of(opened).items():
        rows = np.zeros((len(keys), embedder.dimension), np.float32)
        for place, one in enumerate(opened):
            if one.embedder.id == model:
                held, vectors = one.vectors.get(ids_in(ids, place))
                rows[[at[key] for key in keys_of(held, place).tolist()]] = vectors
        alike += rows @ rows.T
    return alike
