"""``python -m tests.benchmarks.chunking``: what the ways to cut a text are worth to a search.

Each strategy cuts the same documents; the pieces are searched as the product searches them
(default embedding model, hybrid ranking), and the characters read are held against those that
answer the question. Two public sets: general texts with the excerpts that answer each question,
published to compare chunkers, and contracts with the clauses that answer.

- ``top 5``: character recall, precision and intersection over union of the first five chunks,
  as Smith, Troynikov, "Evaluating Chunking Strategies for Retrieval", Chroma, 2024, define them.
  Long chunks have more characters to hit with.
- ``recall 2k``, ``recall 5k``: character recall of the first so many characters in rank order,
  the same for all. What overlapping chunks share is read once, as a search merges them.

Differences are from the first row, by a paired bootstrap over questions.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from ingest.chunk import complete, open_chunker
from ingest.parse import parse
from rag import evaluate
from rag.embedding import Embedder
from rag.embedding.registry import open_embedder
from rag.evaluate import Place
from rag.types import ParsedDocument
from tests.benchmarks.cached import CachedEmbedder
from tests.benchmarks.datasets import load_contracts, rows
from tests.benchmarks.retrieval import DEFAULT, Piece, Searchable

_ROOT = Path(__file__).resolve().parents[2]
_TOP = 5
_BUDGETS = (2_000, 5_000)
_SIZES = (100, 200, 254)
_PEER = "llama_index:llama_index.core.node_parser.SentenceSplitter"

_TOKEN_OVERLAP = ("recursive", "fixed", "structure")

VARIANTS: tuple[Mapping[str, Any], ...] = (
    {"strategy": "recursive", "size": 200, "overlap": 32},
    *(
        {"strategy": strategy, "size": size, "overlap": overlap}
        for strategy in _TOKEN_OVERLAP
        for size in _SIZES
        for overlap in (0, size // 6)
        if (strategy, size, overlap) != ("recursive", 200, 33)
    ),
    *(
        {"strategy": "sentence", "size": size, "overlap": overlap}
        for size in _SIZES
        for overlap in (0, 1)
    ),
    *({"strategy": "semantic", "size": size} for size in _SIZES),
    *({"strategy": _PEER, "size": size} for size in _SIZES),
)
"""The first is the default, with which the others are compared."""


class Collected:
    """Documents, and questions with the places that answer them."""

    def __init__(self) -> None:
        self.documents: dict[str, ParsedDocument] = {}
        self.titles: dict[str, str] = {}
        self.questions: list[tuple[str, tuple[Place, ...]]] = []


def general_texts(folder: Path) -> Collected:
    """Three texts, read as the Markdown files that they are, all in one index."""
    found = Collected()
    for path in sorted(folder.glob("*.md.gz")):
        name = path.name.removesuffix(".md.gz")
        with TemporaryDirectory() as scratch:
            file = Path(scratch, f"{name}.md")
            file.write_bytes(gzip.decompress(path.read_bytes()))
            found.documents[name] = parse(file, "text/markdown")
        found.titles[name] = f"{found.documents[name].title or ''}\n{name}.md".strip()
        for row in rows(folder / f"{name}.questions.jsonl.gz"):
            spans = ((one["start_index"], one["end_index"]) for one in row["references"])
            found.questions.append((row["text"], tuple(Place(name, *span) for span in spans)))
    return found


def contracts(folder: Path, most: int | None) -> Collected:
    """The first so many contracts of CUAD, as plain texts, all in one index."""
    data = load_contracts(folder, most)
    found = Collected()
    for key, text in data.documents.items():
        found.documents[key] = ParsedDocument(text=text, media_type="text/plain")
        found.titles[key] = data.titles[key]
    found.questions = [(text, data.gold[key]) for key, text in data.questions.items()]
    return found


def measure(data: Collected, config: Mapping[str, Any], embedder: Embedder) -> dict[str, Any]:
    """Every metric of every question, and how many chunks of what length there are."""
    chunker = open_chunker(complete(config, embedder.window))
    places: dict[str, Place] = {}
    tokens: list[int] = []
    documents = []
    for name, document in data.documents.items():
        pieces = []
        for chunk in chunker.chunk(document, embedder):
            key = f"{name}#{chunk.position}"
            places[key] = Place(name, chunk.start, chunk.end)
            tokens.append(chunk.tokens)
            pieces.append(Piece(key, chunk.text, data.titles[name]))
        documents.append(pieces)
    searchable = Searchable(documents, embedder)
    values: dict[str, list[float]] = {}
    for question, gold in data.questions:
        ranked = [places[key] for key in searchable.rank(question)[DEFAULT]]
        for metric, value in scores(ranked, gold).items():
            values.setdefault(metric, []).append(value)
    return {"chunks": len(places), "tokens": sum(tokens) / len(tokens), "values": values}


def compared(results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Means of every variant, and their differences from the first with intervals."""
    base = next(iter(results.values()))["values"]
    return {
        name: {
            "chunks": result["chunks"],
            "tokens": round(result["tokens"], 1),
            "metrics": {
                metric: asdict(evaluate.estimate(values))
                | {"difference": asdict(evaluate.compare(values, base[metric]))}
                for metric, values in result["values"].items()
            },
        }
        for name, result in results.items()
    }


