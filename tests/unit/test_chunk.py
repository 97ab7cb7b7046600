# ruff: noqa: RUF001
from __future__ import annotations

import re
import time
import tracemalloc
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.chunk import STRATEGIES, complete, open_chunker
from ingest.chunk.measure import measured
from ingest.chunk.recursive import RecursiveChunker
from rag.errors import InvalidRequest
from rag.types import Block, BlockKind, Chunk, Ids, ParsedDocument, TableCell
from tests.tokenizers import PROSE, TokenEmbedder, Tokens, byte_level, minilm, wordpiece


def document(text: str, *blocks: Block) -> ParsedDocument:
    return ParsedDocument(text=text, media_type="text/plain", blocks=blocks)


def check(text: str, chunks: list[Chunk], tokens: Tokens, size: int) -> None:
    """What every chunker promises of every text."""
    covered = np.zeros(len(text), dtype=bool)
    for position, chunk in enumerate(chunks):
        assert chunk.position == position
        assert text[chunk.start : chunk.end] == chunk.text
        assert chunk.text == chunk.text.strip() != ""
        assert chunk.tokens == len(tokens(chunk.text))
        assert len(measured(chunk.text, tokens(chunk.text))) <= size
        covered[chunk.start : chunk.end] = True
    assert all(text[k].isspace() for k in np.flatnonzero(~covered))
    starts = [chunk.start for chunk in chunks]
    ends = [chunk.end for chunk in chunks]
    assert starts == sorted(set(starts))
    assert ends == sorted(set(ends))


LANGUAGES = (
    "Η αντλία συντηρείται ετησίως. Насос обслуживают ежегодно. "
    "पंप की सेवा हर साल होती है। ปั๊มได้รับการบำรุงรักษาทุกปี"
)
words = st.sampled_from(
    [*PROSE.split(), *LANGUAGES.split(), "\n", "\n\n", ". ", "\u200b", "\x00", "é", "e\u0301"]
)
texts = st.one_of(
    st.text(max_size=400),
    st.lists(words, max_size=200).map(" ".join),
    st.lists(words, max_size=200).map("".join),
    st.text("ab\u200b\u0301漢😀 \n", max_size=600),
    st.text("αβд한かกั ़ि. \n", max_size=600),
)


@st.composite
def documents(draw: st.DrawFn) -> ParsedDocument:
    """Random texts with random structure, also such as no parser would make of them."""
    text = draw(texts)
    places = st.integers(0, len(text))
    blocks = []
    for kind in draw(st.lists(st.sampled_from(list(BlockKind)), max_size=6)):
        start, end = sorted((draw(places), draw(places)))
        if start < end:
            cells = draw(st.lists(st.integers(start, end), max_size=4)) if kind == "table" else ()
            blocks.append(
                Block(
                    kind=kind,
                    start=start,
                    end=end,
                    level=draw(st.integers(1, 6)) if kind == "heading" else 0,
                    cells=tuple(
                        TableCell(row=row, column=0, start=at, end=at)
                        for row, at in enumerate(sorted(cells))
                    ),
                )
            )
    return document(text, *blocks)


@pytest.mark.parametrize("make", [wordpiece, byte_level, minilm])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_chunks_are_spans_that_fit_and_cover(strategy: str, make: Callable[[], Tokens]) -> None:
    embedder = TokenEmbedder(make())

    @settings(max_examples=80, deadline=None)
    @given(documents(), st.integers(16, 60), st.floats(0, 0.5))
    @example(document("a" * 5000), 16, 0.5)
    @example(document("\u200b" * 5000 + "end"), 16, 0.2)
    @example(document(" " * 5000 + "end"), 16, 0.2)
    @example(document("0" * 16 + " "), 16, 0.5)  # after the overlap nothing but space is left
    @example(document("😀" * 300), 16, 0.5)
    @example(document(" t"), 16, 0.5)  # the only sentence opens within the only token
    @example(document("x" + "\u0301" * 3000), 16, 0.5)
    @example(document("ก" * 3000), 16, 0.5)
    @example(document("α" * 3000), 16, 0.5)
    def holds(parsed: ParsedDocument, size: int, share: float) -> None:
        config: dict[str, object] = {"strategy": strategy, "size": size}
        if strategy == "sentence":
            config["overlap"] = int(share * 8)
        elif strategy != "semantic":
            config["overlap"] = int(size * share)
        chunks = open_chunker(complete(config, 256)).chunk(parsed, embedder)
        check(parsed.text, chunks, embedder.token_offsets, size)

    holds()


@pytest.mark.parametrize("make", [wordpiece, byte_level])
def test_cuts_prefer_paragraphs_then_sentences(make: Callable[[], Tokens]) -> None:
    sentence = "It was a bright cold day in April, and the clocks were striking thirteen. "
    text = (sentence * 3 + "\n\n") * 6
    chunks = RecursiveChunker(size=120, overlap=0).chunk(document(text), TokenEmbedder(make()))
    assert all(chunk.text.endswith("thirteen.") for chunk in chunks)
    ends = {text[chunk.end :][:3] for chunk in chunks[:-1]}
    assert ends == {" \n\n"}
    running = RecursiveChunker(size=120, overlap=0).chunk(
        document(sentence * 20), TokenEmbedder(make())
    )
    assert all(chunk.text.endswith("thirteen.") for chunk in running)


