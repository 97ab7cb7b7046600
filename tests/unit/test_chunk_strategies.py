"""What each strategy is for; what all of them promise is in test_chunk.py."""

# The punctuation of other scripts is meant.
# ruff: noqa: RUF001
from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.chunk.fixed import FixedChunker
from ingest.chunk.semantic import SemanticChunker
from ingest.chunk.sentence import SentenceChunker
from ingest.chunk.structure import StructureChunker
from rag import sentences
from rag.types import Block, BlockKind, Chunk, FloatMatrix, ParsedDocument, TableCell
from tests.fakes import HashingEmbedder

EMBEDDER = HashingEmbedder()
COLD = "It was a bright cold day in April, and the clocks were striking thirteen. "


def document(text: str, *blocks: Block) -> ParsedDocument:
    return ParsedDocument(text=text, media_type="text/plain", blocks=blocks)


def block(text: str, part: str, kind: BlockKind, level: int = 0) -> Block:
    start = text.index(part)
    return Block(kind=kind, start=start, end=start + len(part), level=level)


def texts(chunks: Sequence[Chunk]) -> list[str]:
    return [chunk.text for chunk in chunks]


# --- fixed --------------------------------------------------------------------------------


def test_fixed_windows_are_of_one_length_and_hold_whole_words() -> None:
    text = " ".join(f"word{k}" for k in range(400))
    chunks = FixedChunker(size=50, overlap=10).chunk(document(text), EMBEDDER)
    assert {chunk.tokens for chunk in chunks[:-1]} == {50}
    for before, after in pairwise(chunks):
        assert before.text.split()[-10:] == after.text.split()[:10]
    assert {word for chunk in chunks for word in chunk.text.split()} == set(text.split())


# --- sentence -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        COLD * 30,
        "Dr. Meier zahlte am 3. Mai 2,5 Mio. EUR an die Fa. Huber. Das war zu viel! " * 12,
        "我们的收入在第二季度有所增长。成本下降了吗？没有！" * 30,
        "यह पहला वाक्य है। यह दूसरा वाक्य है। " * 20,
        "هل وصل التقرير؟ نعم، وصل أمس. " * 20,
    ],
)
def test_sentences_of_many_languages_stay_whole(text: str) -> None:
    chunks = SentenceChunker(size=40, overlap=0).chunk(document(text), EMBEDDER)
    ends = {span.end for span in sentences.split(text)}
    assert len(chunks) > 3
    assert all(chunk.end in ends for chunk in chunks)


def test_the_last_sentences_come_again() -> None:
    text = " ".join(f"Sentence number {k} is short." for k in range(40))
    spans = sentences.split(text)
    chunks = SentenceChunker(size=40, overlap=2).chunk(document(text), EMBEDDER)
    for before, after in pairwise(chunks):
        again = [one for one in spans if after.start <= one.start < before.end]
        assert len(again) == 2
        assert again[0].start == after.start


def test_an_overlap_that_leaves_no_room_is_left_out() -> None:
    long = " ".join(["word"] * 34) + ". "
    text = ("Short one. " + long.capitalize()) * 4
    chunks = SentenceChunker(size=37, overlap=3).chunk(document(text), EMBEDDER)
    assert all(chunk.text.endswith(".") for chunk in chunks)
    assert len(chunks) == 8


# --- structure ----------------------------------------------------------------------------


def test_sections_stay_apart_unless_what_is_below_them_fits() -> None:
    text = (
        "# One\n\nShort.\n\n## Deeper\n\nAlso short.\n\n# Two\n\n"
        + COLD * 3
        + "\n\n## Low\n\nLast.\n\n# Three\n\nEnd.\n"
    )
    headings = [("# One", 1), ("## Deeper", 2), ("# Two", 1), ("## Low", 2), ("# Three", 1)]
    blocks = [block(text, words, BlockKind.HEADING, level) for words, level in headings]
    chunks = StructureChunker(size=54).chunk(document(text, *blocks), EMBEDDER)
    found = texts(chunks)
    assert found[0] == "# One\n\nShort.\n\n## Deeper\n\nAlso short."
    assert found[1] == ("# Two\n\n" + COLD * 3).strip()
    assert found[2:] == ["## Low\n\nLast.", "# Three\n\nEnd."]


def test_a_heading_stays_with_what_it_heads() -> None:
    text = "# Title\n\n## First\n\n" + COLD * 8
    blocks = [block(text, "# Title", BlockKind.HEADING, 1)]
    blocks.append(block(text, "## First", BlockKind.HEADING, 2))
    chunks = StructureChunker(size=60).chunk(document(text, *blocks), EMBEDDER)
    assert chunks[0].text.startswith("# Title\n\n## First\n\nIt was")


