"""What the offline engine makes of what a reader says; the reader is told what to say."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from rag.models.offline.folder import Curve
from rag.models.offline.supporting import Supporting, open_supporting
from rag.models.offline.verifying import Verifying
from rag.models.tasks import Verdict, VerifyTask
from rag.types import Passage
from tests.fakes import HashingEmbedder

CURVE = Curve(slope=1.0, constant=0.0, least=0.6)


class ScriptedReader:
    """Judges pairs of statement and text by a rule."""

    def __init__(self, rule: Callable[[str, str], float]) -> None:
        self.rule = rule

    def support(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        return [self.rule(said, text) for said, text in pairs]


def verifying(rule: Callable[[str, str], float]) -> Verifying:
    supporting = Supporting(ScriptedReader(rule), CURVE)  # type: ignore[arg-type]
    return Verifying(HashingEmbedder(), supporting)


def claim(text: str, passage: str) -> VerifyTask:
    whole = Passage(
        document_id="doc", document_title="", start=0, end=len(passage), text=passage, score=1
    )
    return VerifyTask(claim=text, passages=(whole,))


TEXT = (
    "The pump was ordered in May. It came with a bill of 900 euros. Nobody was at home. "
    "The neighbour signed for the parcel, which weighed 40 kg."
)


def test_a_claim_in_other_words_is_supported_by_what_the_reader_finds() -> None:
    task = claim("A person next door accepted the delivery.", TEXT)
    found = verifying(lambda _, text: 3.0 if "neighbour" in text else -3.0).run(task)
    assert found.value.verdict is Verdict.SUPPORTED
    (quote,) = found.value.evidence
    assert quote.quote in TEXT
    assert quote.support == pytest.approx(1 / (1 + 2.718281828**-3), abs=1e-3)
    assert found.confidence == pytest.approx(0.9)
    without = Verifying(HashingEmbedder()).run(task)
    assert without.value.verdict is Verdict.NOT_FOUND


def test_what_the_reader_doubts_is_not_found() -> None:
    task = claim("It came with a bill of 900 euros.", TEXT)
    assert verifying(lambda *_: 0.3).run(task).value.verdict is Verdict.NOT_FOUND


def test_other_figures_contradict_whatever_the_reader_says() -> None:
    task = claim("It came with a bill of 700 euros.", TEXT)
    found = verifying(lambda *_: 3.0).run(task).value
    supported = [one for one in found.evidence if "900" in one.quote]
    assert not (found.verdict is Verdict.SUPPORTED and supported)


def test_likeness_is_not_called_support() -> None:
    found = Verifying(HashingEmbedder()).run(claim("It came with a bill of 900 euros.", TEXT))
    assert found.value.verdict is Verdict.SUPPORTED
    assert [one.support for one in found.value.evidence] == [None]


def test_without_a_fitted_curve_nobody_judges_support() -> None:
    assert open_supporting(None) is None
