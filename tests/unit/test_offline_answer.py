from __future__ import annotations

import numpy as np
import pytest

from rag.answer import answer
from rag.models.engine import Context, Engine
from rag.models.offline.answering import select, shortlist
from rag.models.offline.candidates import candidates
from rag.models.offline.engine import OfflineEngine
from rag.models.offline.scoring import (
    ANSWER_FEATURES,
    SENTENCE_FEATURES,
    load_models,
    sentence_features,
    take_apart,
)
from rag.models.offline.words import Asked, asked, dense, gives, names, telling, without, words
from rag.models.tasks import AnswerTask
from rag.types import Passage
from tests.fakes import HashingEmbedder, MemorySource

REPORT = (
    "Quarterly report\n\n"
    "Costs of materials fell because steel became cheaper. The board met twice in the spring. "
    "Net revenue of the pump division rose to 33.3 million euros in the third quarter. "
    "A new test bed was ordered from a maker in Lyon.\n\n"
    "Segment results\n\n"
    "Three months ended\n"
    "2024 2023\n"
    "Pumps 6,130 5,470\n"
    "Valves 1,210 1,115\n"
)
MINUTES = (
    "The committee approved the budget. Mr Adeyemi voted against the order of casting sets. "
    "The next meeting will be held on 14 August 2024 in Tarrowby."
)


def passages(*texts: str, titles: tuple[str, ...] = ()) -> tuple[Passage, ...]:
    return tuple(
        Passage(
            document_id=f"doc_{place}",
            document_title=titles[place] if titles else "Untitled",
            start=0,
            end=len(text),
            text=text,
            score=1.0 - place / 10,
            scores={"dense": 0.7 - place / 10},
        )
        for place, text in enumerate(texts)
    )


ENGINE: Engine = OfflineEngine(HashingEmbedder())


def ask(question: str, *texts: str) -> tuple[bool, str]:
    given = passages(*texts)
    source = MemorySource({one.document_id: one.text for one in given})
    found = answer(question, passages=given, engine=ENGINE, source=source)
    assert found.engine == "offline"
    assert found.dropped_citations == 0
    for sentence in found.sentences:
        for citation in sentence.citations:
            stored = source.read(citation.document_id, citation.start, citation.end)
            assert citation.cited_text == stored
    return found.found, found.text


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What was the net revenue of the pump division in the third quarter?", "33.3 million"),
        ("Why did costs of materials fall?", "steel became cheaper"),
        ("Who voted against the order of casting sets?", "Mr Adeyemi"),
        ("When will the next meeting be held in Tarrowby?", "14 August 2024"),
    ],
)
def test_the_sentence_that_answers_is_selected(question: str, expected: str) -> None:
    found, text = ask(question, REPORT, MINUTES)
    assert found
    assert expected in text


@pytest.mark.parametrize(
    "question",
    ["Who won the Nobel Prize in Physics in 1921?", "How high is Mount Everest?", "?", ""],
)
def test_what_the_passages_do_not_say_is_not_found(question: str) -> None:
    assert ask(question, REPORT, MINUTES) == (False, "Not found in these documents.")


def test_no_passages_no_answer() -> None:
    outcome = ENGINE.run(AnswerTask(question="Why?", passages=()), Context())
    assert (outcome.value, outcome.confidence) == ((), 0.0)


def test_answers_cost_nothing_and_tell_their_time() -> None:
    task = AnswerTask(question="Who voted against the order?", passages=passages(MINUTES))
    outcome = ENGINE.run(task, Context())
    assert outcome.usage.cost_usd == 0
    assert set(outcome.timings) == {"embed_sentences", "select"}
    assert outcome.confidence is not None
    assert 0 <= outcome.confidence <= 1
    assert (
        outcome == ENGINE.run(task, Context()) or outcome.value == ENGINE.run(task, Context()).value
    )


def test_it_says_what_it_can_do() -> None:
    assert ENGINE.supports(AnswerTask)
    assert not ENGINE.supports(str)


def test_a_row_comes_with_the_names_of_its_columns() -> None:
    found, _ = shortlist("What was the segment result of pumps?", passages(REPORT))
    row = next(candidate for candidate in found if candidate.text.startswith("Pumps"))
    assert " ".join(row.header.text.split()) == "Three months ended 2024 2023"
    source = MemorySource({"doc_0": REPORT})
    told = answer("Pumps segment results three months 2024", passages=passages(REPORT),
                  engine=ENGINE, source=source)  # fmt: skip
    row_sentence = next(s for s in told.sentences if "6,130" in s.text)
    assert row_sentence.text == "Three months ended 2024 2023: Pumps 6,130 5,470"
    assert [c.cited_text for c in row_sentence.citations] == [
        "Three months ended\n2024 2023",
        "Pumps 6,130 5,470",
    ]


