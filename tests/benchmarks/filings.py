"""Questions on twenty quarterly reports of five companies, each with the reports that answer.

The set tells documents, not places, so that is what is judged:

- ``passages``, ``first``: share of the passages read, and whether the first, from a named report.
- ``documents``: share of the named reports among the passages.
- ``figures read``, ``figures said``: share of the gold answer's figures that stand in passages
  of a named report, and in the answer.
- ``cited``: share of the citations that are in a named report.
- ``page``: whether a page that is cited of a named report has a figure of the gold answer; no
  answer, no page.
- ``found``: whether it was answered; every question can be.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from rag import evaluate
from rag.types import Answer, Span
from tests.benchmarks.library import Library

TOP_K = 8
_NAME = re.compile(r"20\d\d Q\d [A-Z]+\.pdf")
_SOURCES = re.compile(r"\(?\bSOURCE.*", re.DOTALL)
_FIGURE = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
_YEAR = re.compile(r"(?:19|20)\d\d")
_FEWEST_DIGITS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Filing:
    """A question, the names of the reports that answer it, and the figures of the answer."""

    text: str
    type: str
    chunk_type: str
    sources: frozenset[str]
    answer: str
    figures: frozenset[str]


def load_filings(folder: Path) -> list[Filing]:
    """Questions of ``qna_data.csv``; where the answer names its reports, only those count."""
    names = sorted(path.name for path in (folder / "docs").iterdir())
    with (folder / "qna_data.csv").open(encoding="utf-8-sig", newline="") as file:
        return [_filing(row, names) for row in csv.DictReader(file)]


def run_filings(questions: Sequence[Filing], library: Library) -> dict[str, Any]:
    """Every score with its interval: of all questions, by their type, and by what they ask of."""
    groups: dict[str, list[dict[str, float]]] = {}
    for question in questions:
        scores = dict(_scores(question, library))
        for group in ("all", question.type, question.chunk_type):
            groups.setdefault(group, []).append(scores)
    return {name: _estimates(rows) for name, rows in groups.items()}


def figures(text: str) -> frozenset[str]:
    """Significant digits of its figures: "23,198 million" and "$23.198 billion" are alike.

    Years, and figures of fewer than three digits, which stand everywhere, are left out.
    """
    return frozenset(
        digits
        for figure in _FIGURE.findall(text)
        if not _YEAR.fullmatch(figure)
        and len(digits := re.sub("[,.]", "", figure).strip("0")) >= _FEWEST_DIGITS
    )


def _filing(row: Mapping[str, str], names: Sequence[str]) -> Filing:
    matched = {name for name in names if fnmatch(name, row["Source Docs"])}
    named = matched & set(_NAME.findall(row["Answer"]))
    return Filing(
        text=row["Question"],
        type=row["Question Type"].removesuffix(" RAG"),
        chunk_type=row["Source Chunk Type"],
        sources=frozenset(named or matched),
        answer=_SOURCES.sub("", row["Answer"]).strip(),
        figures=figures(_SOURCES.sub("", row["Answer"])),
    )


def _scores(question: Filing, library: Library) -> Iterator[tuple[str, float]]:
    answer = library.ask(question.text, TOP_K)
    wanted = {library.documents[name].id for name in question.sources & library.documents.keys()}
    right = [passage.document_id in wanted for passage in answer.passages]
    yield "first", float(right[0])
    yield "passages", sum(right) / len(right)
    found = wanted & {passage.document_id for passage in answer.passages}
    yield "documents", len(found) / len(question.sources)
    if question.figures:
        read = figures("\n".join(p.text for p in answer.passages if p.document_id in wanted))
        yield "figures read", len(question.figures & read) / len(question.figures)
        said = question.figures & figures(answer.text)
        yield "figures said", len(said) / len(question.figures)
        cited = "\n".join(_pages(answer, wanted, library))
        yield "page", float(bool(question.figures & figures(cited)))
    yield "found", float(answer.found)
    right = [
        one.document_id in wanted for sentence in answer.sentences for one in sentence.citations
    ]
    if right:
        yield "cited", sum(right) / len(right)


def _pages(answer: Answer, wanted: Set[str], library: Library) -> Iterator[str]:
    """The text of every page that an answer cites of these documents."""
    texts = library.services.catalog.texts
    for sentence in answer.sentences:
        for one in sentence.citations:
            if one.document_id in wanted:
                for page in texts.pages(one.document_id, Span(start=one.start, end=one.end)):
                    yield texts.read(one.document_id, page.start, page.end)


def _estimates(rows: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {"questions": len(rows)} | {
        name: asdict(evaluate.estimate([row[name] for row in rows if name in row]))
        for name in names
    }
