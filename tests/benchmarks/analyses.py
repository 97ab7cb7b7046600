"""What analyses lose between a text and its result, and what the offline engine finds.

    python -m tests.benchmarks.analyses [--contracts N] [--json FILE]

- ``cuad-spans, oracle``: an engine that says of each gold span of 41 fields what it is, when it
  lies in the part of the contract that it is given. Of its spans, how many come through map and
  merge, each located. Those that begin or end inside a word are not located by design (see
  `rag.locate`), and are counted apart. Beside it, how many different values the places in the
  merged records have, and how many SQL counts over the gold.
- ``Kleister NDA, offline``: F1 of the offline engine's values of four fields, over the part of the
  set that nothing was tuned on, as an analysis in parts and as one task over the whole text.
- ``cuad-spans, offline``: F1 of the places that it cites for 41 fields.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rag.analysis.entities import folded
from rag.analysis.requests import Kind, Request, Scope
from rag.analysis.run import run_analysis
from rag.embedding.registry import open_embedder
from rag.locate import locate
from rag.models.engine import Context
from rag.models.offline.engine import OfflineEngine
from rag.models.tasks import ExtractTask
from tests.analyses import Gold, Oracle, Shelf, cited, lists_of
from tests.benchmarks import task_sets
from tests.benchmarks.datasets import rows
from tests.benchmarks.tasks import CONTRACT, counts_of, f1_of
from tests.benchmarks.telling import tell
from tests.realdata import REAL_DATA

ROOMS = (64_000, 16_000, 6_000)
_NEAR = 64
# Contracts that the offline engine is measured on: 41 fields of each take it half a minute.
_OFFLINE = 20


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    given.add_argument("--contracts", type=int, default=None, help="only the first of them")
    given.add_argument("--json", type=Path, default=None)
    options = given.parse_args()
    if REAL_DATA is None:
        print("The public data sets are not beside the repository (../shared/data).")
        return
    tell(_measure(REAL_DATA, options.contracts), options.json)


def _measure(data: Path, most: int | None) -> Iterable[dict[str, Any]]:
    texts, gold = contracts(data / "retrieval" / "cuad-spans", most)
    for room in ROOMS:
        yield oracle(texts, gold, room)
    with tempfile.TemporaryDirectory() as cache:
        engine = OfflineEngine(open_embedder("onnx", cache=Path(cache)))
        yield kleister(data / "extraction" / "kleister-nda", engine)
        yield clauses(data / "retrieval" / "cuad-spans", engine, most or _OFFLINE)


def contracts(folder: Path, most: int | None) -> tuple[dict[str, str], list[Gold]]:
    texts = {one["_id"]: one["text"] for one in rows(folder / "corpus.jsonl.gz")}
    texts = dict(list(texts.items())[:most])
    gold = [
        Gold(row["doc_id"], row["category"], span["start"], span["end"])
        for row in rows(folder / "fields_and_spans.jsonl.gz")
        if row["doc_id"] in texts
        for span in row["spans"]
    ]
    return texts, gold


def oracle(texts: dict[str, str], gold: Sequence[Gold], room: int) -> dict[str, Any]:
    """One row: what came through, in parts of so many bytes."""
    engine = Oracle(texts, gold, room=room)
    request = Request(
        kind=Kind.EXTRACTION,
        scope=Scope(documents=tuple(texts)),
        schema=lists_of(sorted({one.field for one in gold})),
    )
    started = time.process_time()
    result = run_analysis(request, library=Shelf(texts), engine=engine)
    found = cited(result)
    whole = {one for one in engine.given if _is_located(texts, one)}
    counted, merged = _counts(texts, whole, result)
    return {
        "set": f"cuad-spans, oracle, parts of {room} bytes",
        "contracts": len(texts),
        "parts": result["coverage"]["chunks_read"],
        "gold": len(set(gold)),
        "within a part": len(engine.given),
        "located": len(whole),
        "through": len(whole & found),
        "values by SQL": counted,
        "values": merged,
        "cpu_s": round(time.process_time() - started, 1),
    }


def _is_located(texts: dict[str, str], one: Gold) -> bool:
    """Whether a span begins and ends where words do, so that its quote is found there."""
    first = max(0, one.start - _NEAR)
    around = texts[one.document][first : one.end + _NEAR]
    quote = texts[one.document][one.start : one.end]
    place = locate(quote, around, near=one.start - first)
    return place is not None and (place.start, place.end) == (
        one.start - first,
        one.end - first,
    )


def _counts(texts: dict[str, str], found: set[Gold], result: Any) -> tuple[int, int]:
    """Different values over all contracts and fields: by SQL over the gold, and in the result.

    A value counts in the result by the places that it cites; spellings of one name that are one
    value there are told apart by these.
    """
    database = sqlite3.connect(":memory:")
    database.execute("create table gold (document, field, value)")
    database.executemany("insert into gold values (?, ?, ?)", _rows(texts, found))
    query = "select count(*) from (select distinct document, field, value from gold)"
    (counted,) = database.execute(query).fetchone()
    return int(counted), len(set(_rows(texts, cited(result) & found)))


def _rows(texts: dict[str, str], found: set[Gold]) -> Iterable[tuple[str, str, str]]:
    return (
        (one.document, one.field, folded(texts[one.document][one.start : one.end])) for one in found
    )


def kleister(folder: Path, engine: OfflineEngine, most: int = 100) -> dict[str, Any]:
    """One row: F1 of an analysis of each agreement, and of one task over all of its text."""
    found = task_sets.kleister(folder)[:most]
    in_parts, at_once, parts = [], [], 0
    for one in found:
        text = one.passages[0].text
        request = Request(kind=Kind.EXTRACTION, scope=Scope(documents=("d",)), schema=CONTRACT)
        result = run_analysis(request, library=Shelf({"d": text}), engine=engine)
        parts += result["coverage"]["chunks_read"]
        in_parts.append(counts_of(result["result"]["documents"][0]["value"], one))
        task = ExtractTask(passages=one.passages, schema=CONTRACT)
        at_once.append(counts_of(engine.run(task, Context()).value.value, one))
    return {
        "set": "Kleister NDA, offline",
        "agreements": len(found),
        "parts": parts,
        "F1 in parts": round(f1_of(in_parts).mean, 3),
        "F1 at once": round(f1_of(at_once).mean, 3),
    }


def clauses(folder: Path, engine: OfflineEngine, most: int) -> dict[str, Any]:
    """One row: F1 of the places that the offline engine cites for 41 fields.

    A place is right when it and a gold span of the field have half of their characters in common,
    of those that either has.
    """
    texts, gold = contracts(folder, most)
    asked = {
        row["metadata"]["category"]: row["text"].rpartition(". ")[2]
        for row in rows(folder / "queries.jsonl.gz")
    }
    names = sorted({one.field for one in gold})
    text = {"type": "string"}
    schema = {
        "type": "object",
        "properties": {
            name: {"type": "array", "items": text, "description": asked.get(name, name)}
            for name in names
        },
    }
    request = Request(kind=Kind.EXTRACTION, scope=Scope(documents=tuple(texts)), schema=schema)
    started = time.process_time()
    found = cited(run_analysis(request, library=Shelf(texts), engine=engine))
    right = sum(any(alike(one, other) for other in gold) for one in found)
    met = sum(any(alike(one, other) for other in found) for one in gold)
    precision, recall = right / max(1, len(found)), met / max(1, len(gold))
    both = precision + recall
    return {
        "set": "cuad-spans, offline",
        "contracts": len(texts),
        "cited": len(found),
        "precision": round(precision, 3),
        "recall": round(recall, 3),
        "F1": round(2 * precision * recall / both, 3) if both else 0.0,
        "cpu_s": round(time.process_time() - started, 1),
    }


def alike(one: Gold, other: Gold) -> bool:
    if (one.document, one.field) != (other.document, other.field):
        return False
    shared = min(one.end, other.end) - max(one.start, other.start)
    return 2 * shared >= max(one.end, other.end) - min(one.start, other.start)


if __name__ == "__main__":
    main()
