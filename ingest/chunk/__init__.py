"""Documents to chunks: spans of the document's text, never found again by searching.

A strategy is chosen by name, from a collection's settings: ``{"strategy": "recursive",
"size": 200, "overlap": 32}``. To add one, write its class and a row in ``STRATEGIES``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, Protocol

from ingest.chunk.fixed import FixedChunker
from ingest.chunk.llama_index import PREFIX, LlamaIndexChunker
from ingest.chunk.recursive import RecursiveChunker
from ingest.chunk.semantic import SemanticChunker
from ingest.chunk.sentence import SentenceChunker
from ingest.chunk.structure import StructureChunker
from rag.embedding import Embedder
from rag.errors import InvalidRequest
from rag.types import Chunk, ParsedDocument

__all__ = ["DEFAULT", "STRATEGIES", "Chunker", "complete", "open_chunker"]

DEFAULT = "recursive"


class Chunker(Protocol):
    """Splits a document into chunks, in order."""

    def chunk(self, document: ParsedDocument, embedder: Embedder) -> list[Chunk]:
        """Chunks that cover all text but white space; ``text[start:end] == chunk.text``.

        Tokens are counted by the embedder, and none has more of them than the chunker's size
        as ``measured``: in languages that its model spells, there can be several times as many.
        """
        ...


STRATEGIES: Mapping[str, type[Any]] = {
    "recursive": RecursiveChunker,
    "fixed": FixedChunker,
    "sentence": SentenceChunker,
    "semantic": SemanticChunker,
    "structure": StructureChunker,
}
"""By name; besides them, ``llama_index:`` and the dotted name of one of its node parsers."""


def open_chunker(config: Mapping[str, Any]) -> Chunker:
    """The chunker that a collection asks for; an empty mapping gives the default.

    Raises:
        InvalidRequest: An unknown strategy or key, or a value that makes no sense.
        MissingExtra: The strategy is LlamaIndex's, which is not installed.
    """
    options = dict(config)
    name = options.pop("strategy", DEFAULT)
    strategy = _class_of(name)
    known = {field.name: field for field in fields(strategy) if field.name != "parser"}
    for key, value in options.items():
        if key not in known:
            raise InvalidRequest(
                f"the strategy '{name}' has no option {key!r}; it has: {', '.join(known)}",
                param=f"chunking.{key}",
            )
        if key != "options" and type(value) is not int:
            raise InvalidRequest(f"{key} must be an integer", param=f"chunking.{key}")
    if strategy is LlamaIndexChunker:
        options["parser"] = name.removeprefix(PREFIX)
    chunker: Chunker = strategy(**options)
    return chunker


def complete(config: Mapping[str, Any], window: int) -> dict[str, Any]:
    """The settings of a collection: those given, and for the others what suits the window.

    Args:
        config: Strategy and options; a value of ``None`` counts as not given.
        window: Most tokens that the embedding model reads of a chunk.

    Raises:
        InvalidRequest: As ``open_chunker``; or the model would not see the whole of a chunk.
        MissingExtra: The strategy is LlamaIndex's, which is not installed.
    """
    chosen = {key: value for key, value in config.items() if value is not None}
    name = chosen.pop("strategy", DEFAULT)
    defaults: dict[str, Any] = {f.name: f.default for f in fields(_class_of(name))}
    size = chosen.setdefault("size", min(defaults["size"], window))
    if type(size) is int and size > window:
        raise InvalidRequest(
            f"size: the embedding model reads {window} tokens at a time, and would not see "
            f"the rest of a chunk of {size}.",
            param="chunking.size",
        )
    for share in ("overlap", "group"):
        if share in defaults and type(size) is int:
            chosen.setdefault(share, min(defaults[share], size // 4))
    settings = asdict(open_chunker({"strategy": name, **chosen}))  # type: ignore[call-overload]
    settings.pop("parser", None)
    return {"strategy": name, **settings}


def _class_of(name: object) -> type[Any]:
    if isinstance(name, str) and name.startswith(PREFIX):
        return LlamaIndexChunker
    strategy = STRATEGIES.get(name) if isinstance(name, str) else None
    if strategy is None:
        raise InvalidRequest(
            f"no chunking strategy {name!r}; there are: {', '.join(STRATEGIES)} and "
            f"{PREFIX}DOTTED.NAME of a node parser",
            param="chunking.strategy",
        )
    return strategy
