"""Passages as LangChain retrieves documents; needs the extra `langchain`."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import Field, SkipValidation

from api.client import Client


class IbidemRetriever(BaseRetriever):
    """Searches as ``POST /v1/search`` does; ``options`` are fields of its body.

    The metadata is score and place of the text: document, span in code points, pages.
    """

    client: SkipValidation[Client]
    options: dict[str, Any] = Field(default_factory=dict)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        found = self.client.post("/v1/search", {"query": query, **self.options})
        return [
            Document(id=_id(passage), page_content=passage.pop("text"), metadata=passage)
            for passage in found["passages"]
        ]


def _id(passage: dict[str, Any]) -> str:
    return "{document_id}:{start_char_index}-{end_char_index}".format_map(passage)
