# ruff: noqa: RUF001
from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.sentences import split


def sentences(text: str) -> list[str]:
    return [text[span.start : span.end] for span in split(text)]


@pytest.mark.parametrize(
    "expected",
    [
        ["It ended.", "It began again."],
        ["Apple Inc. reported $5.2 million to Mr. J. Smith.", "It was good."],
        ["He works at Apple Inc.", "The company grew."],
        ["This agreement No. PMA-2023 holds.", "He said no.", "No.", "That was all."],
        ["See Section 7.2 of the Agreement and No. 5 thereof.", "It holds."],
        ["He left the U.S. at 5 p.m. on Friday.", "Nobody saw it, e.g. at night."],
        ["Sales fell in 2023.", "They rose in 2024."],
        ["Is it so?", "Yes!", '"Of course."', "Then go..."],
        ["Revenue rose.[12]", "Costs fell."],
        ["Am 3. Mai 2023 wurde z. B. in Berlin bezahlt.", "Das war gut."],
        ["Im 3. Quartal stieg der Umsatz um ca. 5 Mio. Euro.", "Die Kosten sanken."],
        ["Gemäß § 5 Abs. 2 BGB gilt dies.", "Vgl. Art. 12 dazu."],
        ["Herr Dipl.-Ing. Meyer und Dr.-Ing. Weiß leiten es.", "Dipl. Kfm. Ott ging."],
        ["Herr Dipl.-Wirt.-Ing. Meyer und Dr.-Ing. habil. Weiß kamen.", "Gut."],
        ["Herr Meyer ist Dipl.-Ing.", "Er leitet das Werk."],
        ["M. Dupont est venu.", "Il est parti."],
        ["هل هذا صحيح؟", "نعم، هذا صحيح."],
        ["यह पहला वाक्य है।", "यह दूसरा है।"],
    ],
)
def test_sentences_of_one_line(expected: list[str]) -> None:
    assert sentences(" ".join(expected)) == expected


@pytest.mark.parametrize(
    "expected",
    [
        ["这是第一句。", "这是第二句！", "“真的吗？”", "最后一句"],
        ["これは文です。", "次の文。"],
    ],
)
def test_scripts_without_spaces(expected: list[str]) -> None:
    assert sentences("".join(expected)) == expected


def test_thai_is_cut_at_spaces() -> None:
    found = sentences(" ".join(["ประชากรของที่นี่ถือว่าเป็นชาว"] * 12))
    assert len(found) > 2
    assert max(map(len, found)) < 150


def test_wrapped_lines_are_one_sentence() -> None:
    text = (
        "The Company recognised revenue of $5.2 million in the quarter, which was\n"
        "above the guidance that it had given in the first quarter of the year. It\n"
        "expects more of the same."
    )
    assert [found.replace("\n", " ")[:12] for found in sentences(text)] == [
        "The Company ",
        "It expects m",
    ]


def test_headings_rows_and_items_stand_alone() -> None:
    lines = [
        "Item 1. Financial Statements",
        "ACME INC.",
        "Net sales 81,797 82,959 3.4%",
        "Total cost of sales 45,384 47,074 -",
        "• the first item",
        "• the second item",
        "1. Introduction",
        "This chapter says in a good many words, over a full line, what there is.",
    ]
    assert sentences("\n".join(lines)) == lines


def test_wide_line_spacing_is_no_end() -> None:
    text = (
        "It is governed by the law of Norway; the United Nations Convention on\n\nContracts stays."
    )
    assert len(sentences(text)) == 1
    assert len(sentences(text.replace(" on\n", " holds\n"))) == 2


def test_amounts_at_the_start_of_a_wrapped_line_are_no_items() -> None:
    text = (
        "With a correlation of 0.94 between the two we would recommend a margin of about\n"
        "0.8 m for cold water, and this paper was accepted for print in the journal on\n"
        "14 August 2024 without changes. It has since been read by a good many people as\n"
        "5 Pumps were tested."
    )
    assert len(sentences(text)) == 2


def test_tab_and_pipe_rows_stand_alone() -> None:
    lines = ["Name\tAmount", "Alpha\t12", "| a | b |", "| 1 | 2 |"]
    assert sentences("\n".join(lines)) == lines


@pytest.mark.parametrize("text", ["", " \n\t ", "\u3000"])
def test_nothing_to_split(text: str) -> None:
    assert split(text) == []


@given(st.text(st.sampled_from("aB1 .!?\n\t。|-•\u0e01\"'("), max_size=200) | st.text())
def test_spans_tile_all_that_is_not_white(text: str) -> None:
    spans = split(text)
    covered = [False] * len(text)
    previous = 0
    for span in spans:
        assert previous <= span.start < span.end
        assert text[span.start : span.end] == text[span.start : span.end].strip()
        covered[span.start : span.end] = [True] * len(span)
        previous = span.end
    assert all(seen or char.isspace() for seen, char in zip(covered, text, strict=True))


@pytest.mark.parametrize("piece", ["a. ", "a\n", "A b ", ". ", "a    b    c ", "1 ", "\u0e01 "])
def test_time_is_linear(piece: str) -> None:
    def seconds(times: int) -> float:  # of the processor: other work does not count
        started = time.process_time()
        split(piece * times)
        return time.process_time() - started

    # The least of some: a garbage collection of what other tests left may fall into any.
    few, many = (min(seconds(times) for _ in range(3)) for times in (8_000, 64_000))
    assert many < 40 * max(few, 0.005)
