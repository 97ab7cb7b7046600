"""Long texts are cut in a child process.

Cutting is much Python for each token, and while one thread runs it the others wait: in the
service's own process a text of ten million characters would slow every question for seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ingest.chunk import DEFAULT
from ingest.chunk.cutting import Cut, cut, from_reply, to_request
from ingest.parse.parts import FrameError
from ingest.parse.sandbox import POOL, Limits
from rag.embedding import Embedder, Tokenizing
from rag.errors import CorruptDocument
from rag.types import ParsedDocument

LONG = 200_000
"""Characters from which on a child is worth the way there and back; about 0.2 s of cutting."""

_LIMITS = Limits(cpu_s=300, wall_s=1800.0)
_COUNT_TOKENS = ("recursive", "fixed", "sentence", "structure")


def cut_apart(document: ParsedDocument, config: Mapping[str, Any], embedder: Embedder) -> Cut:
    """Cut a document where that holds up nobody, with the chunks that ``cut`` gives.

    Strategies that need vectors, and those of LlamaIndex, run here whatever the length; so do
    all with an embedder whose tokenizer no other process can have.

    Raises:
        DocumentError: It cannot be cut like this.
    """
    tokenizer = embedder.tokenizer if isinstance(embedder, Tokenizing) else None
    by_tokens = config.get("strategy", DEFAULT) in _COUNT_TOKENS
    if len(document.text) < LONG or tokenizer is None or not by_tokens:
        return cut(document, config, embedder)
    request, blob = to_request(document, config, tokenizer)
    try:
        [frame] = POOL.run(request, _LIMITS, blob)
        return from_reply(frame, document)
    except (FrameError, ValueError):
        raise CorruptDocument("the parser sent a reply that makes no sense") from None
