"""``python -m tests.benchmarks.support FOLDER``: how well a reader judges support.

Pairs of a statement and a text that supports it or does not:

- ``squad2 statements``: sentences of SQuAD 2.0's development half and questions with answers,
  against their paragraphs, half of them falsified as in training. The only set that the curve from
  logit to probability is fitted on; ``--fit`` writes it into the folder's card.
- ``WiCE``: claims of Wikipedia against a stretch of the page that they cite, which holds what
  supports them if anything does; partly supported counts as not supported.
- ``AggreFact``: summaries against the articles that they are of (the CLIFF and Goyal'21 part).
- ``Climate-FEVER``: claims against single sentences of Wikipedia.

Balanced accuracy at the bound, the area under the ROC curve, and precision and recall of what
is called supported, beside the reader's head alone (``head``) and the cosine of the statement and
the text's nearest sentence, for which the bound is the best one on each set itself: they could
not do better with any. What stands in the text word for word is left to the models here, too.
``--most`` takes so many pairs of each set, drawn by a fixed seed.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from rag.embedding import Embedder
from rag.models.offline.folder import Curve, add_fitted
from rag.models.offline.reader import Reader
from rag.models.offline.scoring import Features
from rag.models.offline.supporting import weighed
from rag.models.offline.training.examples import epoch
from rag.models.offline.training.questions import Corpus, Question
from rag.sentences import split
from tests.benchmarks.datasets import rows
from tests.benchmarks.fitting import auroc, balanced_accuracy, best_bound, logistic, reliability
from tests.benchmarks.of_reader import asked

TUNED_ON = "squad2 statements"
_LONGEST_EMBEDDED = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A statement, a text, and whether the one is supported by the other."""

    statement: str
    text: str
    supported: bool


def squad2_statements(data: Path) -> Iterator[Pair]:
    """Statements on paragraphs, made as for training."""
    with gzip.open(data / "qa/squad2-half-dev/squad2.json.gz", "rt", encoding="utf-8") as file:
        articles = json.load(file)["data"]
    paragraphs = [(one["title"], paragraph) for one in articles for paragraph in one["paragraphs"]]
    questions = [
        Question(
            asked["question"].strip(), place, tuple({one["text"]: 0 for one in asked["answers"]})
        )
        for place, (_, paragraph) in enumerate(paragraphs)
        for asked in paragraph["qas"]
    ]
    corpus = Corpus(
        tuple(paragraph["context"] for _, paragraph in paragraphs),
        tuple(title for title, _ in paragraphs),
        tuple(questions),
    )
    for one in epoch(corpus, [[] for _ in questions], seed=0):
        if one.supported is not None:
            yield Pair(statement=one.text, text=one.passage, supported=one.supported)


def wice(data: Path) -> Iterator[Pair]:
    """Claims, each with the first of the stretches drawn for it."""
    known = set()
    for row in rows(data / "verification/wice/oracle_chunks_claim_dev.jsonl.gz"):
        if row["meta"]["id"] not in known:
            known.add(row["meta"]["id"])
            text = " ".join(row["evidence"])
            yield Pair(statement=row["claim"], text=text, supported=row["label"] == "supported")


def aggrefact(data: Path) -> Iterator[Pair]:
    """Summaries of articles."""
    for row in rows(data / "verification/aggrefact-cliff-goyal/val.jsonl.gz"):
        yield Pair(
            statement=row["summary"],
            text=row["doc"],
            supported=str(row["label_consistent"]) == "1",
        )


def climate_fever(data: Path) -> Iterator[Pair]:
    """Claims with sentences."""
    for row in rows(data / "verification/climate-fever/climate-fever.jsonl.gz"):
        for one in row["evidences"]:
            supported = one["evidence_label"] == "SUPPORTS"
            yield Pair(statement=row["claim"], text=one["evidence"], supported=supported)


