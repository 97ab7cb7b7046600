"""A trained reader as one ONNX graph, in full precision or with 7-bit dense layers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rag.embedding.folder import read_folder
from rag.embedding.graph import BertGraph
from rag.types import FloatMatrix

if TYPE_CHECKING:
    from rag.models.offline.training.network import Reader


def graph(reader: Reader, folder: Path, *, int8: bool) -> bytes:
    """Serialize a reader; see `graph_of`."""
    weights = {
        name.removeprefix("encoder.") if name.startswith("encoder.") else name: tensor.numpy()
        for name, tensor in reader.float().state_dict().items()
    }
    return graph_of(weights, folder, int8=int8)


def graph_of(weights: Mapping[str, FloatMatrix], folder: Path, *, int8: bool) -> bytes:
    """Serialize the weights of a reader.

    Inputs are ``ids``, ``mask`` and ``types``, int32 of shape (batch, tokens). Outputs are
    logits: ``spans`` of shape (batch, tokens, 2), first and last token of an answer, and
    ``relevant`` and ``supported`` of shape (batch, 1).

    Args:
        weights: Those of the encoder as BERT names them, and ``weight`` and ``bias`` of the
            heads ``span``, ``relevance`` and ``support``.
        folder: The model that it was trained from, for its shape.
        int8: Quantize the dense layers of the encoder and the word embeddings; the heads stay.
    """
    built = BertGraph(read_folder(folder), weights, int8=int8, pairs=True, int8_words=int8)
    hidden = built.encoded()
    first = built.first(hidden)
    return built.finish(
        {
            "spans": (built.linear("span", hidden), ["batch", "tokens", 2]),
            "relevant": (built.linear("relevance", first), ["batch", 1]),
            "supported": (built.linear("support", first), ["batch", 1]),
        }
    )
