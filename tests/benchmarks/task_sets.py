"""Public sets of texts to classify, summarize and extract from, in a part for tuning and the rest.

Constants of the offline engine were chosen on the first part of each, in an order fixed by a
seed; only the rest is reported.
"""

from __future__ import annotations

import csv
import gzip
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from rag.models.tasks import Label
from rag.types import Passage
from tests.benchmarks.datasets import rows

_T = TypeVar("_T")
Texts: TypeAlias = Sequence[tuple[str, str]]

BANKING, SCITLDR, QMSUM, PUBMEDQA = 5_001, 200, 6, 200
"""How many of each set, in their shuffled order, are for tuning."""
KLEISTER = 40
EXAMPLES = 8
_TURNS = 1_500


@dataclass(frozen=True, slots=True, kw_only=True)
class Summarized:
    """A text with its summaries by people, and the question that they answer, if any."""

    passages: tuple[Passage, ...]
    references: tuple[str, ...]
    query: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A document and the values of its fields."""

    passages: tuple[Passage, ...]
    gold: Mapping[str, Sequence[str]]


def one_passage(text: str, title: str = "") -> tuple[Passage, ...]:
    """A text as the passages of a task."""
    return (
        Passage(
            document_id="document", document_title=title, start=0, end=len(text), text=text, score=1
        ),
    )


def banking(folder: Path) -> tuple[tuple[Label, ...], tuple[Label, ...], Texts]:
    """Labels by name; the same with examples from the part for tuning; and texts to classify."""
    with gzip.open(folder / "train.csv.gz", "rt", encoding="utf-8") as file:
        texts = _shuffled([(row["text"], row["category"]) for row in csv.DictReader(file)])
    names = sorted({label for _, label in texts})
    known = {
        name: tuple(text for text, label in texts[:BANKING] if label == name)[:EXAMPLES]
        for name in names
    }
    return (
        tuple(Label(name=name) for name in names),
        tuple(Label(name=name, examples=known[name]) for name in names),
        texts[BANKING:],
    )


def scitldr(folder: Path) -> list[Summarized]:
    """Abstracts of papers, and what authors and reviewers say of them in a sentence."""
    return [
        Summarized(
            passages=one_passage(" ".join(row["source"]), row.get("title") or ""),
            references=tuple(row["target"]),
        )
        for row in _shuffled(list(rows(folder / "dev.jsonl.gz")))[SCITLDR:]
    ]


def qmsum(folder: Path, queries: int) -> list[Summarized]:
    """Meetings in passages of whole turns, each with so many questions and their answers."""
    kept = []
    for row in _shuffled(list(rows(folder / "val.jsonl.gz")))[QMSUM:]:
        turns = [f"{turn['speaker']}: {turn['content']}" for turn in row["meeting_transcripts"]]
        passages = tuple(one for text in _joined(turns) for one in one_passage(text))
        asked = row["specific_query_list"]
        for one in random.Random(1).sample(asked, min(queries, len(asked))):
            kept.append(
                Summarized(passages=passages, references=(one["answer"],), query=one["query"])
            )
    return kept


def kleister(folder: Path, *, tuning: bool = False) -> list[Filled]:
    """Agreements on confidentiality, and four of their fields; the part for tuning if asked."""
    part = slice(KLEISTER) if tuning else slice(KLEISTER, None)
    return [
        Filled(passages=one_passage(row["text_best"]), gold=row["gold"])
        for row in _shuffled(list(rows(folder / "records.jsonl.gz")))[part]
    ]


def pubmedqa(folder: Path) -> tuple[Texts, Texts]:
    """Questions with the results of a study, and whether these say yes, no or maybe."""
    with gzip.open(folder / "pqal_train500.json.gz", "rt", encoding="utf-8") as file:
        found: Mapping[str, Any] = json.load(file)
    texts = [
        (f"{one['QUESTION']} {one['CONTEXTS'][-1]}", one["final_decision"])
        for _, one in sorted(found.items())
    ]
    texts = _shuffled(texts)
    return texts[:PUBMEDQA], texts[PUBMEDQA:]


def _shuffled(found: list[_T]) -> list[_T]:
    random.Random(0).shuffle(found)
    return found


def _joined(turns: Sequence[str]) -> list[str]:
    """Turns one after the other, in stretches of about 1,500 characters."""
    stretches: list[str] = []
    now = ""
    for turn in turns:
        if now and len(now) + len(turn) > _TURNS:
            stretches.append(now)
            now = ""
        now = f"{now}\n\n{turn}" if now else turn
    return [*stretches, now]
