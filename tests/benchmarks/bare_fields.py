"""``python -m tests.benchmarks.bare_fields``: fields that are asked for by their names alone.

People often give a schema of names without descriptions. F1 of the offline engine's values of four
fields of agreements on confidentiality (Kleister NDA), and of the places that it cites for 41
clauses of contracts (cuad-spans), a place being right as `tests.benchmarks.analyses` has it; and
how true the confidences of all these values are.
``--tuning`` measures other documents, on which the wording of names was chosen.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rag.analysis.requests import Kind, Request, Scope
from rag.analysis.run import run_analysis
from rag.embedding.registry import open_embedder
from rag.models.engine import Context
from rag.models.offline.dates import dates
from rag.models.offline.engine import OfflineEngine
from rag.models.tasks import ExtractTask
from rag.pointers import names_of
from tests.analyses import Gold, Shelf, cited
from tests.benchmarks import task_sets
from tests.benchmarks.analyses import alike, contracts
from tests.benchmarks.cached import CachedEmbedder
from tests.benchmarks.tasks import FIELDS, counts_of, f1_of
from tests.benchmarks.telling import tell
from tests.realdata import REAL_DATA

_CALLED = {
    "effective_date": "effective_date",
    "jurisdiction": "governing_law",
    "party": "parties",
    "term": "term",
}
_MANY = {"type": "array", "items": {"type": "string"}}
_LAST = 20
"""Contracts for tuning, the last of them; the first are measured."""


def main() -> None:
    """Print a row a set."""
    given = argparse.ArgumentParser(prog="python -m tests.benchmarks.bare_fields")
    given.add_argument("--agreements", type=int, default=100)
    given.add_argument("--contracts", type=int, default=20)
    given.add_argument("--tuning", action="store_true")
    given.add_argument("--json", type=Path, default=None)
    given.add_argument(
        "--cache", type=Path, default=Path(tempfile.gettempdir()) / "ibidem-benchmark-models"
    )
    options = given.parse_args()
    if REAL_DATA is None:
        raise SystemExit("The public data sets are not beside the repository (../shared/data).")
    embedder = CachedEmbedder(
        open_embedder("onnx", cache=options.cache), options.cache / "vectors.sqlite"
    )
    engine = OfflineEngine(embedder)  # type: ignore[arg-type]
    agreements = task_sets.kleister(REAL_DATA / "extraction/kleister-nda", tuning=options.tuning)[
        : options.agreements
    ]
    folder = REAL_DATA / "retrieval/cuad-spans"
    tell(_measured(engine, agreements, folder, options), options.json)


def _measured(
    engine: OfflineEngine,
    agreements: Sequence[task_sets.Filled],
    folder: Path,
    options: argparse.Namespace,
) -> Iterator[dict[str, Any]]:
    yield from agreements_of(engine, agreements)
    yield from clauses(engine, folder, options.contracts, tuning=options.tuning)


def agreements_of(
    engine: OfflineEngine, texts: Sequence[task_sets.Filled]
) -> Iterator[dict[str, Any]]:
    """F1 of each field of agreements, and of all together; and how true confidences are."""
    schema = {
        "type": "object",
        "properties": {
            name: _MANY if name == "parties" else {"type": "string"} for name in _CALLED.values()
        },
    }
    counts, sure = [], []
    for one in texts:
        task = ExtractTask(passages=one.passages, schema=schema)
        found = engine.run(task, Context()).value
        told = {gold: found.value.get(called) for gold, called in _CALLED.items()}
        if told["effective_date"]:
            told["effective_date"] = _iso(told["effective_date"])
        counts.append(counts_of(told, one))
        for gold, called in _CALLED.items():
            for place, text in enumerate(_listed(told[gold])):
                stated = found.fields.get(f"/{called}") or found.fields[f"/{called}/{place}"]
                (right, *_) = counts_of({gold: text}, one)[gold]
                sure.append((stated.confidence or 0.0, bool(right)))
    for field in (*FIELDS, None):
        name = f"Kleister NDA, {field or 'all'}"
        yield {"set": name, "F1": round(f1_of(counts, field).mean, 3)}
    yield {"set": "Kleister NDA, confidences", **_reliable(sure)}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _reliable(sure: Sequence[tuple[float, bool]]) -> dict[str, Any]:
    """How far confidences are probabilities of being right.

    Brier (1950): the mean squared difference. ``error``: the mean difference of confidence and
    share of right values over ten equal intervals of confidence, by how many are in each.
    """
    stated, right = np.array(sure, dtype=np.float64).reshape(-1, 2).T
    within = np.minimum((stated * 10).astype(int), 9)
    error = sum(abs((stated - right)[within == place].sum()) for place in range(10)) / len(stated)
    return {
        "values": len(stated),
        "right": round(float(right.mean()), 3),
        "stated": round(float(stated.mean()), 3),
        "Brier": round(float(((stated - right) ** 2).mean()), 3),
        "error": round(float(error), 3),
    }


def _iso(text: str) -> str:
    return next((iso for _, _, iso in dates(text)), text)


def clauses(
    engine: OfflineEngine, folder: Path, most: int, *, tuning: bool
) -> Iterator[dict[str, Any]]:
    """F1 of the places cited for 41 clauses, asked for by their names; and of confidences.

    A value is right here when its quote and a gold span have characters in common.
    """
    texts, gold = contracts(folder, None)
    names = list(texts)[-_LAST:][:most] if tuning else list(texts)[:most]
    texts = {name: texts[name] for name in names}
    gold = [one for one in gold if one.document in texts]
    fields = sorted({one.field for one in gold})
    schema = {"type": "object", "properties": dict.fromkeys(fields, _MANY)}
    request = Request(kind=Kind.EXTRACTION, scope=Scope(documents=tuple(texts)), schema=schema)
    result = run_analysis(request, library=Shelf(texts), engine=engine)
    found = cited(result)
    right = sum(any(alike(one, other) for other in gold) for one in found)
    met = sum(any(alike(one, other) for other in found) for one in gold)
    precision, recall = right / max(1, len(found)), met / max(1, len(gold))
    both = precision + recall
    yield {
        "set": "cuad-spans, 41 clauses",
        "contracts": len(texts),
        "cited": len(found),
        "precision": round(precision, 3),
        "recall": round(recall, 3),
        "F1": round(2 * precision * recall / both, 3) if both else 0.0,
    }
    met_by = [
        (sure, any(_meet(place, other) for place in places for other in gold))
        for sure, places in _stated(result)
    ]
    yield {"set": "cuad-spans, confidences", **_reliable(met_by)}


def _stated(result: dict[str, Any]) -> Iterator[tuple[float, list[Gold]]]:
    """The confidence of each value, and the places that it cites."""
    for pointer, sure in result["confidences"].items():
        field = names_of(pointer)[3]
        yield (
            sure,
            [
                Gold(one["document_id"], field, one["start"], one["end"])
                for one in result["evidence"].get(pointer, ())
            ],
        )


def _meet(one: Gold, other: Gold) -> bool:
    same = (one.document, one.field) == (other.document, other.field)
    return same and one.start < other.end and other.start < one.end


if __name__ == "__main__":
    main()
