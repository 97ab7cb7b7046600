"""The reader that comes with Ibidem: its files are whole, and the engine reads with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.embedding.registry import open_embedder
from rag.models.engine import Context
from rag.models.offline.engine import OfflineEngine
from rag.models.offline.reader import Reader
from rag.models.offline.supporting import open_supporting
from rag.models.tasks import AnswerTask
from rag.types import Passage

SHIPPED = Path(__file__).resolve().parents[2] / "data" / "models" / "reader"
TEXT = (
    "The bridge over the Tarrow was designed by Ana Rell. It was opened to traffic in May 1931, "
    "four years after work had begun. Its deck was replaced in 1988 by a firm from Oudemeer. "
    "The bridge is painted every ten years with a paint that has no lead in it."
)


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(SHIPPED)


def passage(text: str) -> Passage:
    return Passage(
        document_id="d", document_title="Bridge", start=0, end=len(text), text=text, score=1.0
    )


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Who designed the bridge?", "Ana Rell"),
        ("When was the bridge opened?", "May 1931"),
        ("How often is the bridge painted?", "every ten years"),
    ],
)
def test_it_finds_the_words_that_answer(reader: Reader, question: str, answer: str) -> None:
    (reading,) = reader.read(question, [TEXT])
    assert (
        answer in TEXT[reading.start : reading.end] or TEXT[reading.start : reading.end] in answer
    )


def test_the_engine_marks_the_words_that_answer_in_the_sentence(
    reader: Reader, models: Path
) -> None:
    engine = OfflineEngine(open_embedder("onnx", cache=models), reader)
    task = AnswerTask(question="Who designed the bridge?", passages=(passage(TEXT),))
    (statement, *_) = engine.run(task, Context()).value
    (evidence,) = statement.evidence
    assert evidence.answer is not None
    assert evidence.quote[evidence.answer.start : evidence.answer.end] == "Ana Rell"


def test_it_tells_what_a_quote_supports_from_what_it_does_not(reader: Reader, models: Path) -> None:
    judge = open_supporting(reader, open_embedder("onnx", cache=models))
    assert judge is not None
    said, wrong_year, denied, other = judge.support(
        [
            ("The bridge was designed by Ana Rell.", TEXT),
            ("The bridge was opened to traffic in May 1964.", TEXT),
            ("The bridge over the Tarrow was not designed by Ana Rell.", TEXT),
            ("The tenant pays the rent on the first day of the month.", TEXT),
        ]
    )
    assert said is not None
    assert said > 0.5
    for less in (wrong_year, denied, other):
        assert less is not None
        assert less < said
    assert other is not None
    assert other < 0.3
