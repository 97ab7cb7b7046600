"""Embedders by name."""

from __future__ import annotations

from pathlib import Path

from rag.embedding import Embedder
from rag.errors import ConfigurationError
from rag.redact import public_url

_NAMES = (
    "onnx",
    "onnx:FOLDER",
    "onnx-fp32",
    "onnx-fp32:FOLDER",
    "onnx-cuda",
    "onnx-cuda:FOLDER",
    "sentence-transformers:NAME_OR_FOLDER",
    "openai:MODEL",
    "openai:MODEL@BASE_URL",
)


def open_embedder(name: str, *, cache: Path, api_key: str | None = None) -> Embedder:
    """Open the embedder of that name.

    Args:
        name: ``onnx`` is the packaged model at int8, which loses nothing measurable in
            retrieval; ``onnx-fp32`` is the same at full precision, and ``onnx-cuda`` that on
            a GPU.
        cache: Folder for converted models.
        api_key: For ``openai`` only.

    Raises:
        ConfigurationError: There is no such name, or the model cannot be used.
        MissingExtra: The choice needs a package that is not installed.
    """
    kind, _, model = name.partition(":")
    if kind in ("onnx", "onnx-fp32", "onnx-cuda") and (model or ":" not in name):
        return _onnx(kind, model, cache)
    if kind == "sentence-transformers" and model:
        from rag.embedding.sentence_transformers import SentenceTransformersEmbedder

        return SentenceTransformersEmbedder(model)
    if kind == "openai" and model:
        from rag.embedding.openai import OpenAIEmbedder

        model, _, base_url = model.partition("@")
        return OpenAIEmbedder(model, api_key=api_key, base_url=base_url or None)
    model, at, address = name.partition("@")
    shown = model + at + public_url(address)
    raise ConfigurationError(
        f"There is no embedder {shown!r}. Choose one of: {', '.join(_NAMES)}.",
        param="embedder",
    )


def _onnx(kind: str, folder: str, cache: Path) -> Embedder:
    from rag.embedding.convert import Precision, convert
    from rag.embedding.onnx import OnnxEmbedder, check_cuda
    from rag.embedding.packaged import WEIGHTS_SHA256, packaged_model

    precision = Precision.INT8 if kind == "onnx" else Precision.FP32
    cuda = kind == "onnx-cuda"
    if cuda:
        check_cuda()
    if folder:
        return OnnxEmbedder(convert(Path(folder), cache=cache, precision=precision), cuda=cuda)
    model = convert(
        packaged_model(), cache=cache, precision=precision, weights_sha256=WEIGHTS_SHA256
    )
    return OnnxEmbedder(model, cuda=cuda)
