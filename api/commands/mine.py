"""`ibidem bench --mine`: how fast and how surely one's own collection is searched."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from api.commands.common import collection_id, connected, note, show_json, show_table, target

if TYPE_CHECKING:
    from api.client import Client, Json

_MODES = ("dense", "lexical", "hybrid")
_TOP = 10
_WARM_UP = 3
_SHORTEST, _LONGEST = 20, 300
"""Code points of a sentence that says enough to be looked for, and that a person might write."""
_TRIES = 20


@click.command()
@click.option("--collection", metavar="NAME", help="Which one; `default` unless given.")
@click.option(
    "--queries", type=click.IntRange(1, 10_000), default=200, show_default=True, help="How many."
)
@target
def mine(collection: str | None, queries: int, url: str | None, as_json: bool) -> int:
    """Search a collection for sentences of its own chunks, and tell how long each search took.

    A sentence is found when one of the first passages overlaps it. Real questions are harder:
    for those, write some down and use `ibidem eval FILE`.
    """
    with connected(url) as client:
        measured = measure(client, collection, queries)
    if as_json:
        show_json(measured)
    else:
        _show(measured)
    return 0


def measure(client: Client, name: str | None, queries: int) -> Json:
    """What the collection is, and how searches in it do.

    Raises:
        NotFound: there is no such collection.
        InvalidRequest: nothing in it can be looked for.
    """
    from rag.errors import InvalidRequest

    place = collection_id(client, name)
    documents = list(client.all("/v1/documents", collection=place, status="ready"))
    sampled = list(_sentences(client, documents, queries))
    if not sampled:
        raise InvalidRequest(
            "The collection holds no sentence to search for yet; ingest documents into it first."
        )
    modes = {mode: _searched(client, place, mode, sampled) for mode in _MODES}
    chunks, busy_s = sum(one["chunk_count"] for one in documents), _busy_s(documents)
    told = client.content("/v1/metrics").decode()
    form = re.search(rf'ibidem_vector_index{{collection="{place}",form="([^"]*)"}}', told)
    resident = re.search(r"(?m)^process_resident_memory_bytes (\S+)", told)
    return {
        "object": "bench",
        "collection_id": place,
        "documents": len(documents),
        "chunks": chunks,
        "index": form[1] if form else None,
        "resident_bytes": int(float(resident[1])) if resident else None,
        "ingest": {
            "seconds": busy_s,
            "chunks_per_second": round(chunks / busy_s, 1) if busy_s else None,
        },
        "queries": len(sampled),
        "search": modes,
    }


def _sentences(
    client: Client, documents: Sequence[Json], count: int
) -> Iterator[tuple[str, int, str]]:
    """Document, start and text of sentences of chunks; every chunk is as likely as any other."""
    from rag.sentences import split

    draw = random.Random(0)  # noqa: S311 - the same ones each time
    filled = [one for one in documents if one["chunk_count"]]
    weights = [one["chunk_count"] for one in filled]
    left = _TRIES * count if filled else 0
    while count and left:
        left -= 1
        (document,) = draw.choices(filled, weights)
        position = draw.randrange(document["chunk_count"])
        after = str(position - 1) if position else None
        path = f"/v1/documents/{document['id']}/chunks"
        for chunk in client.get(path, limit=1, after=after)["data"]:
            text = chunk["text"]
            told = [one for one in split(text) if _SHORTEST <= one.end - one.start <= _LONGEST]
            if told:
                chosen = draw.choice(told)
                start = chunk["start_char_index"] + chosen.start
                yield document["id"], start, text[chosen.start : chosen.end]
                count -= 1


def _searched(
    client: Client, place: str, mode: str, sampled: Sequence[tuple[str, int, str]]
) -> Mapping[str, float]:
    import numpy as np

    def passages(query: str) -> Any:
        body = {"query": query, "collection": place, "mode": mode, "top_k": _TOP}
        return client.post("/v1/search", body)["passages"]

    for _, _, text in sampled[:_WARM_UP]:
        passages(text)
    took_ms, ranks = [], []
    for document, start, text in sampled:
        began = time.perf_counter()
        found = passages(text)
        took_ms.append(1_000 * (time.perf_counter() - began))
        hits = [
            rank
            for rank, one in enumerate(found, 1)
            if one["document_id"] == document
            and one["start_char_index"] < start + len(text)
            and start < one["end_char_index"]
        ]
        ranks.append(min(hits, default=_TOP + 1))
    return {
        "p50_ms": round(float(np.percentile(took_ms, 50)), 2),
        "p95_ms": round(float(np.percentile(took_ms, 95)), 2),
        "recall@1": round(float(np.mean(np.array(ranks) == 1)), 4),
        f"recall@{_TOP}": round(float(np.mean(np.array(ranks) <= _TOP)), 4),
    }


def _busy_s(documents: Sequence[Json]) -> int:
    """Seconds in which at least one of the documents was being read."""
    busy_s = until = 0
    for first, last in sorted((one["created_at"], one["updated_at"]) for one in documents):
        busy_s += max(0, last - max(first, until))
        until = max(until, last)
    return busy_s


def _show(measured: Json) -> None:
    ingest, resident = measured["ingest"], measured["resident_bytes"]
    form = f", index: {measured['index']}" if measured["index"] else ""
    click.echo(f"documents: {measured['documents']}, chunks: {measured['chunks']}{form}")
    if ingest["chunks_per_second"]:
        rate, seconds = ingest["chunks_per_second"], ingest["seconds"]
        click.echo(f"ingest: {rate} chunks/s over {seconds} s, from upload to last change")
    if resident:
        click.echo(f"memory: {resident / 1e6:.0f} MB resident")
    click.echo(f"search, {measured['queries']} sentences of its own chunks:")
    columns = list(measured["search"]["hybrid"])
    rows = [(mode, *values.values()) for mode, values in measured["search"].items()]
    show_table(("", *columns), rows)
    note("Sentences of the documents are easier to find than questions about them.")
