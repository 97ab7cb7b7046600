"""The offline engine's tasks on public sets, each beside a simple baseline.

- ``banking77``: share of texts put under the right one of 77 labels, which are given by name
  only, or with eight examples each. Baseline: the label, or the label of the example, that shares
  most words with the text.
- ``SciTLDR``: the main topic of an abstract against what people wrote of the paper. Baseline: the
  first sentence.
- ``QMSum``: the summary for a question on a meeting, of four sentences. Baseline: the meeting's
  first words, as many.
- ``Kleister NDA``: F1 over all values of all documents. A value is right when it equals a gold one
  but for case, punctuation, and whether Inc., Corp., Ltd. and "and" are written out. Baseline:
  the first date and period, the first two organisations, and New York.
- ``PubMedQA``: share of questions that are put, with the results of a study, under the right one
  of yes, no and maybe, by examples. Baseline: the most frequent. The engine does not reason:
  this says how far likeness goes.

ROUGE is that of `tests.benchmarks.rouge`. 95 % intervals are by bootstrap over texts or documents.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from rag.embedding import Embedder
from rag.evaluate import RESAMPLES, Estimate, estimate
from rag.models.engine import Context
from rag.models.offline.engine import OfflineEngine
from rag.models.offline.values import Kind, find
from rag.models.offline.words import telling, words
from rag.models.tasks import ClassifyTask, ExtractTask, Label, SummarizeTask
from tests.benchmarks import task_sets
from tests.benchmarks.rouge import Rouge, best_rouge
from tests.benchmarks.task_sets import Filled, Summarized, Texts, one_passage

MOST = {"banking77": 1_000, "scitldr": 300, "qmsum": 45, "kleister": 100}
"""Texts measured of each set, the first in their shuffled order."""
_QUERIES, _SENTENCES = 3, 4

CONTRACT: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "effective_date": {
            "type": "string",
            "format": "date",
            "description": "Date on which the agreement is made, entered into, dated or takes "
            "effect",
        },
        "jurisdiction": {
            "type": "string",
            "description": "State under whose laws the agreement is governed and construed",
        },
        "party": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Parties by and between whom the agreement is made",
        },
        "term": {
            "type": "string",
            "description": "Period of years or months for which the agreement remains in effect, "
            "or after which its obligations expire",
        },
    },
}
_FIRST = {
    "effective_date": (Kind.DATE, 1),
    "party": (Kind.ORGANISATION, 2),
    "term": (Kind.DURATION, 1),
}
_FREQUENT = "New York"  # the most frequent jurisdiction of the part for tuning, too
FIELDS = tuple(CONTRACT["properties"])
_SHORT = {"incorporated": "inc", "corporation": "corp", "limited": "ltd", "&": " and "}

Measured = dict[str, Any]
Counts = Mapping[str, tuple[int, int, int]]
"""By field: values that are right, values given, and gold ones."""


def run_tasks(data: Path, embedder: Embedder) -> list[Measured]:
    """Measure what there is data for: one row a measure."""
    engine = OfflineEngine(embedder)
    parts: tuple[tuple[str, Callable[[OfflineEngine, Path], Iterable[Measured]]], ...] = (
        ("classification/banking77", _banking),
        ("summarization/scitldr-a", _scitldr),
        ("summarization/qmsum", _qmsum),
        ("extraction/kleister-nda", _kleister),
        ("qa/pubmedqa", _pubmedqa),
    )
    return [
        row
        for folder, measure in parts
        if (data / folder).is_dir()
        for row in measure(engine, data / folder)
    ]


def _banking(engine: OfflineEngine, folder: Path) -> Iterable[Measured]:
    named, shown, texts = task_sets.banking(folder)
    texts = texts[: MOST["banking77"]]
    right = _classified(engine, named, texts)
    by_words = [float(_most_shared(named, text) == label) for text, label in texts]
    yield _row("banking77, label names", "accuracy", right, by_words)
    right = _classified(engine, shown, texts)
    by_words = [float(_most_shared(shown, text) == label) for text, label in texts]
    published = "85.2 with 10 (USE+ConveRT, Casanueva et al. 2020)"
    yield _row("banking77, 8 examples", "accuracy", right, by_words, published)


def _classified(engine: OfflineEngine, labels: tuple[Label, ...], texts: Texts) -> list[float]:
    def primary(text: str) -> str:
        task = ClassifyTask(passages=one_passage(text), labels=labels)
        return engine.run(task, Context()).value.primary

    return [float(primary(text) == label) for text, label in texts]


def _most_shared(labels: Sequence[Label], text: str) -> str:
    own = set(words(text))

    def shared(said: str) -> float:
        known = set(telling(said.replace("_", " ")))
        return len(known & own) / (len(known | own) or 1)

    return max(
        labels, key=lambda one: max(shared(said) for said in (one.examples or (one.name,)))
    ).name


def _scitldr(engine: OfflineEngine, folder: Path) -> Iterable[Measured]:
    texts = task_sets.scitldr(folder)[: MOST["scitldr"]]
    topics = [
        engine.run(SummarizeTask(passages=one.passages), Context()).value.main_topic.text
        for one in texts
    ]
    firsts = [re.split(r"(?<=[.!?])\s", one.passages[0].text, maxsplit=1)[0] for one in texts]
    published = "44.3 / 21.3 / 35.9 (CATTS, Cachola et al. 2020; stemmed)"
    yield from _rouge_rows("SciTLDR, abstracts", texts, topics, firsts, published)


def _qmsum(engine: OfflineEngine, folder: Path) -> Iterable[Measured]:
    texts = task_sets.qmsum(folder, _QUERIES)[: MOST["qmsum"]]
    said, firsts = [], []
    for one in texts:
        task = SummarizeTask(passages=one.passages, query=one.query, findings=_SENTENCES - 1)
        value = engine.run(task, Context()).value
        chosen = [value.main_topic, *value.key_findings]
        said.append(" ".join(statement.text for statement in chosen))
        start = " ".join(passage.text for passage in one.passages[:4]).split()
        firsts.append(" ".join(start[: len(said[-1].split())]))
    published = "36.5 / 11.4 / 31.6 from gold spans (Zhong et al. 2021)"
    yield from _rouge_rows("QMSum, questions", texts, said, firsts, published)


def _rouge_rows(
    name: str, texts: Sequence[Summarized], said: Sequence[str], firsts: Sequence[str], known: str
) -> Iterable[Measured]:
    ours, lead = (
        [best_rouge(text, one.references) for text, one in zip(side, texts, strict=True)]
        for side in (said, firsts)
    )
    for place, field in enumerate(Rouge._fields):
        measure = f"ROUGE-{'12L'[place]}"
        published = known if place == 0 else ""
        yield _row(
            name,
            measure,
            [getattr(one, field) for one in ours],
            [getattr(one, field) for one in lead],
            published,
        )


def _kleister(engine: OfflineEngine, folder: Path) -> Iterable[Measured]:
    texts = task_sets.kleister(folder)[: MOST["kleister"]]
    ours = [filled(engine, one) for one in texts]
    first = [counts_of(_first(one.passages[0].text), one) for one in texts]
    for field in (*FIELDS, None):
        known = "80.4 (LAMBERT, Garncarek et al. 2021)" if field is None else ""
        yield {
            "set": f"Kleister NDA, {field or 'all fields'}",
            "measure": "F1",
            "n": len(texts),
            "offline": asdict(f1_of(ours, field)),
            "baseline": asdict(f1_of(first, field)),
            "published": known,
        }


def filled(engine: OfflineEngine, one: Filled) -> Counts:
    """What an engine makes of the fields of an agreement."""
    task = ExtractTask(passages=one.passages, schema=CONTRACT)
    return counts_of(engine.run(task, Context()).value.value, one)


def f1_of(counts: Sequence[Counts], field: str | None = None) -> Estimate:
    """F1 over the values of a field, or of all."""
    return _micro_f1([_of(one, field) for one in counts])


def _first(text: str) -> dict[str, list[str]]:
    """The baseline: what comes first of each kind."""
    return {"jurisdiction": [_FREQUENT]} | {
        field: [
            (one.iso or "") if kind is Kind.DATE else one.text for one in find(kind, text)[:most]
        ]
        for field, (kind, most) in _FIRST.items()
    }


def counts_of(value: Mapping[str, Any], one: Filled) -> Counts:
    counts = {}
    for field in FIELDS:
        given = value.get(field) or []
        said = {_folded(text) for text in ([given] if isinstance(given, str) else given)}
        gold = {_folded(text) for text in one.gold.get(field, ())}
        counts[field] = (len(said & gold), len(said), len(gold))
    return counts


def _folded(text: str) -> str:
    text = text.casefold()
    for long, short in _SHORT.items():
        text = text.replace(long, short)
    return " ".join(re.sub(r"[^\w\s]", "", text).split())


def _of(counts: Counts, field: str | None) -> tuple[int, int, int]:
    kept = [of for name, of in counts.items() if field in (None, name)]
    right, said, gold = (sum(one[place] for one in kept) for place in range(3))
    return right, said, gold


def _micro_f1(counts: Sequence[tuple[int, int, int]]) -> Estimate:
    """F1 over all values, and its interval over documents drawn with replacement."""
    table = np.array(counts, dtype=np.float64)
    drawn = np.random.default_rng(0).integers(len(table), size=(RESAMPLES, len(table)))
    sums = table[drawn].sum(axis=1)
    scores = 2 * sums[:, 0] / np.maximum(sums[:, 1] + sums[:, 2], 1)
    right, said, gold = table.sum(axis=0)
    low, high = np.percentile(scores, [2.5, 97.5])
    mean = 2 * right / max(said + gold, 1)
    return Estimate(mean=float(mean), low=float(low), high=float(high))


def _pubmedqa(engine: OfflineEngine, folder: Path) -> Iterable[Measured]:
    known, texts = task_sets.pubmedqa(folder)
    names = sorted({label for _, label in known})
    labels = tuple(
        Label(name=name, examples=tuple(text for text, label in known if label == name))
        for name in names
    )
    ((most, _),) = Counter(label for _, label in known).most_common(1)
    right = _classified(engine, labels, texts)
    frequent = [float(label == most) for _, label in texts]
    published = "68.1 (BioBERT), human 78.0 (Jin et al. 2019)"
    yield _row("PubMedQA, by examples", "accuracy", right, frequent, published)


def _row(
    name: str, measure: str, ours: Sequence[float], base: Sequence[float], published: str = ""
) -> Measured:
    return {
        "set": name,
        "measure": measure,
        "n": len(ours),
        "offline": asdict(estimate(ours)),
        "baseline": asdict(estimate(base)),
        "published": published,
    }
