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
import csv
import gzip
import json
import lzma
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ingest.chunk import RecursiveChunker
from ingest.parse import parse
from rag.embedding.registry import open_embedder
from rag.fuse import search_hybrid
from rag.lexical import LexicalIndex
from rag.models.offline import scoring
from rag.models.offline.candidates import Candidate
from rag.models.offline.engine import (
    MARGIN,
    MOST_SENTENCES,
    THRESHOLD,
    embedded_text,
    select,
    shortlist,
)
from rag.types import FloatMatrix, FloatVector, Ids, ParsedDocument, Passage
from rag.vectors.faiss import FaissIndex
from tests.realdata import REAL_DATA

if REAL_DATA is None:
    raise SystemExit("The public data sets are not beside the repository (../shared/data).")
_DATA: Path = REAL_DATA
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
class Text:
    """A stretch of a document as it is searched; documents of one group go together."""

    document: str
    title: str
    group: str
    start: int
    text: str
    name: str = ""


Gold: TypeAlias = tuple[str, int, int]
"""A document and the span in it that answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A question, where its answers stand (nowhere when there is none) and what is hidden."""

    text: str
    kind: str
    gold: tuple[Gold, ...] = ()
    hidden: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A question after retrieval: its candidate sentences and their features."""

    case: Case
    found: list[Candidate]
    features: scoring.Features
    right: NDArray[np.bool_]
    question: scoring.Question


class Remembering:
    """An embedder that keeps what it has embedded in a file, for repeated experiments."""

    def __init__(self, path: Path | None) -> None:
        folder = Path(tempfile.gettempdir()) / "ibidem-benchmark-models"
        self._embedder = open_embedder("onnx", cache=folder)
        self._path = path
        self._known: dict[str, FloatVector] = {}
        if path and path.exists():
            stored = np.load(path, allow_pickle=False)
            self._known = dict(zip(stored["texts"].tolist(), stored["vectors"], strict=True))

    def embed(self, texts: Sequence[str]) -> FloatMatrix:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        for start in range(0, len(new), 512):
            part = new[start : start + 512]
            self._known.update(zip(part, self._embedder.embed_passages(part), strict=True))
        return np.stack([self._known[text] for text in texts])

    def token_offsets(self, text: str) -> Ids:
        return self._embedder.token_offsets(text)

    def save(self) -> None:
        if self._path:
            texts = np.array(list(self._known), dtype=np.str_)
            np.savez(self._path, texts=texts, vectors=np.stack(list(self._known.values())))


class Corpus:
    """Texts with the indexes that the service would build over them."""

    def __init__(self, texts: Sequence[Text], embedder: Remembering) -> None:
        self.texts = texts
        self._embedder = embedder
        ids = np.arange(len(texts), dtype=np.int64)
        vectors = embedder.embed([one.text for one in texts])
        self._dense = FaissIndex(vectors.shape[1])
        self._dense.add(ids, vectors)
        self._lexical = LexicalIndex()
        self._lexical.add(ids, [one.text for one in texts])

    def search(self, case: Case) -> list[Passage]:
        vector = self._embedder.embed([case.text])[0]
        allowed = None
        if case.hidden:
            shown = (i for i in range(len(self.texts)) if i not in case.hidden)
            allowed = np.fromiter(shown, dtype=np.int64)
        hits = search_hybrid(
            lambda k, ids: self._dense.search(vector, k, ids),
            lambda k, ids: self._lexical.search(case.text, k, ids),
            allowed,
        )
        dense = dict(zip(hits.dense.ids.tolist(), hits.dense.scores.tolist(), strict=True))
        ranked = zip(hits.fused.ids.tolist(), hits.fused.scores.tolist(), strict=True)
        return [
            Passage(
                document_id=self.texts[key].document,
                document_title=self.texts[key].title,
                document_name=self.texts[key].name,
                start=self.texts[key].start,
                end=self.texts[key].start + len(self.texts[key].text),
                text=self.texts[key].text,
                score=score,
                scores={"dense": dense[key]},
            )
            for key, score in islice(ranked, TOP_K)
        ]

    def row(self, case: Case) -> Row:
        passages = self.search(case)
        found, question = shortlist(case.text, passages)
        vectors = self._embedder.embed([case.text, *map(embedded_text, found)])
        similarities = vectors[1:] @ vectors[0]
        right = [_answers(candidate, passages[candidate.passage], case.gold) for candidate in found]
        return Row(
            case=case,
            found=found,
            features=scoring.sentence_features(question, found, similarities, passages),
            right=np.array(right, dtype=bool),
            question=question,
        )


def _answers(candidate: Candidate, passage: Passage, gold: Sequence[Gold]) -> bool:
    """Whether a sentence has at least half of a gold span, or lies at least half in one."""
    first, last = passage.start + candidate.start, passage.start + candidate.end
    return any(
        document == passage.document_id
        and min(last, end) - max(first, start) >= min(last - first, end - start) / 2
        for document, start, end in gold
    )


def squad2() -> tuple[list[Text], list[Case]]:
    """The half of SQuAD 2.0's development part that is at hand."""
    with gzip.open(_DATA / "qa/squad2-half-dev/squad2.json.gz", "rt", encoding="utf-8") as file:
        articles = json.load(file)["data"]
    return _encyclopedia(
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


def reader(name: str, articles: int) -> tuple[list[Text], list[Case]]:
    """A seeded sample of articles of a training file."""
    with lzma.open(_DATA / "reader" / name, "rt", encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    titles = sorted({line["title"] for line in lines})
    titles = random.Random(0).sample(titles, min(articles, len(titles)))
    return _encyclopedia(
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


def _encyclopedia(
    paragraphs: Iterable[tuple[str, str, list[tuple[str, list[str]]]]],
) -> tuple[list[Text], list[Case]]:
    texts: list[Text] = []
    cases: list[Case] = []
    for title, text, questions in paragraphs:
        document = str(len(texts))
        name = title.replace("_", " ")
        texts.append(Text(document=document, title=name, group=title, start=0, text=text))
        for question, answers in questions:
            gold = {
                (document, match.start(), match.end())
                for answer in answers
                for match in re.finditer(re.escape(answer), text)
            }
            cases.append(
                Case(
                    text=question.strip(),
                    kind="answerable" if answers else "adversarial",
                    gold=tuple(sorted(gold)),
                )
            )
    return texts, [case for case in cases if case.gold or case.kind == "adversarial"]


def chroma(embedder: Remembering) -> tuple[list[Text], list[Case]]:
    """Speeches, articles and chats, cut by the default chunker; questions with gold spans."""
    texts: list[Text] = []
    cases: list[Case] = []
    folder = _DATA / "retrieval/chroma-chunking"
    for path in sorted(folder.glob("*.md.gz")):
        name = path.name.removesuffix(".md.gz")
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            texts += _chunked(name, name.replace("_", " "), file.read(), embedder)
        for line in _json_lines(folder / f"{name}.questions.jsonl.gz"):
            gold = ((name, one["start_index"], one["end_index"]) for one in line["references"])
            cases.append(Case(text=line["text"], kind="answerable", gold=tuple(gold)))
    return texts, cases


def contracts(embedder: Remembering, skip: int, take: int) -> tuple[list[Text], list[Case]]:
    """Contracts and what is asked of them; a clause that a contract lacks has no answer."""
    folder = _DATA / "retrieval/cuad-spans"
    rows = [row for row in _json_lines(folder / "corpus.jsonl.gz") if len(row["text"]) < 60_000]
    rows = rows[skip : skip + take]
    texts: list[Text] = []
    for row in rows:
        words = re.sub(r"(?<=[a-z])(?=[A-Z])|[_-]", " ", row["title"])
        texts += _chunked(row["_id"], words, row["text"], embedder)
    spans = {
        (row["doc_id"], row["category"]): [(one["start"], one["end"]) for one in row["spans"]]
        for row in _json_lines(folder / "fields_and_spans.jsonl.gz")
    }
    asked = {
        (row["metadata"]["doc_id"], row["metadata"]["category"]): row["text"]
        for row in _json_lines(folder / "queries.jsonl.gz")
    }
    wording = {category: text.rpartition(". ")[2] for (_, category), text in asked.items()}
    cases = []
    for row in rows:
        named = next(text for (key, _), text in asked.items() if key == row["_id"])
        party = named.partition("between ")[2].rpartition(". ")[0].partition(" and ")[0]
        for category, question in sorted(wording.items()):
            gold = tuple((row["_id"], *span) for span in spans.get((row["_id"], category), []))
            text = f"{question.rstrip('?')} with {party}?" if party else question
            kind = "answerable" if gold else "adversarial"
            cases.append(Case(text=text, kind=kind, gold=gold))
    return texts, cases


def reports(embedder: Remembering) -> tuple[list[Text], list[Case]]:
    """Quarterly reports that differ in little but their numbers.

    The data set gives answers in free words. What counts as gold is every place of the named
    report that has a number of the answer; questions answered without numbers are left out.
    """
    folder = _DATA / "qa/sec-10-q"
    texts: list[Text] = []
    written: dict[str, str] = {}
    for path in sorted((folder / "docs").iterdir()):
        parsed = parse(path, "application/pdf")
        written[path.stem] = parsed.text
        for one in _chunked(path.stem, parsed.title or path.name, parsed.text, embedder):
            texts.append(replace(one, name=path.name))
    with (folder / "qna_data.csv").open(encoding="utf-8-sig", newline="") as file:
        lines = [line for line in csv.DictReader(file) if "Multi-Doc" not in line["Question Type"]]
    cases = []
    for line in lines:
        source = line["Source Docs"].strip("* ")
        numbers = set(re.findall(r"\d+(?:[.,]\d+)+", line["Answer"].partition("SOURCE")[0]))
        gold = {
            (source, match.start(), match.end())
            for number in numbers
            for match in re.finditer(rf"(?<![\d.,]){re.escape(number)}(?![\d,])", written[source])
        }
        if gold:
            cases.append(
                Case(text=line["Question"].strip(), kind="answerable", gold=tuple(sorted(gold)))
            )
    return texts, cases


def _chunked(document: str, title: str, text: str, embedder: Remembering) -> Iterator[Text]:
    parsed = ParsedDocument(text=text, media_type="text/plain")
    for chunk in RecursiveChunker().chunk(parsed, embedder.token_offsets):
        yield Text(
            document=document, title=title, group=document, start=chunk.start, text=chunk.text
        )


def removed(texts: Sequence[Text], cases: Sequence[Case]) -> Iterator[Case]:
    """The answerable questions again, without their paragraph or their article."""
    for case in cases:
        if case.gold:
            held = {
                i
                for i, one in enumerate(texts)
                for document, start, end in case.gold
                if one.document == document
                and one.start < end
                and start < one.start + len(one.text)
            }
            groups = {texts[i].group for i in held}
            together = frozenset(i for i, one in enumerate(texts) if one.group in groups)
            if len(together) < len(texts) - TOP_K:
                yield Case(text=case.text, kind="article removed", hidden=together)
            yield Case(text=case.text, kind="paragraph removed", hidden=frozenset(held))


def other_domain() -> list[Case]:
    """Questions on a product's documentation, asked of something else."""
    lines = _json_lines(_DATA / "retrieval/anthropic-docs/queries.jsonl.gz")
    return [Case(text=line["text"], kind="other domain") for line in lines]


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def rows_of(
    data: tuple[Sequence[Text], Sequence[Case]], embedder: Remembering, most: int
) -> list[Row]:
    """Questions of one corpus with their features, at most so many of each kind."""
    texts, cases = data
    index = Corpus(texts, embedder)
    everything = [*cases, *removed(texts, cases), *other_domain()]
    rows = []
    for kind in KINDS:
        mine = [case for case in everything if case.kind == kind]
        rows += map(index.row, random.Random(0).sample(mine, min(most, len(mine))))
        print(f"\r{len(rows)} questions", end="", file=sys.stderr)
    print(file=sys.stderr)
    embedder.save()
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


def fit(sets: Sequence[Sequence[Row]]) -> None:
    """Fit both models, every set of questions counting alike, and write them down.

    Of contracts and reports, in which retrieval alone seldom finds the place, the second
    model would only learn to say nothing; so it is fitted on the sets before them.
    """
    known = [[row for row in rows if row.right.any()] for rows in sets]
    sentence = logistic(
        np.concatenate([row.features for rows in known for row in rows]),
        np.concatenate([row.right for rows in known for row in rows]).astype(float),
        np.concatenate(
            [
                np.full(len(row.right), 1e4 / len(row.right) / len(rows))
                for rows in known
                for row in rows
            ]
        ),
    )
    usable: list[Row] = []
    weight: list[float] = []
    for rows in sets[:3]:
        counts = Counter(row.case.kind for row in rows)
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
    return scoring.answer_features(row.question, row.found, row.features, scores)


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
    _calibration(rows, confident)
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


def _calibration(rows: Sequence[Row], confident: dict[str, scoring.Features]) -> None:
    """What is shown and right; expected calibration error over ten bins, as the fit weighs."""
    sentence, _ = scoring.load_weights()
    p = np.concatenate([confident[kind] for kind in KINDS])
    y = np.array(
        [
            bool(row.found) and _shown_right(row, sentence, MARGIN)
            for kind in KINDS
            for row in rows
            if row.case.kind == kind
        ]
    )
    w = np.concatenate(
        [np.full(len(confident[k]), MIX[k] / max(1, len(confident[k]))) for k in KINDS]
    )
    bins = np.minimum((p * 10).astype(int), 9)
    error = sum(abs((w * (y - p))[bins == b].sum()) for b in range(10)) / w.sum()
    print(f"  in the mix of the fit: calibration error {error:.3f}; by threshold")
    for threshold in (0.3, THRESHOLD, 0.5, 0.6):
        shown = w * (p >= threshold)
        print(
            f"    {threshold:.1f}: right {(shown * y).sum() / shown.sum():.3f} of what is shown; "
            f"shown {(shown * y).sum() / (w * y).sum():.3f} of what would be right"
        )


def _probability(answer: scoring.Weights, summary: scoring.Features) -> float:
    return float(1 / (1 + np.exp(-answer.logit(summary)[0])))


def main() -> None:
    """Fit when asked to; report in any case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fit", action="store_true", help="refit weights.json first")
    parser.add_argument("--vectors", type=Path, help="file that keeps embeddings between runs")
    parser.add_argument("--examples", type=int, default=0, help="mistakes to show of each kind")
    arguments = parser.parse_args()
    started = time.perf_counter()
    embedder = Remembering(arguments.vectors)
    held_out = {
        "SQuAD 2.0, half of the development part": rows_of(squad2(), embedder, 1_200),
        "contracts": rows_of(contracts(embedder, 10, 5), embedder, 100),
    }
    if arguments.fit:
        training = [
            rows_of(reader("squad11-train.jsonl.xz", 20), embedder, 600),
            rows_of(reader("squad20-extra.jsonl.xz", 8), embedder, 600),
            rows_of(chroma(embedder), embedder, 300),
            rows_of(contracts(embedder, 0, 10), embedder, 200),
            rows_of(reports(embedder), embedder, 200),
        ]
        fit(training)
        for name, rows in zip(
            ("SQuAD 1.1", "SQuAD 2.0", "chroma", "contracts", "reports"), training, strict=True
        ):
            report(f"{name} (fitted on)", rows, 0)
    for name, rows in held_out.items():
        report(f"{name} (held out)", rows, arguments.examples)
    print(f"\n{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
