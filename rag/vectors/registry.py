"""Vector indexes by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from math import inf
from pathlib import Path

from rag.errors import ConfigurationError, MissingExtra
from rag.vectors import OpenVectors

_NAMES = (
    "faiss",
    "faiss-gpu",
    "chroma",
    "chroma:URL",
    "llama_index:DOTTED.NAME?ARGUMENT={collection}",
)


@contextmanager
def vector_indexes(name: str, *, folder: Path) -> Iterator[OpenVectors]:
    """What opens the indexes of that kind; they are closed on leaving.

    Args:
        name: ``faiss`` is in memory; with many vectors a snapshot of it is kept. ``faiss-gpu``
            compares with all, whatever their number.
        folder: For what is kept without a server.

    Raises:
        ConfigurationError: There is no such name, or it cannot be reached.
        MissingExtra: The choice needs a package that is not installed.
    """
    kind, colon, where = name.partition(":")
    if name == "faiss":
        from rag.vectors.faiss import FaissIndex
        from rag.vectors.snapshots import Snapshots

        snapshots = partial(Snapshots, folder / "faiss")
        yield lambda place: FaissIndex(place.dimension, snapshots=snapshots(place.name))
    elif name == "faiss-gpu":
        from rag.vectors import gpu
        from rag.vectors.faiss import FaissIndex

        rows = partial(gpu.GpuRows, card=gpu.open_card())
        yield lambda place: FaissIndex(place.dimension, exact_up_to=inf, flat=rows)
    elif kind == "chroma" and (where or not colon):
        with _extra("chroma", "Chroma", "chromadb"):
            from rag.vectors import chroma
        with chroma.server(where) if where else chroma.embedded(folder / "chroma") as client:
            yield partial(chroma.ChromaIndex, client)
    elif kind == "llama_index" and where:
        with _extra("llama-index", "A vector store of LlamaIndex", "llama_index"):
            from rag.vectors.llama_index import LlamaIndexStore
        with closing(LlamaIndexStore(where)) as store:
            yield store.open
    else:
        raise ConfigurationError(
            f"IBIDEM_INDEX={kind}: there is no such index. Choose one of: {', '.join(_NAMES)}."
        )


@contextmanager
def _extra(extra: str, what: str, package: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package:
            raise
        raise MissingExtra(f"{what} needs an extra: pip install 'ibidem[{extra}]'.") from error
