"""Questions with their paragraphs, read from the files that training takes."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FILES = ("squad11-train.jsonl.xz", "squad20-extra.jsonl.xz")


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a paragraph. ``answers`` occur in it; there are none if it does not say."""

    text: str
    paragraph: int
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Paragraphs, the article that each is from, and questions about them."""

    paragraphs: tuple[str, ...]
    articles: tuple[str, ...]
    questions: tuple[Question, ...]


def read(folder: Path) -> Corpus:
    """All questions of a data folder, in the order of its files."""
    paragraphs: list[str] = []
    articles: list[str] = []
    questions: list[Question] = []
    for row in _rows(folder):
        for one in row["questions"]:
            answers = dict.fromkeys(one["answers"]) if one["answerable"] else ()
            questions.append(Question(one["question"].strip(), len(paragraphs), tuple(answers)))
        paragraphs.append(row["context"])
        articles.append(row["title"])
    return Corpus(tuple(paragraphs), tuple(articles), tuple(questions))


def _rows(folder: Path) -> Iterator[dict[str, Any]]:
    for name in _FILES:
        with lzma.open(folder / name, "rt", encoding="utf-8") as lines:
            yield from map(json.loads, lines)
