from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from rag.answer import (
    NOT_FOUND,
    Answered,
    Cited,
    Delta,
    Event,
    PassagesFound,
    answer,
    stream,
)
from rag.models.engine import Context
from rag.models.tasks import AnswerTask, Evidence, Outcome, Statement
from rag.types import Located, Passage, Usage
from tests.fakes import MemorySource

TEXT = "Revenue rose by 5% in 2023. Costs fell by 2%. The dividend is 50 cents."
SOURCE = MemorySource({"doc_1": TEXT})
PASSAGES = [
    Passage(
        document_id="doc_1",
        document_title="Report",
        start=0,
        end=len(TEXT),
        text=TEXT,
        score=0.9,
    )
]


class Scripted:
    """An engine that says what it is told to: an implementation, not a mock of one."""

    id = "scripted"

    def __init__(self, statements: Sequence[Statement]) -> None:
        self.statements = tuple(statements)
        self.contexts: list[Context] = []

    def supports(self, task: type) -> bool:
        return task is AnswerTask

    def run(self, task: AnswerTask, context: Context) -> Outcome[tuple[Statement, ...]]:
        self.contexts.append(context)
        return Outcome(
            value=self.statements,
            confidence=0.8,
            engine=self.id,
            usage=Usage(input_tokens=7),
            timings={"think": 1.5},
        )


def said(text: str, *quotes: str, passage: int = 0) -> Statement:
    evidence = tuple(Evidence(passage=passage, quote=quote, support=0.5) for quote in quotes)
    return Statement(text=text, evidence=evidence)


def events(*statements: Statement) -> list[Event]:
    return list(stream("Why?", passages=PASSAGES, engine=Scripted(statements), source=SOURCE))


def test_every_sentence_opens_at_its_place() -> None:
    found = answer(
        "What happened?",
        passages=PASSAGES,
        engine=Scripted(
            [said("Revenue rose.", "Revenue rose by 5%"), said("Costs fell.", "Costs fell")]
        ),
        source=SOURCE,
    )
    assert found.found
    assert found.text == "Revenue rose. Costs fell."
    for sentence in found.sentences:
        for citation in sentence.citations:
            assert TEXT[citation.start : citation.end] == citation.cited_text
            assert (citation.located, citation.support) == (Located.EXACT, 0.5)
    assert (found.confidence, found.engine, found.dropped_citations) == (0.8, "scripted", 0)
    assert found.usage == Usage(input_tokens=7)
    assert found.passages == tuple(PASSAGES)
    assert set(found.timings) == {"think", "engine", "locate"}


def test_quotes_that_are_not_there_are_dropped_and_counted() -> None:
    (*_, last) = events(
        said("Revenue rose.", "Revenue rose by 5%", "Revenue rose by 6%"),
        said("Costs doubled.", "Costs doubled in the year"),
        said("No evidence at all."),
    )
    assert isinstance(last, Answered)
    assert last.answer.text == "Revenue rose."
    assert len(last.answer.sentences[0].citations) == 1
    assert last.answer.dropped_citations == 2


@pytest.mark.parametrize(
    "statements",
    [
        [],
        [said("Costs doubled.", "Costs doubled in the year")],
        [said("Which passage?", "Costs fell", passage=7)],
        [said("Which passage?", "Costs fell", passage=-1)],
        [said("  ", "Costs fell")],
    ],
)
def test_nothing_left_means_not_found(statements: list[Statement]) -> None:
    found = answer("Why?", passages=PASSAGES, engine=Scripted(statements), source=SOURCE)
    assert not found.found
    assert found.text == NOT_FOUND == "Not found in these documents."
    assert found.sentences == ()
    # That the engine was sure of what did not hold says nothing of there being nothing.
    assert found.confidence == (None if statements else 0.8)


def test_no_passages_no_answer() -> None:
    found = answer(
        "Why?", passages=[], engine=Scripted([said("It is so.", "Costs fell")]), source=SOURCE
    )
    assert (found.found, found.dropped_citations) == (False, 1)


def test_the_stream_tells_the_answer_piece_by_piece() -> None:
    told = events(said("Revenue rose.", "Revenue rose by 5%"), said("Costs fell.", "Costs fell"))
    assert [type(event) for event in told] == [
        PassagesFound,
        Delta,
        Cited,
        Delta,
        Cited,
        Answered,
    ]
    last = told[-1]
    assert isinstance(last, Answered)
    assert "".join(e.text for e in told if isinstance(e, Delta)) == last.answer.text
    cited = [(e.sentence, e.citation) for e in told if isinstance(e, Cited)]
    assert cited == [
        (place, citation)
        for place, sentence in enumerate(last.answer.sentences)
        for citation in sentence.citations
    ]


def test_the_stream_says_so_when_nothing_was_found() -> None:
    told = events(said("Costs doubled.", "Costs doubled in the year"))
    assert [type(event) for event in told] == [PassagesFound, Delta, Answered]
    assert told[1] == Delta(sentence=0, text=NOT_FOUND)


def test_the_engine_learns_for_whom_it_works() -> None:
    engine = Scripted([])
    answer("Why?", passages=[], engine=engine, source=SOURCE)
    answer("Why?", passages=[], engine=engine, source=SOURCE, context=Context(tenant="acme"))
    assert [context.tenant for context in engine.contexts] == ["default", "acme"]


@pytest.mark.parametrize(
    ("cut", "whole"),
    [
        ("by 5% in 2023. Costs fell", "Revenue rose by 5% in 2023. Costs fell by 2%."),
        ("Costs fell by 2%.", "Costs fell by 2%."),
        ("dividend", "The dividend is 50 cents."),
    ],
)
def test_cut_sentences_are_completed(cut: str, whole: str) -> None:
    start = TEXT.index(cut)
    passage = replace(PASSAGES[0], start=start, end=start + len(cut), text=cut)
    found = answer("Why?", passages=[passage], engine=Scripted([]), source=SOURCE)
    completed = found.passages[0]
    assert completed.text == whole == TEXT[completed.start : completed.end]


def test_endless_sentences_stay_cut() -> None:
    text = "word" * 1_000
    passage = replace(PASSAGES[0], start=2_000, end=2_400, text=text[2_000:2_400])
    source = MemorySource({"doc_1": text})
    found = answer("Why?", passages=[passage], engine=Scripted([]), source=source)
    assert found.passages == (passage,)


def test_passages_of_a_deleted_document_give_nothing() -> None:
    engine = Scripted([said("Costs fell.", "Costs fell")])
    found = answer("Why?", passages=PASSAGES, engine=engine, source=MemorySource({}))
    assert (found.found, found.dropped_citations) == (False, 1)