def test_lines_of_a_table_stay_whole_and_wrapped_prose_is_cut_at_sentences() -> None:
    table = "\n".join(f"Item number {k}, with a name 1,2{k} 3,4{k}" for k in range(60))
    chunks = RecursiveChunker(size=80, overlap=0).chunk(document(table), TokenEmbedder(wordpiece()))
    assert all(chunk.text.startswith("Item") for chunk in chunks)
    wrapped = "the clocks were striking\nthirteen on a cold day. It was bright in\nthe " * 30
    chunks = RecursiveChunker(size=80, overlap=0).chunk(
        document(wrapped), TokenEmbedder(wordpiece())
    )
    assert all(chunk.text.endswith("day.") for chunk in chunks[:-1])


def test_headings_start_chunks() -> None:
    sections = ["Heading\n\n" + "It was a bright cold day in April. " * 4 + "\n\n"] * 8
    text = "".join(sections)
    starts = [k * len(sections[0]) for k in range(8)]
    blocks = [Block(kind=BlockKind.HEADING, start=s, end=s + 7, level=1) for s in starts]
    chunks = RecursiveChunker(size=120, overlap=20).chunk(
        document(text, *blocks), TokenEmbedder(wordpiece())
    )
    assert len(chunks) > 2
    assert all(chunk.text.startswith("Heading") for chunk in chunks)
    assert not any(chunk.text.endswith("Heading") for chunk in chunks)


def test_overlap_repeats_the_end_of_the_chunk_before() -> None:
    text = "It was a bright cold day in April. " * 60
    chunks = RecursiveChunker(size=100, overlap=30).chunk(
        document(text), TokenEmbedder(wordpiece())
    )
    for before, after in pairwise(chunks):
        assert before.start < after.start < before.end < after.end
        shared = text[after.start : before.end]
        assert 0 < len(wordpiece()(shared)) <= 30
        assert shared.startswith("It was")


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    "unit", ["a", "ab ", "漢", "\u200b", "x\n", "It is. ", "# A\n\n- b\n- c\n\n"]
)
def test_time_grows_with_the_text_and_not_faster(unit: str, strategy: str) -> None:
    embedder = TokenEmbedder(wordpiece())
    chunker = open_chunker({"strategy": strategy})

    def seconds(length: int) -> float:
        text = unit * (length // len(unit))
        headings = [match.start() for match in re.finditer("#", text)]
        blocks = [Block(kind=BlockKind.HEADING, start=at, end=at + 3, level=1) for at in headings]
        lists = [Block(kind=BlockKind.LIST, start=at + 5, end=at + 12) for at in headings]
        began = time.process_time()
        chunks = chunker.chunk(document(text, *blocks, *lists), embedder)
        spent = time.process_time() - began
        assert chunks
        return spent

    seconds(5_000)  # warm up
    most = 40 * max(seconds(10_000), 0.005)
    # Once more if need be: it may have had the garbage of earlier tests to collect.
    assert any(seconds(80_000) < most for _ in range(2))


def test_windows_do_not_show() -> None:
    text = PROSE * 400  # longer than one window of the tokenizer
    chunks = RecursiveChunker(overlap=0).chunk(document(text), TokenEmbedder(wordpiece()))
    check(text, chunks, wordpiece(), 200)
    assert min(chunk.tokens for chunk in chunks[:-1]) >= 90


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_nothing_but_white_space_has_no_chunks(strategy: str) -> None:
    for text in (" \n\t ", ""):
        chunker = open_chunker({"strategy": strategy})
        assert chunker.chunk(document(text), TokenEmbedder(wordpiece())) == []


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
    ({"strategy": "fixed", "size": 100, "overlap": 51}, "chunking.overlap"),
    ({"strategy": "structure", "size": 1}, "chunking.size"),
    ({"strategy": "sentence", "overlap": 21}, "chunking.overlap"),
    ({"strategy": "sentence", "group": 8}, "chunking.group"),
    ({"strategy": "semantic", "overlap": 8}, "chunking.overlap"),
    ({"strategy": "semantic", "group": 101}, "chunking.group"),
    ({"strategy": "semantic", "group": 3}, "chunking.group"),
]


@pytest.mark.parametrize(("config", "param"), BAD_CONFIGURATIONS)
def test_unknown_settings_are_refused(config: dict[str, object], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        open_chunker(config)
    assert caught.value.param == param


def test_settings_choose_the_chunker() -> None:
    assert open_chunker({}) == RecursiveChunker(size=200, overlap=32)
    config = {"strategy": "recursive", "size": 64, "overlap": 8}
    assert open_chunker(config) == RecursiveChunker(size=64, overlap=8)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_settings_are_completed_as_the_model_asks(strategy: str) -> None:
    for window in (8192, 254, 64, 16):
        config = complete({"strategy": strategy, "size": None}, window)
        assert config == complete(config, window)
        assert config["strategy"] == strategy
        assert config["size"] == min(200, window)
        open_chunker(config)
    with pytest.raises(InvalidRequest, match="reads 64 tokens"):
        complete({"strategy": strategy, "size": 65}, 64)


def test_memory_per_character_is_bounded() -> None:
    text = "of it we " * 60_000

    def words(piece: str) -> Ids:
        starts = np.flatnonzero(np.frombuffer(piece.encode(), np.uint8) == ord(" "))
        return np.stack([np.maximum(starts - 2, 0), starts], axis=1).astype(np.int64)

    tracemalloc.start()
    try:
        chunks = RecursiveChunker().chunk(document(text), TokenEmbedder(words))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(chunks) > 700
    assert peak < 15 * len(text)
