"""How often the offline engine answers, and answers right; and the fit of its two models.

    python -m tests.benchmarks.answers          report
    python -m tests.benchmarks.answers --fit    refit rag/models/offline/weights.json, report

Questions are asked with the real embedder, of indexes like the service's, eight passages each.
These kinds must be told apart: answerable ones; written to look answerable but not (SQuAD 2.0), or
asking for a clause that a contract lacks; answerable ones whose whole article, contract or
company has been taken out of the corpus; answerable ones whose own paragraph has been
taken out while the rest stays; and questions on something else altogether. Models are
fitted on articles, contracts and companies other than those that are held out.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rag.embedding.registry import open_embedder
from rag.models.offline import scoring
from rag.models.offline.answering import MARGIN, MOST_SENTENCES, THRESHOLD, select
from tests.benchmarks.answer_rows import KINDS, Row, rows_of
from tests.benchmarks.answer_sets import FILED, chroma, contracts, reader, reports, squad2
from tests.benchmarks.cached import CachedEmbedder
from tests.benchmarks.fitting import auroc, logistic

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


def fit(sets: Sequence[Sequence[Row]]) -> None:
    """Fit both models, every set of questions counting alike, and write them down.

    For the choice of sentences the last two count less: they have many right sentences, and
    are labelled loosely.
    """
    features, target, weights = [], [], []
    for rows, counting in zip(sets, (1.0, 1.0, 1.0, 0.7, 0.7), strict=True):
        known = [row for row in rows if row.right.any()]
        for row in known:
            n = len(row.right)
            features.append(row.features)
            target.append(row.right.astype(float))
            weights.append(np.full(n, counting * 1e4 / n / len(known)))
    sentence = logistic(np.concatenate(features), np.concatenate(target), np.concatenate(weights))
    usable: list[Row] = []
    weight: list[float] = []
    for rows in sets:
        counts = Counter(row.case.kind for row in rows if row.found)
        expected = sum(MIX[kind] for kind in counts)
        for row in rows:
            if row.found:
                usable.append(row)
                weight.append(1e4 * MIX[row.case.kind] / expected / counts[row.case.kind])
    answer = logistic(
        np.concatenate([_summary(row, sentence) for row in usable]),
        np.array([float(_shown_right(row, sentence, MARGIN)) for row in usable]),
        np.array(weight),
    )
    stored = {
        name: {"constant": round(model.constant, 4)}
        | dict(zip(names, model.coefficients.round(4).tolist(), strict=True))
        for name, model, names in (
            ("sentence", sentence, scoring.SENTENCE_FEATURES),
            ("answer", answer, scoring.ANSWER_FEATURES),
        )
    }
    WEIGHTS.write_text(json.dumps(stored, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(stored, indent=2))


def _shown_right(row: Row, sentence: scoring.Weights, margin: float) -> bool:
    """Whether one of the sentences that would be shown answers."""
    chosen = select(row.found, sentence.logit(row.features), margin)
    return any(row.right[row.found.index(one)] for one in chosen)


def _summary(row: Row, sentence: scoring.Weights) -> scoring.Features:
    scores = sentence.logit(row.features)
    return scoring.answer_features(row.question, row.found, row.features, scores, row.task)


def report(name: str, rows: Sequence[Row], examples: int) -> None:
    """Print hit rates of selected sentences, and how kinds of questions are told apart."""
    sentence, answer = scoring.load_weights()
    print(f"\n## {name}")
    known = [row for row in rows if row.case.kind == "answerable"]
    print(f"sentence-hit rate of {len(known)} answerable questions, and sentences shown")
    similar = scoring.SENTENCE_FEATURES.index("similarity")
    cover = scoring.SENTENCE_FEATURES.index("coverage")
    for label, scorer in (
        ("top similarity", lambda row: row.features[:, similar]),
        ("top word coverage", lambda row: row.features[:, cover]),
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
                _probability(answer, _summary(row, sentence)) if row.found else 0.0
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
    _trade_off(rows, confident)
    for kind in KINDS if examples else ():
        wrong = [
            (_probability(answer, _summary(row, sentence)), row)
            for row in rows
            if row.case.kind == kind and row.found
        ]
        wrong = [pair for pair in wrong if (pair[0] >= THRESHOLD) != (kind == "answerable")]
        for p, row in random.Random(1).sample(wrong, min(examples, len(wrong))):
            best = row.found[int(np.argmax(sentence.logit(row.features)))]
            print(f"  [{kind} {p:.2f}] {row.case.text} -> {best.text[:160]!r}")


def _trade_off(rows: Sequence[Row], confident: dict[str, scoring.Features]) -> None:
    """By threshold: which part of each kind is answered, and how much of that is right."""
    sentence, _ = scoring.load_weights()
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
    arguments = parser.parse_args()
    started = time.perf_counter()
    embedder = CachedEmbedder(
        open_embedder("onnx", cache=arguments.cache), arguments.cache / "vectors.sqlite"
    )
    held_out = {
        "SQuAD 2.0, half of the development part": rows_of(squad2(), embedder, 400),
        "contracts": rows_of(contracts(embedder, 20, 10), embedder, 150),
        "reports of two companies": rows_of(reports(embedder, FILED[3:]), embedder, 100),
    }
    if arguments.fit:
        training = {
            "SQuAD 1.1": rows_of(reader("squad11-train.jsonl.xz", 20), embedder, 400),
            "SQuAD 2.0": rows_of(reader("squad20-extra.jsonl.xz", 8), embedder, 400),
            "chroma": rows_of(chroma(embedder), embedder, 200),
            "contracts": rows_of(contracts(embedder, 0, 20), embedder, 300),
            "reports of three companies": rows_of(reports(embedder, FILED[:3]), embedder, 200),
        }
        fit(list(training.values()))
        for name, rows in training.items():
            report(f"{name} (fitted on)", rows, 0)
    for name, rows in held_out.items():
        report(f"{name} (held out)", rows, arguments.examples)
    print(f"\n{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
