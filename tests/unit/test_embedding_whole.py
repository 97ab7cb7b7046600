from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rag.embedding.whole import embed_whole
from rag.types import FloatMatrix
from tests.fakes import HashingEmbedder


class Narrow(HashingEmbedder):
    """Reads eight tokens, and remembers what it was given."""

    window = 8

    def __init__(self) -> None:
        self.read: list[str] = []

    def embed_passages(self, texts: Sequence[str]) -> FloatMatrix:
        self.read += texts
        return super().embed_passages(texts)


words = st.lists(st.sampled_from(["pump", "valve", "seal", "oil", "bar"]), max_size=40).map(
    " ".join
)


@given(st.lists(words, max_size=6))
def test_every_word_of_a_text_is_read(texts: list[str]) -> None:
    embedder = Narrow()
    vectors = embed_whole(embedder, texts)
    assert vectors.shape == (len(texts), embedder.dimension)
    assert "".join(embedder.read) == "".join(texts)
    assert all(len(embedder.token_offsets(one)) <= embedder.window for one in embedder.read)
    for text, vector in zip(texts, vectors, strict=True):
        assert np.isclose(np.linalg.norm(vector), 1.0 if text else 0.0, atol=1e-5)
        if len(embedder.token_offsets(text)) <= embedder.window:
            assert np.array_equal(vector, embedder.embed_query(text))


def test_the_last_word_of_a_long_text_counts() -> None:
    [vector] = embed_whole(Narrow(), ["pump " * 20 + "valve"])
    assert vector @ Narrow().embed_query("valve") > 0.05