def label(config: Mapping[str, Any]) -> str:
    """A variant's name in a table, such as ``recursive 200/32``."""
    name = str(config["strategy"]).replace(_PEER, "LlamaIndex SentenceSplitter")
    overlap = f"/{config['overlap']}" if "overlap" in config else ""
    return f"{name} {config['size']}{overlap}"


def print_report(name: str, questions: int, report: Mapping[str, Any]) -> None:
    """One table: means, and for the recall of the longest budget what the difference is."""
    first = next(iter(report.values()))["metrics"]
    table = Table(
        title=f"{name} ({questions} questions)",
        title_justify="left",
        box=box.SIMPLE,
        pad_edge=False,
    )
    for column in ("", "chunks", "tokens", *first, "difference in the last", "p"):
        table.add_column(column, justify="right", no_wrap=True)
    for variant, row in report.items():
        means = [f"{one['mean']:.3f}" for one in row["metrics"].values()]
        last = list(row["metrics"].values())[-1]["difference"]
        shown = f"{last['mean']:+.3f} [{last['low']:+.3f}, {last['high']:+.3f}]"
        cells = (variant, str(row["chunks"]), f"{row['tokens']:.0f}", *means, shown)
        table.add_row(*cells, f"{last['p']:.3f}")
    Console(width=140).print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all variants, or those whose label contains a word given."""
    options = _options(arguments)
    retrieval = options.data / "retrieval"
    if not retrieval.is_dir():
        Console().print(f"Left out: the public retrieval sets are not in {options.data}.")
        return 0
    chosen = [
        config
        for place, config in enumerate(VARIANTS)
        if place == 0 or not options.only or any(one in label(config) for one in options.only)
    ]
    sets = {}
    if options.texts:
        sets["general texts"] = general_texts(retrieval / "chroma-chunking")
    if options.contracts:
        most = None if options.contracts < 0 else options.contracts
        sets[f"{most or 'all'} contracts"] = contracts(retrieval / "cuad-spans", most)
    embedder = CachedEmbedder(
        open_embedder(options.embedder, cache=options.cache / "models"),
        options.cache / "vectors.sqlite",
    )
    report = {}
    for name, data in sets.items():
        results = {label(config): measure(data, config, embedder) for config in chosen}
        report[name] = compared(results)
        print_report(name, len(data.questions), report[name])
    embedder.close()
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0


def scores(ranked: Sequence[Place], gold: Sequence[Place]) -> dict[str, float]:
    """All metrics of one question, by the names that they have in the table."""
    top = ranked[:_TOP]
    recall = evaluate.character_scores(top, gold, budget=sys.maxsize).recall
    wanted = _size(_unseen(gold))
    hit, read = recall * wanted, _size(top)  # what chunks share counts each time as read
    return {
        "recall": recall,
        "precision": hit / read if read else 0.0,
        "iou": hit / (read + wanted - hit),
        **{
            f"recall {budget // 1000}k": evaluate.character_scores(
                list(_unseen(ranked)), gold, budget=budget
            ).recall
            for budget in _BUDGETS
        },
    }


def _unseen(ranked: Iterable[Place]) -> Iterator[Place]:
    """The places without what was in those before."""
    seen: dict[str, list[Place]] = {}
    for place in ranked:
        rest = [place]
        for other in seen.setdefault(place.document_id, []):
            rest = [left for one in rest for left in _without(one, other)]
        seen[place.document_id].append(place)
        yield from rest


def _without(place: Place, other: Place) -> Iterator[Place]:
    for start, end in (
        (place.start, min(place.end, other.start)),
        (max(place.start, other.end), place.end),
    ):
        if start < end:
            yield place._replace(start=start, end=end)


def _size(places: Iterable[Place]) -> int:
    return sum(place.end - place.start for place in places)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.chunking")
    parser.add_argument("--data", type=Path, default=_ROOT.parent / "shared" / "data")
    parser.add_argument("--json", type=Path, help="write all figures into this file")
    parser.add_argument("--embedder", default="onnx")
    parser.add_argument(
        "--cache",
        type=Path,
        default=_ROOT / "build" / "eval",
        help="models and vectors, kept between runs",
    )
    parser.add_argument(
        "--no-texts", dest="texts", action="store_false", help="leave the general texts out"
    )
    parser.add_argument(
        "--contracts", type=int, default=20, help="how many contracts to cut (-1: all, 0: none)"
    )
    parser.add_argument(
        "--only", nargs="*", metavar="WORD", help="only variants whose label contains a word"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
