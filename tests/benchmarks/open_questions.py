"""``python -m tests.benchmarks.open_questions FOLDER``: questions asked of all passages at once.

SQuAD 2.0's development half, its articles that no model is fitted on (see
`tests.benchmarks.answers`): every question is searched for among the passages and answered by
the offline engine, without and with the reader, which must have been fitted. An answer ``holds``
a gold one when its sentences have it in full; EM and F1 are of the words that are marked in them,
or of the sentences where none are. Then, by threshold on the confidence: what share of the
answerable questions is answered, how much of that holds a gold answer, and what share of the
others is refused.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from rag.embedding.registry import open_embedder
from rag.evaluate import estimate, exact_match, token_f1
from rag.models.engine import Context
from rag.models.offline.answering import THRESHOLD
from rag.models.offline.engine import OfflineEngine
from rag.models.offline.reader import Reader
from rag.models.offline.reading import fitted_ranking
from rag.models.tasks import AnswerTask
from tests.benchmarks.answer_rows import Corpus
from tests.benchmarks.answer_sets import Case, squad2
from tests.benchmarks.cached import CachedEmbedder
from tests.benchmarks.fitting import reliability

THRESHOLDS = (THRESHOLD, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What was answered, in sentences and as marked, and how sure that is."""

    case: Case
    gold: tuple[str, ...]
    sentences: str
    marked: str
    confidence: float

    @property
    def holds(self) -> float:
        """Whether the sentences have a gold answer in full."""
        return float(any(one in self.sentences for one in self.gold))


def ask(engine: OfflineEngine, corpus: Corpus, cases: Sequence[Case]) -> list[Said]:
    """Search and answer."""
    written = {one.document: {} for one in corpus.texts}
    for one in corpus.texts:
        written[one.document][one.start] = one.text
    found = []
    for case in cases:
        task = AnswerTask(question=case.text, passages=tuple(corpus.search(case)))
        outcome = engine.run(task, Context())
        evidence = [one for statement in outcome.value for one in statement.evidence]
        marked = [one.quote[one.answer.start : one.answer.end] for one in evidence if one.answer]
        sentences = " ".join(statement.text for statement in outcome.value)
        found.append(
            Said(
                case=case,
                gold=tuple({_written(written, one) for one in case.gold}),
                sentences=sentences,
                marked=next(iter(marked), sentences),
                confidence=outcome.confidence or 0.0,
            )
        )
    return found


def _written(written: dict[str, dict[int, str]], gold: tuple[str, int, int]) -> str:
    document, start, end = gold
    first = max(place for place in written[document] if place <= start)
    return written[document][first][start - first : end - first]


def measure(said: Sequence[Said]) -> dict[str, Any]:
    """All figures of an engine."""
    known = [one for one in said if one.gold]
    none = [one for one in said if not one.gold]
    return {
        "holds": asdict(estimate([one.holds for one in known])),
        "em": asdict(estimate([exact_match(one.marked, one.gold) for one in known])),
        "f1": asdict(estimate([token_f1(one.marked, one.gold) for one in known])),
        "refused": asdict(estimate([float(not one.sentences) for one in none])),
        # Of what was answered: a confidence is that of being right.
        "reliability": reliability(
            np.array([bool(one.gold) and bool(one.holds) for one in said if one.sentences]),
            np.array([one.confidence for one in said if one.sentences]),
        ),
        "curve": [_at(threshold, known, none) for threshold in THRESHOLDS],
    }


def _at(threshold: float, known: Sequence[Said], none: Sequence[Said]) -> dict[str, float | None]:
    shown = [one for one in known if one.confidence >= threshold and one.sentences]
    return {
        "threshold": threshold,
        "answered": len(shown) / len(known),
        "right": sum(one.holds for one in shown) / len(shown) if shown else None,
        "refused": sum(one.confidence < threshold or not one.sentences for one in none) / len(none),
    }


def main() -> None:
    """Print the tables for a model folder."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.open_questions")
    parser.add_argument("folder", type=Path, help="as training writes it, with fitted models")
    parser.add_argument("--most", type=int, default=300, help="questions of both kinds together")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(tempfile.gettempdir()) / "ibidem-benchmark-models",
        help="folder that keeps the model and vectors between runs",
    )
    options = parser.parse_args()
    reader = Reader(options.folder)
    if fitted_ranking(reader.card) is None:
        raise SystemExit("Fit it first: python -m tests.benchmarks.answers --reader FOLDER --fit")
    embedder = CachedEmbedder(
        open_embedder("onnx", cache=options.cache), options.cache / "vectors.sqlite"
    )
    texts, cases = squad2(odd=False)
    cases = random.Random(0).sample(cases, min(options.most, len(cases)))
    corpus = Corpus(texts, embedder, None)
    report = {
        name: measure(ask(OfflineEngine(embedder, one), corpus, cases))
        for name, one in (("selection", None), ("reader", reader))
    }
    table = Table("engine", "holds", "EM", "F1", "refused rightly")
    for name, figures in report.items():
        kinds = ("holds", "em", "f1", "refused")
        table.add_row(name, *(f"{figures[kind]['mean']:.3f}" for kind in kinds))
    Console(width=100).print(table)
    table = Table("threshold", "engine", "answered", "of these right", "refused rightly")
    for place, threshold in enumerate(THRESHOLDS):
        for name, figures in report.items():
            at = figures["curve"][place]
            right = "-" if at["right"] is None else f"{at['right']:.3f}"
            cells = (f"{at['answered']:.3f}", right, f"{at['refused']:.3f}")
            table.add_row(f"{threshold:.1f}", name, *cells)
    Console(width=100).print(table)
    table = Table("engine", "confidence", "answers", "right")
    for name, figures in report.items():
        for one in figures["reliability"]:
            cells = (f"{one['probability']:.2f}", str(one["n"]), f"{one['true']:.2f}")
            table.add_row(name, *cells)
    Console(width=100).print(table)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
