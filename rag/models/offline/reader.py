"""The reader at work: where a passage answers, whether it does, and what it supports.

Its folder is described in `rag.models.offline.folder`; `rag.models.offline.training.export`
makes the network. Passages longer than a window are read in windows that overlap. Each window
is one single-threaded run, several at once: int8 activations share one scale per run, and a
reading shall not depend on what is read beside it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import Encoding, Tokenizer

from rag.computing import waiting
from rag.cores import cores
from rag.errors import ConfigurationError
from rag.models.offline.folder import CARD, NETWORK, SHIPPED, TOKENIZER, read_card
from rag.types import Span

if TYPE_CHECKING:
    from rag.types import FloatMatrix

_log = logging.getLogger(__name__)

# As in training, and never more than a quarter of a window.
_MOST_QUESTION_TOKENS = 64
_LONGEST_ANSWER_TOKENS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a passage says to a question, in logits.

    ``start`` and ``end`` are code points of the passage, half-open: the likeliest answer.
    ``span`` is how much likelier it is than none, ``relevant`` whether the passage answers at
    all, as judged from the whole of it.
    """

    start: int
    end: int
    span: float
    relevant: float


@dataclass(frozen=True, slots=True)
class _Scores:
    encoding: Encoding
    spans: FloatMatrix
    relevant: float
    supported: float


class Reader:
    """Reads passages with a trained model. Thread-safe."""

    def __init__(self, folder: Path, *, threads: int | None = None) -> None:
        """Load the model of a folder.

        Raises:
            ConfigurationError: It cannot be loaded, or its files are not those of its card.
        """
        self.card = read_card(folder)
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.enable_mem_pattern = False
        try:
            definition = (folder / TOKENIZER).read_text(encoding="utf-8")
            self._session: Any = onnxruntime.InferenceSession(
                folder / NETWORK, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise ConfigurationError(f"Cannot load the reader in {folder}: {error}") from error
        self._pairs = _tokenizer(definition)
        self._pairs.enable_truncation(
            self.card.length, stride=self.card.stride, strategy="only_second"
        )
        self._texts = _tokenizer(definition)
        self._texts.enable_truncation(min(_MOST_QUESTION_TOKENS, self.card.length // 4))
        self._pool = ThreadPoolExecutor(threads or cores(), thread_name_prefix="reader")

    def read(self, question: str, passages: Sequence[str]) -> list[Reading]:
        """The likeliest answer of each passage. Of several windows the best one counts."""
        return [
            max(map(_reading, windows), key=lambda one: one.span + one.relevant)
            for windows in self._scored([(question, passage) for passage in passages])
        ]

    def read_each(
        self, question: str, passages: Sequence[str], stretches: Sequence[Sequence[Span]]
    ) -> list[list[Reading]]:
        """The likeliest answer within each of some stretches of each passage.

        A stretch that no window holds a token of has the empty answer, infinitely unlikely.
        """
        scored = self._scored([(question, passage) for passage in passages])
        return [
            [
                max((_reading(one, stretch) for one in windows), key=lambda one: one.span)
                for stretch in of_passage
            ]
            for windows, of_passage in zip(scored, stretches, strict=True)
        ]

    def support(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """For each statement and passage how well the one is supported, as a logit."""
        return [max(one.supported for one in windows) for windows in self._scored(pairs)]

    def _scored(self, pairs: Sequence[tuple[str, str]]) -> list[list[_Scores]]:
        encoded = []
        for text, passage in pairs:
            first = self._pairs.encode(self._short(text), passage)
            encoded.append([first, *first.overflowing])
        flat = [window for windows in encoded for window in windows]
        with waiting():
            scored = iter(list(self._pool.map(self._run, flat)))
        return [[next(scored) for _ in windows] for windows in encoded]

    def _short(self, text: str) -> str:
        encoding = self._texts.encode(text)
        return text[: encoding.offsets[-2][1]] if encoding.overflowing else text

    def _run(self, encoding: Encoding) -> _Scores:
        inputs = {
            "ids": np.array([encoding.ids], dtype=np.int32),
            "mask": np.ones((1, len(encoding.ids)), dtype=np.int32),
            "types": np.array([encoding.type_ids], dtype=np.int32),
        }
        names = ["spans", "relevant", "supported"]
        spans, relevant, supported = self._session.run(names, inputs)
        return _Scores(encoding, spans[0], float(relevant[0, 0]), float(supported[0, 0]))


def open_reader(name: str) -> Reader | None:
    """The reader of a folder, or the ``shipped`` one; ``none`` is no reader.

    Without a shipped one there is none either: what it would do is done without it.

    Raises:
        ConfigurationError: The folder holds no reader, or a damaged one.
    """
    if name == "none":
        return None
    if name == "shipped" and not (SHIPPED / CARD).is_file():
        _log.warning("no reader in %s: answers go by words and likeness alone", SHIPPED)
        return None
    return _shipped() if name == "shipped" else Reader(Path(name).expanduser().absolute())


@cache
def _shipped() -> Reader:
    """One for all who open it in a process: it holds 50 MB."""
    return Reader(SHIPPED)


def _tokenizer(definition: str) -> Tokenizer:
    tokenizer = Tokenizer.from_str(definition)
    tokenizer.no_padding()
    return tokenizer


def _reading(scores: _Scores, within: Span | None = None) -> Reading:
    """The best pair of first and last token; where there is no token, the empty answer."""
    offsets = scores.encoding.offsets
    own = [
        place
        for place, part in enumerate(scores.encoding.sequence_ids)
        if part == 1
        and (within is None or within.start <= offsets[place][0] < offsets[place][1] <= within.end)
    ]
    if not own:
        place = within.start if within is not None else 0
        return Reading(start=place, end=place, span=-np.inf, relevant=scores.relevant)
    none = float(scores.spans[0].sum())
    starts, ends = scores.spans[own[0] : own[-1] + 1].T
    pairs = starts[:, None] + ends[None, :]
    width = len(own)
    allowed = np.triu(np.ones((width, width), dtype=bool))
    allowed &= ~np.triu(allowed, _LONGEST_ANSWER_TOKENS)
    pairs = np.where(allowed, pairs, -np.inf)
    first, last = divmod(int(pairs.argmax()), width)
    return Reading(
        start=offsets[own[0] + first][0],
        end=offsets[own[0] + last][1],
        span=float(pairs[first, last]) - none,
        relevant=scores.relevant,
    )
