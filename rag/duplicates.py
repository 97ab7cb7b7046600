"""Groups of documents that say nearly the same, found without comparing each with each.

Sketches that agree in a whole band of hashes become candidates (locality-sensitive hashing);
candidates whose sketches are alike enough are joined, the most alike first, after their texts
have been compared exactly, as far as the bound on reading allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rag.minhash import HASHES, NO_WORDS, Hashes, Likeness, jaccard, shingles

LEAST_THRESHOLD = 0.5
DEFAULT_THRESHOLD = 0.8
_MARGIN = 0.1
"""How far below the threshold an estimate may lie for the texts to be compared."""
_NEIGHBOURS = 32
"""Candidates for one document in one band: of a thousand copies not all pairs are looked at."""
_MOST_READ = 10_000_000
"""Code points of text read to compare exactly; pairs beyond keep their estimates."""
_KEPT_TEXTS = 512
_PAIRS_AT_ONCE = 1 << 16


class Kind(StrEnum):
    """In which way a document is like another."""

    SAME_TEXT = "same_text"
    """The same words in the same order; another format, layout or case."""
    NEAR = "near"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketched:
    """A document and what is kept of its text to find others like it."""

    id: str
    name: str
    text_length: int
    likeness: Likeness


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A document of a group, and the one in the group that it is most like.

    ``exact`` says that the similarity was computed from the texts, not estimated.
    """

    document: Sketched
    similar_to: str
    similarity: float
    exact: bool
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Documents each of which is like another of them; in the order they were given."""

    members: tuple[Member, ...]

    @property
    def id(self) -> str:
        """The id of its first document."""
        return self.members[0].document.id


@dataclass(frozen=True, slots=True)
class _Link:
    one: int
    other: int
    similarity: float
    exact: bool


def find_groups(
    documents: Sequence[Sketched], threshold: float, read: Callable[[str, int], str]
) -> list[Group]:
    """Groups of documents linked by similarities of at least ``threshold``.

    Args:
        documents: All documents, oldest first.
        threshold: Jaccard similarity of word shingles, ``LEAST_THRESHOLD`` to 1.
        read: The text of a document, by id and length.

    Returns:
        Groups in the order of their first documents.
    """
    documents = [one for one in documents if one.likeness.words_sha256 != NO_WORDS]
    if len(documents) < 2:
        return []
    sketches = np.stack([document.likeness.sketch for document in documents])
    compare = _Comparison(documents, read)
    groups = _Forest(len(documents))
    links: dict[int, _Link] = {}
    for one, other, estimate in _candidates(sketches, threshold):
        if groups.root(one) == groups.root(other):
            continue
        link = compare(one, other, estimate)
        if link.similarity >= threshold:
            groups.join(one, other)
            for place in (one, other):
                if place not in links or links[place].similarity < link.similarity:
                    links[place] = link
    members: dict[int, list[Member]] = {}
    for place in sorted(links):
        members.setdefault(groups.root(place), []).append(_member(documents, place, links[place]))
    return [Group(members=tuple(group)) for group in members.values()]


def _member(documents: Sequence[Sketched], place: int, link: _Link) -> Member:
    document = documents[place]
    partner = documents[link.other if link.one == place else link.one]
    same = document.likeness.words_sha256 == partner.likeness.words_sha256
    return Member(
        document=document,
        similar_to=partner.id,
        similarity=link.similarity,
        exact=link.exact,
        kind=Kind.SAME_TEXT if same else Kind.NEAR,
    )


class _Comparison:
    """Exact similarities, as long as not too much has been read."""

    def __init__(self, documents: Sequence[Sketched], read: Callable[[str, int], str]) -> None:
        self._documents = documents
        self._read = read
        self._left = _MOST_READ
        self._shingles = lru_cache(maxsize=_KEPT_TEXTS)(self._cut)

    def __call__(self, one: int, other: int, estimate: float) -> _Link:
        first, second = self._documents[one], self._documents[other]
        if first.likeness.words_sha256 == second.likeness.words_sha256:
            return _Link(one, other, 1.0, exact=True)
        if self._left < first.text_length + second.text_length:
            return _Link(one, other, estimate, exact=False)
        return _Link(one, other, jaccard(self._shingles(one), self._shingles(other)), exact=True)

    def _cut(self, place: int) -> Hashes:
        document = self._documents[place]
        self._left -= document.text_length
        return shingles(self._read(document.id, document.text_length))


class _Forest:
    """Which documents have been joined (disjoint sets)."""

    def __init__(self, count: int) -> None:
        self._parents = list(range(count))

    def root(self, place: int) -> int:
        while self._parents[place] != place:
            self._parents[place] = place = self._parents[self._parents[place]]
        return place

    def join(self, one: int, other: int) -> None:
        first, second = sorted((self.root(one), self.root(other)))
        self._parents[second] = first


def _candidates(sketches: NDArray[np.uint32], threshold: float) -> Iterator[tuple[int, int, float]]:
    """Pairs that may be alike enough, with estimates, the most alike first."""
    # With 4 hashes to a band, a pair of similarity 0.8 is missed once in ten million, of 0.65
    # once in 500; with 3, one of 0.5 once in 270.
    rows = 4 if threshold >= 0.65 else 3
    found = [np.empty(0, dtype=np.int64)]
    for start in range(0, HASHES - rows + 1, rows):
        found.append(_band_pairs(sketches, start, rows))
    codes = np.unique(np.concatenate(found))
    ones, others = np.divmod(codes, len(sketches))
    estimates = np.empty(len(codes))
    for first in range(0, len(codes), _PAIRS_AT_ONCE):
        part = slice(first, first + _PAIRS_AT_ONCE)
        estimates[part] = (sketches[ones[part]] == sketches[others[part]]).mean(axis=1)
    likely = np.flatnonzero(estimates >= threshold - _MARGIN)
    for place in likely[np.argsort(-estimates[likely], kind="stable")]:
        yield int(ones[place]), int(others[place]), float(estimates[place])


def _band_pairs(sketches: NDArray[np.uint32], start: int, rows: int) -> NDArray[np.int64]:
    """Pairs of documents that agree in one band, as ``one * count + other``, ``one < other``."""
    # Sorted by the band, and by the hashes after it, so that in a large bucket the documents
    # that stand together are the most alike.
    keys = np.roll(sketches, -start, axis=1)
    order = np.lexsort(keys[:, : 2 * rows][:, ::-1].T)
    bands = keys[order, :rows]
    pairs = [np.empty(0, dtype=np.int64)]
    for step in range(1, min(_NEIGHBOURS, len(order) - 1) + 1):
        equal = np.flatnonzero((bands[step:] == bands[:-step]).all(axis=1))
        if not equal.size:
            break
        near = np.sort(np.stack([order[equal], order[equal + step]]), axis=0)
        pairs.append(near[0] * len(sketches) + near[1])
    return np.concatenate(pairs)
