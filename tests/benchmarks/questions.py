"""The questions on the sample documents, from the question to the cited answer.

Retrieval is judged by the place that answers, an answer by what it says and where it points,
and both by the format, the language and the kind of question. What a number means:

- ``document@k``, ``quote@k``: the answering documents, and the share of the answering quotes'
  characters, among the first k passages.
- ``answer``: the answer contains an accepted one, word for word.
- ``cited``: share of the answering quotes that some citation overlaps; nothing cited is 0.
- ``in document``, ``on page``, ``on quote``: share of an answer's citations that are in an
  answering document, on an answering page, on an answering quote.
- ``found``: the question is answered if it can be, and not if it cannot.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rag import evaluate
from rag.evaluate import Place
from rag.types import Answer, Passage
from tests.benchmarks.library import Library

TOP_K = 8
DEPTHS = (1, 3, TOP_K)
_WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+|[€£$%]")
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
_BARE = ("yes", "no")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A quote of a file and the page that it stands on, when the format has pages."""

    document: str
    page: int | None
    quote: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question; each member of ``spots`` is a set of places of which one must be read."""

    id: str
    text: str
    language: str
    type: str
    accepted: tuple[str, ...]
    spots: tuple[tuple[Spot, ...], ...]

    @property
    def answerable(self) -> bool:
        """Whether the documents say it."""
        return bool(self.spots)

    @property
    def format(self) -> str:
        """Suffix of the file that answers."""
        return Path(self.spots[0][0].document).suffix[1:] if self.spots else "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one question; ``cause`` names what went wrong, if anything did."""

    question: Question
    scores: Mapping[str, float]
    cause: str | None
    answer: str
    confidence: float | None


def load_questions(path: Path) -> list[Question]:
    """Read ``questions.jsonl``; its schema is in the README beside it."""
    return [_question(json.loads(line)) for line in path.read_text("utf-8").splitlines()]


def readable(questions: Sequence[Question], library: Library) -> tuple[list[Question], list[str]]:
    """Questions of which every answering file was read, and why the others are left out."""
    kept, skipped = [], []
    for question in questions:
        wanted = {spots[0].document for spots in question.spots}
        missing = sorted(wanted - library.documents.keys())
        if missing:
            skipped.append(f"{question.id} ({', '.join(missing)})")
        else:
            kept.append(question)
    return kept, skipped


def judge(question: Question, library: Library) -> Result:
    """Ask it, and compare what comes back with where and what the answer is."""
    answer = library.ask(question.text, TOP_K)
    scores = {"found": float(answer.found == question.answerable)}
    cause = None if scores["found"] else "answered without ground"
    if question.answerable:
        gold = [_places(spots, library) for spots in question.spots]
        scores |= dict(_retrieval(answer.passages, gold))
        scores |= dict(_said(answer, question, gold))
        cause = _cause(answer, scores, gold)
    return Result(
        question=question,
        scores=scores,
        cause=cause,
        answer=answer.text,
        confidence=answer.confidence,
    )


def summarize(results: Sequence[Result]) -> dict[str, Any]:
    """Every score with its interval: of all questions, and by their format, language and type."""
    groups: dict[str, dict[str, list[Result]]] = {"all": {"all": list(results)}}
    for name in ("format", "language", "type"):
        groups[name] = {}
        for result in results:
            groups[name].setdefault(getattr(result.question, name), []).append(result)
    return {
        name: {key: _estimates(group) for key, group in sorted(members.items())}
        for name, members in groups.items()
    } | {
        "questions": [
            {
                "id": result.question.id,
                "question": result.question.text,
                "scores": dict(result.scores),
                "cause": result.cause,
                "answer": result.answer,
                "confidence": result.confidence,
            }
            for result in results
        ]
    }


def contains_answer(text: str, accepted: Sequence[str]) -> bool:
    """Whether a text has one of the accepted answers, whole words, whatever the punctuation.

    A bare yes or no has to open the text: as a word it stands in too many sentences.
    """
    return any(_contains(text, one) for one in accepted)