def test_headings_questions_and_echoes_are_no_answers() -> None:
    text = "Delivery times\n\nWhat is the delivery time? Delivery time.\nPumps leave in four weeks."
    found, _ = shortlist("What is the delivery time?", passages(text))
    assert [candidate.text for candidate in found] == ["Pumps leave in four weeks."]


def test_the_same_sentence_is_considered_once_per_document() -> None:
    text = "Costs fell by half. Costs fell by half. Sales rose."
    assert [c.text for c in candidates(passages(text))] == ["Costs fell by half.", "Sales rose."]


def test_selection_drops_what_says_the_same_and_what_falls_behind() -> None:
    text = "Sales rose by 5% in May. In May sales rose by 5%. Costs fell. Rain came."
    found = candidates(passages(text))
    scores = np.array([2.0, 1.9, 1.8, 0.1])
    assert [c.text for c in select(found, scores, 0.7)] == [
        "Sales rose by 5% in May.",
        "Costs fell.",
    ]
    assert len(select(found, scores, 0.0)) == 1


def test_selected_sentences_stand_in_the_order_of_their_document() -> None:
    found = candidates(passages("Sales rose in May. Costs fell in June. Rain came."))
    assert [c.text for c in select(found, np.array([1.0, 1.2, 1.1]), 0.7)] == [
        "Sales rose in May.",
        "Costs fell in June.",
        "Rain came.",
    ]


def test_repeating_the_title_is_no_merit() -> None:
    text = "Signed for Oudemeer Desalination. The law of the Netherlands governs it."
    given = passages(text, titles=("Agreement with Oudemeer Desalination",))
    found = candidates(given)
    question = take_apart("Which law governs the agreement with Oudemeer Desalination?", found)
    task = AnswerTask(question=question.text, passages=given)
    features = sentence_features(question, found, np.zeros(2, np.float32), task)
    coverage = features[:, SENTENCE_FEATURES.index("coverage")]
    assert coverage[0] == 0
    assert coverage[1] > 0.3


def test_other_periods_and_other_documents_count_against_a_sentence() -> None:
    text = "The dividend is 46 cents."
    given = passages(text, text + " ", titles=("Acme report 2023", "Bolt report Q3 2024"))
    found = candidates(given)
    question = take_apart("What dividend did Bolt pay in the third quarter of 2024?", found)
    task = AnswerTask(question=question.text, passages=given)
    features = sentence_features(question, found, np.zeros(2, np.float32), task)
    assert features[:, SENTENCE_FEATURES.index("conflict")].tolist() == [1, 0]
    assert features[:, SENTENCE_FEATURES.index("dated")].tolist() == [-1, 2]
    elsewhere = features[:, SENTENCE_FEATURES.index("elsewhere")]
    assert elsewhere[0] > 0 == elsewhere[1]


@pytest.mark.parametrize("opening", ["Bolt Inc.", ""])
def test_what_only_another_document_carries_speaks_against_a_sentence(opening: str) -> None:
    given = passages("We bought back 5 shares.", "Bolt met its shareholders.")
    found = candidates(given)
    question = take_apart("How many shares did Bolt buy back?", found)
    task = AnswerTask(question=question.text, passages=given, openings={"doc_0": opening})
    features = sentence_features(question, found, np.zeros(2, np.float32), task)
    elsewhere = features[:, SENTENCE_FEATURES.index("elsewhere")]
    assert (elsewhere > 0).tolist() == [not opening, False]


def test_an_echo_counts_only_beside_what_could_answer() -> None:
    text = "Seals of batch SK-2311 wear out. They do because the ring has changed."
    for given, echoes in ((passages(text), True), (passages(text.partition("They")[0]), False)):
        found = candidates(given)
        question = take_apart("Why do seals of batch SK-2311 wear out?", found)
        task = AnswerTask(question=question.text, passages=given)
        features = sentence_features(question, found, np.zeros(len(found), np.float32), task)
        assert bool(features[0, SENTENCE_FEATURES.index("echo")] > 0) is echoes


def test_a_name_above_comes_with_the_line_that_has_none() -> None:
    text = "Dana Whitlock\n\nchief financial officer of the company, signing for all of it."
    found, said = ask("Who is the chief financial officer of the company?", text)
    assert found
    assert said.startswith("Dana Whitlock: chief financial officer")


