"""LlamaIndex's node parsers as strategies, and the alignment that gives their nodes places."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.chunk import complete, open_chunker
from ingest.chunk.align import NotInText, align, without_gaps
from ingest.chunk.measure import measured
from rag.errors import ChunkingFailed, InvalidRequest
from rag.types import Chunk, ParsedDocument
from tests.fakes import HashingEmbedder
from tests.tokenizers import PROSE, TokenEmbedder, wordpiece

MARKDOWN = "# Pumps\n\nThe pump moves brine. It is of bronze.\n\n## Seals\n\n- one\n- two\n\n" * 12
PARSERS = (
    "llama_index.core.node_parser.SentenceSplitter",
    "llama_index.core.node_parser.TokenTextSplitter",
    "llama_index.core.node_parser.MarkdownNodeParser",
    "llama_index.core.node_parser.SentenceWindowNodeParser",
    "llama_index.core.node_parser.HierarchicalNodeParser",
    "SemanticSplitterNodeParser",
)


def chunk(parser: str, text: str, **config: object) -> list[Chunk]:
    chosen = complete({"strategy": f"llama_index:{parser}", **config}, 256)
    embedder = TokenEmbedder(wordpiece())
    return open_chunker(chosen).chunk(ParsedDocument(text=text, media_type="text/plain"), embedder)


def check(text: str, chunks: Sequence[Chunk], size: int) -> None:
    covered = [False] * len(text)
    for position, one in enumerate(chunks):
        assert one.position == position
        assert text[one.start : one.end] == one.text == one.text.strip() != ""
        assert one.tokens == len(wordpiece()(one.text))
        assert len(measured(one.text, wordpiece()(one.text))) <= size
        covered[one.start : one.end] = [True] * len(one.text)
    assert all(seen or char.isspace() for seen, char in zip(covered, text, strict=True))
    for spans in ([one.start for one in chunks], [one.end for one in chunks]):
        assert spans == sorted(set(spans))


@pytest.mark.parametrize("parser", PARSERS)
def test_nodes_of_every_parser_are_spans_that_fit_and_cover(parser: str) -> None:
    for text in (MARKDOWN, PROSE * 8, "ha " * 3000, "\r\n\r\nA line.\r\n\tB\u00a0C " * 40):
        check(text, chunk(parser, text, size=100), 100)


words = st.sampled_from([*PROSE.split(), "\n", "\n\n", "# ", "```\n", "é", "😀", "\u200b", "\t"])


@pytest.mark.parametrize("parser", PARSERS[:3])
def test_random_texts_are_cut(parser: str) -> None:
    @settings(max_examples=40, deadline=None)
    @given(st.one_of(st.text(max_size=200), st.lists(words, max_size=80).map(" ".join)))
    def holds(text: str) -> None:
        check(text, chunk(parser, text, size=60), 60)

    holds()


def test_a_section_is_a_chunk_and_options_are_passed_on() -> None:
    chunks = chunk(PARSERS[2], MARKDOWN)
    assert {one.text for one in chunks[0::2]} == {
        "# Pumps\n\nThe pump moves brine. It is of bronze."
    }
    few = chunk(PARSERS[0], MARKDOWN, options={"chunk_size": 200, "chunk_overlap": 0})
    many = chunk(PARSERS[0], MARKDOWN, options={"chunk_size": 60, "chunk_overlap": 20})
    assert len(few) < len(many)
    assert all(a.end <= b.start for a, b in pairwise(few))


def test_text_that_a_parser_makes_up_is_refused() -> None:
    with pytest.raises(ChunkingFailed, match="made a node that is not in the text"):
        chunk("llama_index.core.node_parser.JSONNodeParser", '{"pump": {"seal": "eight"}}')
    with pytest.raises(ChunkingFailed, match="made no nodes"):
        chunk("llama_index.core.node_parser.JSONNodeParser", "This is no JSON.")


BAD: list[tuple[dict[str, object], str]] = [
    ({"strategy": "llama_index:os.system"}, "chunking.strategy"),
    ({"strategy": "llama_index:"}, "chunking.strategy"),
    ({"strategy": "llama_index:..."}, "chunking.strategy"),
    ({"strategy": "llama_index:llama_index.core.node_parser.NodeParser"}, "chunking.strategy"),
    ({"strategy": "llama_index:llama_index.core.Document"}, "chunking.strategy"),
    ({"strategy": "llama_index:llama_index.no.such.Thing"}, "chunking.strategy"),
    ({"strategy": f"llama_index:{PARSERS[0]}", "overlap": 3}, "chunking.overlap"),
    ({"strategy": f"llama_index:{PARSERS[0]}", "options": 3}, "chunking.options"),
    ({"strategy": f"llama_index:{PARSERS[0]}", "options": {"a": 3}}, "chunking.options.a"),
    (
        {"strategy": "llama_index:SentenceSplitter", "options": {"chunk_overlap": 2000}},
        "chunking.options",
    ),
    (
        {"strategy": f"llama_index:{PARSERS[0]}", "options": {"tokenizer": "x"}},
        "chunking.options.tokenizer",
    ),
    ({"strategy": "llama_index:CodeSplitter"}, "chunking.options"),
]  # fmt: skip


@pytest.mark.parametrize(("config", "param"), BAD)
def test_what_cannot_be_made_is_refused_at_once(config: dict[str, object], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        complete(config, 256)
    assert caught.value.param == param


def test_without_llama_index_the_message_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "llama_index.core.node_parser", None)
    with pytest.raises(InvalidRequest, match=r"pip install 'ibidem\[llama-index\]'"):
        open_chunker({"strategy": f"llama_index:{PARSERS[0]}"})


# --- alignment ----------------------------------------------------------------------------


def squeezed(text: str) -> str:
    return "".join(text.split())


@settings(max_examples=300)
@given(
    st.text("ab \n", min_size=1, max_size=60),
    st.lists(st.tuples(st.integers(1, 12), st.integers(0, 5)), min_size=1, max_size=12),
    st.sampled_from([str, str.strip, lambda piece: " ".join(piece.split())]),
    st.integers(-3, 3),
)
@example("ab" * 20, [(8, 5)] * 12, str, 0)
@example("aab" * 12, [(3, 0), (12, 2)] * 5, str, 1)
def test_pieces_of_a_text_find_a_place(
    text: str,
    lengths: list[tuple[int, int]],
    change: Callable[[str], str],
    off: int,
) -> None:
    """Windows that step through the text, however repetitive it is and wrong their hints are."""
    pieces, hints, start, end = [], [], 0, 0
    for length, back in lengths:
        start = max(start + 1, end - back) if pieces else 0
        end = max(end + 1, start + length)
        pieces.append(change(text[start:end]))
        hints.append(start + off)
    spans = align(text, pieces, hints)
    kept = [squeezed(piece) for piece in pieces if piece.strip()]
    found = [squeezed(text[span.start : span.end]) for span in spans]
    rest = iter(kept)
    assert all(one in rest for one in found)  # in order; those within others may be left out
    for before, after in pairwise(spans):
        assert before.start < after.start
        assert before.end < after.end
    grown = without_gaps(text, spans)
    if grown:
        assert grown[0].start == 0
        assert grown[-1].end == len(text)
        assert all(a.end >= b.start for a, b in pairwise(grown))


def test_hints_that_hold_decide_among_places() -> None:
    text = "one two x three x four"
    for hint, start in ((None, 8), (16, 16), (3, 8), (99, 8), (-1, 8)):
        assert [span.start for span in align(text, ["one", "x"], [None, hint])] == [0, start]


def test_changed_and_shuffled_pieces_are_noticed() -> None:
    locate = partial(align, "one two three four", hints=[None, None])
    assert [s.start for s in locate(pieces=["one\ntwo", "three   four"])] == [0, 8]
    for pieces in (["one two", "drei"], ["three", "one"], ["One", "two"]):
        with pytest.raises(NotInText):
            locate(pieces=pieces)


def test_the_embedder_of_the_collection_compares_sentences() -> None:
    text = "The pump moves brine. The pump moves oil. " * 4 + "Rent is due. Rent is late. " * 4
    chosen = {"strategy": "llama_index:SemanticSplitterNodeParser"}
    chunker = open_chunker(complete(chosen, 256))
    document = ParsedDocument(text=text, media_type="text/plain")
    chunks = chunker.chunk(document, HashingEmbedder())
    assert any(one.text.startswith("Rent") for one in chunks)