@pytest.mark.parametrize("kind", [BlockKind.TABLE, BlockKind.LIST, BlockKind.CODE])
def test_what_fits_stays_whole(kind: BlockKind) -> None:
    inside = "\n".join(f"- entry number {k}. Done" for k in range(8))
    for before in range(12):
        text = COLD * before + "\n\n" + inside + "\n\n" + COLD * 5
        parsed = document(text, block(text, inside, kind))
        chunks = StructureChunker(size=70).chunk(parsed, EMBEDDER)
        assert sum(inside in chunk.text for chunk in chunks) == 1


def test_a_long_table_is_cut_between_rows() -> None:
    rows = [f"Item {k}\nwith a second line. And more | {k},00 | {k}" for k in range(30)]
    table = "\n".join(rows)
    text = "Before the table.\n\n" + table
    first = text.index("Item 0")
    starts = np.cumsum([first, *(len(row) + 1 for row in rows)])[:-1].tolist()
    cells = tuple(
        TableCell(row=row, column=column, start=start + column * 5, end=start + column * 5 + 4)
        for (row, start), column in product(enumerate(starts), range(2))
    )
    whole = Block(kind=BlockKind.TABLE, start=first, end=len(text), cells=cells)
    chunks = StructureChunker(size=60).chunk(document(text, whole), EMBEDDER)
    assert len(chunks) > 5
    assert all(chunk.start in {0, *starts} for chunk in chunks)


def test_a_long_list_is_cut_between_its_outermost_items() -> None:
    items = [f"- outer {k}. It says\n  - inner one. Yes\n  - inner two. No" for k in range(20)]
    text = "\n".join(items)
    parsed = document(text, block(text, text, BlockKind.LIST))
    chunks = StructureChunker(size=50).chunk(parsed, EMBEDDER)
    assert len(chunks) > 4
    assert all(chunk.text.startswith("- outer") for chunk in chunks)


def test_an_overlap_stays_within_the_section() -> None:
    text = "# One\n\n" + COLD * 12 + "\n\n# Two\n\n" + COLD * 12
    blocks = [block(text, words, BlockKind.HEADING, 1) for words in ("# One", "# Two")]
    chunks = StructureChunker(size=60, overlap=20).chunk(document(text, *blocks), EMBEDDER)
    two = text.index("# Two")
    for before, after in pairwise(chunks):
        assert (after.start < before.end) == (after.start != two)
    assert any(chunk.start == two for chunk in chunks)


# --- semantic -----------------------------------------------------------------------------

ABOUT = (
    "the pump moves brine through the bronze casing",
    "tenants pay rent on the third working day",
    "glaciers melt faster in warmer summers",
)


def test_cuts_fall_where_the_subject_changes() -> None:
    parts = [
        " ".join(f"{subject.capitalize()} {k}." for k in range(count))
        for subject, count in zip(ABOUT, (5, 9, 7), strict=True)
    ]
    chunker = SemanticChunker(size=100, group=12)
    assert texts(chunker.chunk(document(" ".join(parts)), EMBEDDER)) == parts


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=9), st.integers(30, 60))
def test_clusters_are_the_best_there_are(subjects: list[int], size: int) -> None:
    """Against all ways to divide so few sentences."""
    written = [f"{ABOUT[subject].capitalize()} {k}." for k, subject in enumerate(subjects)]
    text = " ".join(written)
    lengths = [len(EMBEDDER.token_offsets(one)) for one in written]
    vectors = EMBEDDER.embed_passages(written)
    alike = vectors @ vectors.T
    count = len(written)
    pairs = count * (count - 1)
    mean = (alike.sum() - np.trace(alike)) / pairs if pairs else 0.0

    def worth(cuts: Sequence[int]) -> float:
        total = 0.0
        for first, last in pairwise(cuts):
            if last - first > 1 and sum(lengths[first:last]) > size:
                return -np.inf
            inner = alike[first:last, first:last] - mean
            total += float(np.triu(inner, 1).sum())
        return total

    chunks = SemanticChunker(size=size, group=8).chunk(document(text), EMBEDDER)
    starts = np.cumsum([0, *(len(one) + 1 for one in written)]).tolist()
    found = [starts.index(chunk.start) for chunk in chunks] + [count]
    every = [
        [0, *(k for k, cut in enumerate(cuts, 1) if cut), count]
        for cuts in product([False, True], repeat=count - 1)
    ]
    assert worth(found) == pytest.approx(max(map(worth, every)), abs=1e-4)


def test_memory_does_not_hold_all_vectors() -> None:
    class Wide(HashingEmbedder):
        """Vectors so long that all of them together would be seen."""

        dimension = 4096

        def embed_passages(self, texts: Sequence[str]) -> FloatMatrix:
            assert len(texts) <= 256
            return np.full((len(texts), self.dimension), 1 / 64, dtype=np.float32)

    text = COLD * 4000  # as many groups: 64 MB of vectors
    tracemalloc.start()
    try:
        chunks = SemanticChunker(size=100, group=16).chunk(document(text), Wide())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(chunks) > 500
    assert peak < 40_000_000
