from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from rag.embedding.convert import ConvertedModel, Precision, convert
from rag.embedding.onnx import OnnxEmbedder
from rag.embedding.tokens import Tokens
from rag.errors import ConfigurationError, EmbeddingFailed
from rag.priority import give_way
from rag.types import FloatMatrix
from tests.bert import make_bert

WORDS = ["the", "cat", "sat", "on", "mat", "dog", "bird", "tax"]


@pytest.fixture(scope="module", params=Precision)
def model(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> ConvertedModel:
    folder = tmp_path_factory.mktemp("models")
    return convert(make_bert(folder / "tiny"), cache=folder / "cache", precision=request.param)


def random_texts(count: int) -> list[str]:
    generator = np.random.default_rng(1)
    return [" ".join(generator.choice(WORDS, generator.integers(0, 60))) for _ in range(count)]


def test_many_lengths_keep_their_order(model: ConvertedModel) -> None:
    texts = random_texts(300)
    embedder = OnnxEmbedder(model, threads=3)
    vectors = embedder.embed_passages(texts)
    for index in range(0, 300, 17):
        alone = embedder.embed_passages([texts[index]])[0]
        np.testing.assert_allclose(vectors[index], alone, atol=2e-6)


def test_int8_vectors_are_the_same_to_the_last_bit(tmp_path: Path) -> None:
    model = convert(make_bert(tmp_path / "tiny"), cache=tmp_path, precision=Precision.INT8)
    texts = random_texts(40)
    together = OnnxEmbedder(model, threads=4).embed_passages(texts)
    alone = np.concatenate([OnnxEmbedder(model).embed_passages([text]) for text in texts])
    np.testing.assert_array_equal(together, alone)


def test_threads_give_the_same_vectors(model: ConvertedModel) -> None:
    texts = random_texts(60)
    one = OnnxEmbedder(model, threads=1).embed_passages(texts)
    four = OnnxEmbedder(model, threads=4).embed_passages(texts)
    np.testing.assert_allclose(one, four, atol=2e-6)


def test_neither_questions_nor_small_documents_wait_behind_large_ones(
    model: ConvertedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = OnnxEmbedder(model, threads=1)
    started, go_on = threading.Event(), threading.Event()
    run = embedder._run
    niceness: dict[str, int] = {}

    def slow(encoded: list[NDArray[np.int32]]) -> FloatMatrix:
        name = threading.current_thread().name
        niceness[name] = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        if name.startswith("embed-long"):
            started.set()
            assert go_on.wait(60)
        return run(encoded)

    monkeypatch.setattr(embedder, "_run", slow)
    with ThreadPoolExecutor(2) as questions, ThreadPoolExecutor(1, initializer=give_way) as others:
        chunks = questions.submit(embedder.embed_passages, random_texts(128))
        try:
            assert started.wait(60)
            for waiting in (questions, others):
                few = waiting.submit(embedder.embed_passages, random_texts(20))
                assert few.result(60).shape == (20, 32)
            assert not chunks.done()
        finally:
            go_on.set()
        assert chunks.result(60).shape == (128, 32)
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert niceness["embed-questions_0"] == own
    assert niceness["embed-short_0"] == niceness["embed-long_0"] == max(10, own)


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priorities of their own")
def test_questions_are_told_from_documents_in_a_service_of_low_priority(
    model: ConvertedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = OnnxEmbedder(model, threads=1)
    run, places = embedder._run, list[str]()

    def noted(encoded: list[NDArray[np.int32]]) -> FloatMatrix:
        places.append(threading.current_thread().name)
        return run(encoded)

    def low() -> None:
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(15, os.getpriority(os.PRIO_PROCESS, thread)))

    monkeypatch.setattr(embedder, "_run", noted)
    with ThreadPoolExecutor(1, initializer=low) as questions:
        questions.submit(embedder.embed_passages, random_texts(1)).result(60)
        questions.submit(give_way).result(60)
        questions.submit(embedder.embed_passages, random_texts(1)).result(60)
    assert places == ["embed-questions_0", "embed-short_0"]


def test_documents_are_embedded_while_questions_never_end(model: ConvertedModel) -> None:
    embedder = OnnxEmbedder(model, threads=2)
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            embedder.embed_query("cat")

    with ThreadPoolExecutor(1) as questions, ThreadPoolExecutor(1, initializer=give_way) as others:
        asking = questions.submit(ask)
        try:
            assert others.submit(embedder.embed_passages, random_texts(4)).result(60).shape
            assert not asking.done()
        finally:
            over.set()


def test_the_session_is_loaded_at_the_first_text(model: ConvertedModel, tmp_path: Path) -> None:
    embedder = OnnxEmbedder(replace(model, folder=tmp_path / "nowhere"))
    assert embedder.dimension == 32
    assert embedder.window == 38
    with pytest.raises(ConfigurationError, match="tokenizer"):
        embedder.embed_query("x")


def test_a_graph_that_does_not_load_is_named(model: ConvertedModel, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes(model.tokenizer.read_bytes())
    (tmp_path / "graph.onnx").write_bytes(b"no graph")
    with pytest.raises(ConfigurationError, match=r"Cannot load .*graph\.onnx"):
        OnnxEmbedder(replace(model, folder=tmp_path)).embed_query("x")


def test_vectors_that_are_not_finite_never_leave(tmp_path: Path) -> None:
    folder = make_bert(tmp_path / "tiny")
    tensors = load_file(folder / "model.safetensors")
    tensors["encoder.layer.1.output.LayerNorm.bias"][0] = np.nan
    save_file(tensors, folder / "model.safetensors")
    embedder = OnnxEmbedder(convert(folder, cache=tmp_path, precision=Precision.FP32))
    with pytest.raises(EmbeddingFailed, match="not finite"):
        embedder.embed_passages(["the cat"])
    with pytest.raises(EmbeddingFailed, match="not finite"):
        embedder.embed_query("the cat")


def test_offsets_of_long_texts_are_those_of_one_encoding(model: ConvertedModel) -> None:
    text = "the cat, 😀 sat\non é mat " * 12_000
    whole = Tokenizer.from_file(str(model.tokenizer))
    whole.no_padding()
    whole.no_truncation()
    expected = whole.encode(text, add_special_tokens=False)
    tokens = Tokens(model.tokenizer.read_text())
    assert len(text) > 4 * 65_536
    np.testing.assert_array_equal(tokens.offsets(text), np.array(expected.offsets))
    assert tokens.ids(text, 10**9)[1:-1].tolist() == expected.ids
    assert tokens.ids(text, 40).tolist() == [2, *expected.ids[:38], 3]


def test_the_runtime_reports_nothing(tmp_path: Path) -> None:
    """Nothing leaves the machine, and nothing is written beside what is ours."""
    script = (
        "from rag.embedding.registry import open_embedder; from pathlib import Path; import sys;"
        "open_embedder('onnx', cache=Path(sys.argv[1])).embed_query('hello')"
    )
    home = tmp_path / "user"
    home.mkdir()
    subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "models")],
        check=True,
        env={**os.environ, "HOME": str(home)},
    )
    assert list(home.rglob("*")) == []
