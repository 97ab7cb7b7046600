"""Vector indexes by name: what is refused, and in which words."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import rag.vectors
from api.settings import Settings
from rag.errors import ConfigurationError, MissingExtra
from rag.vectors.registry import vector_indexes


def open_index(name: str, folder: Path) -> None:
    with vector_indexes(name, folder=folder):
        pass


@pytest.mark.parametrize(
    "name", ["", "milvus", "faiss:x", "chroma:", "llama_index", "llama_index:"]
)
def test_an_unknown_index_is_refused_with_those_that_exist(name: str, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"Choose one of: faiss, chroma, chroma:URL, llama"
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


def test_secrets_of_an_index_are_not_shown() -> None:
    secret = "llama_index:a.B?connection_string=postgresql://ada:secret@host/x"
    assert Settings(index=secret).masked()["IBIDEM_INDEX"] == "llama_index:a.B"
    assert Settings(index="chroma:http://ada:secret@host:1").masked()["IBIDEM_INDEX"] == (
        "chroma:http://host:1"
    )
