"""Examples to padded token batches of about one length."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from rag.models.offline.training.examples import Example

_MOST_QUESTION_TOKENS = 64
_BUCKETS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One encoded pair. ``spans`` are first and last token of each occurrence of an answer."""

    ids: list[int]
    types: list[int]
    spans: tuple[tuple[int, int], ...]
    supported: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Windows side by side: ``ids``, ``types`` and ``mask`` of shape (windows, tokens).

    ``allowed`` are the tokens at which an answer may begin or end: those of the passage, and
    the first, which stands for none.
    """

    ids: NDArray[np.int64]
    types: NDArray[np.int64]
    mask: NDArray[np.int64]
    allowed: NDArray[np.bool_]
    windows: tuple[Window, ...]


class Windows:
    """Encodes pairs with a model's tokenizer, the passage cut into overlapping windows."""

    def __init__(self, definition: str, *, length: int, stride: int) -> None:
        self._tokenizer = Tokenizer.from_str(definition)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(length, stride=stride, strategy="only_second")
        self._questions = Tokenizer.from_str(definition)
        self._questions.no_padding()
        self._questions.enable_truncation(_MOST_QUESTION_TOKENS)

    def all(self, text: str, passage: str) -> list[Encoding]:
        """Every window of a passage, with the text before each."""
        first = self._tokenizer.encode(self._short(text), passage)
        return [first, *first.overflowing]

    def one(self, example: Example, dice: random.Random) -> Window:
        """A window of the passage: one that holds an answer, when there is any."""
        encodings = self.all(example.text, example.passage)
        found = [(one, _spans(one, example)) for one in encodings]
        holding = [pair for pair in found if pair[1]]
        encoding, spans = dice.choice(holding or found)
        return Window(
            ids=encoding.ids, types=encoding.type_ids, spans=spans, supported=example.supported
        )

    def _short(self, text: str) -> str:
        encoding = self._questions.encode(text)
        return text[: encoding.offsets[-2][1]] if encoding.overflowing else text


def _spans(encoding: Encoding, example: Example) -> tuple[tuple[int, int], ...]:
    spans = []
    for answer in example.answers:
        for match in re.finditer(re.escape(answer), example.passage):
            first = encoding.char_to_token(match.start(), 1)
            last = encoding.char_to_token(match.end() - 1, 1)
            if first is not None and last is not None:
                spans.append((first, last))
    return tuple(dict.fromkeys(spans))


def batches(
    examples: Sequence[Example], windows: Windows, *, size: int, seed: int
) -> Iterator[Batch]:
    """All examples in batches of windows of about one length; the same seed, the same batches."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    for start in range(0, len(examples), size * _BUCKETS):
        some = [windows.one(one, dice) for one in examples[start : start + size * _BUCKETS]]
        some.sort(key=lambda window: len(window.ids))
        groups = [some[place : place + size] for place in range(0, len(some), size)]
        dice.shuffle(groups)
        yield from map(padded, groups)


def padded(windows: Sequence[Window]) -> Batch:
    """Windows as one batch."""
    shape = (len(windows), max(len(one.ids) for one in windows))
    ids, types, mask = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    for row, one in enumerate(windows):
        ids[row, : len(one.ids)] = one.ids
        types[row, : len(one.ids)] = one.types
        mask[row, : len(one.ids)] = 1
    allowed = types == 1
    allowed[:, 0] = True
    return Batch(ids=ids, types=types, mask=mask, allowed=allowed, windows=tuple(windows))
