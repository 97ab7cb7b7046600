"""``python -m tests.benchmarks.rerank FOLDER``: whether a reader ranks passages better.

Each passage of a set is a document cut into chunks. The first 20 chunks of the fused ranking are
read and ordered anew, as the service does it (which merges those that overlap first), and a
document stands where its first chunk does: nDCG@10 and MRR@10 before and after, and how sure the
difference is (paired bootstrap, 95 %). Of contracts chunks are ranked, twenty documents of them:
right is what shares at least half of itself, or of it, with a place that answers.
Weights are fitted (``--fit``) on SQuAD 2.0's passages, by the questions on every other of them;
the other half of these questions, and the other sets, only measure. Reading is
most of the time: ``--most`` takes so many questions of each set, drawn by a fixed seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from rag import evaluate
from rag.embedding import Embedder
from rag.evaluate import Place, estimate
from rag.models.offline.folder import add_fitted
from rag.models.offline.reader import Reader
from rag.models.offline.reranking import RERANK_FEATURES, USE, features
from rag.models.offline.scoring import Features, Weights, weights_of
from rag.rerank import RERANKED
from tests.benchmarks.datasets import RetrievalSet, SpanSet, load_contracts, load_retrieval
from tests.benchmarks.fitting import logistic
from tests.benchmarks.of_reader import asked
from tests.benchmarks.retrieval import DEFAULT, Piece, Searchable, cut, cut_contracts

TUNED_ON = "squad2-passages"
SETS = (TUNED_ON, "cranfield", "anthropic-docs")
CONTRACTS = "cuad-spans"
_K = 10
_CONTRACTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Documents in chunks, and questions with the grades of what ``named`` calls a chunk."""

    documents: Sequence[Sequence[Piece]]
    questions: Mapping[str, str]
    grades: Mapping[str, Mapping[str, float]]
    named: Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """The documents of a question's first chunks, with what the reader says of each chunk."""

    keys: list[str]
    rest: list[str]
    features: Features
    grades: dict[str, float]


def passages(data: RetrievalSet, embedder: Embedder) -> Judged:
    """A set whose passages are judged: a chunk stands for its own."""
    return Judged(
        documents=[
            [Piece(f"{key}#{place}", text) for place, (key, text, _) in enumerate(chunks)]
            for chunks in cut(data, embedder)
        ],
        questions=data.questions,
        grades=data.grades,
        named=lambda key: key.rpartition("#")[0],
    )


def contracts(data: SpanSet, embedder: Embedder) -> Judged:
    """Contracts, in which places are judged: a chunk stands for itself."""
    documents, places = cut_contracts(data, embedder)
    return Judged(
        documents=documents,
        questions=data.questions,
        grades={
            question: {
                key: 1.0 for key, place in places.items() if any(_shared(place, g) for g in gold)
            }
            for question, gold in data.gold.items()
        },
        named=lambda key: key,
    )


def _shared(chunk: Place, gold: Place) -> bool:
    shared = min(chunk.end, gold.end) - max(chunk.start, gold.start)
    least = min(chunk.end - chunk.start, gold.end - gold.start) / 2
    return chunk.document_id == gold.document_id and shared >= least


def read(data: Judged, reader: Reader, embedder: Embedder, most: int) -> list[Ranked]:
    """Rank and read for at most so many questions."""
    texts = {piece.key: piece.text for chunks in data.documents for piece in chunks}
    searchable = Searchable(data.documents, embedder)
    asked = sorted(data.questions)
    found = []
    for key in random.Random(0).sample(asked, min(most, len(asked))):
        question = data.questions[key]
        ranked = searchable.rank(question)[DEFAULT]
        first = [texts[one] for one in ranked[:RERANKED]]
        names = list(map(data.named, ranked))
        found.append(
            Ranked(
                keys=names[:RERANKED],
                rest=names[RERANKED:],
                features=features(reader.read(question, first)),
                grades=dict(data.grades[key]),
            )
        )
    return found


