"""How alike two texts are: the Jaccard similarity of their word shingles, and a sketch of it.

A sketch (MinHash, Broder 1997) holds, for each of ``HASHES`` hash functions, the least value
over all shingles. The share of equal values in two sketches estimates the similarity with a
standard error of at most ``1 / (2 * sqrt(HASHES))``, 0.044.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

HASHES = 128
SHINGLE = 5
"""Words in one shingle: a changed word changes five of them."""

NO_WORDS = hashlib.sha256().digest()
"""What the words of a text without any hash to."""

Hashes: TypeAlias = NDArray[np.uint64]
Sketch: TypeAlias = NDArray[np.uint32]

_BLOCK = 4096
# Scripts that set no spaces: each character counts as a word.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """What is kept of a text to find others like it: its sketch, and a hash of its words."""

    sketch: Sketch
    words_sha256: bytes


def likeness(text: str) -> Likeness:
    """Sketch a text and hash its words, which case, marks and white space do not change."""
    digest = hashlib.sha256()
    hashes = _word_hashes(text, digest)
    return Likeness(sketch=_sketch(_shingles(hashes)), words_sha256=digest.digest())


def pack(sketch: Sketch) -> bytes:
    """A sketch as bytes, little-endian."""
    return sketch.astype("<u4").tobytes()


def unpack(packed: bytes) -> Sketch:
    """The sketch that ``pack`` made bytes of."""
    return np.frombuffer(packed, dtype="<u4").astype(np.uint32)


def shingles(text: str) -> Hashes:
    """The hashes of a text's distinct shingles, ascending."""
    return _shingles(_word_hashes(text, None))


def jaccard(one: Hashes, other: Hashes) -> float:
    """Shared shingles by all shingles; 0 for two texts without words."""
    shared = np.intersect1d(one, other, assume_unique=True).size
    union = one.size + other.size - shared
    return float(shared / union) if union else 0.0


def _word_hashes(text: str, digest: hashlib._Hash | None) -> Hashes:
    return np.fromiter(_each_word(text, digest), dtype=np.uint64)


def _each_word(text: str, digest: hashlib._Hash | None) -> Iterator[int]:
    normal = unicodedata.normalize("NFKC", text).casefold().replace("\u00ad", "")
    for found in _WORD.finditer(normal):
        word = found.group().encode("utf-8", "surrogatepass")
        if digest is not None:
            digest.update(word + b" ")
        yield zlib.crc32(word)


def _shingles(words: Hashes) -> Hashes:
    if not words.size:
        return words
    width = min(SHINGLE, words.size)  # a text shorter than a shingle is one
    count = words.size - width + 1
    mixed = np.zeros(count, dtype=np.uint64)
    for place in range(width):
        mixed = _mix(mixed + words[place : place + count])
    return np.unique(mixed)


def _sketch(values: Hashes) -> Sketch:
    least = np.full(HASHES, np.iinfo(np.uint32).max, dtype=np.uint32)
    for start in range(0, values.size, _BLOCK):
        block = values[start : start + _BLOCK, None]
        hashed = (block * _FACTORS + _TERMS) >> np.uint64(32)
        np.minimum(least, hashed.min(axis=0).astype(np.uint32), out=least)
    return least


def _mix(values: Hashes) -> Hashes:
    """The finalizer of SplitMix64: every bit of the input changes every bit of the output."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Hashes = values ^ (values >> np.uint64(31))
    return mixed


_FACTORS = _mix(np.arange(1, HASHES + 1, dtype=np.uint64)) | np.uint64(1)
_TERMS = _mix(np.arange(HASHES + 1, 2 * HASHES + 1, dtype=np.uint64))
