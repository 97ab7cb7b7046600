"""Vector indexes by name: what is refused, and in which words."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import faiss
import numpy as np
import pytest

import rag.vectors
from api.settings import Settings
from rag.errors import ConfigurationError, MissingExtra, StorageError
from rag.vectors import Place
from rag.vectors.registry import vector_indexes


def open_index(name: str, folder: Path) -> None:
    with vector_indexes(name, folder=folder):
        pass


@pytest.mark.parametrize(
    "name", ["", "milvus", "faiss:x", "chroma:", "llama_index", "llama_index:"]
)
def test_an_unknown_index_is_refused_with_those_that_exist(name: str, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"Choose one of: faiss, faiss-gpu, chroma, chroma:URL, llama"
    ):
        open_index(name, tmp_path)


@pytest.mark.parametrize(
    ("name", "package", "install"),
    [
        ("chroma", "chromadb", r"pip install 'ibidem\[chroma\]'"),
        ("llama_index:a.b?c={collection}", "llama_index.core.schema", r"ibidem\[llama-index\]'"),
    ],
)
def test_a_missing_extra_says_how_to_install_it(
    name: str, package: str, install: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    for module in ("chroma", "llama_index"):  # imported anew, whatever other tests did
        monkeypatch.delitem(sys.modules, f"rag.vectors.{module}", raising=False)
        monkeypatch.delattr(rag.vectors, module, raising=False)
    with pytest.raises(MissingExtra, match=install):
        open_index(name, tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("chroma:http://127.0.0.1:1", "No Chroma server answers at http://127.0.0.1:1"),
        ("chroma:ftp://ada:secret@host", "this is no http address"),
        ("llama_index:no.such.Store?a={collection}", "there is no such class"),
        ("llama_index:builtins.dict?a=1", "every collection needs a place of its own"),
    ],
)
def test_what_cannot_be_used_is_said(name: str, message: str, tmp_path: Path) -> None:
    pytest.importorskip("chromadb")
    pytest.importorskip("llama_index.core")
    with pytest.raises(ConfigurationError, match=message) as caught:
        open_index(name, tmp_path)
    assert "secret" not in str(caught.value)


def refusing(collection: str, url: str) -> object:
    """A store that refuses its arguments, and says all that it was given."""
    raise ValueError(f"cannot reach {url!r}")


def failing(collection: str, url: str) -> object:
    """A store that takes its arguments, and says them when it fails."""
    from llama_index.core.vector_stores.types import BasePydanticVectorStore

    class Failing(BasePydanticVectorStore):
        stores_text: bool = False

        @property
        def client(self) -> None:
            return None

        def add(self, nodes: object, **_: object) -> list[str]:
            raise OSError(f"no connection to {url}")

        def delete(self, ref_doc_id: str, **_: object) -> None:
            raise NotImplementedError

        def query(self, query: object, **_: object) -> object:
            raise NotImplementedError

    return Failing()


@pytest.mark.parametrize("name", ["refusing", "failing"])
def test_errors_of_a_store_show_none_of_its_arguments(name: str, tmp_path: Path) -> None:
    pytest.importorskip("llama_index.core")
    url = "postgresql://ada:se%2540cret@db/x"
    setting = f"llama_index:{__name__}.{name}?collection={{collection}}&url={url}"
    place = Place(name="one", dimension=2, stored=lambda ids: (ids, np.ones((len(ids), 2))))
    with (
        vector_indexes(setting, folder=tmp_path) as open_vectors,
        pytest.raises((ConfigurationError, StorageError)) as caught,
    ):
        open_vectors(place).add(np.array([1]), np.ones((1, 2), np.float32))
    shown = "".join(traceback.format_exception(caught.value))
    assert "Error: " in str(caught.value)
    assert "ada" not in shown
    assert "cret" not in shown.replace(" secret", "")


def test_secrets_of_an_index_are_not_shown() -> None:
    secret = "llama_index:a.B?connection_string=postgresql://ada:secret@host/x"
    assert Settings(index=secret).masked()["IBIDEM_INDEX"] == "llama_index:a.B"
    assert Settings(index="chroma:http://ada:secret@host:1").masked()["IBIDEM_INDEX"] == (
        "chroma:http://host:1"
    )


@pytest.mark.skipif(hasattr(faiss, "StandardGpuResources"), reason="this FAISS knows GPUs")
def test_faiss_for_processors_says_what_a_gpu_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MissingExtra, match="pip install faiss-gpu-cu12"):
        open_index("faiss-gpu", tmp_path)
    monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 0, raising=False)
    with pytest.raises(ConfigurationError, match="no GPU here"):
        open_index("faiss-gpu", tmp_path)
