"""Reads what a sentence-transformers folder says about its model, and refuses what we cannot do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from rag.embedding.prompts import Prompts, prompts_for
from rag.embedding.tokens import Tokens
from rag.errors import ConfigurationError

_SUPPORTED = (
    "Supported are BERT models (MiniLM, BGE, E5 and the like) with model.safetensors, "
    "tokenizer.json, mean or CLS pooling. Others run with 'sentence-transformers:FOLDER'."
)
_ACTIVATIONS = {
    "gelu": "BiasGelu",
    "gelu_new": "FastGelu",
    "gelu_fast": "FastGelu",
    "gelu_pytorch_tanh": "FastGelu",
}


class Pooling(StrEnum):
    """How token vectors become one vector."""

    MEAN = "mean"
    CLS = "cls"


@dataclass(frozen=True, slots=True, kw_only=True)
class BertModel:
    """The shape of a BERT encoder. ``activation`` is the ONNX operator that computes it."""

    layers: int
    heads: int
    dimension: int
    epsilon: float
    activation: str
    pooling: Pooling
    max_tokens: int
    prompts: Prompts


def read_folder(folder: Path) -> BertModel:
    """Describe the model in a folder.

    Raises:
        ConfigurationError: The folder is incomplete or holds a model that is not supported.
    """
    config = _json(folder, "config.json", required=True)
    for name in ("model.safetensors", "tokenizer.json"):
        if not (folder / name).is_file():
            raise _refused(folder, f"{name} is missing")
    activation = _check_architecture(folder, config)
    return BertModel(
        layers=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        dimension=config["hidden_size"],
        epsilon=config.get("layer_norm_eps", 1e-12),
        activation=activation,
        pooling=_pooling(folder),
        max_tokens=_max_tokens(folder, config),
        prompts=_prompts(folder, config),
    )


def window(model: BertModel, tokens: Tokens) -> int:
    """Tokens left for a passage's own text.

    Raises:
        ConfigurationError: The passage prompt alone fills the model's window.
    """
    own = model.max_tokens - tokens.specials - tokens.count(model.prompts.passage)
    if own < 1:
        raise ConfigurationError(
            f"The passage prompt {model.prompts.passage!r} fills the model's window of "
            f"{model.max_tokens} tokens; shorten it in config_sentence_transformers.json."
        )
    return own


def _refused(folder: Path, reason: str) -> ConfigurationError:
    return ConfigurationError(f"Cannot convert the model in {folder}: {reason}. {_SUPPORTED}")


def _json(folder: Path, name: str, *, required: bool = False) -> Any:
    try:
        return json.loads((folder / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        if required:
            raise _refused(folder, f"{name} is missing") from None
        return {}
    except (OSError, ValueError) as error:
        raise _refused(folder, f"{name} cannot be read ({error})") from error


def _check_architecture(folder: Path, config: dict[str, Any]) -> str:
    kind = config.get("model_type")
    if kind != "bert":
        raise _refused(folder, f"its architecture is {kind!r}")
    positions = config.get("position_embedding_type", "absolute")
    if positions != "absolute" or config.get("is_decoder"):
        raise _refused(folder, f"it is a decoder or has {positions} positions")
    activation = config.get("hidden_act", "gelu")
    if activation not in _ACTIVATIONS:
        raise _refused(folder, f"its activation is {activation!r}")
    missing = [
        key
        for key in (
            "num_hidden_layers",
            "num_attention_heads",
            "hidden_size",
            "max_position_embeddings",
        )
        if not isinstance(config.get(key), int)
    ]
    if missing:
        raise _refused(folder, f"config.json lacks {', '.join(missing)}")
    return _ACTIVATIONS[activation]


def _pooling(folder: Path) -> Pooling:
    """Pooling by modules.json; without one, mean, as sentence-transformers does."""
    modules = _json(folder, "modules.json") or []
    path: str | None = None
    for module in modules:
        kind = module["type"].rpartition(".")[2]
        if kind == "Pooling":
            path = module["path"]
        elif kind not in ("Transformer", "Normalize"):
            raise _refused(folder, f"it has a {kind} module")
    if path is None:
        return Pooling.MEAN
    config = _json(folder, f"{path}/config.json", required=True)
    if not config.get("include_prompt", True):
        raise _refused(folder, "its pooling leaves the prompt out")
    modes = {k.removeprefix("pooling_mode_") for k, v in config.items() if v is True}
    mode = config.get("pooling_mode") or ",".join(sorted(modes - {"include_prompt"}))
    try:
        return {
            "mean": Pooling.MEAN,
            "mean_tokens": Pooling.MEAN,
            "cls": Pooling.CLS,
            "cls_token": Pooling.CLS,
        }[mode]
    except (KeyError, TypeError):
        raise _refused(folder, f"its pooling is {mode!r}") from None


def _max_tokens(folder: Path, config: dict[str, Any]) -> int:
    said = (
        _json(folder, "sentence_bert_config.json").get("max_seq_length"),
        _json(folder, "tokenizer_config.json").get("model_max_length"),
        config["max_position_embeddings"],
    )
    first = next(number for number in said if number)
    return int(min(first, config["max_position_embeddings"]))


def _prompts(folder: Path, config: dict[str, Any]) -> Prompts:
    resolved = folder.resolve()
    hub = [part.replace("--", "/") for part in resolved.parts if part.startswith("models--")]
    names = (folder.name, resolved.name, *hub, config.get("_name_or_path") or "")
    return prompts_for(names, _json(folder, "config_sentence_transformers.json").get("prompts", {}))
