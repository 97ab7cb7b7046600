"""The smallest pieces that a chunker puts together: tokens, and stand-ins where none are.

Tokenizers give one token for a word too long for them and none for characters that they
discard; both would make chunks of any length. Such stretches are cut into short pieces.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.chunk.measure import measured
from rag.types import Ids

_WINDOW = 1 << 13
_LONGEST = 80
_LAST_SPACE = re.compile(r"\s(?=\S*\Z)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """Starts of the units, ascending; ``separable[k]`` says whether unit k+1 may be cut off.

    Positions are of 32 bits: a document has millions of units, and no text has 2**31 characters.
    """

    starts: NDArray[np.int32]
    separable: NDArray[np.bool_]
    length: int

    def __len__(self) -> int:
        """Number of units."""
        return len(self.starts)

    def edge(self, unit: int) -> int:
        """Code point at which a unit begins; text before the first belongs to the first."""
        if unit == 0:
            return 0
        return int(self.starts[unit]) if unit < len(self.starts) else self.length

    def from_position(self, positions: NDArray[np.int32]) -> NDArray[np.int64]:
        """The first unit that starts at or after each code point."""
        return np.searchsorted(self.starts, positions)


def units(text: str, tokens: Callable[[str], Ids]) -> Units:
    """Units of a whole text; the tokenizer sees bounded windows that end between words."""
    spans = [
        _refined(
            text, start, end, np.asarray(tokens(text[start:end]), np.int64) + start, tokens
        ).astype(np.int32)
        for start, end in _windows(text)
    ]
    starts = np.concatenate([span[:, 0] for span in spans] or [np.zeros(0, np.int32)])
    ends = np.concatenate([span[:, 1] for span in spans] or [np.zeros(0, np.int32)])
    return Units(
        starts=starts,
        separable=(starts[1:] > starts[:-1]) & (starts[1:] >= ends[:-1]),
        length=len(text),
    )


def _windows(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while start < len(text):
        end = min(start + _WINDOW, len(text))
        if end < len(text):
            space = _LAST_SPACE.search(text, max(start + 1, end - _LONGEST * 4), end)
            end = space.end() if space else end
        yield start, end
        start = end


def _refined(
    text: str, start: int, end: int, spans: Ids, tokens: Callable[[str], Ids]
) -> NDArray[np.int64]:
    """Token spans of one window with every overlong token and gap cut into pieces."""
    spans = _without_space(text, spans[spans[:, 1] > spans[:, 0]])
    spans = spans[np.argsort(spans[:, 0], kind="stable")]
    inner = np.concatenate([[start], np.maximum.accumulate(spans[:, 1])])
    gaps = np.concatenate([spans[:, 0], [end]]) - inner
    pieces = [spans[spans[:, 1] - spans[:, 0] <= _LONGEST]]
    for low, high in spans[spans[:, 1] - spans[:, 0] > _LONGEST].tolist():
        pieces.append(_divided(text, low, high, tokens))
    for index in np.flatnonzero(gaps > _LONGEST).tolist():
        low = int(inner[index])
        pieces.append(_filled(text, low, low + int(gaps[index])))
    if not len(spans) and gaps[0] <= _LONGEST and text[start:end].strip():
        pieces.append(np.array([[start, end]]))
    merged = np.concatenate(pieces)
    merged = merged[np.argsort(merged[:, 0], kind="stable")]
    return measured(text[start:end], merged - start) + start


def _without_space(text: str, spans: Ids) -> Ids:
    """Tokens without the white space that some tokenizers count to the word behind it.

    A sentence opens at its first word, and should open at a unit.
    """
    spans = spans.copy()
    for index in [k for k, start in enumerate(spans[:, 0].tolist()) if text[start].isspace()]:
        start, end = spans[index].tolist()
        if word := text[start:end].lstrip():
            spans[index, 0] = end - len(word)
    return spans


def _divided(text: str, low: int, high: int, tokens: Callable[[str], Ids]) -> NDArray[np.int64]:
    """Tokens of an overlong word, taken piece by piece in one call."""
    cuts = range(low, high, _LONGEST)
    apart = "\n".join(text[cut : min(cut + _LONGEST, high)] for cut in cuts)
    spans = np.asarray(tokens(apart), np.int64)
    piece = spans[:, 0] // (_LONGEST + 1)
    found = spans - piece[:, None] + low
    found[:, 1] = np.minimum(found[:, 1], high)
    heads = np.array([[cut, min(cut + 1, high)] for cut in cuts])
    silent = heads[~np.isin(heads[:, 0], found[:, 0])]
    return np.concatenate([found, silent])


def _filled(text: str, low: int, high: int) -> NDArray[np.int64]:
    """A unit for each stretch of characters that the tokenizer discards."""
    cuts = [cut for cut in range(low, high, _LONGEST) if text[cut : cut + _LONGEST].strip()]
    return np.array([[cut, cut + 1] for cut in cuts], dtype=np.int64).reshape(-1, 2)
