"""How often the offline engine answers, and answers right; and the fit of its two models.

    python -m tests.benchmarks.answers          report
    python -m tests.benchmarks.answers --fit    refit rag/models/offline/weights.json, report

Questions are asked with the real embedder and the real indexes, eight passages each. Four
kinds must be told apart: answerable ones; written to look answerable but not (SQuAD 2.0);
answerable ones whose whole article has been taken out of the corpus; and answerable ones
whose own paragraph has been taken out while the rest of its article stays. Models are fitted on
articles of the SQuAD 1.1 training part and the extra SQuAD 2.0 articles, and reported on others.
"""

from __future__ import annotations

import argparse
import gzip
import json
import lzma
import random
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rag.embedding.registry import open_embedder
from rag.fuse import search_hybrid
from rag.lexical import LexicalIndex
from rag.models.offline import scoring
from rag.models.offline.candidates import Candidate
from rag.models.offline.engine import MARGIN, MOST_SENTENCES, THRESHOLD, select, shortlist
from rag.types import Passage
from rag.vectors.faiss import FaissIndex
from tests.realdata import REAL_DATA

WEIGHTS = Path(scoring.__file__).with_name("weights.json")
TOP_K = 8
KINDS = ("answerable", "adversarial", "article removed", "paragraph removed", "other domain")
# What the answer model should expect of its users, by kind of question.
MIX = {
    "answerable": 0.55,
    "adversarial": 0.10,
    "article removed": 0.20,
    "paragraph removed": 0.05,
    "other domain": 0.10,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A question, its gold answers (none when there is no answer) and what is hidden."""

    text: str
    kind: str
    answers: tuple[str, ...] = ()
    gold: int = -1
    hidden: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A question after retrieval: its candidate sentences and their features."""

    case: Case
    found: list[Candidate]
    features: scoring.Features
    right: np.ndarray[Any, np.dtype[np.bool_]]
    question: scoring.Question
    passages: list[Passage]


class Remembering:
    """An embedder that keeps what it has embedded in a file, for repeated experiments."""

    def __init__(self, path: Path | None) -> None:
        folder = Path(tempfile.gettempdir()) / "ibidem-benchmark-models"
        self._embedder = open_embedder("onnx", cache=folder)
        self._path = path
        self._known: dict[str, np.ndarray[Any, np.dtype[np.float32]]] = {}
        if path and path.exists():
            stored = np.load(path, allow_pickle=False)
            self._known = dict(zip(stored["texts"].tolist(), stored["vectors"], strict=True))

    def embed(self, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        for start in range(0, len(new), 512):
            part = new[start : start + 512]
            self._known.update(zip(part, self._embedder.embed_passages(part), strict=True))
        return np.stack([self._known[text] for text in texts])

    def save(self) -> None:
        if self._path:
            texts = np.array(list(self._known), dtype=np.str_)
            np.savez(self._path, texts=texts, vectors=np.stack(list(self._known.values())))


class Corpus:
    """Paragraphs with the indexes that the service would build over them."""

    def __init__(self, rows: Sequence[tuple[str, str]], embedder: Remembering) -> None:
        self.rows = rows
        self._embedder = embedder
        ids = np.arange(len(rows), dtype=np.int64)
        vectors = embedder.embed([text for _, text in rows])
        self._dense = FaissIndex(vectors.shape[1])
        self._dense.add(ids, vectors)
        self._lexical = LexicalIndex()
        self._lexical.add(ids, [text for _, text in rows])

    def search(self, case: Case) -> list[Passage]:
        vector = self._embedder.embed([case.text])[0]
        allowed = None
        if case.hidden:
            shown = (i for i in range(len(self.rows)) if i not in case.hidden)
            allowed = np.fromiter(shown, dtype=np.int64)
        hits = search_hybrid(
            lambda k, ids: self._dense.search(vector, k, ids),
            lambda k, ids: self._lexical.search(case.text, k, ids),
            allowed,
        )
        dense = dict(zip(hits.dense.ids.tolist(), hits.dense.scores.tolist(), strict=True))
        return [
            Passage(
                document_id=str(key),
                document_title=self.rows[key][0],
                start=0,
                end=len(self.rows[key][1]),
                text=self.rows[key][1],
                score=score,
                scores={"dense": dense[key]},
            )
            for key, score in zip(
                hits.fused.ids[:TOP_K].tolist(), hits.fused.scores[:TOP_K].tolist(), strict=True
            )
        ]

    def row(self, case: Case) -> Row:
        passages = self.search(case)
        found, question = shortlist(case.text, passages)
        vectors = self._embedder.embed([case.text, *(candidate.text for candidate in found)])
        similarities = vectors[1:] @ vectors[0]
        right = [
            int(passages[candidate.passage].document_id) == case.gold
            and any(answer in candidate.text for answer in case.answers)
            for candidate in found
        ]
        return Row(
            case=case,
            found=found,
            features=scoring.sentence_features(question, found, similarities, passages),
            right=np.array(right, dtype=bool),
            question=question,
            passages=passages,
        )


def squad2() -> tuple[list[tuple[str, str]], list[Case]]:
    """The half of SQuAD 2.0's development part that is at hand."""
    assert REAL_DATA is not None
    with gzip.open(REAL_DATA / "qa/squad2-half-dev/squad2.json.gz", "rt", encoding="utf-8") as file:
        articles = json.load(file)["data"]
    return _cases(
        (
            article["title"],
            paragraph["context"],
            [
                (one["question"], [answer["text"] for answer in one["answers"]])
                for one in paragraph["qas"]
            ],
        )
        for article in articles
        for paragraph in article["paragraphs"]
    )


def reader(name: str, articles: int, questions: int) -> tuple[list[tuple[str, str]], list[Case]]:
    """A seeded sample of articles and questions of a training file."""
    assert REAL_DATA is not None
    with lzma.open(REAL_DATA / "reader" / name, "rt", encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    dice = random.Random(0)
    titles = sorted({line["title"] for line in lines})
    titles = dice.sample(titles, min(articles, len(titles)))
    corpus, cases = _cases(
        (
            line["title"],
            line["context"],
            [
                (one["question"], one["answers"] if one.get("answerable", True) else [])
                for one in line["questions"]
            ],
        )
        for line in lines
        if line["title"] in titles
    )
    return corpus, dice.sample(cases, min(questions, len(cases)))


def _cases(
    paragraphs: Iterable[tuple[str, str, list[tuple[str, list[str]]]]],
) -> tuple[list[tuple[str, str]], list[Case]]:
    corpus: list[tuple[str, str]] = []
    cases: list[Case] = []
    for title, text, questions in paragraphs:
        for question, answers in questions:
            cases.append(
                Case(
                    text=question.strip(),
                    kind="answerable" if answers else "adversarial",
                    answers=tuple(answers),
                    gold=len(corpus) if answers else -1,
                )
            )
        corpus.append((title.replace("_", " "), text))
    return corpus, cases


def removed(corpus: Sequence[tuple[str, str]], cases: Sequence[Case]) -> Iterator[Case]:
    """The answerable questions again, without their paragraph or their article."""
    for case in cases:
        if case.answers:
            title = corpus[case.gold][0]
            article = frozenset(i for i, row in enumerate(corpus) if row[0] == title)
            yield Case(text=case.text, kind="article removed", hidden=article)
            yield Case(text=case.text, kind="paragraph removed", hidden=frozenset({case.gold}))


def other_domain() -> list[Case]:
    """Questions on a product's documentation, asked of an encyclopedia."""
    assert REAL_DATA is not None
    path = REAL_DATA / "retrieval/anthropic-docs/queries.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [Case(text=json.loads(line)["text"], kind="other domain") for line in file]


def rows_of(
    corpus: Sequence[tuple[str, str]], cases: Sequence[Case], embedder: Remembering
) -> list[Row]:
    index = Corpus(corpus, embedder)
    everything = [*cases, *removed(corpus, cases), *other_domain()]
    rows = []
    for done, case in enumerate(everything):
        rows.append(index.row(case))
        if done % 200 == 0:
            print(f"\r{done}/{len(everything)}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return rows


def logistic(
    features: scoring.Features, target: scoring.Features, weights: scoring.Features
) -> scoring.Weights:
    """Weighted logistic regression by Newton's method, with a little ridge; standardized."""
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-9
    x = np.column_stack([(features - mean) / spread, np.ones(len(features))])
    ridge = np.diag([1.0] * features.shape[1] + [0.0]) * 1e-3 * weights.sum()
    beta = np.zeros(x.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-x @ beta))
        gradient = x.T @ (weights * (p - target)) + ridge @ beta
        curve = x.T @ (x * (weights * p * (1 - p))[:, None]) + ridge
        beta -= np.linalg.solve(curve, gradient)
    raw = beta[:-1] / spread
    return scoring.Weights(coefficients=raw, constant=float(beta[-1] - raw @ mean))


def fit(rows: Sequence[Row]) -> None:
    """Fit both models and write them beside the engine."""
    known = [row for row in rows if row.right.any()]
    sentence = logistic(
        np.concatenate([row.features for row in known]),
        np.concatenate([row.right for row in known]).astype(float),
        np.concatenate([np.full(len(row.right), 1 / len(row.right)) for row in known]),
    )
    usable = [row for row in rows if row.found]
    counts = {kind: sum(row.case.kind == kind for row in usable) for kind in KINDS}
    weight = np.array([MIX[row.case.kind] / counts[row.case.kind] for row in usable])
    answer = logistic(
        np.concatenate([_summary(row, sentence) for row in usable]),
        np.array([float(row.case.kind == "answerable") for row in usable]),
        weight / weight.sum() * len(usable),
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


def _summary(row: Row, sentence: scoring.Weights) -> scoring.Features:
    scores = sentence.logit(row.features)
    return scoring.answer_features(row.question, row.found, row.features, scores, row.passages)


def auroc(positive: scoring.Features, negative: scoring.Features) -> float:
    """Probability that a positive scores above a negative, ties counted half."""
    ranks = np.searchsorted(np.sort(negative), positive, side="left")
    ties = np.searchsorted(np.sort(negative), positive, side="right") - ranks
    return float((ranks + ties / 2).mean() / len(negative))


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
    for margin in (0.0, 0.4, MARGIN, 1.0, 1.5):
        hits, shown = [], []
        for row in known:
            chosen = select(row.found, sentence.logit(row.features), margin)
            hits.append(any(row.right[row.found.index(one)] for one in chosen))
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
    _calibration(confident)
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


def _calibration(confident: dict[str, scoring.Features]) -> None:
    """Expected calibration error over ten bins, kinds weighed as the fit expects them."""
    p = np.concatenate([confident[kind] for kind in KINDS])
    y = np.concatenate([np.full(len(confident[k]), k == "answerable") for k in KINDS])
    w = np.concatenate(
        [np.full(len(confident[k]), MIX[k] / max(1, len(confident[k]))) for k in KINDS]
    )
    bins = np.minimum((p * 10).astype(int), 9)
    error = (
        sum(abs((w * (y - p))[bins == b].sum()) for b in range(10) if (bins == b).any()) / w.sum()
    )
    print(f"  expected calibration error {error:.3f} in the mix {MIX}")


def _probability(answer: scoring.Weights, summary: scoring.Features) -> float:
    return float(1 / (1 + np.exp(-answer.logit(summary)[0])))


def main() -> None:
    """Fit when asked to; report in any case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fit", action="store_true", help="refit weights.json first")
    parser.add_argument("--vectors", type=Path, help="file that keeps embeddings between runs")
    parser.add_argument("--examples", type=int, default=0, help="mistakes to show of each kind")
    arguments = parser.parse_args()
    if REAL_DATA is None:
        raise SystemExit("The public data sets are not beside the repository (../shared/data).")
    started = time.perf_counter()
    embedder = Remembering(arguments.vectors)
    if arguments.fit:
        training: list[Row] = []
        for name, articles, questions in (
            ("squad11-train.jsonl.xz", 20, 1_200),
            ("squad20-extra.jsonl.xz", 8, 1_200),
        ):
            corpus, cases = reader(name, articles, questions)
            training += rows_of(corpus, cases, embedder)
            embedder.save()
        fit(training)
        report("fitted on these", training, 0)
    corpus, cases = squad2()
    rows = rows_of(corpus, cases, embedder)
    embedder.save()
    report("SQuAD 2.0, half of the development part (held out)", rows, arguments.examples)
    print(f"\n{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
