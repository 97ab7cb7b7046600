"""Retrieval data sets as they lie on disk: JSON lines, tab-separated judgements."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from rag.evaluate import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalSet:
    """Passages, and questions with graded passages; only questions that have a relevant one."""

    name: str
    passages: Mapping[str, str]
    questions: Mapping[str, str]
    grades: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanSet:
    """Documents, and questions with the places of the characters that answer them."""

    name: str
    documents: Mapping[str, str]
    titles: Mapping[str, str]
    questions: Mapping[str, str]
    gold: Mapping[str, tuple[Place, ...]]


def load_retrieval(folder: Path, name: str, *, judged: Path | None = None) -> RetrievalSet:
    """A folder in the layout of BEIR. A passage is its title and its text, as BEIR reads it.

    The judgements may lie in another folder, ``judged``.
    """
    grades: dict[str, dict[str, float]] = {}
    for line in ((judged or folder) / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        question, passage, grade = line.split("\t")
        grades.setdefault(question, {})[passage] = float(grade)
    grades = {key: row for key, row in grades.items() if any(row.values())}
    return RetrievalSet(
        name=name,
        passages={
            row["_id"]: f"{row['title']} {row['text']}".strip()
            for row in rows(folder / "corpus.jsonl.gz")
        },
        questions={
            row["_id"]: row["text"]
            for row in rows(folder / "queries.jsonl.gz")
            if row["_id"] in grades
        },
        grades=grades,
    )


def load_contracts(folder: Path, most_documents: int | None = None) -> SpanSet:
    """CUAD's contracts and questions with gold spans; the first ``most_documents`` of them."""
    contracts = list(islice(rows(folder / "corpus.jsonl.gz"), most_documents))
    documents = {row["_id"]: row["text"] for row in contracts}
    gold = {
        row["query_id"]: tuple(Place(row["doc_id"], *span) for span in row["spans"])
        for row in rows(folder / "qrels_spans.jsonl.gz")
        if row["doc_id"] in documents and row["spans"]
    }
    questions = {
        row["_id"]: row["text"] for row in rows(folder / "queries.jsonl.gz") if row["_id"] in gold
    }
    return SpanSet(
        name="cuad-spans",
        documents=documents,
        titles={row["_id"]: row["title"] for row in contracts},
        questions=questions,
        gold=gold,
    )


def rows(path: Path) -> Iterator[Any]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
