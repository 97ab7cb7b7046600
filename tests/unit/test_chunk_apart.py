"""A long text is cut in a child process exactly as it would be in this one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ingest.chunk import complete
from ingest.chunk.apart import LONG, cut_apart
from ingest.chunk.cutting import cut
from ingest.parse.sandbox import POOL
from rag.embedding import Embedder, Tokenizing
from rag.embedding.registry import open_embedder
from rag.types import Block, BlockKind, ParsedDocument
from tests.fakes import HashingEmbedder


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    cache: Path = tmp_path_factory.mktemp("models")
    return open_embedder("onnx", cache=cache)


def long_document() -> ParsedDocument:
    part = "# Wartung 😀\n\nDie Pumpe läuft. \ud800 水泵每年检修。 Serviced yearly.\n\n"
    text = "".join(f"{part}Nummer {n}: {n * 7919 % 1000} bar\n" for n in range(LONG // 60))
    assert len(text) > LONG
    heading = Block(kind=BlockKind.HEADING, start=0, end=len("# Wartung 😀"), level=1)
    return ParsedDocument(text=text, media_type="text/plain", blocks=(heading,))


@pytest.mark.parametrize("strategy", ["recursive", "fixed", "sentence", "structure"])
def test_a_child_cuts_as_this_process_does(
    strategy: str, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    run = POOL.run
    monkeypatch.setattr(POOL, "run", lambda *a: asked.append(a[0]["do"]) or run(*a))
    assert isinstance(embedder, Tokenizing)
    config = complete({"strategy": strategy}, embedder.window)
    document = long_document()
    here, apart = cut(document, config, embedder), cut_apart(document, config, embedder)
    assert asked == ["cut"]
    assert apart.chunks == here.chunks
    assert apart.likeness.words_sha256 == here.likeness.words_sha256
    assert np.array_equal(apart.likeness.sketch, here.likeness.sketch)


def test_without_a_tokenizer_to_send_it_is_cut_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(POOL, "run", None)
    embedder = HashingEmbedder()
    document = long_document()
    config = complete({}, embedder.window)
    assert cut_apart(document, config, embedder).chunks == cut(document, config, embedder).chunks
