"""Documents to chunks: spans of the document's text, never found again by searching.

A strategy is chosen by name, from a collection's settings: ``{"strategy": "recursive",
"size": 256, "overlap": 32}``. To add one, write its class and a row in ``_STRATEGIES``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Protocol, TypeAlias

from ingest.chunk.recursive import RecursiveChunker
from rag.errors import InvalidRequest
from rag.types import Chunk, Ids, ParsedDocument

__all__ = ["Chunker", "RecursiveChunker", "Tokenize", "open_chunker"]

Tokenize: TypeAlias = "Callable[[str], Ids]"
"""Code point spans of a text's tokens, shape (tokens, 2), as ``Embedder.token_offsets``."""


class Chunker(Protocol):
    """Splits a document into chunks, in order."""

    def chunk(self, document: ParsedDocument, tokens: Tokenize) -> list[Chunk]:
        """Chunks that cover all text but white space; ``text[start:end] == chunk.text``."""
        ...


_STRATEGIES: Mapping[str, type[RecursiveChunker]] = {"recursive": RecursiveChunker}


def open_chunker(config: Mapping[str, Any]) -> Chunker:
    """The chunker that a collection asks for; an empty mapping gives the default.

    Raises:
        InvalidRequest: An unknown strategy or key, or a value that makes no sense.
    """
    options = dict(config)
    name = options.pop("strategy", "recursive")
    strategy = _STRATEGIES.get(name) if isinstance(name, str) else None
    if strategy is None:
        raise InvalidRequest(
            f"no chunking strategy {name!r}; there are: {', '.join(_STRATEGIES)}",
            param="chunking.strategy",
        )
    known = [field.name for field in fields(strategy)]
    for key, value in options.items():
        if key not in known:
            raise InvalidRequest(
                f"the strategy '{name}' has no option {key!r}; it has: {', '.join(known)}",
                param=f"chunking.{key}",
            )
        if type(value) is not int:
            raise InvalidRequest(f"{key} must be an integer", param=f"chunking.{key}")
    return strategy(**options)
