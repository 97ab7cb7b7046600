"""A tiny random BERT in a sentence-transformers folder, and BERT once more in plain numpy."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

LAYERS, HEADS, WIDTH, INNER, POSITIONS = 2, 4, 32, 64, 48
_WORDS = ["the", "a", "cat", "dog", "bird", "sat", "on", "mat", "query", "passage", "tax"]
_WORDS += [":", ".", ",", "revenue", "##s", "##ed", "é", "中", "文", "😀"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *_WORDS, *"abcdefghijklmnopqrstuvwxyz0123456789"]


def make_bert(folder: Path, *, pooling: str = "mean", act: str = "gelu", **prompts: str) -> Path:
    """Write a folder with random weights, the same ones at every call."""
    (folder / "1_Pooling").mkdir(parents=True)
    _write(folder / "config.json", _config(act))
    home = "sentence_transformers.models"
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": f"{home}.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": f"{home}.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": f"{home}.Normalize"},
    ]
    _write(folder / "modules.json", modules)
    modes = {
        "pooling_mode_mean_tokens": pooling == "mean",
        "pooling_mode_cls_token": pooling == "cls",
    }
    _write(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": WIDTH, **modes})
    _write(folder / "sentence_bert_config.json", {"max_seq_length": 40, "do_lower_case": False})
    tokenizer = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "strip_accents": False}
    _write(folder / "tokenizer_config.json", tokenizer)
    if prompts:
        _write(folder / "config_sentence_transformers.json", {"prompts": prompts})
    _tokenizer().save(str(folder / "tokenizer.json"))
    save_file(_weights(), folder / "model.safetensors")
    return folder


def reference(folder: Path, text: str, *, max_tokens: int = 40) -> np.ndarray[Any, Any]:
    """The normalized vector of one text, by the definition of BERT, in float64."""
    config = json.loads((folder / "config.json").read_text())
    pooling = json.loads((folder / "1_Pooling" / "config.json").read_text())
    weights = {k: v.astype(np.float64) for k, v in load_file(folder / "model.safetensors").items()}
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    hidden = _embed(weights, tokenizer.encode(text).ids)
    for layer in range(LAYERS):
        hidden = _layer(weights, f"encoder.layer.{layer}.", hidden, config["hidden_act"])
    pooled = hidden[0] if pooling["pooling_mode_cls_token"] else hidden.mean(axis=0)
    vector: np.ndarray[Any, Any] = pooled / np.linalg.norm(pooled)
    return vector


def _embed(weights: dict[str, Any], ids: list[int]) -> Any:
    rows = weights["embeddings.word_embeddings.weight"][ids]
    rows = rows + weights["embeddings.position_embeddings.weight"][: len(ids)]
    rows = rows + weights["embeddings.token_type_embeddings.weight"][0]
    return _norm(weights, "embeddings.LayerNorm", rows)


def _layer(weights: dict[str, Any], name: str, hidden: Any, act: str) -> Any:
    def heads(part: str) -> Any:
        rows = _dense(weights, f"{name}attention.self.{part}", hidden)
        return rows.reshape(len(hidden), HEADS, WIDTH // HEADS).transpose(1, 0, 2)

    scores = heads("query") @ heads("key").transpose(0, 2, 1) / math.sqrt(WIDTH // HEADS)
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    mixed = (shares @ heads("value")).transpose(1, 0, 2).reshape(len(hidden), WIDTH)
    mixed = _dense(weights, f"{name}attention.output.dense", mixed)
    hidden = _norm(weights, f"{name}attention.output.LayerNorm", mixed + hidden)
    inner = _gelu(_dense(weights, f"{name}intermediate.dense", hidden), act)
    inner = _dense(weights, f"{name}output.dense", inner)
    return _norm(weights, f"{name}output.LayerNorm", inner + hidden)


def _gelu(x: Any, act: str) -> Any:
    if act == "gelu":
        return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
    return x * 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def _dense(weights: dict[str, Any], name: str, rows: Any) -> Any:
    return rows @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def _norm(weights: dict[str, Any], name: str, rows: Any) -> Any:
    centred = rows - rows.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-12)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def _config(act: str) -> dict[str, Any]:
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_act": act,
        "hidden_size": WIDTH,
        "intermediate_size": INNER,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": POSITIONS,
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "type_vocab_size": 2,
        "vocab_size": len(VOCABULARY),
    }


def _weights() -> dict[str, Any]:
    generator = np.random.default_rng(7)
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (len(VOCABULARY), WIDTH),
        "embeddings.position_embeddings.weight": (POSITIONS, WIDTH),
        "embeddings.token_type_embeddings.weight": (2, WIDTH),
        **_normed("embeddings.LayerNorm"),
    }
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}."
        for part in ("query", "key", "value"):
            shapes |= _linear(f"{name}attention.self.{part}", WIDTH, WIDTH)
        shapes |= _linear(f"{name}attention.output.dense", WIDTH, WIDTH)
        shapes |= _normed(f"{name}attention.output.LayerNorm")
        shapes |= _linear(f"{name}intermediate.dense", INNER, WIDTH)
        shapes |= _linear(f"{name}output.dense", WIDTH, INNER)
        shapes |= _normed(f"{name}output.LayerNorm")
    tensors = {}
    for key, shape in shapes.items():
        values = generator.standard_normal(shape).astype(np.float32) * np.float32(0.3)
        tensors[key] = values + np.float32(1) if key.endswith("LayerNorm.weight") else values
    return tensors


def _linear(name: str, outputs: int, inputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _normed(name: str) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (WIDTH,), f"{name}.bias": (WIDTH,)}


def _tokenizer() -> Tokenizer:
    ids = {word: number for number, word in enumerate(VOCABULARY)}
    tokenizer = Tokenizer(models.WordPiece(vocab=ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    # As saved by training code: both must be undone, or texts are cut and padded twice.
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8)
    return tokenizer


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")
