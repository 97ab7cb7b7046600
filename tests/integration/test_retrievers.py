"""Our retriever in the libraries that know retrievers, through their own entrances."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from api.app import create_app
from api.client import Client, in_process
from rag.errors import InvalidRequest, NotFound
from tests.conftest import on_sqlite
from tests.integration.conftest import LEASE, Rest

pytestmark = on_sqlite
QUERY = "How much is the monthly rent?"


@pytest.fixture(scope="module")
def client(rest: Rest, lease: str, pump: str) -> Iterator[Client]:
    with in_process(create_app(rest.services, None), key=None) as client:
        yield client


@pytest.fixture(scope="module")
def expected(client: Client) -> list[dict[str, object]]:
    found = client.post("/v1/search", {"query": QUERY, "top_k": 2})["passages"]
    assert "1,250 euros" in found[0]["text"]
    return list(found)


def test_llama_index_retrieves_what_a_search_finds(
    client: Client, expected: list[dict[str, object]], lease: str, pump: str
) -> None:
    pytest.importorskip("llama_index.core")
    from api.retrievers.llama_index import IbidemRetriever

    nodes = IbidemRetriever(client, top_k=2).retrieve(QUERY)
    assert [(one.text, one.score) for one in nodes] == [
        (one["text"], one["score"]) for one in expected
    ]
    best = nodes[0].node
    start, end = best.metadata["start_char_index"], best.metadata["end_char_index"]
    assert (best.metadata["document_id"], LEASE[start:end]) == (lease, best.get_content())
    assert best.get_content(metadata_mode="llm") == best.text
    assert best.node_id == f"{lease}:{start}-{end}"
    manual = IbidemRetriever(client, filter={"kind": {"$eq": "manual"}})
    assert {one.metadata["document_id"] for one in manual.retrieve(QUERY)} == {pump}
    assert asyncio.run(manual.aretrieve(QUERY)) == manual.retrieve(QUERY)
    with pytest.raises(NotFound, match="nowhere"):
        IbidemRetriever(client, collection="nowhere").retrieve(QUERY)
    with pytest.raises(InvalidRequest, match="top_n"):
        IbidemRetriever(client, top_n=3).retrieve(QUERY)


def test_langchain_retrieves_what_a_search_finds(
    client: Client, expected: list[dict[str, object]], lease: str, pump: str
) -> None:
    pytest.importorskip("langchain_core")
    from langchain_core.runnables import RunnableLambda

    from api.retrievers.langchain import IbidemRetriever

    documents = IbidemRetriever(client=client, options={"top_k": 2}).invoke(QUERY)
    assert [(one.page_content, one.metadata["score"]) for one in documents] == [
        (one["text"], one["score"]) for one in expected
    ]
    best = documents[0]
    start, end = best.metadata["start_char_index"], best.metadata["end_char_index"]
    assert (best.metadata["document_id"], LEASE[start:end]) == (lease, best.page_content)
    assert best.id == f"{lease}:{start}-{end}"
    manual = IbidemRetriever(client=client, options={"filter": {"kind": {"$eq": "manual"}}})
    chain = manual | RunnableLambda(lambda found: {one.metadata["document_id"] for one in found})
    assert chain.invoke(QUERY) == {pump}
    assert asyncio.run(manual.ainvoke(QUERY)) == manual.invoke(QUERY)
    with pytest.raises(NotFound, match="nowhere"):
        IbidemRetriever(client=client, options={"collection": "nowhere"}).invoke(QUERY)
