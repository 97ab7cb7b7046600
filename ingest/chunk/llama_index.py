"""Any node parser of LlamaIndex as a strategy; what it says of places is not relied upon.

LlamaIndex finds the offsets of nodes by searching for their text, and leaves them unset where
that fails. Here each node is given its place anew; a parser that changes the text is refused,
text that no node has goes to the one before, and nodes longer than the model reads are cut.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import Any

from ingest.chunk.align import NotInText, align, without_gaps
from ingest.chunk.measure import measured
from ingest.chunk.options import check_size
from ingest.chunk.spans import cut_spans
from rag.embedding import Embedder
from rag.errors import ChunkingFailed, InvalidRequest
from rag.types import Chunk, ParsedDocument

PREFIX = "llama_index:"
_HOME = "llama_index."
_PARSERS = "llama_index.core.node_parser"
_OURS = frozenset({"tokenizer", "embed_model", "callback_manager", "llm", "kwargs", "self"})
"""What a caller cannot give: the tokenizer and the model are those of the collection."""
_LARGEST = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class LlamaIndexChunker:
    """Nodes of the parser with this dotted name; ``options`` go to it as they are.

    Where the parser has a ``chunk_size`` and a ``chunk_overlap`` these are ``size`` and an eighth
    of it, unless the options say otherwise; tokens are those of the embedding model.
    """

    parser: str
    size: int = _LARGEST
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the parser once, so that what is wrong is known before there are documents.

        Raises:
            InvalidRequest: There is no such parser, or it does not take the options.
        """
        check_size(self.size)
        if not isinstance(self.options, Mapping):
            raise InvalidRequest("options must be an object", param="chunking.options")
        self._open(str.split, None)

    def chunk(self, document: ParsedDocument, embedder: Embedder) -> list[Chunk]:
        """Chunks in document order: nodes, where they fit.

        Raises:
            ChunkingFailed: The parser failed, or what it made is not in the text.
        """
        from llama_index.core.schema import Document, MetadataMode, NodeRelationship

        text = document.text
        if not text.strip():
            return []
        parser = self._open(
            lambda piece: measured(piece, embedder.token_offsets(piece)).tolist(), embedder
        )
        try:
            with redirect_stdout(sys.stderr):  # it prints advice
                made = parser.get_nodes_from_documents([Document(text=text)])
        except ImportError as error:
            raise ChunkingFailed(f"{self.parser} needs more: {_first_lines(error)}") from error
        except Exception as error:  # its message may quote the document
            raise ChunkingFailed(
                f"{self.parser} failed on the text of this document: {type(error).__name__}"
            ) from error
        nodes = [node for node in made if NodeRelationship.CHILD not in node.relationships]
        pieces = [node.get_content(metadata_mode=MetadataMode.NONE) for node in nodes]
        hints = [getattr(node, "start_char_idx", None) for node in nodes]
        return self._located(text, pieces, hints, embedder)

    def _located(
        self, text: str, pieces: Sequence[str], hints: Sequence[int | None], embedder: Embedder
    ) -> list[Chunk]:
        try:
            spans = align(text, pieces, hints)
        except NotInText as error:
            quote = " ".join(pieces[error.piece].split())[:60]
            raise ChunkingFailed(
                f"{self.parser} made a node that is not in the text ('{quote}'), so that nothing "
                "could be cited from it; use a parser that only cuts the text."
            ) from error
        if not spans:
            raise ChunkingFailed(
                f"{self.parser} made no nodes of this text; it may be meant for another format."
            )
        return cut_spans(text, without_gaps(text, spans), embedder, self.size)

    def _open(self, tokenize: Callable[[str], list[Any]], embedder: Embedder | None) -> Any:
        """The parser with its options."""
        kind = _parser_class(self.parser)
        make = getattr(kind, "from_defaults", kind)
        takes = set(inspect.signature(make).parameters)
        for name in self.options:
            if name not in takes - _OURS:
                choice = ", ".join(sorted(takes - _OURS))
                raise InvalidRequest(
                    f"{self.parser} has no option {name!r}; it has: {choice}",
                    param=f"chunking.options.{name}",
                )
        given = {
            "chunk_size": self.size,
            "chunk_overlap": int(self.options.get("chunk_size", self.size)) // 8,
            "tokenizer": tokenize,
            "embed_model": embedding_model(embedder),
        }
        try:
            return make(**{k: v for k, v in given.items() if k in takes} | dict(self.options))
        except Exception as error:  # whatever a parser's own checks raise
            raise InvalidRequest(
                f"{self.parser} cannot be made with these options: {_first_lines(error)}",
                param="chunking.options",
            ) from error


def _parser_class(name: str) -> Any:
    """The class with this dotted name, or with this name among the usual ones.

    Raises:
        InvalidRequest: There is none, it is no node parser, or LlamaIndex is not installed.
    """
    place, _, attribute = name.rpartition(".")
    place = place or _PARSERS
    try:
        base = importlib.import_module(_PARSERS).NodeParser
    except ImportError:
        raise InvalidRequest(
            "LlamaIndex is not installed here; install it with pip install 'ibidem[llama-index]'.",
            param="chunking.strategy",
        ) from None
    found = None
    if f"{place}.".startswith(_HOME):
        try:
            found = getattr(importlib.import_module(place), attribute, None)
        except ImportError:
            found = None
    if not (inspect.isclass(found) and issubclass(found, base)) or inspect.isabstract(found):
        raise InvalidRequest(
            f"{name!r} is no node parser of LlamaIndex; give a dotted name such as "
            f"{PREFIX}{_PARSERS}.SentenceSplitter",
            param="chunking.strategy",
        )
    return found


def embedding_model(embedder: Embedder | None) -> Any:
    """The collection's embedding model as one of LlamaIndex's, for parsers that compare texts."""
    from llama_index.core.base.embeddings.base import BaseEmbedding

    class CollectionEmbedding(BaseEmbedding):
        """Embeds with the collection's model."""

        def _get_text_embedding(self, text: str) -> list[float]:
            return self._get_text_embeddings([text])[0]

        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            if embedder is None:
                return []
            vectors: list[list[float]] = embedder.embed_passages(texts).tolist()
            return vectors

        def _get_query_embedding(self, query: str) -> list[float]:
            return self._get_text_embedding(query)

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_text_embedding(query)

    return CollectionEmbedding()


def _first_lines(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:3])[:300] or type(error).__name__
