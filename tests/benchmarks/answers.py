"""How often the offline engine answers, and answers right; and the fit of its two models.

    python -m tests.benchmarks.answers          report
    python -m tests.benchmarks.answers --fit    refit rag/models/offline/weights.json, report
    python -m tests.benchmarks.answers --reader FOLDER [--fit]
                                                the same with a reader, in whose card the ranking
                                                of sentences lies; refusals stay those without

Questions are asked with the real embedder, of indexes like the service's, eight passages each.
These kinds must be told apart: answerable ones; written to look answerable but not (SQuAD 2.0), or
asking for a clause that a contract lacks; answerable ones whose whole article, contract or
company has been taken out of the corpus; answerable ones whose own paragraph has been
taken out while the rest stays; and questions on something else altogether. Models are
fitted on articles, contracts and companies other than those that are held out. A reader has been
trained on SQuAD 1.1: its ranking is fitted on every other article of SQuAD 2.0's development half
instead, and all are judged by the rest.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from rag.embedding.registry import open_embedder
from rag.models.offline import scoring
from rag.models.offline.answering import MARGIN, MOST_SENTENCES, THRESHOLD, select
from rag.models.offline.folder import add_fitted
from rag.models.offline.reader import Reader
from rag.models.offline.reading import fitted_ranking
from tests.benchmarks.answer_rows import KINDS, Row, rows_of
from tests.benchmarks.answer_sets import (
    FILED,
    Case,
    Text,
    chroma,
    contracts,
    reader,
    reports,
    squad2,
)
from tests.benchmarks.cached import CachedEmbedder
from tests.benchmarks.fitting import auroc, logistic

Data: TypeAlias = tuple[Sequence[Text], Sequence[Case]]
# Sets that have many right sentences, and are labelled loosely.
LOOSE = ("contracts", "reports of three companies")
# Encyclopedias that are fitted on: of a reader, none that it was trained on.
READ_SETS = {"SQuAD 2.0, other articles": (lambda: squad2(odd=True), 400)}
OTHER_SETS = {
    "SQuAD 1.1": (lambda: reader("squad11-train.jsonl.xz", 20), 400),
    "SQuAD 2.0": (lambda: reader("squad20-extra.jsonl.xz", 8), 400),
}
WEIGHTS = Path(scoring.__file__).with_name("weights.json")
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)
# What the answer model should expect of its users, by kind of question.
MIX = {
    "answerable": 0.55,
    "adversarial": 0.10,
    "article removed": 0.20,
    "paragraph removed": 0.05,
    "other domain": 0.10,
}


def fit_ranking(sets: Mapping[str, Sequence[Row]], names: tuple[str, ...]) -> scoring.Weights:
    """Fit the choice of sentences, every set of questions counting alike.

    Contracts and reports count less: they have many right sentences, and are labelled loosely.
    """
    features, target, weights = [], [], []
    for name, rows in sets.items():
        counting = 0.7 if name in LOOSE else 1.0
        known = [row for row in rows if row.right.any()]
        for row in known:
            n = len(row.right)
            features.append(row.features)
            target.append(row.right.astype(float))
            weights.append(np.full(n, counting * 1e4 / n / len(known)))
    return logistic(
        names, np.concatenate(features), np.concatenate(target), np.concatenate(weights)
    )


def fit_answer(sets: Mapping[str, Sequence[Row]], sentence: scoring.Weights) -> scoring.Weights:
    """Fit how likely what would be said answers, every set and kind counting by ``MIX``."""
    usable: list[Row] = []
    weight: list[float] = []
    for rows in sets.values():
        counts = Counter(row.case.kind for row in rows if row.found)
        expected = sum(MIX[kind] for kind in counts)
        for row in rows:
            if row.found:
                usable.append(row)
                weight.append(1e4 * MIX[row.case.kind] / expected / counts[row.case.kind])
    names = scoring.ANSWER_FEATURES
    none = scoring.Weights(names=names, coefficients=np.zeros(len(names)), constant=0.0)
    models = scoring.Models(sentence=sentence, answer=none)
    return logistic(
        names,
        np.concatenate([_summary(row, models) for row in usable]),
        np.array([float(_shown_right(row, sentence, MARGIN)) for row in usable]),
        np.array(weight),
    )


def _stored(model: scoring.Weights) -> dict[str, float]:
    named = dict(zip(model.names, model.coefficients.round(4).tolist(), strict=True))
    return {"constant": round(model.constant, 4), **named}


def _shown_right(row: Row, sentence: scoring.Weights, margin: float) -> bool:
    """Whether one of the sentences that would be shown answers."""
    chosen = select(row.found, sentence.logit(row.features), margin)
    return any(row.right[row.found.index(one)] for one in chosen)


def _summary(row: Row, models: scoring.Models) -> scoring.Features:
    return scoring.answer_features(row.question, row.found, _plain(row), models, row.task)


def _plain(row: Row) -> scoring.Features:
    """Without what a reader says."""
    return row.features[:, : len(scoring.SENTENCE_FEATURES)]


def report(
    name: str,
    rows: Sequence[Row],
    sentence: scoring.Weights,
    models: scoring.Models,
    examples: int,
) -> None:
    """Print hit rates of selected sentences, and how kinds of questions are told apart."""
    answer = models.answer
    print(f"\n## {name}")
    known = [row for row in rows if row.case.kind == "answerable"]
    print(f"sentence-hit rate of {len(known)} answerable questions, and sentences shown")
    similar = scoring.SENTENCE_FEATURES.index("similarity")
    cover = scoring.SENTENCE_FEATURES.index("coverage")
    for label, scorer in (
        ("top similarity", lambda row: row.features[:, similar]),
        ("top word coverage", lambda row: row.features[:, cover]),
        ("fitted, no reader", lambda row: models.sentence.logit(_plain(row))),
        ("fitted", lambda row: sentence.logit(row.features)),
    ):
        orders = [np.argsort(-scorer(row), kind="stable") for row in known]
        rates = [
            np.mean([row.right[order[:k]].any() for row, order in zip(known, orders, strict=True)])
            for k in (1, 2, 3)
        ]
        print(f"  {label:20s} @1 {rates[0]:.3f}  @2 {rates[1]:.3f}  @3 {rates[2]:.3f}")
    print(f"  {'in the shortlist':20s}    {np.mean([row.right.any() for row in known]):.3f}")
    for margin in (0.0, 0.5, MARGIN, 1.5):
        hits, shown = [], []
        for row in known:
            chosen = select(row.found, sentence.logit(row.features), margin)
            hits.append(_shown_right(row, sentence, margin))
            shown.append(len(chosen))
        print(
            f"  margin {margin:.1f}, at most {MOST_SENTENCES}: hit {np.mean(hits):.3f}, "
            f"{np.mean(shown):.2f} sentences"
        )
    confident = {
        kind: np.array(
            [
                _probability(answer, _summary(row, models)) if row.found else 0.0
                for row in rows
                if row.case.kind == kind
            ]
        )
        for kind in KINDS
    }
    top = {
        kind: np.array(
            [row.features[:, similar].max(initial=0) for row in rows if row.case.kind == kind]
        )
        for kind in KINDS
    }
    print(f"told apart from answerable at {THRESHOLD} (AUROC; of top similarity alone)")
    for kind in KINDS:
        if len(confident[kind]):
            right = (confident[kind] >= THRESHOLD) == (kind == "answerable")
            line = f"  {kind:18s} n {len(right):5d}  accuracy {right.mean():.3f}"
            if kind != "answerable":
                line += f"  AUROC {auroc(confident['answerable'], confident[kind]):.3f}"
                line += f"  ({auroc(top['answerable'], top[kind]):.3f})"
            print(line)
    _trade_off(rows, sentence, confident)
    for kind in KINDS if examples else ():
        wrong = [
            (_probability(answer, _summary(row, models)), row)
            for row in rows
            if row.case.kind == kind and row.found
        ]
        wrong = [pair for pair in wrong if (pair[0] >= THRESHOLD) != (kind == "answerable")]
        for p, row in random.Random(1).sample(wrong, min(examples, len(wrong))):
            best = row.found[int(np.argmax(sentence.logit(row.features)))]
            print(f"  [{kind} {p:.2f}] {row.case.text} -> {best.text[:160]!r}")


def _trade_off(
    rows: Sequence[Row], sentence: scoring.Weights, confident: dict[str, scoring.Features]
) -> None:
    """By threshold: which part of each kind is answered, and how much of that is right."""
    right = np.array(
        [
            bool(row.found) and _shown_right(row, sentence, MARGIN)
            for row in rows
            if row.case.kind == "answerable"
        ]
    )
    print(f"  of the answerable {right.mean():.3f} would be right; by threshold")
    for threshold in THRESHOLDS:
        shown = confident["answerable"] >= threshold
        refused = ", ".join(
            f"{kind} {(p < threshold).mean():.2f}"
            for kind, p in confident.items()
            if kind != "answerable" and len(p)
        )
        print(
            f"    {threshold:.2f}: answered {shown.mean():.3f}, of these right "
            f"{right[shown].mean():.3f}; right but refused {(right & ~shown).mean():.3f}; "
            f"unanswerable refused: {refused}"
        )


def _probability(answer: scoring.Weights, summary: scoring.Features) -> float:
    return float(1 / (1 + np.exp(-answer.logit(summary)[0])))


def main() -> None:
    """Fit when asked to; report in any case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fit", action="store_true", help="refit weights.json first")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(tempfile.gettempdir()) / "ibidem-benchmark-models",
        help="folder that keeps the model and vectors between runs",
    )
    parser.add_argument("--examples", type=int, default=0, help="mistakes to show of each kind")
    parser.add_argument("--reader", type=Path, help="folder of a reader")
    parser.add_argument("--most", type=int, default=400, help="questions of a kind and set")
    parser.add_argument("--only", default="", help="sets with this in their names, for quick looks")
    arguments = parser.parse_args()
    if arguments.fit and not arguments.reader and (arguments.only or arguments.most < 400):
        parser.error("weights.json is fitted on all that there is")
    started = time.perf_counter()
    embedder = CachedEmbedder(
        open_embedder("onnx", cache=arguments.cache), arguments.cache / "vectors.sqlite"
    )
    read = Reader(arguments.reader) if arguments.reader else None

    def rows(sets: Mapping[str, tuple[Callable[[], Data], int]]) -> dict[str, list[Row]]:
        return {
            name: rows_of(load(), embedder, min(most, arguments.most), read)
            for name, (load, most) in sets.items()
            if arguments.only in name
        }

    held_out = rows(
        {
            "SQuAD 2.0, articles of the development half": (lambda: squad2(odd=False), 400),
            "contracts": (lambda: contracts(embedder, 20, 10), 150),
            "reports of two companies": (lambda: reports(embedder, FILED[3:]), 100),
        }
    )
    models = scoring.load_models()
    ranking = fitted_ranking(read.card) if read else models.sentence
    if arguments.fit:
        training = rows(
            {
                "chroma": (lambda: chroma(embedder), 200),
                "contracts": (lambda: contracts(embedder, 0, 20), 300),
                "reports of three companies": (lambda: reports(embedder, FILED[:3]), 200),
                **(READ_SETS if read else OTHER_SETS),
            }
        )
        more = scoring.READ_FEATURES if read else ()
        ranking = fit_ranking(training, scoring.SENTENCE_FEATURES + more)
        stored = {"sentence": _stored(ranking)}
        if read:
            add_fitted(arguments.reader, stored)
            if arguments.only:
                print(
                    "Fitted on a part: a look, and nothing to ship. Other documents need the rest."
                )
        else:
            models = scoring.Models(sentence=ranking, answer=fit_answer(training, ranking))
            stored["answer"] = _stored(models.answer)
            WEIGHTS.write_text(json.dumps(stored, indent=2) + "\n", encoding="utf-8")
        print(json.dumps(stored, indent=2))
        for name, known in training.items():
            report(f"{name} (fitted on)", known, ranking, models, 0)
    if ranking is None:
        raise SystemExit("Nothing was fitted for this reader yet: give --fit.")
    for name, known in held_out.items():
        report(f"{name} (held out)", known, ranking, models, arguments.examples)
    print(f"\n{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