def test_the_first_row_names_the_columns_of_a_table_in_markdown() -> None:
    text = "| | TX-125 | TX-200 |\n|---|---:|---:|\n| Speed | 2,950 rpm | 1,480 rpm |\n"
    found = candidates(passages(text))
    assert [candidate.announces for candidate in found] == [True, False]
    assert found[1].header.text == "| | TX-125 | TX-200 |"


@pytest.mark.parametrize("line", ["Weight: 420 g", "无线通信距离：空旷环境下不超过三百米"])  # noqa: RUF001
def test_what_a_label_states_is_no_heading(line: str) -> None:
    found = candidates(passages(f"Technical data\n\n{line}\n"))
    assert [candidate.announces for candidate in found] == [True, False]


def test_names_of_a_document_are_taken_out_of_a_question() -> None:
    known = frozenset(words("Oudemeer Desalination B.V."))
    assert without("Which law governs Oudemeer Desalination?", known) == "Which law governs"
    assert dense("无线 x")
    assert not dense("Law")


def test_a_document_of_one_sentence_answers() -> None:
    found, said = ask(
        "At how many hertz does the heron pump hum?",
        "The heron pump hums at ninety hertz in winter.",
    )
    assert found
    assert "ninety hertz" in said


def test_what_ends_in_a_colon_announces_the_rows_below() -> None:
    text = (
        "The following table shows net sales by reportable segment in millions:\nPumps 1,210 1,115"
    )
    found = candidates(passages(text))
    assert [candidate.announces for candidate in found] == [True, False]
    assert "segment" in found[1].near


def test_weights_have_every_feature() -> None:
    models = load_models()
    sentence, answers = models.sentence, models.answer
    assert len(sentence.coefficients) == len(SENTENCE_FEATURES)
    assert len(answers.coefficients) == len(ANSWER_FEATURES)
    assert np.isfinite(sentence.coefficients).all()
    assert np.isfinite(answers.coefficients).all()


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("increases", "increased"),
        ("Company's", "company"),
        ("policies", "policy"),
        ("stopped", "stopping"),
        ("broke", "break"),
        ("1,234", "1234"),
        ("Café", "cafe"),
        ("ﬁnance", "finance"),
    ],
)
def test_forms_of_a_word_meet(one: str, two: str) -> None:
    assert words(one) == words(two) != []


def test_scripts_without_spaces_give_pairs() -> None:
    assert telling("无线距离是多少") == ["无线", "线距", "距离"]
    assert words("无线通信") == ["无线", "线通", "通信"]
    assert len(words("हिन्दी में")) == 2


def test_telling_words_and_names() -> None:
    assert telling("What is the dividend of Tarrowby in 2024?") == ["dividend", "tarrowb", "2024"]
    assert names("Which law governs Oudemeer in 2024?") == ["oudemeer", "2024"]


@pytest.mark.parametrize(
    ("question", "kind", "good", "bad"),
    [
        (
            "When did it start?",
            Asked.TIME,
            "It started on 3 May 1999.",
            "It started late at night.",
        ),
        ("How many were sold?", Asked.QUANTITY, "They sold 436.", "They sold plenty."),
        ("How many were sold?", Asked.QUANTITY, "They sold 436.", "They sold the TX-125."),
        ("How much did the repair cost?", Asked.MONEY, "It cost $12.50.", "It cost a lot."),
        ("What percentage was lost?", Asked.PERCENT, "They lost 12 %.", "They lost a part."),
        ("Who voted against?", Asked.NAME, "Only Mr Adeyemi did.", "Only the chair did."),
        ("Why did it fail?", Asked.REASON, "It failed because of rust.", "It failed in May."),
        ("Warum fiel er aus?", Asked.REASON, "Er fiel wegen Rost aus.", "Er fiel im Mai aus."),
    ],
)
def test_kinds_of_questions(question: str, kind: Asked, good: str, bad: str) -> None:
    assert asked(question) is kind
    assert gives(kind, good, question)
    assert not gives(kind, bad, question)


def test_what_the_question_says_itself_is_no_answer() -> None:
    question = "Who worked with Ada Lovelace in 1843?"
    assert not gives(Asked.QUANTITY, "Of the 640 sets all came.", "How many of the 640 sets came?")
    assert not gives(Asked.NAME, "It was Ada Lovelace who worked then.", question)
    assert asked("Does it renew?") is Asked.OTHER
