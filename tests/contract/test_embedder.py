"""What every embedder must do."""

from __future__ import annotations

import importlib.util
import json
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.embedding import Embedder
from rag.embedding.openai import OpenAIEmbedder
from rag.embedding.packaged import packaged_model
from rag.embedding.registry import open_embedder
from tests.bert import make_bert

TEXTS = [
    "Revenue rose by 12 % in the third quarter.",
    "",
    "   \n\t ",
    "Der Umsatz stieg im dritten Quartal um zwölf Prozent.",
    "第三季度收入增长了百分之十二。",
    "👩‍👩‍👧‍👦 family, e\u0301 combining, \u200b zero width, \x00 NUL, \ud800 lone surrogate",
    "supercalifragilistic" * 40,
    "the cat sat on the mat . " * 2_000,
]


def _openai(_: Path) -> Embedder:
    httpx2 = pytest.importorskip("httpx2")
    pytest.importorskip("openai")

    def answer(request: Any) -> Any:
        texts = json.loads(request.content)["input"]
        assert all(texts), "the real server refuses empty inputs"
        data = [
            {"object": "embedding", "index": index, "embedding": _hashed(text)}
            for index, text in enumerate(texts)
        ]
        # Reversed: the order of the answer is the server's affair.
        return httpx2.Response(200, json={"object": "list", "model": "m", "data": data[::-1]})

    client = httpx2.Client(transport=httpx2.MockTransport(answer))
    return OpenAIEmbedder("m", api_key="k", base_url="http://server/v1", http_client=client)


def _hashed(text: str) -> list[float]:
    generator = np.random.default_rng(zlib.crc32(text.encode()))
    return [float(value) for value in generator.standard_normal(16)]


def _sentence_transformers(_: Path) -> Embedder:
    if importlib.util.find_spec("sentence_transformers") is None:
        pytest.skip("sentence-transformers is not installed (pip install 'ibidem[torch]')")
    return open_embedder(f"sentence-transformers:{packaged_model()}", cache=Path())


def _tiny(cache: Path, *, kind: str, pooling: str, **prompts: str) -> Embedder:
    folder = make_bert(cache / "tiny", pooling=pooling, **prompts)
    return open_embedder(f"{kind}:{folder}", cache=cache)


IMPLEMENTATIONS: dict[str, Callable[[Path], Embedder]] = {
    "onnx": lambda cache: open_embedder("onnx", cache=cache),
    "onnx-fp32": lambda cache: open_embedder("onnx-fp32", cache=cache),
    "onnx-cls": lambda cache: _tiny(cache, kind="onnx-fp32", pooling="cls"),
    "onnx-prompts": lambda cache: _tiny(
        cache, kind="onnx", pooling="mean", query="query: ", passage="passage: "
    ),
    "sentence-transformers": _sentence_transformers,
    "openai": _openai,
}


@pytest.fixture(scope="module", params=IMPLEMENTATIONS)
def embedder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    return IMPLEMENTATIONS[request.param](tmp_path_factory.mktemp("cache"))


def test_shapes_and_norms(embedder: Embedder) -> None:
    vectors = embedder.embed_passages(TEXTS)
    assert vectors.shape == (len(TEXTS), embedder.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    query = embedder.embed_query(TEXTS[0])
    assert query.shape == (embedder.dimension,)
    assert query.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(query), 1, atol=1e-5)


def test_no_texts(embedder: Embedder) -> None:
    vectors = embedder.embed_passages([])
    assert vectors.shape == (0, embedder.dimension)
    assert vectors.dtype == np.float32


