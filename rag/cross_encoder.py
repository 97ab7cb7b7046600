"""Passages ranked by a cross-encoder of sentence-transformers: a `rag.rerank.Rerank`."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from rag.errors import ConfigurationError, MissingExtra, RerankFailed
from rag.types import Passage

_HEAD = "ForSequenceClassification"
_LONGEST = 512
"""Tokens of a pair where a model does not say how many it takes."""
_ENDLESS = 1_000_000
_OVERLAP = 4
"""A window begins this part of its length before the last one ended."""


class CrossEncoderRerank:
    """Reads every passage together with the query. Thread-safe: one call at a time.

    Passages are chunks, or neighbours merged, and may be longer than the model reads at once.
    They are read in windows, and have the score of the best, so that it does not count where in
    a passage the answer stands.
    """

    def __init__(self, name: str) -> None:
        """Load the model of that name on the Hugging Face hub, or in that folder.

        Raises:
            MissingExtra: sentence-transformers is not installed.
            ConfigurationError: The model cannot be loaded, or does not score pairs of texts.
        """
        self._name = name
        self._model = _load(name)
        self._tokenizer = self._model.tokenizer
        architectures = self._model.config.architectures or [""]
        scores_pairs = architectures[0].endswith(_HEAD) and self._model.num_labels == 1
        if not scores_pairs or not getattr(self._tokenizer, "is_fast", False):
            raise ConfigurationError(
                f"The model {name} is no cross-encoder that gives a pair of texts one score; "
                "choose one made for reranking."
            )
        self._longest = _longest(self._model)
        self._lock = threading.Lock()

    def scores(self, query: str, passages: Sequence[Passage]) -> list[float]:
        """What the model makes of each passage: the best of its windows.

        Raises:
            RerankFailed: The model could not score them.
        """
        query, texts = _valid(query), [_valid(passage.text) for passage in passages]
        try:
            with self._lock:  # its tokenizer changes state while it encodes
                query, room = self._cut(query)
                windows = [self._windows(text, room) for text in texts]
                pairs = [(query, window) for row in windows for window in row]
                found = self._model.predict(pairs, show_progress_bar=False) if pairs else []
        except (RuntimeError, ValueError) as error:
            raise RerankFailed(f"The cross-encoder {self._name} failed: {error}") from error
        scores = np.asarray(found, dtype=np.float64)
        if not np.isfinite(scores).all():
            raise RerankFailed(f"The cross-encoder {self._name} gave scores that are not finite.")
        rows = iter(scores.tolist())
        return [max(next(rows) for _ in row) for row in windows]

    def _cut(self, query: str) -> tuple[str, int]:
        """The query, in at most half of what the model reads, and the tokens left for a passage."""
        most = self._longest - self._tokenizer.num_special_tokens_to_add(pair=True)
        ends = self._ends(query)
        if len(ends) > most // 2:
            query, ends = query[: ends[most // 2 - 1][1]], ends[: most // 2]
        return query, most - len(ends)

    def _windows(self, text: str, room: int) -> list[str]:
        """Stretches of so many tokens that cover the text."""
        ends = self._ends(text)
        if len(ends) <= room:
            return [text]
        step = room - room // _OVERLAP
        starts = range(0, len(ends) - room + step, step)
        return [text[ends[at][0] : ends[min(at + room, len(ends)) - 1][1]] for at in starts]

    def _ends(self, text: str) -> list[tuple[int, int]]:
        """Where each token of a text starts and ends."""
        encoded = self._tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        spans: list[tuple[int, int]] = encoded["offset_mapping"]
        return spans


def _valid(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _load(name: str) -> Any:
    try:
        from sentence_transformers import CrossEncoder
    except ImportError as error:
        raise MissingExtra(
            f"The reranker cross-encoder:{name} needs packages that are not installed: "
            "pip install 'ibidem[torch]'."
        ) from error
    try:
        return CrossEncoder(name)
    except Exception as error:  # the folder decides what code runs, and what it raises
        raise ConfigurationError(f"Cannot load the cross-encoder {name}: {error}") from error


def _longest(model: Any) -> int:
    """Tokens of a pair, special ones among them; some tokenizers name a number without end."""
    told = (
        getattr(model, "max_seq_length", None),
        model.tokenizer.model_max_length,
        getattr(model.config, "max_position_embeddings", None),
    )
    return int(min((one for one in told if one and one < _ENDLESS), default=_LONGEST))