SETS = {
    TUNED_ON: squad2_statements,
    "WiCE": wice,
    "AggreFact": aggrefact,
    "Climate-FEVER": climate_fever,
}


def similarities(pairs: Sequence[Pair], embedder: Embedder) -> Features:
    """For each pair the cosine of the statement and the nearest sentence of the text."""
    found = []
    for one in pairs:
        sentences = [one.text[s.start : s.end][:_LONGEST_EMBEDDED] for s in split(one.text)]
        vectors = embedder.embed_passages(sentences)
        found.append(float((vectors @ embedder.embed_query(one.statement)).max()))
    return np.array(found)


def fitted(pairs: Sequence[Pair], logits: Features) -> Curve:
    """The curve to probabilities of an even mix, and from where on to call it support."""
    truth = np.array([float(one.supported) for one in pairs])
    shares = np.where(truth == 1, 0.5 / truth.sum(), 0.5 / (1 - truth).sum())
    model = logistic(("logit",), logits[:, None], truth, shares * len(pairs))
    return Curve(
        slope=round(float(model.coefficients[0]), 4), constant=round(model.constant, 4), least=0.5
    )


def judged(pairs: Sequence[Pair], scores: Features, least: float) -> dict[str, float | None]:
    """What scores are worth, with a bound."""
    truth = np.array([one.supported for one in pairs])
    said = scores >= least
    return {
        "balanced_accuracy": balanced_accuracy(scores[truth], scores[~truth], least),
        "auroc": auroc(scores[truth], scores[~truth]),
        "precision": float(truth[said].mean()) if said.any() else None,
        "recall": float(said[truth].mean()),
    }


def main() -> None:
    """Print the table for a model folder; fit its curve first when asked to."""
    options = asked("support", fits="curve", most=None, counts="pairs of each set")
    reader = Reader(options.folder)
    report, curve = run_support(options.data, reader, options.embedder, options.most)
    if options.fit and curve.slope <= 0:
        raise SystemExit("This reader knows nothing of support; its card stays as it is.")
    if options.fit:
        add_fitted(options.folder, {"support": asdict(curve)})
    options.write(report)


def run_support(
    data: Path, reader: Reader, embedder: Embedder, most: int | None
) -> tuple[dict[str, Any], Curve]:
    """Measure a reader, print its table, and fit its curve."""
    report: dict[str, Any] = {}
    curve = Curve(slope=1, constant=0, least=0.5)
    for name, load in SETS.items():
        pairs = list(load(data))
        if most is not None:
            pairs = random.Random(0).sample(pairs, min(most, len(pairs)))
        said = [(one.statement, one.text) for one in pairs]
        logits = np.array(weighed(said, reader, embedder))
        head = np.array(reader.support(said))
        like = similarities(pairs, embedder)
        truth = np.array([one.supported for one in pairs])
        if name == TUNED_ON:
            curve = fitted(pairs, logits)
        probabilities = np.array([curve.probability(one) for one in logits])
        report[name] = {
            "pairs": len(pairs),
            "supported": sum(one.supported for one in pairs),
            "reader": judged(pairs, probabilities, curve.least),
            "head": judged(pairs, head, best_bound(head[truth], head[~truth])),
            "similarity": judged(pairs, like, best_bound(like[truth], like[~truth])),
            "reliability": reliability(truth, probabilities),
        }
    _show(report, curve)
    return report, curve


def _show(report: dict[str, Any], curve: Curve) -> None:
    table = Table("set", "pairs", "supported", "judge", "balanced", "AUROC", "precision", "recall")
    for name, of_set in report.items():
        for judge in ("reader", "head", "similarity"):
            cells = ["-" if value is None else f"{value:.3f}" for value in of_set[judge].values()]
            table.add_row(name, str(of_set["pairs"]), str(of_set["supported"]), judge, *cells)
    Console(width=110).print(table)
    Console(width=110).print(f"probability = 1 / (1 + exp(-({curve.slope} x + {curve.constant})))")


if __name__ == "__main__":
    main()
