"""``python -m tests.benchmarks.dialogues``: what completing and taking apart questions brings.

- ``follow-ups``: those of ``data/eval/dialogues.jsonl`` on the sample documents, looked up as they
  stand and completed by what was asked and answered before; a hit is a passage with at least
  half of the characters that answer.
- ``two in one``: two questions of a public set put together, looked up as they stand and taken
  apart; a hit is the passage of each.
- ``alone``: the share of questions of public sets, each after a question on something else, that
  are changed, and of those that are taken apart. Each was written to stand by itself.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from rag.embedding.registry import open_embedder
from rag.models.offline.following import Told, standing_alone
from rag.models.offline.parting import parts_of
from rag.queries import reciprocal_sums
from rag.retrieve import SearchRequest
from rag.types import Passage
from tests.benchmarks.cached import CachedEmbedder
from tests.benchmarks.datasets import RetrievalSet, load_retrieval
from tests.benchmarks.library import Library, open_library
from tests.benchmarks.retrieval import DEFAULT, Piece, Searchable
from tests.realdata import REAL_DATA

_ROOT = Path(__file__).resolve().parents[2]
_PARTS = ("follow-ups", "two-in-one", "alone")
_DEPTHS = (1, 3, 8)
_ELSEWHERE = "What does the Acme lease say about rent?"
_PAIRS = 300
_SEED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts that are named, else all, and print a row for each way of asking."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.dialogues")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(_PARTS))
    parser.add_argument("--json", type=Path, help="write the figures to a file")
    parser.add_argument("--cache", type=Path, default=_ROOT / "build" / "eval")
    options = parser.parse_args(arguments)
    wanted = options.parts or _PARTS
    if unknown := sorted(set(wanted) - set(_PARTS)):
        parser.error(f"no such part: {', '.join(unknown)}; known are {', '.join(_PARTS)}")
    rows: list[dict[str, Any]] = []
    if "follow-ups" in wanted:
        rows += follow_ups(options.cache / "models")
    if REAL_DATA is None:
        print("Left out: ../shared/data is not there.")
    else:
        if "two-in-one" in wanted:
            rows += two_in_one(REAL_DATA / "retrieval" / "squad2-passages", options.cache)
        if "alone" in wanted:
            rows += alone(REAL_DATA / "retrieval")
    _show(rows)
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return 0


def follow_ups(models: Path) -> list[dict[str, Any]]:
    """Follow-ups on the sample documents, with and without what came before."""
    lines = (_ROOT / "data" / "eval" / "dialogues.jsonl").read_text("utf-8").splitlines()
    files = sorted((_ROOT / "data" / "samples").iterdir())
    found: dict[str, list[list[bool]]] = {"as they stand": [], "completed": []}
    with (
        tempfile.TemporaryDirectory() as folder,
        open_library(Path(folder), files, models=models, reader="none") as library,
    ):
        for dialogue in map(json.loads, lines):
            told: list[Told] = [_asked(library, dialogue["first"])]
            for one in dialogue["follow_ups"]:
                meant = standing_alone(one["question"], told).question
                place = _place(library, one)
                found["as they stand"].append(_hits(library, one["question"], place))
                found["completed"].append(_hits(library, meant, place))
                if not found["completed"][-1][-1]:
                    print(f"missed, {dialogue['id']}: {one['question']} -> {meant}")
                told.append(_asked(library, meant))
    return [_row("follow-ups", way, hits) for way, hits in found.items()]


def two_in_one(folder: Path, cache: Path) -> list[dict[str, Any]]:
    """Pairs of questions put together in two forms, as they stand and taken apart."""
    data = load_retrieval(folder, folder.name)
    embedder = CachedEmbedder(
        open_embedder("onnx", cache=cache / "models"), cache / "vectors.sqlite"
    )
    rows = []
    try:
        searchable = Searchable([[Piece(*one)] for one in data.passages.items()], embedder)
        for form, join in (("two sentences", "{}? {}"), ("joined by and", "{} and {}")):
            found: dict[str, list[list[bool]]] = {"as they stand": [], "taken apart": []}
            for question, gold in _pairs(data, join):
                whole = searchable.rank(question)[DEFAULT]
                parts = [searchable.rank(part)[DEFAULT] for part in parts_of(question)]
                apart = list(reciprocal_sums([whole, *parts])) if parts else whole
                for way, ranked in zip(found, (whole, apart), strict=True):
                    found[way] += [[bool(one & set(ranked[:k])) for k in _DEPTHS] for one in gold]
            rows += [_row(f"two in one, {form}", way, hits) for way, hits in found.items()]
    finally:
        embedder.close()
    return rows


def alone(folder: Path) -> list[dict[str, Any]]:
    """How many questions that stand by themselves are changed all the same, or taken apart."""
    rows = []
    for name in ("squad2-passages", "anthropic-docs", "cranfield"):
        questions = list(load_retrieval(folder / name, name).questions.values())
        changed = [standing_alone(one, [Told(question=_ELSEWHERE)]).leans for one in questions]
        parted = [bool(parts_of(one)) for one in questions]
        for way, which in (("changed", changed), ("taken apart", parted)):
            rows.append(
                {"set": f"alone, {name}", "way": way, "n": len(which), "share": np.mean(which)}
            )
    return [{**row, "share": round(float(row["share"]), 4)} for row in rows]


def _pairs(data: RetrievalSet, join: str) -> Iterator[tuple[str, list[set[str]]]]:
    """Questions made of two, and the passages that answer each."""
    draw = random.Random(_SEED)  # the same pairs each time
    keys = list(data.questions)
    for _ in range(_PAIRS):
        one, two = draw.sample(keys, 2)
        first, second = data.questions[one].strip(), data.questions[two].strip()
        if "?" not in join:
            second = second[0].lower() + second[1:]
        gold = [{key for key, grade in data.grades[of].items() if grade} for of in (one, two)]
        yield join.format(first.rstrip("? "), second), gold


def _asked(library: Library, question: str) -> Told:
    answer = library.ask(question, _DEPTHS[-1])
    quotes = [one.cited_text for sentence in answer.sentences for one in sentence.citations]
    return Told(question=question, quotes=tuple(quotes))


def _place(library: Library, one: Mapping[str, str]) -> tuple[str, int, int]:
    found = library.place(one["document"], one["quote"])
    if found is None:
        raise SystemExit(f"error: {one['document']} does not say {one['quote']!r}")
    return library.documents[one["document"]].id, *found


def _hits(library: Library, question: str, place: tuple[str, int, int]) -> list[bool]:
    request = SearchRequest(query=question, collections=(library.collection,), top_k=_DEPTHS[-1])
    passages = library.services.retriever.search(request)
    return [any(_has(one, place) for one in passages[:k]) for k in _DEPTHS]


def _has(passage: Passage, place: tuple[str, int, int]) -> bool:
    document, start, end = place
    shared = min(passage.end, end) - max(passage.start, start)
    return passage.document_id == document and 2 * shared >= end - start


def _row(name: str, way: str, hits: Sequence[Sequence[bool]]) -> dict[str, Any]:
    shares = np.mean(np.array(hits, dtype=float), axis=0).round(4).tolist()
    at = {f"hit@{k}": share for k, share in zip(_DEPTHS, shares, strict=True)}
    return {"set": name, "way": way, "n": len(hits), **at}


def _show(rows: Sequence[Mapping[str, Any]]) -> None:
    table = Table(box=box.SIMPLE)
    columns = ("set", "way", "n", *(f"hit@{k}" for k in _DEPTHS), "share")
    for column in columns:
        table.add_column(column, justify="left" if column in ("set", "way") else "right")
    for row in rows:
        cells = (row.get(column, "") for column in columns)
        table.add_row(*(f"{one:.3f}" if isinstance(one, float) else str(one) for one in cells))
    Console(width=100).print(table)


if __name__ == "__main__":
    sys.exit(main())
