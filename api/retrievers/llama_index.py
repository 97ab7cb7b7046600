"""Passages as LlamaIndex retrieves nodes; needs the extra `llama-index`."""

from __future__ import annotations

from typing import Any

from llama_index.core import QueryBundle
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, TextNode

from api.client import Client


class IbidemRetriever(BaseRetriever):
    """Searches as ``POST /v1/search`` does; ``options`` are fields of its body.

    The metadata of nodes is the place of their text: document, span in code points, pages.
    """

    def __init__(self, client: Client, **options: Any) -> None:
        super().__init__()
        self._client, self._options = client, options

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        found = self._client.post("/v1/search", {"query": query_bundle.query_str, **self._options})
        return [_node(passage) for passage in found["passages"]]


def _node(passage: dict[str, Any]) -> NodeWithScore:
    text, score = passage.pop("text"), passage.pop("score")
    hidden = list(passage)  # from models: the place is for the citation
    node = TextNode(
        id_="{document_id}:{start_char_index}-{end_char_index}".format_map(passage),
        text=text,
        metadata=passage,
        excluded_embed_metadata_keys=hidden,
        excluded_llm_metadata_keys=hidden,
    )
    return NodeWithScore(node=node, score=score)
