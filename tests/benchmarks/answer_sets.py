"""Documents and questions that the offline engine is fitted on and judged by.

Every question tells where its answer stands, or that there is none.
"""

from __future__ import annotations

import gzip
import json
import lzma
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from ingest.chunk.recursive import RecursiveChunker
from ingest.parse import parse
from rag.types import ParsedDocument
from tests.benchmarks.cached import CachedEmbedder
from tests.benchmarks.filings import load_filings
from tests.realdata import REAL_DATA

if REAL_DATA is None:
    raise SystemExit("The public data sets are not beside the repository (../shared/data).")
_DATA: Path = REAL_DATA
TOP_K = 8
FILED = ("AAPL", "AMZN", "INTC", "MSFT", "NVDA")
_FIGURE = re.compile(r"\d+(?:[.,]\d+)+")


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
    """A question, where its answers stand (nowhere when there is none) and what is hidden.

    Where the data set has ``answer`` in free words, sentences of the ``sources`` answer that
    stand at a gold place or are close to it.
    """

    text: str
    kind: str
    gold: tuple[Gold, ...] = ()
    hidden: frozenset[int] = frozenset()
    answer: str = ""
    sources: frozenset[str] = frozenset()


def squad2(odd: bool | None = None) -> tuple[list[Text], list[Case]]:
    """The half of SQuAD 2.0's development part that is at hand; every other article, if asked."""
    with gzip.open(_DATA / "qa/squad2-half-dev/squad2.json.gz", "rt", encoding="utf-8") as file:
        articles = json.load(file)["data"]
    if odd is not None:
        articles = articles[int(odd) :: 2]
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
    lines.sort(key=lambda line: str(line["title"]))
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
        name = title.replace("_", " ")
        start = (
            texts[-1].start + len(texts[-1].text) + 2
            if texts and texts[-1].document == title
            else 0
        )
        texts.append(Text(document=title, title=name, group=title, start=start, text=text))
        for question, answers in questions:
            gold = {
                (title, start + match.start(), start + match.end())
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


def chroma(embedder: CachedEmbedder) -> tuple[list[Text], list[Case]]:
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


def contracts(embedder: CachedEmbedder, skip: int, take: int) -> tuple[list[Text], list[Case]]:
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


def reports(embedder: CachedEmbedder, companies: Sequence[str]) -> tuple[list[Text], list[Case]]:
    """Quarterly reports of five companies, and questions about some of them.

    Gold is every place of a named report that has a figure of the answer.
    """
    folder = _DATA / "qa/sec-10-q"
    texts: list[Text] = []
    written: dict[str, str] = {}
    for path in sorted((folder / "docs").iterdir()):
        parsed = parse(path, "application/pdf")
        written[path.name] = parsed.text
        for one in _chunked(path.name, parsed.title or path.name, parsed.text, embedder):
            texts.append(replace(one, name=path.name, group=_company(path.name)))
    cases = []
    for filing in load_filings(folder):
        if not {_company(name) for name in filing.sources} <= set(companies):
            continue
        numbers = set(_FIGURE.findall(filing.answer))
        gold = {
            (source, match.start(), match.end())
            for source in filing.sources
            for number in numbers
            for match in re.finditer(rf"(?<![\d.,]){re.escape(number)}(?![\d,])", written[source])
        }
        cases.append(
            Case(
                text=filing.text.strip(),
                kind="answerable",
                gold=tuple(sorted(gold)),
                answer=filing.answer,
                sources=filing.sources,
            )
        )
    return texts, cases


def _company(name: str) -> str:
    return name.removesuffix(".pdf").rpartition(" ")[2]


def _chunked(document: str, title: str, text: str, embedder: CachedEmbedder) -> Iterator[Text]:
    parsed = ParsedDocument(text=text, media_type="text/plain")
    for chunk in RecursiveChunker(size=256).chunk(parsed, embedder):
        yield Text(
            document=document, title=title, group=document, start=chunk.start, text=chunk.text
        )


def removed(texts: Sequence[Text], cases: Sequence[Case]) -> Iterator[Case]:
    """The answerable questions again, without their paragraph or their article."""
    for case in cases:
        if case.sources:  # all that its company has filed
            away = {one.group for one in texts if one.document in case.sources}
            hidden = frozenset(i for i, one in enumerate(texts) if one.group in away)
            yield Case(text=case.text, kind="article removed", hidden=hidden)
        elif case.gold:
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
