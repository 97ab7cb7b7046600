"""``python -m tests.benchmarks.bare_fields``: fields that are asked for by their names alone.

People often give a schema of names without descriptions. F1 of the offline engine's values of four
fields of agreements on confidentiality (Kleister NDA), and of the places that it cites for 41
clauses of contracts (cuad-spans), a place being right as `tests.benchmarks.analyses` has it.
``--tuning`` measures other documents, on which the wording of names was chosen.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rag.analysis.requests import Kind, Request, Scope
from rag.analysis.run import run_analysis
from rag.embedding.registry import open_embedder
from rag.models.engine import Context
from rag.models.offline.dates import dates
from rag.models.offline.engine import OfflineEngine
from rag.models.tasks import ExtractTask
from tests.analyses import Shelf, cited
from tests.benchmarks import task_sets
from tests.benchmarks.analyses import alike, contracts
from tests.benchmarks.cached import CachedEmbedder
from tests.benchmarks.tasks import FIELDS, counts_of, f1_of
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
    measured = []
    for part in (
        lambda: agreements_of(engine, agreements),
        lambda: [clauses(engine, folder, options.contracts, tuning=options.tuning)],
    ):
        for row in part():
            measured.append(row)
            print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
    if options.json:
        options.json.write_text(json.dumps(measured, indent=1))


def agreements_of(
    engine: OfflineEngine, texts: Sequence[task_sets.Filled]
) -> Sequence[dict[str, Any]]:
    """F1 of each field of agreements, and of all together."""
    schema = {
        "type": "object",
        "properties": {
            name: _MANY if name == "parties" else {"type": "string"} for name in _CALLED.values()
        },
    }
    counts = []
    for one in texts:
        task = ExtractTask(passages=one.passages, schema=schema)
        value = engine.run(task, Context()).value.value
        told = {gold: value.get(called) for gold, called in _CALLED.items()}
        if told["effective_date"]:
            told["effective_date"] = _iso(told["effective_date"])
        counts.append(counts_of(told, one))
    return [
        {"set": f"Kleister NDA, {field or 'all'}", "F1": round(f1_of(counts, field).mean, 3)}
        for field in (*FIELDS, None)
    ]


def _iso(text: str) -> str:
    return next((iso for _, _, iso in dates(text)), text)


def clauses(engine: OfflineEngine, folder: Path, most: int, *, tuning: bool) -> dict[str, Any]:
    """F1 of the places cited for 41 clauses, asked for by their names."""
    texts, gold = contracts(folder, None)
    names = list(texts)[-_LAST:][:most] if tuning else list(texts)[:most]
    texts = {name: texts[name] for name in names}
    gold = [one for one in gold if one.document in texts]
    fields = sorted({one.field for one in gold})
    schema = {"type": "object", "properties": dict.fromkeys(fields, _MANY)}
    request = Request(kind=Kind.EXTRACTION, scope=Scope(documents=tuple(texts)), schema=schema)
    found = cited(run_analysis(request, library=Shelf(texts), engine=engine))
    right = sum(any(alike(one, other) for other in gold) for one in found)
    met = sum(any(alike(one, other) for other in found) for one in gold)
    precision, recall = right / max(1, len(found)), met / max(1, len(gold))
    both = precision + recall
    return {
        "set": "cuad-spans, 41 clauses",
        "contracts": len(texts),
        "cited": len(found),
        "precision": round(precision, 3),
        "recall": round(recall, 3),
        "F1": round(2 * precision * recall / both, 3) if both else 0.0,
    }


if __name__ == "__main__":
    main()
