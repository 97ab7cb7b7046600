"""Quality of retrieval on public sets: the service's own beside what it is made of.

``bm25``, ``dense``, ``rrf`` and ``convex`` are the usual ways over whole passages (of contracts:
the same chunks), with the same words and the same model. ``default`` is what a search of the
service does: documents cut into chunks, drawn towards their opening, words that stand together,
and scores regularized over passages that are alike. A document stands where its first chunk does.

Reference figures were measured on the same files with all-MiniLM-L6-v2 at full precision and a
common BM25, reciprocal rank fusion and convex combination.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from ingest.chunk.recursive import RecursiveChunker
from rag import evaluate
from rag.embedding import Embedder
from rag.embedding.whole import embed_whole
from rag.evaluate import Place
from rag.filling import with_opening
from rag.fuse import (
    DEPTH,
    PAIR_WEIGHT,
    Context,
    dense_weight,
    fuse_convex,
    fuse_rrf,
    likeness_trust,
    search_hybrid,
)
from rag.indexing import with_context
from rag.lexical import LexicalIndex
from rag.types import Ids, ParsedDocument
from rag.vectors.faiss import FaissIndex
from tests.benchmarks.datasets import RetrievalSet, SpanSet, load_contracts, load_retrieval

USUAL = ("bm25", "dense", "rrf", "convex")
DEFAULT = "default"
RANKINGS = (*USUAL, DEFAULT)
_CHUNK_SIZE = 200  # as collections have it unless they are made otherwise
METRICS: Mapping[str, Callable[[Sequence[str], Mapping[str, float]], float]] = {
    "ndcg@10": lambda ranked, grades: evaluate.ndcg_at(ranked, grades, 10),
    "recall@10": lambda ranked, grades: evaluate.recall_at(ranked, _relevant(grades), 10),
    "recall@100": lambda ranked, grades: evaluate.recall_at(ranked, _relevant(grades), 100),
    "mrr@10": lambda ranked, grades: evaluate.reciprocal_rank_at(ranked, _relevant(grades), 10),
    "map": lambda ranked, grades: evaluate.average_precision(ranked, _relevant(grades)),
}
REFERENCE: Mapping[str, Mapping[str, float]] = {
    "cranfield": {"bm25": 0.383, "dense": 0.400, "rrf": 0.435, "convex": 0.437},
    "anthropic-docs": {"bm25": 0.670, "dense": 0.683, "rrf": 0.781, "convex": 0.786},
    "squad2-passages": {"bm25": 0.939, "dense": 0.827, "rrf": 0.903, "convex": 0.945},
}
"""nDCG@10."""
GATE = 0.015
"""So much better must the default be than the best of the others, in the mean over these sets."""


class Piece(NamedTuple):
    """A text to search, by key; ``context`` names what it stands in."""

    key: str
    text: str
    context: str = ""


class Ranker(Protocol):
    """Pieces in indexes."""

    def rank(self, question: str) -> dict[str, list[str]]:
        """The first 100 keys of each ranking, best first."""
        ...


class Searchable:
    """Documents, each a row of pieces, in both indexes as the service has them."""

    def __init__(self, documents: Sequence[Sequence[Piece]], embedder: Embedder) -> None:
        pieces = [piece for document in documents for piece in document]
        self._keys = [piece.key for piece in pieces]
        self._embedder = embedder
        self._vectors = FaissIndex(embedder.dimension)
        self._lexical = LexicalIndex()
        ids = np.arange(len(pieces))
        vectors = embed_whole(embedder, [piece.text for piece in pieces])
        lengths = [len(document) for document in documents]
        firsts = np.cumsum([0, *lengths[:-1]])
        self._first = np.repeat(firsts, lengths)
        parts = [with_opening(part) for part in np.split(vectors, firsts[1:])]
        self._vectors.add(ids, np.concatenate(parts))
        self._lexical.add(ids, [with_context(piece.context, piece.text) for piece in pieces])

    def rank(self, question: str) -> dict[str, list[str]]:
        """The keys of the default ranking, each where it stands first."""
        dense = partial(self._vectors.search, self._embedder.embed_query(question))
        lexical = partial(self._lexical.search, question, pairs=PAIR_WEIGHT)
        weight = dense_weight(question, self._embedder)
        trust = likeness_trust(question, self._embedder)
        context = Context(
            documents=self._first.__getitem__,
            opening=partial(self._lexical.search, question),
            read=self._vectors.get,
        )
        found = search_hybrid(dense, lexical, weight=weight, context=context, trust=trust)
        return {DEFAULT: _named(found.fused.ids, self._keys)}


class Plain:
    """Pieces in the same indexes, searched in the usual ways."""

    def __init__(self, pieces: Sequence[Piece], embedder: Embedder) -> None:
        self._keys = [piece.key for piece in pieces]
        self._embedder = embedder
        self._vectors = FaissIndex(embedder.dimension)
        self._lexical = LexicalIndex()
        ids = np.arange(len(pieces))
        texts = [piece.text for piece in pieces]
        self._vectors.add(ids, embedder.embed_passages(texts))
        self._lexical.add(ids, texts)

    def rank(self, question: str) -> dict[str, list[str]]:
        """The first 100 keys of each ranking, best first."""
        dense = self._vectors.search(self._embedder.embed_query(question), DEPTH)
        lexical = self._lexical.search(question, DEPTH)
        hits = (lexical, dense, fuse_rrf(dense, lexical), fuse_convex(dense, lexical))
        return {name: _named(one.ids, self._keys) for name, one in zip(USUAL, hits, strict=True)}


def _named(ids: Ids, keys: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(keys[place] for place in ids.tolist()))[:DEPTH]


def run_retrieval_eval(
    data: Path,
    embedder: Embedder,
    *,
    passages: bool = True,
    languages: Sequence[str] = (),
    contracts: int | None = 20,
) -> dict[str, Any]:
    """Rank the sets under ``data/retrieval`` and print tables.

    ``languages`` are those of XQuAD's passages and questions that are asked as well.
    ``contracts`` is how many of CUAD's are searched (``None``: all, 0: none); embedding them
    is what takes the time.
    """
    report: dict[str, Any] = {"embedder": embedder.id, "passages": {}, "spans": {}}
    if passages:
        for one in passage_sets(data / "retrieval", languages):
            report["passages"][one.name] = evaluate_passages(one, embedder)
    folder = data / "retrieval" / "cuad-spans"
    if folder.is_dir() and contracts != 0:
        report["spans"]["cuad-spans"] = evaluate_spans(load_contracts(folder, contracts), embedder)
    print_report(report)
    if set(REFERENCE) <= report["passages"].keys():
        report["gate"] = gate(report)
        Console().print(_verdict(report["gate"]))
    return report


def gate(report: Mapping[str, Any]) -> dict[str, Any]:
    """Whether the default is better in the mean by ``GATE``, and worse on no set.

    Worse is what is below the best other ranking with its whole interval.
    """
    sets = report["passages"] | report["spans"]
    gained = [report["passages"][name]["default_against_best_other"]["mean"] for name in REFERENCE]
    worse = [name for name, one in sets.items() if one["default_against_best_other"]["high"] < 0]
    mean = float(np.mean(gained))
    return {"gained": mean, "worse": worse, "passed": mean >= GATE and not worse}


def _verdict(found: Mapping[str, Any]) -> str:
    worse = ", ".join(found["worse"]) or "no set"
    return (
        f"{DEFAULT} against the best of the others: {found['gained']:+.4f} in the mean over "
        f"{', '.join(REFERENCE)} (wanted {GATE:+.4f}), significantly worse on {worse}: "
        f"{'passed' if found['passed'] else 'FAILED'}"
    )


def passage_sets(folder: Path, languages: Sequence[str]) -> Iterator[RetrievalSet]:
    """The sets of passages that are at hand."""
    for name in REFERENCE:
        if (folder / name).is_dir():
            yield load_retrieval(folder / name, name)
    xquad = folder / "xquad-passages"
    for language in languages:
        if (xquad / language).is_dir():
            yield load_retrieval(xquad / language, f"xquad-{language}", judged=xquad)


def evaluate_passages(data: RetrievalSet, embedder: Embedder) -> dict[str, Any]:
    """Every metric of every ranking, and the default's nDCG@10 less that of the best other."""
    started = time.perf_counter()
    searchable = Searchable(cut(data, embedder), embedder)
    built = time.perf_counter()
    rankings = {key: searchable.rank(question) for key, question in data.questions.items()}
    finished = time.perf_counter()
    plain = Plain([Piece(*one) for one in data.passages.items()], embedder)
    for key, question in data.questions.items():
        rankings[key] |= plain.rank(question)
    values = {
        ranking: {
            metric: [score(rankings[key][ranking], data.grades[key]) for key in rankings]
            for metric, score in METRICS.items()
        }
        for ranking in RANKINGS
    }
    return {
        "passages": len(data.passages),
        "questions": len(data.questions),
        "build_s": round(built - started, 3),
        "ms_per_question": round(1_000 * (finished - built) / len(rankings), 3),
        "metrics": _estimates(values),
        "default_against_best_other": _against_best_other(
            {ranking: values[ranking]["ndcg@10"] for ranking in RANKINGS}
        ),
        "reference_ndcg@10": REFERENCE.get(data.name),
    }


