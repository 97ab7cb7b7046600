"""Statements read while they are being written, and what is told of an answer meanwhile."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.answer import NOT_FOUND, Answered, Cited, Delta, PassagesFound, Retracted, stream
from rag.models.drafts import Begun, Drafts, Part, Words
from rag.models.engine import Context
from rag.models.tasks import AnswerTask, Evidence, Outcome, Statement
from rag.types import Citation, Passage
from tests.fakes import MemorySource

TEXT = "Revenue rose by 5% in 2023. Costs fell by 2%. The dividend is 50 cents."
SOURCE = MemorySource({"d1": TEXT})
PASSAGE = Passage(
    document_id="d1", document_title="Report", start=0, end=len(TEXT), text=TEXT, score=1
)
QUOTES = ("Revenue rose by 5%", "Costs fell", "dividend is 50 cents", "not there")


def output(texts: Sequence[str], quote: str = "Costs fell") -> dict[str, object]:
    evidence = [{"passage": "P1", "quote": quote}]
    return {
        "reasoning": 'Not "statements": [{"text": "this"}], nor {"text": "that"}.',
        "statements": [{"text": text, "evidence": evidence} for text in texts],
        "confidence": 1,
    }


def parts_of(written: str, rng: random.Random) -> list[Part]:
    """What is told of an output that comes in pieces of any length."""
    told: list[Part] = []
    drafts = Drafts((PASSAGE,), told.append)
    drafts.begin()
    while written:
        length = rng.randint(1, 9)
        drafts.piece(written[:length])
        written = written[length:]
    assert told.pop(0) == Begun()
    return told


def statements(told: Sequence[Part]) -> list[Statement]:
    """The statements told, of which the words before each are the text."""
    found, words = [], ""
    for one in told:
        if isinstance(one, Words):
            words += one.text
        else:
            assert isinstance(one, Statement)
            assert one.text == words
            found.append(one)
            words = ""
    assert not words
    return found


@given(st.lists(st.text(min_size=1), max_size=4), st.booleans(), st.booleans(), st.randoms())
def test_every_statement_is_told_as_it_will_be_read(
    texts: list[str], ascii_only: bool, indented: bool, rng: random.Random
) -> None:
    indent = 2 if indented else None
    written = json.dumps(output(texts), ensure_ascii=ascii_only, indent=indent)
    found = statements(parts_of(f"Sure:\n```json\n{written}\n```", rng))
    assert [one.text for one in found] == [" ".join(text.split()) for text in texts]
    assert all(one.evidence[0].quote == "Costs fell" for one in found)


def words_of(told: Sequence[Part]) -> str:
    """The words told, with a line for each statement."""
    return "".join(one.text if isinstance(one, Words) else "\n" for one in told)


@given(st.text(), st.randoms())
def test_nothing_that_is_written_breaks_it(written: str, rng: random.Random) -> None:
    for text in (written, '{"statements": [' + written, '{"statements":[{"text":"' + written):
        assert words_of(parts_of(text, rng)) == words_of(parts_of(text, random.Random(0)))


@pytest.mark.parametrize(
    "written",
    [
        '<think>{"statements": [{"text": "a draft", "evidence": []}]}',
        '{"notes": [{"text": "another list"}]}',
        '{"statements": {"text": "no list"}}',
        '{"statements": [["text", "a"]]}',
        '[{"statements": []}]',
    ],
)
def test_what_is_no_statement_is_not_told(written: str) -> None:
    assert parts_of(written, random.Random(1)) == []


@pytest.mark.parametrize("pieces", [1, 500])
@pytest.mark.parametrize(
    ("before", "unit"),
    [
        ("", "x"),
        ("<think>", "x"),
        ("<think>", "{"),
        ('{"reasoning": "', "x"),
        ('{"statements": [{"text": "', "x"),
        ('{"a": ' + "[" * 100_000, "[]"),
        ('{"a": ' + "[" * 100_000, '""'),
        ('{"statements": [{"text": "a"', ', "text": "b"'),
    ],
)
def test_a_long_output_is_read_in_no_time(before: str, unit: str, pieces: int) -> None:
    """A call waits for it. Were it not linear, it would take minutes."""
    drafts = Drafts((PASSAGE,), lambda _: None)
    drafts.begin()
    began = time.process_time()
    drafts.piece(before)
    for _ in range(pieces):
        drafts.piece(unit * (250_000 // len(unit) // pieces))
    assert time.process_time() - began < 3


class Rambler:
    """An engine that writes more than anybody reads along."""

    id = "rambler"

    def run(self, task: AnswerTask, context: Context) -> Outcome[tuple[Statement, ...]]:
        assert context.listener is not None
        drafts = Drafts(task.passages, context.listener)
        drafts.begin()
        texts = ["Costs fell.", "x" * (1 << 20), "Costs fell."]
        drafts.piece(json.dumps(output(texts)))
        value = tuple(said(one, "Costs fell") for one in texts)
        return Outcome(value=value, confidence=1.0, engine=self.id)


def test_of_an_output_that_is_too_long_the_rest_comes_with_the_answer() -> None:
    told = list(stream("Why?", passages=[PASSAGE], engine=Rambler(), source=SOURCE, live=True))
    deltas = [one for one in told if isinstance(one, Delta)]
    assert len(deltas[1].text) < 1 << 19, "no more of the second sentence was told at once"
    assert [one.sentence for one in told if isinstance(one, Retracted)] == [1]
    kept = "".join(one.text for one in (deltas[0], *deltas[2:]))
    assert isinstance(told[-1], Answered)
    assert kept == told[-1].answer.text
    assert len(kept) > 1 << 20


def test_a_statement_that_cannot_be_read_is_empty() -> None:
    told = parts_of('{"statements": [{"text": "a", "evidence": "P1"}]}', random.Random(1))
    assert told == [Words(text="a"), Statement(text="", evidence=())]


class Writer:
    """An engine that says some things while it works, and then what counts."""

    id = "writer"

    def __init__(self, parts: Sequence[Part], value: Sequence[Statement]) -> None:
        self.parts = parts
        self.value = tuple(value)

    def run(self, task: AnswerTask, context: Context) -> Outcome[tuple[Statement, ...]]:
        assert context.listener is not None
        for one in self.parts:
            context.listener(one)
        return Outcome(value=self.value, confidence=1.0, engine=self.id)


class Judge:
    """Supports what is short."""

    def support(self, pairs: Sequence[tuple[str, str]]) -> Sequence[float]:
        return [1 / len(said) for said, _ in pairs]


def said(text: str, quote: str) -> Statement:
    return Statement(text=text, evidence=(Evidence(passage=0, quote=quote),))


some = st.lists(
    st.builds(said, st.sampled_from(["It rose.", "It fell.", "Fifty."]), st.sampled_from(QUOTES)),
    max_size=4,
)
written_or_not = st.lists(
    st.one_of(
        st.just([Begun()]),
        st.builds(
            lambda one, cut, whole: (
                [Words(text=one.text[:cut]), Words(text=one.text[cut:])] if whole else [one]
            ),
            st.sampled_from([said("It rose.", QUOTES[0]), said("It fell.", QUOTES[3])]),
            st.integers(1, 5),
            st.booleans(),
        ),
        some.map(lambda all_: [part for one in all_ for part in (Words(text=one.text), one)]),
    ),
    max_size=5,
)


@given(written_or_not, some, st.booleans())
def test_what_was_told_and_not_taken_back_is_the_answer(
    parts: list[list[Part]], value: list[Statement], is_judged: bool
) -> None:
    engine = Writer([one for several in parts for one in several], value)
    judge = Judge() if is_judged else None
    texts: list[str] = []
    cited: list[list[Citation]] = []
    first, *told, last = stream(
        "Why?", passages=[PASSAGE], engine=engine, source=SOURCE, judge=judge, live=True
    )
    assert isinstance(first, PassagesFound)
    assert isinstance(last, Answered)
    for one in told:
        if isinstance(one, Retracted):
            assert one.sentence < len(texts), "nothing is taken back that was not told"
            del texts[one.sentence :], cited[one.sentence :]
        elif isinstance(one, Delta):
            assert one.sentence in (len(texts) - 1, len(texts))
            if one.sentence == len(texts):
                texts.append("")
                cited.append([])
            texts[-1] += one.text
        else:
            assert isinstance(one, Cited)
            assert one.sentence == len(texts) - 1
            cited[-1].append(one.citation)
    answer = last.answer
    assert "".join(texts) == answer.text
    assert [tuple(one) for one in cited if one] == [one.citations for one in answer.sentences]
    plain = stream("Why?", passages=[PASSAGE], engine=Quiet(value), source=SOURCE, judge=judge)
    *_, whole = plain
    assert isinstance(whole, Answered)
    assert (answer.sentences, answer.text) == (whole.answer.sentences, whole.answer.text)
    assert answer.found or answer.text == NOT_FOUND


class Quiet(Writer):
    """Says nothing before it is done, to nobody."""

    def __init__(self, value: Sequence[Statement]) -> None:
        super().__init__((), value)

    def run(self, task: AnswerTask, context: Context) -> Outcome[tuple[Statement, ...]]:
        assert context.listener is None
        return Outcome(value=self.value, confidence=1.0, engine=self.id)


def test_what_an_engine_fails_of_ends_the_stream() -> None:
    class Failing(Writer):
        def run(self, task: AnswerTask, context: Context) -> Outcome[tuple[Statement, ...]]:
            super().run(task, context)
            raise ZeroDivisionError

    engine = Failing([Words(text="It")], ())
    told = stream("Why?", passages=[PASSAGE], engine=engine, source=SOURCE, live=True)
    assert [type(next(told)) for _ in range(2)] == [PassagesFound, Delta]
    with pytest.raises(ZeroDivisionError):
        next(told)
