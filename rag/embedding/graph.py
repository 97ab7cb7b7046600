"""Builds a BERT sentence encoder as one ONNX graph of fused operators.

Inputs ``ids`` and ``mask``, both int32 of shape (batch, tokens), padded on the right with
mask 0; output ``vectors``, float32 of shape (batch, dimension), L2-normalized.

int8 keeps each dense layer's weights as symmetric 7-bit integers with one scale per output
(7 bits, because older x86 processors saturate when they add two products of 8 bits), and
the word embeddings as float16. Activations are quantized as they come, with one scale per
tensor: a vector depends on everything in its batch.

Importing this module imports ``onnx``, which only a conversion needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from rag.embedding.folder import BertModel, Pooling

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rag.types import FloatMatrix

_FUSED = "com.microsoft"
_LARGEST = 63  # of 7 bits and a sign


def build_graph(model: BertModel, weights: Mapping[str, FloatMatrix], *, int8: bool) -> bytes:
    """Serialize the encoder.

    Args:
        model: Its shape.
        weights: Tensors by their name in ``transformers.BertModel``, float32.
        int8: Quantize the dense layers.

    Raises:
        KeyError: A tensor is missing.
    """
    graph = BertGraph(model, weights, int8=int8)
    vector = graph.pooled(graph.encoded())
    return graph.finish({"vectors": (vector, ["batch", model.dimension])})


def quantize(weight: FloatMatrix) -> tuple[NDArray[np.int8], FloatMatrix]:
    """Symmetric integers and one scale per column, for a matrix of shape (inputs, outputs)."""
    scale = np.maximum(np.abs(weight).max(axis=0), np.float32(1e-12)) / np.float32(_LARGEST)
    return np.rint(weight / scale).astype(np.int8), scale.astype(np.float32)


class BertGraph:
    """A BERT encoder under construction, operator by operator; values go by their names."""

    def __init__(
        self,
        model: BertModel,
        weights: Mapping[str, FloatMatrix],
        *,
        int8: bool,
        pairs: bool = False,
        int8_words: bool = False,
    ) -> None:
        """Begin with nothing built; see `build_graph`.

        ``pairs`` adds an input ``types``, 0 at tokens of the first text and 1 at the second's.
        ``int8_words`` stores the word embeddings with 8 bits and a scale for each word.
        """
        self._int8_words = int8_words
        self._inputs = ("ids", "mask", "types") if pairs else ("ids", "mask")
        self._model = model
        self._weights = weights
        self._int8 = int8
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}

    def encoded(self) -> str:
        """The last hidden state, shape (batch, tokens, dimension)."""
        hidden = self._embeddings()
        for layer in range(self._model.layers):
            hidden = self._layer(f"encoder.layer.{layer}.", hidden)
        return hidden

    def _embeddings(self) -> str:
        looked_up = self._words()
        types = self._weights["embeddings.token_type_embeddings.weight"]
        # All tokens of a single text have type 0, whose vector joins the position's.
        positions = self._weights["embeddings.position_embeddings.weight"] + types[0]
        length = self._node("Shape", ["ids"], start=1, end=2)
        zero = self._constant("zero", np.array([0]))
        place = self._node("Slice", [self._constant("positions", positions), zero, length])
        summed = self._node("Add", [looked_up, place])
        if "types" in self._inputs:
            table = self._constant("types_less_first", types - types[0])
            summed = self._node("Add", [summed, self._node("Gather", [table, "types"])])
        return self._node(
            "LayerNormalization",
            [summed, *self._tensors("embeddings.LayerNorm.")],
            epsilon=self._model.epsilon,
        )

    def _words(self) -> str:
        words = self._weights["embeddings.word_embeddings.weight"]
        if self._int8_words:
            scale = np.maximum(np.abs(words).max(axis=1, keepdims=True), 1e-12) / 127
            integers = self._constant("words", np.rint(words / scale).astype(np.int8))
            found = self._node("Gather", [integers, "ids"])
            scales = self._constant("words_scale", scale.astype(np.float32))
            return self._node("Mul", [self._float(found), self._node("Gather", [scales, "ids"])])
        if self._int8:
            table = self._constant("words", words.astype(np.float16))
            return self._float(self._node("Gather", [table, "ids"]))
        return self._node("Gather", [self._constant("words", words), "ids"])

    def _float(self, value: str) -> str:
        return self._node("Cast", [value], to=TensorProto.FLOAT)

    def _layer(self, name: str, hidden: str) -> str:
        attended = self._attention(f"{name}attention.self.", hidden)
        projected = self._dense(f"{name}attention.output.dense", attended)
        hidden = self._residual(f"{name}attention.output.", projected, hidden)
        inner = self._dense(f"{name}intermediate.dense", hidden)
        bias = self._tensor(f"{name}intermediate.dense.bias")
        inner = self._node(self._model.activation, [inner, bias], domain=_FUSED)
        return self._residual(f"{name}output.", self._dense(f"{name}output.dense", inner), hidden)

    def first(self, hidden: str) -> str:
        """What stands at the first token, shape (batch, dimension)."""
        return self._node("Gather", [hidden, self._constant("first", np.array(0))], axis=1)

    def linear(self, name: str, value: str) -> str:
        """A small layer in full precision, with its bias."""
        weight = self._constant(f"{name}.weight", self._weights[f"{name}.weight"].T)
        product = self._node("MatMul", [value, weight])
        return self._node("Add", [product, self._tensor(f"{name}.bias")])

    def pooled(self, hidden: str) -> str:
        """One normalized vector of each text, shape (batch, dimension)."""
        if self._model.pooling is Pooling.CLS:
            vector = self.first(hidden)
        else:
            # The sum over the text's tokens: normalization divides by the length anyway.
            one = self._constant("one", np.array([1]))
            mask = self._float("mask")
            rows = self._node("MatMul", [self._node("Unsqueeze", [mask, one]), hidden])
            vector = self._node("Squeeze", [rows, one])
        return self._node("LpNormalization", [vector], axis=-1, p=2)

    def finish(self, outputs: Mapping[str, tuple[str, list[str | int]]]) -> bytes:
        """Serialize, with outputs by name: which value each is, and its shape."""
        for name, (value, _) in outputs.items():
            self._nodes.append(helper.make_node("Identity", [value], [name]))
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT32, ["batch", "tokens"])
            for name in self._inputs
        ]
        shaped = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, (_, shape) in outputs.items()
        ]
        graph = helper.make_graph(
            self._nodes, "encoder", inputs, shaped, list(self._constants.values())
        )
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid(_FUSED, 1)]
        built: onnx.ModelProto = helper.make_model(graph, opset_imports=opsets, ir_version=9)
        return bytes(built.SerializeToString())

    def _attention(self, name: str, hidden: str) -> str:
        parts = ("query", "key", "value")
        weight = np.concatenate([self._weights[f"{name}{part}.weight"] for part in parts])
        bias = np.concatenate([self._weights[f"{name}{part}.bias"] for part in parts])
        bias_name = self._constant(f"{name}bias", bias)
        heads = self._model.heads
        if not self._int8:
            packed = self._constant(f"{name}weight", weight.T)
            inputs = [hidden, packed, bias_name, "mask"]
            return self._node("Attention", inputs, domain=_FUSED, num_heads=heads)
        packed = self._product(name, hidden, weight)
        query, key, value = (f"{packed}_{part}" for part in parts)
        self._nodes.append(
            helper.make_node("Split", [packed], [query, key, value], axis=-1, num_outputs=3)
        )
        inputs = [query, key, value, bias_name, "mask"]
        return self._node("MultiHeadAttention", inputs, domain=_FUSED, num_heads=heads)

    def _dense(self, name: str, hidden: str) -> str:
        """A dense layer without its bias, which the next operator adds."""
        return self._product(name, hidden, self._weights[f"{name}.weight"])

    def _product(self, name: str, hidden: str, weight: FloatMatrix) -> str:
        if not self._int8:
            return self._node("MatMul", [hidden, self._constant(f"{name}.weight", weight.T)])
        integers, scale = quantize(weight.T)
        inputs = [
            hidden,
            self._constant(f"{name}.integers", integers),
            self._constant(f"{name}.scale", scale),
            self._constant(f"{name}.zero_points", np.zeros(len(scale), dtype=np.int8)),
        ]
        return self._node("DynamicQuantizeMatMul", inputs, domain=_FUSED)

    def _residual(self, name: str, projected: str, skipped: str) -> str:
        inputs = [projected, skipped, *self._tensors(f"{name}LayerNorm.")]
        inputs.append(self._tensor(f"{name}dense.bias"))
        return self._node(
            "SkipLayerNormalization", inputs, domain=_FUSED, epsilon=self._model.epsilon
        )

    def _tensors(self, name: str) -> list[str]:
        return [self._tensor(f"{name}weight"), self._tensor(f"{name}bias")]

    def _tensor(self, name: str) -> str:
        return self._constant(name, self._weights[name])

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.asarray(value, order="C"), name)
        return name

    def _node(self, operator: str, inputs: list[str], *, domain: str = "", **options: Any) -> str:
        output = f"value{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [output], domain=domain, **options))
        return output