def fit(rows: Sequence[Ranked]) -> Weights:
    """Which passages are relevant, every question counting alike."""
    usable = [row for row in rows if any(row.grades.get(key, 0) for key in row.keys)]
    truth = [np.array([float(row.grades.get(key, 0) > 0) for key in row.keys]) for row in usable]
    weights = [np.full(len(row.keys), 1e3 / len(row.keys) / len(usable)) for row in usable]
    return logistic(
        RERANK_FEATURES,
        np.concatenate([row.features for row in usable]),
        np.concatenate(truth),
        np.concatenate(weights),
    )


def measure(rows: Sequence[Ranked], weights: Weights) -> dict[str, Any]:
    """Both metrics before and after, and what each question gains."""
    before = [_once(row.keys + row.rest) for row in rows]
    after = []
    for row in rows:
        order = np.argsort(-weights.logit(row.features), kind="stable").tolist()
        after.append(_once([row.keys[place] for place in order] + row.rest))
    report: dict[str, Any] = {"questions": len(rows)}
    for name in ("ndcg@10", "mrr@10"):
        was = [_score(name, keys, row.grades) for keys, row in zip(before, rows, strict=True)]
        now = [_score(name, keys, row.grades) for keys, row in zip(after, rows, strict=True)]
        gained = [new - old for new, old in zip(now, was, strict=True)]
        report[name] = {
            "before": asdict(estimate(was)),
            "after": asdict(estimate(now)),
            "gained": asdict(estimate(gained)),
        }
    return report


def _once(documents: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(documents))


def _score(name: str, keys: Sequence[str], grades: dict[str, float]) -> float:
    if name == "ndcg@10":
        return evaluate.ndcg_at(keys, grades, _K)
    return evaluate.reciprocal_rank_at(keys, {key for key, grade in grades.items() if grade}, _K)


def main() -> None:
    """Print the table for a model folder; fit its weights first when asked to."""
    options = asked("rerank", fits="weights", most=200, counts="questions of each set")
    reader = Reader(options.folder)
    stored = None if options.fit else reader.card.fitted.get(USE)
    report, stored = run_rerank(options.data, reader, options.embedder, options.most, stored)
    if options.fit:
        add_fitted(options.folder, {USE: stored})
    options.write(report)


def run_rerank(
    data: Path,
    reader: Reader,
    embedder: Embedder,
    most: int,
    stored: Mapping[str, float] | None,
) -> tuple[dict[str, Any], Mapping[str, float]]:
    """Measure a reader with stored weights, or with such as are fitted first, and print it."""
    folder = data / "retrieval"
    sets = {name: passages(load_retrieval(folder / name, name), embedder) for name in SETS}
    sets[CONTRACTS] = contracts(load_contracts(folder / CONTRACTS, _CONTRACTS), embedder)
    rows = {name: read(one, reader, embedder, most) for name, one in sets.items()}
    if stored is None:
        weights = fit(rows[TUNED_ON][::2])
        coefficients = weights.coefficients.round(4).tolist()
        stored = dict(zip(RERANK_FEATURES, coefficients, strict=True))
        stored |= {"constant": round(weights.constant, 4)}
    rows[TUNED_ON] = rows[TUNED_ON][1::2]
    weights = weights_of(stored, RERANK_FEATURES)
    report = {name: measure(of_set, weights) for name, of_set in rows.items()}
    _show(report, stored)
    return report, stored


def _show(report: dict[str, Any], stored: Any) -> None:
    table = Table("set", "questions", "metric", "before", "after", "gained, 95 %")
    for name, of_set in report.items():
        for metric in ("ndcg@10", "mrr@10"):
            one = of_set[metric]
            gained = one["gained"]
            table.add_row(
                name,
                str(of_set["questions"]),
                metric,
                f"{one['before']['mean']:.3f}",
                f"{one['after']['mean']:.3f}",
                f"{gained['mean']:+.3f} ({gained['low']:+.3f} to {gained['high']:+.3f})",
            )
    Console(width=110).print(table)
    Console(width=110).print(f"weights: {stored}")


if __name__ == "__main__":
    main()