def cut(data: RetrievalSet, embedder: Embedder) -> list[list[Piece]]:
    """Each passage as the service stores a document of its own: in chunks, which bear its key."""
    chunker = RecursiveChunker(size=_CHUNK_SIZE)
    documents = []
    for key, text in data.passages.items():
        chunks = chunker.chunk(ParsedDocument(text=text, media_type="text/plain"), embedder)
        documents.append([Piece(key, chunk.text) for chunk in chunks])
    return [pieces for pieces in documents if pieces]


def cut_contracts(data: SpanSet, embedder: Embedder) -> tuple[list[list[Piece]], dict[str, Place]]:
    """Each contract in chunks, and the place of each chunk by its key."""
    chunker = RecursiveChunker(size=_CHUNK_SIZE)
    places: dict[str, Place] = {}
    documents = []
    for document_id, text in data.documents.items():
        parsed = ParsedDocument(text=text, media_type="text/plain")
        pieces = []
        for chunk in chunker.chunk(parsed, embedder):
            key = f"{document_id}#{chunk.position}"
            places[key] = Place(document_id, chunk.start, chunk.end)
            pieces.append(Piece(key, chunk.text, data.titles[document_id]))
        documents.append(pieces)
    return documents, places


def evaluate_spans(data: SpanSet, embedder: Embedder) -> dict[str, Any]:
    """Character recall, precision and IoU of the first 5,000 characters read in rank order."""
    documents, places = cut_contracts(data, embedder)
    rankers: tuple[Ranker, ...] = (
        Plain([piece for pieces in documents for piece in pieces], embedder),
        Searchable(documents, embedder),
    )
    values: dict[str, dict[str, list[float]]] = {
        ranking: {f"character_{name}": [] for name in ("recall", "precision", "iou")}
        for ranking in RANKINGS
    }
    for key, question in data.questions.items():
        found = {name: row for one in rankers for name, row in one.rank(question).items()}
        for ranking, ranked in found.items():
            scores = evaluate.character_scores([places[k] for k in ranked], data.gold[key])
            for name, value in scores._asdict().items():
                values[ranking][f"character_{name}"].append(value)
    return {
        "documents": len(data.documents),
        "chunks": len(places),
        "questions": len(data.questions),
        "budget": evaluate.BUDGET,
        "metrics": _estimates(values),
        "default_against_best_other": _against_best_other(
            {ranking: values[ranking]["character_recall"] for ranking in RANKINGS}
        ),
    }