def test_a_text_has_one_vector_whatever_stands_beside_it(embedder: Embedder) -> None:
    together = embedder.embed_passages(TEXTS)
    alone = np.concatenate([embedder.embed_passages([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=2e-6)
    backwards = embedder.embed_passages(TEXTS[::-1])[::-1]
    np.testing.assert_allclose(together, backwards, atol=2e-6)


def test_odd_texts_make_queries(embedder: Embedder) -> None:
    vectors = np.stack([embedder.embed_query(text) for text in TEXTS])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_concurrent_calls_agree(embedder: Embedder) -> None:
    expected = embedder.embed_passages(TEXTS[:6])
    query = embedder.embed_query(TEXTS[0])
    with ThreadPoolExecutor(4) as pool:
        passages = [pool.submit(embedder.embed_passages, TEXTS[:6]) for _ in range(6)]
        queries = [pool.submit(embedder.embed_query, TEXTS[0]) for _ in range(6)]
        for future in passages:
            np.testing.assert_allclose(future.result(), expected, atol=2e-6)
        for future in queries:
            np.testing.assert_allclose(future.result(), query, atol=2e-6)


def test_passages_are_cut_exactly_at_the_window(embedder: Embedder) -> None:
    words = [f"{letter}{digit}." for letter in "abcdefgh" for digit in range(10)] * 20
    text = " ".join(words)
    offsets = embedder.token_offsets(text)
    last = int(offsets[embedder.window - 1, 1])
    before = int(offsets[embedder.window - 2, 1])
    whole, cut, shorter = embedder.embed_passages([text, text[:last], text[:before]])
    np.testing.assert_allclose(whole, cut, atol=2e-6)
    assert np.abs(whole - shorter).max() > 1e-4


@pytest.mark.parametrize("text", [*TEXTS, "é中文😀 " * 30_000, "x" * 150_000])
def test_offsets_are_code_points_in_order(embedder: Embedder, text: str) -> None:
    _check_offsets(embedder, text)


@given(st.text(max_size=80))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_offsets_of_any_text(embedder: Embedder, text: str) -> None:
    _check_offsets(embedder, text)


def _check_offsets(embedder: Embedder, text: str) -> None:
    offsets = embedder.token_offsets(text)
    assert offsets.shape == (len(offsets), 2)
    assert offsets.dtype == np.int64
    starts, ends = offsets[:, 0], offsets[:, 1]
    assert (starts < ends).all()
    assert (np.diff(starts) >= 0).all()
    assert (np.diff(ends) >= 0).all()
    if len(offsets):
        assert starts[0] >= 0
        assert ends[-1] <= len(text)
    assert not any(text[start:end].isspace() for start, end in offsets)


def test_offsets_slice_words(embedder: Embedder) -> None:
    text = "😀 the cat, 中 sat"
    pieces = [text[start:end] for start, end in embedder.token_offsets(text)]
    assert pieces == ["😀", "the", "cat", ",", "中", "sat"]


def test_id_is_stable_and_has_no_paths(embedder: Embedder) -> None:
    assert embedder.id == embedder.id
    assert "\n" not in embedder.id
    assert not embedder.id.startswith(("/", "."))


@pytest.mark.skipif(
    importlib.util.find_spec("sentence_transformers") is None,
    reason="sentence-transformers is not installed (pip install 'ibidem[torch]')",
)
@pytest.mark.parametrize(
    ("pooling", "prompts"),
    [(None, {}), ("cls", {}), ("mean", {"query": "query: ", "passage": "passage: "})],
)
def test_fp32_equals_sentence_transformers(
    tmp_path: Path, pooling: str | None, prompts: dict[str, str]
) -> None:
    folder = (
        make_bert(tmp_path / "tiny", pooling=pooling, **prompts) if pooling else packaged_model()
    )
    ours = open_embedder(f"onnx-fp32:{folder}", cache=tmp_path)
    theirs = open_embedder(f"sentence-transformers:{folder}", cache=tmp_path)
    assert ours.window == theirs.window
    assert ours.dimension == theirs.dimension
    cosines = (ours.embed_passages(TEXTS) * theirs.embed_passages(TEXTS)).sum(axis=1)
    assert cosines.min() > 0.9999
    assert float(ours.embed_query(TEXTS[0]) @ theirs.embed_query(TEXTS[0])) > 0.9999
