"""A tiny reader with random weights, in a folder like a trained one's."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from rag.models.offline.folder import NETWORK, TOKENIZER, write_card
from rag.models.offline.training.export import graph_of
from tests.bert import WIDTH, make_bert

LENGTH, STRIDE = 40, 10


def make_reader(folder: Path, fitted: Mapping[str, Mapping[str, float]] | None = None) -> Path:
    """Write a folder whose network knows nothing, and always says the same."""
    model = make_bert(folder / "model")
    generator = np.random.default_rng(11)
    weights = load_file(model / "model.safetensors")
    for head, outputs in (("span", 2), ("relevance", 1), ("support", 1)):
        weights[f"{head}.weight"] = generator.standard_normal((outputs, WIDTH)).astype(np.float32)
        weights[f"{head}.bias"] = np.zeros(outputs, dtype=np.float32)
    (folder / NETWORK).write_bytes(graph_of(weights, model, int8=True))
    shutil.copy(model / TOKENIZER, folder)
    write_card(folder, fitted or {}, length=LENGTH, stride=STRIDE)
    return folder
