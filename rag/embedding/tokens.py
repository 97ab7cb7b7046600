"""Text to token ids and code point offsets, by a model's own tokenizer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Tokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rag.types import Ids

# An encoding holds some 200 bytes a token, and while its offsets are made into an array no
# other thread of Python runs: longer texts are encoded piece by piece.
_PIECE_CHARACTERS = 8_192
# Texts as long as chunks, which are measured just before they are encoded.
_SHORT = 4_096
_REMEMBERED = 512


class Tokens:
    """A Rust tokenizer without padding and truncation of its own. Thread-safe, frees the GIL.

    Special tokens stand around a text as in BERT: one before it, any others behind.
    """

    def __init__(self, definition: str) -> None:
        """Take the text of a ``tokenizer.json``."""
        self._tokenizer = Tokenizer.from_str(definition)
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        around = self._tokenizer.encode("").ids
        self._before, self._after = around[:1], around[1:]
        self._measured: dict[str, list[int]] = {}
        self._lock = threading.Lock()

    @cached_property
    def definition(self) -> str:
        """The text of a ``tokenizer.json`` that gives the same tokens: long, and slow to write."""
        return self._tokenizer.to_str()

    @property
    def specials(self) -> int:
        """Number of special tokens around one text."""
        return len(self._before) + len(self._after)

    def ids(self, text: str, limit: int) -> NDArray[np.int32]:
        """Token ids with special tokens, at most ``limit``; what stands behind is cut."""
        with self._lock:
            own = self._measured.pop(text, None)
        own = (self._encoded(text, limit) if own is None else own)[: limit - self.specials]
        return np.array([*self._before, *own, *self._after], dtype=np.int32)

    def offsets(self, text: str) -> Ids:
        """Code point spans of the text's own tokens, shape (tokens, 2)."""
        parts = [np.zeros((0, 2), dtype=np.int64)]
        for piece, start in _pieces(_encodable(text)):
            encoding = self._tokenizer.encode(piece, add_special_tokens=False)
            parts.append(np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2) + start)
            if len(text) <= _SHORT:
                self._remember(text, encoding.ids)
        return np.concatenate(parts)

    def count(self, text: str) -> int:
        """Number of tokens of the text without special tokens."""
        return len(self._tokenizer.encode(text, add_special_tokens=False))

    def _encoded(self, text: str, limit: int) -> list[int]:
        """Ids of at least ``limit`` tokens, or of all."""
        own: list[int] = []
        for piece, _ in _pieces(_encodable(text)):
            own += self._tokenizer.encode(piece, add_special_tokens=False).ids
            if len(own) >= limit:
                break
        return own

    def _remember(self, text: str, ids: list[int]) -> None:
        with self._lock:
            if len(self._measured) >= _REMEMBERED:
                del self._measured[next(iter(self._measured))]
            self._measured[text] = ids


def _encodable(text: str) -> str:
    """The text with lone surrogates, which UTF-8 cannot hold, as question marks."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def _pieces(text: str) -> Iterator[tuple[str, int]]:
    """Cut at white space, where no token crosses; in its absence anywhere."""
    start = 0
    while len(text) - start > _PIECE_CHARACTERS:
        bound = start + _PIECE_CHARACTERS
        space = max(text.rfind(" ", start, bound), text.rfind("\n", start, bound))
        end = space + 1 if space > start else bound
        yield text[start:end], start
        start = end
    yield text[start:], start
