"""Claims to verdicts, and how well quotes support what is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from rag.answer import answer
from rag.models.engine import Context
from rag.models.tasks import (
    Evidence,
    Outcome,
    Statement,
    Task,
    Verdict,
    Verification,
    VerifyTask,
)
from rag.support import judged
from rag.types import Citation, Located, Passage, Sentence
from rag.verify import GivenTexts, verify

TEXT = "Revenue rose by 5% in 2023. Costs fell by 2%. The dividend is 50 cents."
SOURCE = GivenTexts({"passages/0": TEXT})
PASSAGE = Passage(
    document_id="passages/0", document_title="", start=0, end=len(TEXT), text=TEXT, score=1
)


class Scripted:
    """An engine that gives back what it is told to."""

    id = "scripted"

    def __init__(self, value: object) -> None:
        self.value = value

    def run(self, task: Task, context: Context) -> Outcome:
        return Outcome(value=self.value, confidence=0.9, engine=self.id)


class Shared:
    """A judge by the share of words that the text has, who counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[Sequence[tuple[str, str]]] = []

    def support(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        self.asked.append(pairs)
        return [
            len(set(said.split()) & set(text.split())) / len(set(said.split()))
            for said, text in pairs
        ]


def verification(verdict: Verdict, *quotes: str, support: float | None = None) -> Verification:
    evidence = tuple(Evidence(passage=0, quote=quote, support=support) for quote in quotes)
    return Verification(verdict=verdict, evidence=evidence)


@pytest.mark.parametrize("verdict", [Verdict.SUPPORTED, Verdict.CONTRADICTED])
def test_a_verdict_opens_at_its_evidence(verdict: Verdict) -> None:
    engine = Scripted(verification(verdict, "Costs fell by 2%.", "profits doubled"))
    found = verify("Costs fell.", passages=[PASSAGE], engine=engine, source=SOURCE)
    assert (found.verdict, found.score, found.dropped_citations) == (verdict, 0.9, 1)
    (citation,) = found.evidence
    assert TEXT[citation.start : citation.end] == citation.cited_text == "Costs fell by 2%."
    assert citation.support is None


@pytest.mark.parametrize("verdict", [Verdict.SUPPORTED, Verdict.CONTRADICTED])
def test_a_verdict_whose_quotes_stand_nowhere_is_none(verdict: Verdict) -> None:
    engine = Scripted(verification(verdict, "profits doubled"))
    found = verify("Profits doubled.", passages=[PASSAGE], engine=engine, source=SOURCE)
    assert (found.verdict, found.score, found.evidence) == (Verdict.NOT_FOUND, None, ())
    assert found.dropped_citations == 1


def test_an_engine_reads_the_claim_and_whole_sentences() -> None:
    cut = replace(PASSAGE, start=5, end=20, text=TEXT[5:20])

    class Reads(Scripted):
        def run(self, task: Task, context: Context) -> Outcome:
            assert isinstance(task, VerifyTask)
            assert (task.claim, task.passages[0].text) == (
                "It rose.",
                "Revenue rose by 5% in 2023.",
            )
            return super().run(task, context)

    engine = Reads(verification(Verdict.NOT_FOUND))
    assert verify("It rose.", passages=[cut], engine=engine, source=SOURCE).score == 0.9


def test_every_quote_of_an_answer_is_judged_in_one_go() -> None:
    judge = Shared()
    said = (
        Statement(
            text="Revenue rose by 5% and Costs fell",
            evidence=(
                Evidence(passage=0, quote="Revenue rose by 5%"),
                Evidence(passage=0, quote="Costs fell"),
            ),
        ),
        Statement(text="Costs rose", evidence=(Evidence(passage=0, quote="Costs fell"),)),
    )
    found = answer("?", passages=[PASSAGE], engine=Scripted(said), source=SOURCE, judge=judge)
    assert len(judge.asked) == 1
    first, second = found.sentences
    assert [one.support for one in first.citations] == [4 / 7, 2 / 7]
    assert first.support == 6 / 7
    assert [one.support for one in second.citations] == [second.support] == [0.5]
    assert "support" in found.timings
    without = answer("?", passages=[PASSAGE], engine=Scripted(said), source=SOURCE)
    assert {s.support for s in without.sentences} == {None}
    assert {c.support for s in without.sentences for c in s.citations} == {None}


def test_what_an_engine_has_judged_itself_stays() -> None:
    known = verification(Verdict.SUPPORTED, "Costs fell by 2%.", support=0.25)
    judge = Shared()
    found = verify("Costs", passages=[PASSAGE], engine=Scripted(known), source=SOURCE, judge=judge)
    assert [one.support for one in found.evidence] == [0.25]


def test_without_anything_to_judge_nobody_is_asked() -> None:
    judge = Shared()
    assert judged([], judge) == ()
    quote = Citation(
        document_id="d", document_title="", cited_text="x", start=0, end=1, located=Located.EXACT
    )
    sentence = Sentence(text="x", citations=(quote,))
    assert judged([sentence], None) == (sentence,)
    assert judge.asked == []
