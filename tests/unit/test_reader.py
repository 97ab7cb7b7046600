"""The reader at work, on a tiny network with random weights: what holds of any."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import ConfigurationError
from rag.models.offline.folder import CARD, NETWORK, Curve, add_fitted, read_card
from rag.models.offline.reader import Reader
from rag.sentences import split
from rag.types import Span
from tests.bert import VOCABULARY
from tests.readers import make_reader

PASSAGE = "the cat sat on the mat. a dog sat on a mat, the bird on the tax revenue. " * 4
WORDS = st.lists(st.sampled_from([w for w in VOCABULARY[4:] if w[0] != "#"]), max_size=90)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_reader(tmp_path_factory.mktemp("reader"))


@pytest.fixture(scope="module")
def reader(folder: Path) -> Reader:
    return Reader(folder)


@given(words=WORDS, question=WORDS)
def test_an_answer_is_a_stretch_of_whole_tokens(
    reader: Reader, words: list[str], question: list[str]
) -> None:
    text = " ".join(words)
    (found,) = reader.read(" ".join(question), [text])
    assert 0 <= found.start <= found.end <= len(text)
    assert text[found.start : found.end] == text[found.start : found.end].strip()
    assert bool(text) == (found.end > found.start)


def test_of_the_stretches_of_a_passage_the_best_holds_its_best_answer(reader: Reader) -> None:
    sentences = split(PASSAGE)
    (each,) = reader.read_each("query tax", [PASSAGE], [sentences])
    for sentence, found in zip(sentences, each, strict=True):
        assert sentence.start <= found.start < found.end <= sentence.end
    (whole,) = reader.read_each("query tax", [PASSAGE], [[Span(start=0, end=len(PASSAGE))]])
    best = max(each, key=lambda one: one.span)
    assert whole[0].span >= best.span
    if any(s.start <= whole[0].start and whole[0].end <= s.end for s in sentences):
        assert best == whole[0]


def test_a_stretch_without_a_token_has_no_answer(reader: Reader) -> None:
    (found,) = reader.read_each("query", ["the cat"], [[Span(start=3, end=4)]])
    assert (found[0].start, found[0].end, found[0].span) == (3, 3, float("-inf"))


def test_what_is_read_does_not_depend_on_what_is_read_beside_it(reader: Reader) -> None:
    texts = [PASSAGE, "the cat", "a dog sat on the mat"]
    together = reader.read("query", texts)
    assert together == [reader.read("query", [text])[0] for text in texts]
    pairs = [("the cat sat", text) for text in texts]
    assert reader.support(pairs) == [reader.support([pair])[0] for pair in pairs]


@pytest.mark.parametrize("name", ["reader.onnx", "tokenizer.json"])
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    folder = make_reader(tmp_path)
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ConfigurationError, match=f"{name} is damaged"):
        Reader(folder)


def test_a_folder_without_a_reader_says_what_belongs_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"holds no reader .* IBIDEM_READER"):
        Reader(tmp_path)
    (tmp_path / CARD).write_text(json.dumps({"sha256": {NETWORK: 3}}))
    with pytest.raises(ConfigurationError, match="holds no reader"):
        Reader(tmp_path)


def test_what_is_fitted_for_one_use_leaves_the_others(tmp_path: Path) -> None:
    folder = make_reader(tmp_path, {"support": {"slope": 1.0, "constant": 0.0, "least": 0.5}})
    add_fitted(folder, {"relevance": {"slope": 2.0, "constant": -1.0, "least": 0.4}})
    card = read_card(folder)
    assert card.curve("support") == Curve(slope=1.0, constant=0.0, least=0.5)
    assert card.curve("relevance") == Curve(slope=2.0, constant=-1.0, least=0.4)
    assert card.curve("answer") is None
    assert Reader(folder).card == card


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_a_probability_rises_with_its_logit(one: float, other: float) -> None:
    curve = Curve(slope=0.7, constant=-0.2, least=0.5)
    low, high = sorted((one, other))
    assert 0 <= curve.probability(low) <= curve.probability(high) <= 1
