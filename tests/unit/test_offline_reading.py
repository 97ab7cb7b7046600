"""What the offline engine makes of what a reader says; the reader is told what to say."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.answer import answer
from rag.ground import citations
from rag.models.engine import Context
from rag.models.offline.candidates import candidates
from rag.models.offline.engine import OfflineEngine
from rag.models.offline.english import is_english
from rag.models.offline.folder import Card, Curve
from rag.models.offline.reader import Reader, Reading
from rag.models.offline.reading import Readings
from rag.models.offline.scoring import READ_FEATURES
from rag.models.offline.supporting import (
    COVERED,
    LIKE,
    MISSING,
    OPPOSED,
    Supporting,
    open_supporting,
    weighed,
)
from rag.models.tasks import AnswerTask, Evidence, ExtractTask
from rag.types import Passage, Span
from tests.bert import VOCABULARY
from tests.fakes import HashingEmbedder, MemorySource
from tests.readers import make_reader

CURVE = Curve(slope=1.0, constant=-4.0, least=0.6)


def fitted(weight: float) -> Mapping[str, Mapping[str, float]]:
    """The shipped ranking, with as much weight on what is read."""
    shipped = json.loads(files("rag.models.offline").joinpath("weights.json").read_text("utf-8"))
    return {"sentence": shipped["sentence"] | dict.fromkeys(READ_FEATURES, weight)}


class ScriptedReader:
    """Judges pairs of statement and text by a rule, and finds the answer that it is told."""

    def __init__(self, rule: Callable[[str, str], float] = lambda *_: 0.0, said: str = "") -> None:
        self.rule = rule
        self.said = said
        self.card = Card(sha256={}, fitted=fitted(0.5))

    def read_each(
        self, question: str, passages: Sequence[str], stretches: Sequence[Sequence[Span]]
    ) -> list[list[Reading]]:
        return [
            [self._read(text, stretch) for stretch in of]
            for text, of in zip(passages, stretches, strict=True)
        ]

    def _read(self, text: str, stretch: Span) -> Reading:
        at = text.find(self.said, stretch.start, stretch.end)
        known = at >= 0
        start, end = (at, at + len(self.said)) if known else (stretch.start, stretch.start + 1)
        return Reading(start=start, end=end, span=8.0 if known else -8.0, relevant=0.0)

    def support(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        return [self.rule(said, text) for said, text in pairs]


def supporting(rule: Callable[[str, str], float]) -> Supporting:
    return Supporting(ScriptedReader(rule), CURVE, HashingEmbedder())  # type: ignore[arg-type]


TEXT = (
    "The pump was ordered in May. It came with a bill of 900 euros. Nobody was at home. "
    "The neighbour signed for the parcel, which weighed 40 kg."
)


def test_what_speaks_for_support_is_added_up() -> None:
    reader = ScriptedReader(lambda said, _: 0.5 if "parcel" in said else -1.5)
    embedder = HashingEmbedder()
    pairs = [
        ("The neighbour signed for the parcel.", "The neighbour signed for the parcel."),
        ("The neighbour signed for the parcel. It rained.", "The neighbour signed for the parcel."),
        ("The neighbour Ortiz signed for the parcel.", "The neighbour signed for the parcel."),
        ("The neighbour never signed for the parcel.", "The neighbour signed for the parcel."),
    ]
    whole, with_more, with_name, denied = weighed(pairs, reader, embedder)  # type: ignore[arg-type]
    assert whole == pytest.approx(0.5 + LIKE + COVERED)
    rained = float(embedder.embed_query("It rained.") @ embedder.embed_query(pairs[0][1]))
    assert with_more == pytest.approx((whole - 1.5 + LIKE * rained) / 2)
    like = float(embedder.embed_query(pairs[2][0]) @ embedder.embed_query(pairs[0][1]))
    assert with_name == pytest.approx(0.5 + LIKE * like + COVERED * 0.75 - MISSING)
    assert denied < whole - OPPOSED
    assert weighed([], reader, embedder) == []  # type: ignore[arg-type]


def test_support_is_a_probability_and_unknown_in_other_languages() -> None:
    judge = supporting(lambda *_: 1.0)
    german = "Der Nachbar hat für das Paket unterschrieben, und es ist von der Post."
    said, elsewhere, unknown, quoted, again = judge.support(
        [
            ("The neighbour signed for the parcel.", TEXT),
            ("Trains leave from a station.", TEXT),
            (german, TEXT),
            ("The neighbour signed for the parcel.", german),
            ("The neighbour signed for the parcel.", TEXT),
        ]
    )
    assert (unknown, quoted) == (None, None)
    assert said is not None
    assert elsewhere is not None
    assert 0 < elsewhere < 0.5 < said == again < 1


def test_without_a_fitted_curve_nobody_judges_support() -> None:
    assert open_supporting(None, HashingEmbedder()) is None


def passages(*texts: str) -> tuple[Passage, ...]:
    return tuple(
        Passage(
            document_id=f"doc_{place}",
            document_title="",
            start=0,
            end=len(text),
            text=text,
            score=1.0,
            scores={"dense": 0.5},
        )
        for place, text in enumerate(texts)
    )


def test_the_sentence_that_is_read_to_answer_does_and_the_words_in_it_are_marked() -> None:
    question = "Who accepted the delivery of the pump?"
    given = passages("Who delivers pumps? Delivery of the pump is free.", TEXT)
    reader = ScriptedReader(said="The neighbour")
    engine = OfflineEngine(HashingEmbedder(), reader)  # type: ignore[arg-type]
    source = MemorySource({one.document_id: one.text for one in given})
    found = answer(question, passages=given, engine=engine, source=source)
    best = next(one for one in found.sentences if one.text.startswith("The neighbour signed"))
    (citation,) = best.citations
    assert citation.answer is not None
    assert TEXT[citation.answer.start : citation.answer.end] == "The neighbour"
    without = answer(
        question, passages=given, engine=OfflineEngine(HashingEmbedder()), source=source
    )
    assert "neighbour" not in without.text
    assert {c.answer for s in without.sentences for c in s.citations} <= {None}


def test_a_reader_does_not_take_another_figure_for_the_one_asked_for() -> None:
    given = passages("The bolts of the X200 need 330 Nm.", "The bolts of the X125 need 170 Nm.")
    task = AnswerTask(question="What torque do the bolts of the X200 need?", passages=given)
    reader = ScriptedReader(said="170 Nm")
    engine = OfflineEngine(HashingEmbedder(), reader)  # type: ignore[arg-type]
    assert [said.text for said in engine.run(task, Context()).value] == [given[0].text]


@pytest.mark.parametrize(
    ("text", "said", "marked"),
    [
        ("Altogether 16,070,752,000 shares of the company are out.", "752,000", "16,070,752,000"),
        ("Shares of the company that are out | 16,070,752 |", "16,070,752", None),
    ],
)
def test_a_reader_marks_whole_numbers_and_nothing_in_tables(
    text: str, said: str, marked: str | None
) -> None:
    task = AnswerTask(question="How many shares of the company are out?", passages=passages(text))
    engine = OfflineEngine(HashingEmbedder(), ScriptedReader(said=said))  # type: ignore[arg-type]
    (evidence,) = engine.run(task, Context()).value[0].evidence
    span = evidence.answer
    assert (span and evidence.quote[span.start : span.end]) == marked


def test_the_same_answer_elsewhere_speaks_for_it() -> None:
    given = passages("It weighs 40 kg.", "They say that 40 kg is right.", "It is blue.")
    task = AnswerTask(question="How heavy is it?", passages=given)
    readings = Readings(ScriptedReader(said="40 kg"), task.question, given)  # type: ignore[arg-type]
    assert [readings.of(one).agreed for one in candidates(given)] == [1, 1, 0]


def test_what_a_reader_says_counts_little_where_it_finds_no_answer() -> None:
    given = passages("It weighs 40 kg.", "It is blue.")
    found = candidates(given)
    sure, doubting = (
        Readings(ScriptedReader(said=said), "How heavy is it?", given).features(found)  # type: ignore[arg-type]
        for said in ("40 kg", "a stone")
    )
    assert np.ptp(sure[:, 0]) > 10
    assert np.abs(doubting).max() < 0.01


def test_a_reader_for_which_nothing_was_fitted_changes_nothing(tmp_path: Path) -> None:
    task = AnswerTask(question="How heavy is the parcel?", passages=passages(TEXT))
    plain = OfflineEngine(HashingEmbedder()).run(task, Context())
    read = OfflineEngine(HashingEmbedder(), Reader(make_reader(tmp_path))).run(task, Context())
    assert (read.value, read.confidence) == (plain.value, plain.confidence)
    assert "read" not in read.timings


@pytest.fixture(scope="module")
def random_engine(tmp_path_factory: pytest.TempPathFactory) -> OfflineEngine:
    folder = make_reader(tmp_path_factory.mktemp("reader"), fitted(0.3))
    return OfflineEngine(HashingEmbedder(), Reader(folder))


SENTENCES = st.lists(
    st.lists(st.sampled_from(VOCABULARY[4:14]), min_size=1, max_size=8).map(
        lambda words: " ".join(words).capitalize() + "."
    ),
    max_size=8,
).map(" ".join)


@given(texts=st.lists(SENTENCES, min_size=1, max_size=3), question=SENTENCES)
def test_whatever_a_reader_says_what_is_quoted_and_marked_stands_there(
    random_engine: OfflineEngine, texts: list[str], question: str
) -> None:
    task = AnswerTask(question=question or "cat?", passages=passages(*texts))
    outcome = random_engine.run(task, Context())
    assert outcome.confidence is not None
    assert 0 <= outcome.confidence <= 1
    for evidence in (one for said in outcome.value for one in said.evidence):
        assert evidence.quote in texts[evidence.passage]
        if evidence.answer is not None:
            marked = evidence.quote[evidence.answer.start : evidence.answer.end]
            assert marked
            assert marked == marked.strip()


def test_words_are_marked_only_in_what_is_quoted_to_the_letter() -> None:
    (passage,) = passages("The \u201cparcel\u201d weighs 40 kg.")
    source = MemorySource({"doc_0": passage.text})
    marked = Span(start=20, end=25)
    for quote, exact in ((passage.text, True), ('The "parcel" weighs 40 kg.', False)):
        evidence = Evidence(passage=0, quote=quote, answer=marked)
        ((citation,), lost) = citations([evidence], [passage], source)
        assert lost == 0
        assert citation.answer == (marked if exact else None)


def test_the_reader_is_asked_each_field_about_each_value_and_decides_close_calls() -> None:
    text = "Signed on 3 May 2021 for a fee. Begun on 7 June 2022 for a fee."
    schema = {"type": "object", "properties": {"fee_date": {"type": "string", "format": "date"}}}
    task = ExtractTask(passages=passages(text), schema=schema)

    def filled(said: str, **fitted: Mapping[str, float]) -> object:
        reader = ScriptedReader(said=said)
        reader.card = Card(sha256={}, fitted=fitted)
        engine = OfflineEngine(HashingEmbedder(), reader)  # type: ignore[arg-type]
        return engine.run(task, Context()).value.value.get("fee_date")

    weights = {"read": 2.0, "least": 0.0}
    assert filled("3 May 2021", extract=weights) == "2021-05-03"
    assert filled("7 June 2022", extract=weights) == "2022-06-07"
    assert filled("nothing", extract=weights) is None
    assert filled("7 June 2022") == filled("nothing")


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("Who accepted the delivery?", True),
        ("TX-200 seal kit 4,200", True),
        ("Café revenue of the Zürich branch", True),
        ("What is the Vorstand?", True),
        ("", True),
        ("Wie schwer ist das Paket?", False),
        ("Wann wurde der Prüfbericht unterschrieben?", False),
        ("Quel est le poids du colis ?", False),
        ("¿Cuánto pesa el paquete?", False),
        ("Hoe zwaar is het pakket van de klant?", False),
        ("包裹有多重", False),
        ("Сколько весит посылка?", False),
        ("Was kostet die Pumpe?", False),
    ],
)
def test_english_is_told_by_letters_and_small_words(text: str, english: bool) -> None:
    assert is_english(text) is english


def test_what_is_asked_and_said_in_other_languages_is_not_the_readers_to_judge() -> None:
    never = ScriptedReader(said="40 kg")

    def asked(*_: object) -> None:
        raise AssertionError("the reader was asked")

    never.read_each = never.support = asked  # type: ignore[assignment, method-assign]
    engine = OfflineEngine(HashingEmbedder(), never)  # type: ignore[arg-type]
    text = "Das Paket wiegt 40 kg. Es kam im Mai."
    task = AnswerTask(question="Wie schwer ist das Paket?", passages=passages(text))
    plain = OfflineEngine(HashingEmbedder()).run(task, Context())
    assert engine.run(task, Context()).value == plain.value

    judge = Supporting(never, CURVE, HashingEmbedder())  # type: ignore[arg-type]
    never.support = lambda pairs: [1.0 for _ in pairs if not pairs]  # type: ignore[method-assign]
    assert judge.support([("Das Paket ist schwer.", text)]) == [None]
