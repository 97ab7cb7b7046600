"""Vector stores for the tests: each a fixture that gives an IBIDEM_INDEX."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import faiss as native
import httpx2
import pytest

from tests import postgres

SETTINGS = ("faiss", "faiss_gpu", "chroma_embedded", "chroma_server", "qdrant_local", "pgvector")
_START_S = 60
_NEEDED = "not installed; `make test` installs it"


@pytest.fixture(scope="session")
def faiss() -> str:
    return "faiss"


@pytest.fixture(scope="session")
def faiss_gpu() -> Iterator[str]:
    """On a card where there is one; else the card's copy of the rows lies in this process."""
    with pytest.MonkeyPatch.context() as patch:
        if not (hasattr(native, "StandardGpuResources") and native.get_num_gpus()):
            patch.setattr("rag.vectors.gpu.open_card", lambda: native.IndexFlatIP)
        yield "faiss-gpu"


@pytest.fixture(scope="session")
def chroma_embedded() -> str:
    pytest.importorskip("chromadb", reason=_NEEDED)
    return "chroma"


@pytest.fixture(scope="session")
def chroma_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Chroma server of the tests' own."""
    pytest.importorskip("chromadb", reason=_NEEDED)
    folder = tmp_path_factory.mktemp("chroma-server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [Path(sys.executable).with_name("chroma"), "run"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port), "--path", folder / "data"],
            env={**os.environ, "ANONYMIZED_TELEMETRY": "False"},
            stdout=log,
            stderr=log,
            cwd=folder,
        )
    try:
        _wait(f"http://127.0.0.1:{port}/api/v2/heartbeat", process, folder / "log")
        yield f"chroma:http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=_START_S)


@pytest.fixture(scope="session")
def qdrant_local() -> str:
    """Qdrant in memory, without a server."""
    pytest.importorskip("llama_index.vector_stores.qdrant", reason=_NEEDED)
    client = quote('{"location": ":memory:"}')
    return (
        "llama_index:tests.stores.qdrant_in_memory"
        f"?collection_name={{collection}}&client_kwargs={client}"
    )


@pytest.fixture(scope="session")
def pgvector() -> Iterator[str]:
    """A real PostgreSQL with pgvector, of the tests' own."""
    pytest.importorskip("llama_index.vector_stores.postgres", reason=_NEEDED)
    programs = postgres.with_pgvector()
    if programs is None:
        pytest.skip(f"PostgreSQL with pgvector is {_NEEDED}")
    with postgres.server(programs) as url:
        address = url.render_as_string(hide_password=False)
        arguments = {
            "connection_string": address,
            "async_connection_string": address,
            "table_name": "{collection}",
            "embed_dim": "{dimension}",
            "initialization_fail_on_error": "true",
        }
        dotted = "llama_index.vector_stores.postgres.PGVectorStore"
        yield f"llama_index:{dotted}?{urlencode(arguments)}"


def qdrant_in_memory(collection_name: str, client_kwargs: dict[str, str]) -> object:
    """LlamaIndex's store makes no local client of itself; a function of one's own can."""
    from llama_index.vector_stores.qdrant import QdrantVectorStore
    from qdrant_client import QdrantClient

    client = QdrantClient(**client_kwargs)
    return QdrantVectorStore(collection_name, client=client, index_doc_id=False)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            httpx2.get(url).raise_for_status()
        except httpx2.HTTPError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"Chroma did not start: {log.read_text()}") from None
            time.sleep(0.1)
        else:
            return
