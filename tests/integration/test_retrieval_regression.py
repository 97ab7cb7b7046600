"""Search as it ships, on a small set of our own: it must not lose more than a point of nDCG@10."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from api.composition import open_services
from api.services import Services
from api.settings import Settings
from ingest.intake import Incoming
from ingest.pipeline import ingest
from rag.evaluate import ndcg_at
from rag.retrieve import Mode, SearchRequest
from tests.conftest import make_home

SET = Path(__file__).resolve().parents[2] / "data" / "eval" / "island.jsonl"
KNOWN = 0.839
"""nDCG@10 of the default. A change that makes it better raises this."""
POINT = 0.01


@pytest.fixture(scope="module")
def rows() -> list[Any]:
    """Passages, each with its document and two questions that it answers."""
    return [json.loads(line) for line in SET.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def services(
    tmp_path_factory: pytest.TempPathFactory, models: Path, rows: Sequence[Any]
) -> Iterator[Services]:
    """A collection of these documents, a chunk for each passage."""
    home = make_home(tmp_path_factory.mktemp("island") / "home", models)
    with open_services(Settings(home=home)) as services:
        chunking = services.chunking({"strategy": "structure", "size": 100, "overlap": 0})
        collection = services.catalog.collections.create(
            "default", "default", chunking=chunking, embedder=services.embedder.id
        )
        for title in dict.fromkeys(row["document"] for row in rows):
            texts = [row["text"] for row in rows if row["document"] == title]
            sections = "\n\n".join(f"## {n}\n\n{text}" for n, text in enumerate(texts, 1))
            content = f"# {title}\n\n{sections}\n".encode()
            services.upload(collection, Incoming(name=f"{title}.md", metadata={}), [content])
        for job in services.catalog.jobs.unfinished():
            ingest(services.pipeline, job)
        yield services


def ndcg(services: Services, rows: Sequence[Any], mode: Mode = Mode.HYBRID) -> float:
    """The mean over all questions, of each of which one passage is right."""
    collections = (services.collection("default", None),)
    scores = []
    for row in rows:
        for question in row["questions"]:
            request = SearchRequest(query=question, collections=collections, mode=mode, top_k=10)
            found = [one.text for one in services.retriever.search(request)]
            ranked = [str(row["text"] in text) for text in found]
            place = ranked.index("True") if "True" in ranked else len(ranked)
            names = [str(number) for number in range(len(ranked))]
            scores.append(ndcg_at(names, {str(place): 1.0}, 10))
    return sum(scores) / len(scores)


def test_the_default_loses_no_point(services: Services, rows: Sequence[Any]) -> None:
    assert ndcg(services, rows) >= KNOWN - POINT


@pytest.mark.parametrize("mode", [Mode.DENSE, Mode.LEXICAL])
def test_what_is_worse_would_be_noticed(
    services: Services, rows: Sequence[Any], mode: Mode
) -> None:
    """The set is one on which a ranking alone, instead of both, fails the test above."""
    assert ndcg(services, rows, mode) < KNOWN - 2 * POINT