def print_report(report: Mapping[str, Any]) -> None:
    """One table a set; the interval is that of the first metric, and so is the reference."""
    console = Console()
    for name, result in (report["passages"] | report["spans"]).items():
        reference = result.get("reference_ndcg@10")
        table = Table(
            title=f"{name} ({result['questions']} questions)",
            title_justify="left",
            box=box.SIMPLE,
            padding=(0, 0, 0, 1),
        )
        metrics = list(result["metrics"][DEFAULT])
        first = metrics[0]
        known = ["reference"] if reference else []
        for column in ("", first, "95 %", *known, *metrics[1:]):
            table.add_column(column.replace("_", " "), justify="right", no_wrap=True)
        for ranking in RANKINGS:
            by_metric = result["metrics"][ranking]
            known = (
                [f"{reference[ranking]:.3f}" if ranking in reference else ""] if reference else []
            )
            rest = [f"{by_metric[metric]['mean']:.3f}" for metric in metrics[1:]]
            table.add_row(ranking, *_shown(by_metric[first]), *known, *rest)
        console.print(table)
        console.print(_sentence(result["default_against_best_other"]))


def _relevant(grades: Mapping[str, float]) -> set[str]:
    return {key for key, grade in grades.items() if grade > 0}


def _estimates(values: Mapping[str, Mapping[str, Sequence[float]]]) -> dict[str, Any]:
    return {
        ranking: {metric: asdict(evaluate.estimate(row)) for metric, row in by_metric.items()}
        for ranking, by_metric in values.items()
    }


def _against_best_other(values: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    others = [ranking for ranking in values if ranking != DEFAULT]
    best = max(others, key=lambda ranking: float(np.mean(values[ranking])))
    return {"other": best, **asdict(evaluate.compare(values[DEFAULT], values[best]))}


def _shown(value: Mapping[str, float]) -> tuple[str, str]:
    return f"{value['mean']:.3f}", f"{value['low']:.3f}-{value['high']:.3f}"


def _sentence(difference: Mapping[str, Any]) -> str:
    return (
        f"{DEFAULT} - {difference['other']}: {difference['mean']:+.4f} "
        f"[{difference['low']:+.4f}, {difference['high']:+.4f}], p = {difference['p']:.4f}\n"
    )
