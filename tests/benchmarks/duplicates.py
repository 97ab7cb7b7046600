"""``python -m tests.benchmarks.duplicates``: are near-identical documents found, and no others?

Real contracts (``../shared/data/retrieval/cuad-spans``) and an edited version of each:

- ``layout``: other white space and capitals; the words are the same.
- ``details``: every 40th number or capitalized word replaced, as parties and dates are.
- ``1 clause`` / ``3 clauses``: so many paragraphs replaced by those of another contract.
- ``tenth`` / ``fifth`` / ``half``: so large a share of the paragraphs left out.

``found``: versions in one group with their original, of those whose exact similarity reaches the
threshold (an edited paragraph may be most of a contract). ``wrong``: documents grouped with one
of another contract; the originals are grouped alone first, and what they are grouped with is
allowed, for some contracts are there in two versions. ``alike``: median exact similarity of
version and original. ``error``: mean distance of the estimate from it.
The last line is the processor time for many documents, cut from the contracts' paragraphs.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median

from rich import box
from rich.console import Console
from rich.table import Table

from rag.duplicates import DEFAULT_THRESHOLD, Sketched, find_groups
from rag.minhash import jaccard, likeness, shingles
from tests.realdata import REAL_DATA

_DETAIL = re.compile(r"\b(?:[A-Z][a-z]+|\d[\d,.]*)\b")
Edit = Callable[[list[str], list[str], random.Random], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kind of edit at one threshold."""

    edit: str
    threshold: float
    versions: int
    due: int
    found: int
    wrong: int
    alike: float
    error: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Group contracts with their edited versions; print a row for each kind of edit."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.duplicates")
    parser.add_argument("--thresholds", nargs="+", type=float, default=[DEFAULT_THRESHOLD])
    parser.add_argument("--many", type=int, default=10_000, help="documents to time")
    parser.add_argument("--json", type=Path, help="write all of it as JSON")
    options = parser.parse_args(arguments)
    if REAL_DATA is None:
        print("The public data sets are not beside the repository (../shared/data): nothing to do.")
        return 0
    contracts = _contracts(REAL_DATA / "retrieval" / "cuad-spans" / "corpus.jsonl.gz")
    rows = [row for threshold in options.thresholds for row in _rows(contracts, threshold)]
    _print(rows)
    timing = _time(contracts, options.many)
    print("; ".join(f"{name} {value:,}" for name, value in timing.items()))
    if options.json is not None:
        report = {"rows": [asdict(row) for row in rows], "timing": timing}
        options.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    return 0


def _contracts(path: Path) -> list[str]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]


def _rows(contracts: Sequence[str], threshold: float) -> list[Row]:
    known = {one: group for group in _groups(contracts, threshold) for one in group}
    return [_row(name, edit, contracts, threshold, known) for name, edit in _EDITS.items()]


def _row(
    name: str,
    edit: Edit,
    contracts: Sequence[str],
    threshold: float,
    known: Mapping[int, frozenset[int]],
) -> Row:
    rng = random.Random(name)
    paragraphs = [re.split(r"(\n\s*\n)", text) for text in contracts]
    versions = [
        edit(list(own), list(rng.choice(paragraphs[:n] + paragraphs[n + 1 :])), rng)
        for n, own in enumerate(paragraphs)
    ]
    texts = [*contracts, *versions]
    exact = [jaccard(shingles(a), shingles(b)) for a, b in zip(contracts, versions, strict=True)]
    due = {n for n, similarity in enumerate(exact) if similarity >= threshold}
    count, found, wrong = len(contracts), 0, 0
    for group in _groups(texts, threshold):
        for one in group:
            found += one - count in group & due
            allowed = known.get(one % count, frozenset()) | {one % count}
            wrong += any(other % count not in allowed for other in group)
    estimates = [
        float((likeness(a).sketch == likeness(b).sketch).mean())
        for a, b in zip(contracts, versions, strict=True)
    ]
    return Row(
        edit=name,
        threshold=threshold,
        versions=count,
        due=len(due),
        found=found,
        wrong=wrong,
        alike=median(exact),
        error=fmean(abs(a - b) for a, b in zip(exact, estimates, strict=True)),
    )


def _groups(texts: Sequence[str], threshold: float) -> list[frozenset[int]]:
    groups = find_groups(_sketched(texts), threshold, lambda name, _: texts[int(name)])
    return [frozenset(int(one.document.id) for one in group.members) for group in groups]


def _sketched(texts: Sequence[str]) -> list[Sketched]:
    return [
        Sketched(id=str(n), name="", text_length=len(text), likeness=likeness(text))
        for n, text in enumerate(texts)
    ]


def _layout(own: list[str], _other: list[str], _rng: random.Random) -> str:
    return "   ".join("".join(own).upper().split()).replace(".", ".\n")


def _details(own: list[str], _other: list[str], rng: random.Random) -> str:
    return _DETAIL.sub(
        lambda found: found[0] if rng.random() > 1 / 40 else f"Other{rng.randrange(999)}",
        "".join(own),
    )


def _clauses(count: int) -> Edit:
    def edit(own: list[str], other: list[str], rng: random.Random) -> str:
        for _ in range(count):
            own[rng.randrange(len(own))] = rng.choice(other)
        return "".join(own)

    return edit


def _without(share: float) -> Edit:
    def edit(own: list[str], _other: list[str], rng: random.Random) -> str:
        return "".join(one for one in own if rng.random() > share)

    return edit


_EDITS: Mapping[str, Edit] = {
    "layout": _layout,
    "details": _details,
    "1 clause": _clauses(1),
    "3 clauses": _clauses(3),
    "tenth": _without(0.1),
    "fifth": _without(0.2),
    "half": _without(0.5),
}


def _time(contracts: Sequence[str], count: int) -> dict[str, float]:
    """Processor seconds to sketch many documents and to group them; a tenth are versions."""
    rng = random.Random(1)
    paragraphs = [one for text in contracts for one in text.split("\n\n") if len(one) > 100]
    texts = ["\n\n".join(rng.sample(paragraphs, 10)) for _ in range(count * 9 // 10)]
    texts += [f"Annex {n}. {rng.choice(texts)}" for n in range(count - len(texts))]
    start = time.process_time()
    documents = _sketched(texts)
    sketched = time.process_time()
    groups = find_groups(documents, DEFAULT_THRESHOLD, lambda name, _: texts[int(name)])
    return {
        "documents": count,
        "characters": sum(map(len, texts)),
        "groups": len(groups),
        "sketching s": round(sketched - start, 2),
        "grouping s": round(time.process_time() - sketched, 2),
    }


def _print(rows: Sequence[Row]) -> None:
    table = Table(title="contracts and edited versions", title_justify="left", box=box.SIMPLE)
    table.add_column("edit")
    for column in ("threshold", "found", "wrong", "alike", "error"):
        table.add_column(column, justify="right")
    for row in rows:
        found = f"{row.found} of {row.due}"
        cells = (f"{row.threshold:.2f}", found, str(row.wrong), f"{row.alike:.3f}")
        table.add_row(row.edit, *cells, f"{row.error:.3f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    sys.exit(main())