def _contains(text: str, wanted: str) -> bool:
    if wanted.casefold() in _BARE:
        return _words(text)[:1] == [wanted.casefold()]
    if _UNSPACED.search(wanted):
        return "".join(wanted.split()) in "".join(text.split())
    return f" {' '.join(_words(wanted))} " in f" {' '.join(_words(text))} "


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _question(row: Mapping[str, Any]) -> Question:
    spots: list[tuple[Spot, ...]] = []
    if row["answerable"]:
        spots.append(tuple(map(_spot, [row, *row.get("elsewhere", [])])))
        spots.extend((_spot(one),) for one in row.get("also", []))
    return Question(
        id=row["id"],
        text=row["question"],
        language=row["language"],
        type=row["type"],
        accepted=(*row["accepted"], *([row["answer"]] if row["answer"] else [])),
        spots=tuple(spots),
    )


def _spot(row: Mapping[str, Any]) -> Spot:
    name = row.get("attachment", row["document"])  # it is a document of its own
    return Spot(document=name, page=row["page"], quote=row["quote"])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gold:
    """The places of one set; quotes that the parsed text lacks have none."""

    documents: frozenset[str]
    pages: tuple[Place, ...]
    quotes: tuple[Place, ...]


def _places(spots: Sequence[Spot], library: Library) -> _Gold:
    pages, quotes = [], []
    known = [spot for spot in spots if spot.document in library.documents]
    for spot in known:
        document = library.documents[spot.document].id
        if spot.page is not None:
            pages.append(Place(document, spot.page, spot.page + 1))
        found = library.place(spot.document, spot.quote)
        if found is not None:
            quotes.append(Place(document, *found))
    return _Gold(
        documents=frozenset(library.documents[spot.document].id for spot in known),
        pages=tuple(pages),
        quotes=tuple(quotes),
    )


def _retrieval(passages: Sequence[Passage], gold: Sequence[_Gold]) -> Iterator[tuple[str, float]]:
    for k in DEPTHS:
        read = [Place(one.document_id, one.start, one.end) for one in passages[:k]]
        documents = {place.document_id for place in read}
        yield f"document@{k}", _mean([bool(one.documents & documents) for one in gold])
        covered = [
            max((evaluate.character_scores(read, [q], 10**9).recall for q in one.quotes), default=0)
            for one in gold
        ]
        yield f"quote@{k}", _mean(covered)


def _said(answer: Answer, question: Question, gold: Sequence[_Gold]) -> Iterator[tuple[str, float]]:
    citations = [citation for sentence in answer.sentences for citation in sentence.citations]
    places = [Place(one.document_id, one.start, one.end) for one in citations]
    yield "answer", float(answer.found and contains_answer(answer.text, question.accepted))
    reached = [evaluate.citation_scores(places, one.quotes).precision or 0 for one in gold]
    yield "cited", _mean([value > 0 for value in reached])
    if not citations:
        return
    documents = frozenset().union(*(one.documents for one in gold))
    yield "in document", _mean([one.document_id in documents for one in citations])
    pages = [place for one in gold for place in one.pages]
    paged = [one for one in citations if one.start_page is not None]
    if pages and paged:
        cited = [
            Place(one.document_id, one.start_page or 0, (one.end_page or 0) + 1) for one in paged
        ]
        yield "on page", evaluate.citation_scores(cited, pages).precision or 0.0
    quotes = [place for one in gold for place in one.quotes]
    yield "on quote", evaluate.citation_scores(places, quotes).precision or 0.0


def _cause(answer: Answer, scores: Mapping[str, float], gold: Sequence[_Gold]) -> str | None:
    if scores["answer"] and scores["cited"] == 1:
        return None
    if not all(one.quotes for one in gold):
        return "parsing"
    if scores[f"quote@{TOP_K}"] < 1:
        return "retrieval"
    if not answer.found:
        return "not found though read"
    return "selection"


def _estimates(results: Sequence[Result]) -> dict[str, Any]:
    names = dict.fromkeys(name for result in results for name in result.scores)
    return {"questions": len(results)} | {
        name: asdict(evaluate.estimate([one.scores[name] for one in results if name in one.scores]))
        for name in names
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
