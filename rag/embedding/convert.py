"""Converts a BERT sentence encoder to ONNX, once, into a cache named by content.

A cached model is a folder with ``graph.onnx``, ``tokenizer.json`` and ``manifest.json``,
written aside and renamed into place. The manifest holds the checksums of the other two,
which are verified at every start: a damaged folder is converted again.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag.embedding.folder import BertModel, read_folder, window
from rag.embedding.prompts import Prompts
from rag.embedding.tokens import Tokens
from rag.errors import ConfigurationError, StorageFull

if TYPE_CHECKING:
    from rag.types import FloatMatrix

# Part of every model's id: raise it when the same weights give other vectors.
_CONVERTER_VERSION = 1


class Precision(StrEnum):
    """Number format of the dense layers."""

    FP32 = "fp32"
    INT8 = "int8"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertedModel:
    """A converted encoder on disk. ``id`` names weights, settings, converter and precision."""

    id: str
    folder: Path
    precision: Precision
    dimension: int
    max_tokens: int
    window: int
    prompts: Prompts

    @property
    def graph(self) -> Path:
        """The ONNX file."""
        return self.folder / "graph.onnx"

    @property
    def tokenizer(self) -> Path:
        """The tokenizer's definition."""
        return self.folder / "tokenizer.json"


def convert(
    folder: Path, *, cache: Path, precision: Precision, weights_sha256: str | None = None
) -> ConvertedModel:
    """The converted model of a sentence-transformers folder, from the cache if it is there.

    Args:
        folder: ``config.json``, ``model.safetensors``, ``tokenizer.json`` and, as far as
            there are any, ``modules.json`` and what it names.
        cache: Folder of converted models; made when missing.
        precision: int8 is about twice as fast and half the size.
        weights_sha256: What the weights must be. Checked when converting; a cached model is
            then found without reading the weights.

    Raises:
        ConfigurationError: The folder is incomplete, of an unsupported kind, or its weights
            are not those expected; or the cache cannot be written.
        StorageFull: The disk is full.
    """
    model = read_folder(folder)
    weights = folder / "model.safetensors"
    digest = weights_sha256 or _sha256(weights)
    tokenizer = (folder / "tokenizer.json").read_bytes()
    name = _name(model, digest, tokenizer, precision)
    target = cache / name
    if cached := _open(target):
        return cached
    if weights_sha256 and (found := _sha256(weights)) != weights_sha256:
        raise ConfigurationError(
            f"{weights} is damaged or not the published file: its sha256 is {found}, "
            f"expected {weights_sha256}. Reinstall the package that it comes with."
        )
    contents = _contents(folder, model, tokenizer, precision)
    _publish(target, contents)
    converted = _open(target)
    if converted is None:
        raise ConfigurationError(f"{target} does not read back as written; check the disk.")
    return converted


def _name(model: BertModel, weights: str, tokenizer: bytes, precision: Precision) -> str:
    content = {
        "converter": _CONVERTER_VERSION,
        "weights": weights,
        "tokenizer": hashlib.sha256(tokenizer).hexdigest(),
        "model": asdict(model),
    }
    key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return f"bert-{model.layers}x{model.dimension}-{key[:16]}-{precision}"


def _contents(
    folder: Path, model: BertModel, tokenizer: bytes, precision: Precision
) -> Mapping[str, bytes]:
    # Slow to import and needed once: a normal start does without.
    from rag.embedding.graph import build_graph

    try:
        graph = build_graph(model, _weights(folder), int8=precision is Precision.INT8)
        tokens = Tokens(tokenizer.decode())
    except KeyError as error:
        raise ConfigurationError(
            f"{folder / 'model.safetensors'} has no tensor {error}; is it a BERT model?"
        ) from error
    except Exception as error:
        raise ConfigurationError(f"Cannot convert the model in {folder}: {error}") from error
    manifest = {
        "precision": precision,
        "dimension": model.dimension,
        "max_tokens": model.max_tokens,
        "window": window(model, tokens),
        "prompts": asdict(model.prompts),
        "sha256": {
            "graph.onnx": hashlib.sha256(graph).hexdigest(),
            "tokenizer.json": hashlib.sha256(tokenizer).hexdigest(),
        },
    }
    return {
        "graph.onnx": graph,
        "tokenizer.json": tokenizer,
        "manifest.json": json.dumps(manifest, indent=2).encode(),
    }


def _weights(folder: Path) -> Mapping[str, FloatMatrix]:
    import numpy as np
    from safetensors import safe_open

    with safe_open(folder / "model.safetensors", framework="np") as file:
        return {
            name.removeprefix("bert."): np.asarray(file.get_tensor(name), dtype=np.float32)
            for name in file.keys()  # noqa: SIM118 - not a mapping
            if not name.endswith("position_ids")
        }


def _open(folder: Path) -> ConvertedModel | None:
    """The model in a cache folder, or nothing when it is absent or damaged."""
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_bytes())
        for name, expected in manifest["sha256"].items():
            if _sha256(folder / name) != expected:
                return None
        return ConvertedModel(
            id=folder.name,
            folder=folder,
            precision=Precision(manifest["precision"]),
            dimension=manifest["dimension"],
            max_tokens=manifest["max_tokens"],
            window=manifest["window"],
            prompts=Prompts(**manifest["prompts"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _publish(target: Path, contents: Mapping[str, bytes]) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".convert-", dir=target.parent))
        try:
            for name, content in contents.items():
                _write(aside / name, content)
            _replace(aside, target)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(f"The disk is full; {target} was not written.") from error
        raise ConfigurationError(f"Cannot write the model cache {target}: {error}") from error


def _replace(aside: Path, target: Path) -> None:
    """Rename into place; what stands there is damaged, or another process was faster."""
    if target.exists() and _open(target) is None:
        damaged = aside.with_name(f"{aside.name}-damaged")
        with contextlib.suppress(FileNotFoundError):
            target.rename(damaged)
        shutil.rmtree(damaged, ignore_errors=True)
    try:
        aside.rename(target)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise
    _sync(target.parent)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
