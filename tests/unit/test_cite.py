# ruff: noqa: RUF001
from __future__ import annotations

import time
import unicodedata
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rag.cite import boxes, cite, locate
from rag.locate import Location, cuts
from rag.types import Box, Citation, Located, Page, Passage, Span
from tests.fakes import MemorySource

TEXT = (
    "The Company’s revenue increased by 15.5 million dollars in the quar-\n"
    "ter ended March 31, 2023, driven by “strong” demand for long-\n"
    "term contracts. Unlawful conduct is not permitted under Section 7.2 of the\n"
    "Agreement. The ﬁnancial  eﬀects can’t be esti\u00admated. Margins fell from 12% to -3%."
)


def assert_resolves(citation: Citation, source: MemorySource) -> None:
    """A citation's words are the stored text of its span."""
    stored = source.read(citation.document_id, citation.start, citation.end)
    assert citation.cited_text == stored
    assert stored.strip() == stored != ""


def found(quote: str, text: str = TEXT) -> tuple[str, str] | None:
    place = locate(quote, text)
    return place and (place.located.value, text[place.start : place.end])


@pytest.mark.parametrize(
    ("quote", "located", "words"),
    [
        ("15.5 million dollars", "exact", "15.5 million dollars"),
        ("  15.5 million\n", "exact", "15.5 million"),
        ("The Company's revenue", "normalized", "The Company’s revenue"),
        ("in the quarter ended", "normalized", "in the quar-\nter ended"),
        ('"strong" demand', "normalized", "“strong” demand"),
        ("long-term contracts", "normalized", "long-\nterm contracts"),
        ("Section 7.2 of the Agreement", "normalized", "Section 7.2 of the\nAgreement"),
        ("The financial effects", "normalized", "The ﬁnancial  eﬀects"),
        ("estimated", "normalized", "esti\u00admated"),
        (
            "unlawful conduct is not permited under section 7.2 of agreement.",
            "fuzzy",
            "Unlawful conduct is not permitted under Section 7.2 of the\nAgreement.",
        ),
        ("Margins fe11 from 12% to -3%", None, None),
        ("Margins feII from 12% to -3%", "fuzzy", "Margins fell from 12% to -3%"),
        ("demand for long term contracts", "fuzzy", "demand for long-\nterm contracts"),
    ],
)
def test_same_words_are_located(quote: str, located: str | None, words: str | None) -> None:
    assert found(quote) == (None if located is None else (located, words))


@pytest.mark.parametrize(
    "quote",
    [
        "5.5 million dollars",
        "5 million dollars in the quarter ended",
        "revenue increased by 15.6 million dollars in the quarter",
        "revenue increased by 155 million dollars in the quarter",
        "revenue decreased by 15.5 million dollars in the quarter",
        "lawful conduct",
        "lawful conduct is not permitted under Section 7.2",
        "Unlawful conduct is permitted under Section 7.2 of the",
        "Unlawful conduct is now permitted under Section 7.2 of the",
        "The financial effects can be estimated",
        "effects can",
        "fell from 12% to 3%",
        "3%",
        "from $12 to -3%",
        "Nothing of the kind was ever said by anyone here",
        "",
        " \n\t",
        "\u00ad\u200b",
    ],
)
def test_other_words_are_not_located(quote: str) -> None:
    assert found(quote) is None


@pytest.mark.parametrize(
    ("quote", "text"),
    [
        (
            "The employee shall give notice to the other party",
            "The employer shall give notice to the other party",
        ),
        (
            "The Lessor shall repair the roof at its own cost",
            "The Lessee shall repair the roof at its own cost",
        ),
        (
            "patients with hypotension were treated daily",
            "patients with hypertension were treated daily",
        ),
        (
            "The maximum rate is set out in the schedule",
            "The minimum rate is set out in the schedule",
        ),
        ("inclusive of all taxes and duties levied", "exclusive of all taxes and duties levied"),
        ("the fee is payable after the closing date", "the fee is payable before the closing date"),
        (
            "The profit organisation was founded then",
            "The non-profit organisation was founded then",
        ),
        ("profit organisation", "A non-profit organisation"),
        ("lawful conduct", "un-\nlawful conduct"),
        ("a raise of 102 units was seen that year", "a raise of 10² units was seen that year"),
        (
            "a term of 35 years applies to all of the loans",
            "a term of 3-5 years applies to all of the loans",
        ),
        (
            "a loss of 4.1 million in the third quarter",
            "a loss of (4.1) million in the third quarter",
        ),
        (
            "合同不得转让给任何第三方，除非另有书面约定",
            "合同可以转让给任何第三方，除非另有书面约定",
        ),
        (
            "Der Vertrag ist kündbar zum Ende des Jahres",
            "Der Vertrag ist nicht kündbar zum Ende des Jahres",
        ),
    ],
)
def test_the_opposite_is_not_located(quote: str, text: str) -> None:
    assert locate(quote, text) is None
    assert locate(text, text) == Location(0, len(text), Located.EXACT)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (
            "The seller will replace defective pumps",
            "The seller will refuse to replace defective pumps",
        ),
        (
            "The insurer shall pay the premium to the broker",
            "The insured shall pay the premium to the broker",
        ),
        (
            "The claim must be filed within eight days of it",
            "The claim must be filed within eighty days of it",
        ),
        (
            "It is false that the auditors found any errors",
            "It is that the auditors found any errors",
        ),
        (
            "The backup pump rarely fails in the cold season",
            "The backup pump fails in the cold season",
        ),
        (
            "The complaint against the bank was dismissed",
            "The complaint against the bank was almost dismissed",
        ),
        (
            "The supplier complied with the order of the court",
            "The supplier partly complied with the order of the court",
        ),
        (
            "The director of the company was found guilty then",
            "The director of the company was acquitted, found guilty then",
        ),
        (
            "The proposal was adopted by the general assembly",
            "The proposal was adapted by the general assembly",
        ),
        (
            "The report was compliant with the rules of the fund",
            "The report was complaint with the rules of the fund",
        ),
        (
            "The filter relies on absorption of the gas in water",
            "The filter relies on adsorption of the gas in water",
        ),
        ("The contract of the two parties ended", "The contact of the two parties ended"),
        (
            "The notices were sent to all needless parties there",
            "The notices were sent to all needles parties there",
        ),
        (
            "The price of the stock fails in the third quarter",
            "The price of the stock falls in the third quarter",
        ),
        (
            "This is a notable change of the terms of the lease",
            "This is a not able change of the terms of the lease",
        ),
        (
            "On Monday a few members agreed with the chairman",
            "On Monday few members agreed with the chairman",
        ),
        (
            "Vaccines against hepatitis A are given to all staff",
            "Vaccines against hepatitis are given to all staff",
        ),
        (
            "In the vote 2 of 3 members agreed with the chairman",
            "In the vote 2 3 members agreed with the chairman",
        ),
        (
            "Die Forderung der Gemeinde wurde gestern bewilligt",
            "Die Förderung der Gemeinde wurde gestern bewilligt",
        ),
        ("समझौता कल से लागू होगी और सब पर लागू होता है", "समझौता कल से लागू होगा और सब पर लागू होता है"),
    ],
)
def test_what_says_something_else_is_not_located(one: str, two: str) -> None:
    for quote, text in ((one, two), (two, one)):
        assert locate(quote, text) is None
        assert locate(quote, f"Preamble. {text}, as agreed.") is None


@pytest.mark.parametrize(
    ("quote", "text"),
    [
        (
            "The govemment shall bear the costs of the repair",
            "The government shall bear the costs of the repair",
        ),
        (
            "The comission of inquiry met on the first Monday",
            "The commission of inquiry met on the first Monday",
        ),
        (
            "The board directors met on the first Monday of May",
            "The board of directors met on the first Monday of May",
        ),
        (
            "He agreed the lease had ended before the storm came",
            "He agreed that the lease had ended before the storm came",
        ),
        (
            "Le president de la société a signé le contrat hier",
            "Le président de la société a signé le contrat hier",
        ),
        (
            "The data base was restored by the vendor on Friday",
            "The database was restored by the vendor on Friday",
        ),
    ],
)
def test_misprints_and_missing_articles_are_forgiven(quote: str, text: str) -> None:
    for one, two in ((quote, text), (text, quote)):
        assert locate(one, two) == Location(0, len(two), Located.FUZZY)


def test_a_word_that_the_source_has_elsewhere_is_no_misprint() -> None:
    text = "The striping of the road was paid for by the city council."
    quote = text.replace("striping", "stripping")
    assert locate(quote, text) is not None
    assert locate(quote, text + " The stripping of paint was not.") is None


def test_the_agreeing_one_of_similar_sentences_is_found() -> None:
    text = " ".join(f"Net sales in Q1 {year} were $12." for year in (2022, 2023, 2024))
    place = locate("Net sales in the Q1 2024 were $12", text)
    assert place == Location(62, 91, Located.FUZZY)


def test_of_several_occurrences_the_nearer_is_taken() -> None:
    text = "It rose. It fell. It rose. It fell."
    assert locate("It rose.", text) == Location(0, 8, Located.EXACT)
    assert locate("It rose.", text, near=1) == Location(18, 26, Located.EXACT)
    assert locate("It rose.", text, near=20) == Location(0, 8, Located.EXACT)
    assert locate("It  rose.", text, near=5) == Location(18, 26, Located.NORMALIZED)


def test_line_breaks_inside_chinese_do_not_matter() -> None:
    assert found("这是第二句话", "开头。这是第\n二句话。") == ("normalized", "这是第\n二句话")
    assert found("５年", "期限为5年") == ("normalized", "5年")


words = st.text(st.characters(categories=["L"], max_codepoint=0x24F), min_size=1, max_size=9)
texts = st.lists(words, min_size=1, max_size=40).map(" ".join)


@given(st.text(max_size=80), st.data())
def test_any_whole_slice_of_any_text_is_located(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    quote = text[start:end].strip()
    start = text.index(text[start:end], start) + text[start:end].find(quote)
    end = start + len(quote)
    assume(quote and not cuts(text, start) and not cuts(text, end))
    place = locate(quote, text, near=start)
    assert place == Location(start, end, Located.EXACT)


CORRUPTIONS = {
    "white space": lambda quote: quote.replace(" ", " \n\t"),
    "no-break spaces": lambda quote: quote.replace(" ", "\u00a0"),
    "decomposed": lambda quote: unicodedata.normalize("NFD", quote),
    "composed": lambda quote: unicodedata.normalize("NFC", quote),
    "compatibility": lambda quote: unicodedata.normalize("NFKC", quote),
    "soft hyphens": lambda quote: "\u00ad".join(quote),
    "typographic": lambda quote: quote.translate({39: "’", 34: "“", 45: "–"}),
    "end of line": lambda quote: " ".join(
        f"{word[:2]}-\n{word[2:]}" if len(word) > 3 and word.isalpha() else word
        for word in quote.split(" ")
    ),
}


@pytest.mark.parametrize("kind", CORRUPTIONS)
@given(texts, st.data())
def test_another_print_of_the_words_is_located_at_their_place(
    kind: str, text: str, data: st.DataObject
) -> None:
    parts = text.split(" ")
    first = data.draw(st.integers(0, len(parts) - 1))
    last = data.draw(st.integers(first, len(parts) - 1))
    quote = " ".join(parts[first : last + 1])
    start = len(" ".join(parts[:first])) + (first > 0)
    place = locate(CORRUPTIONS[kind](quote), text, near=start)
    assert place is not None
    assert place.start == start
    assert text[place.start : place.end] == quote
    assert place.located is not Located.FUZZY


CALL_SIGNS = [
    "government",
    "bravo",
    "modernise",
    "delta",
    "concerning",
    "foxtrot",
    "golf",
    "commission",
]


@given(st.lists(st.sampled_from(CALL_SIGNS), min_size=8, max_size=30), st.data())
def test_one_misprint_is_forgiven(parts: list[str], data: st.DataObject) -> None:
    text = " ".join(parts)
    at = data.draw(st.integers(0, len(parts) - 1))
    misprinted = parts[at].replace("rn", "m").replace("ss", "s")
    assume(misprinted != parts[at])
    place = locate(" ".join([*parts[:at], misprinted, *parts[at + 1 :]]), text)
    assert place == Location(0, len(text), Located.FUZZY)


@given(texts, st.text(st.characters(categories=["L"], min_codepoint=0x400, max_codepoint=0x4FF),
                      min_size=1, max_size=60))  # fmt: skip
def test_unrelated_words_are_not_located(text: str, quote: str) -> None:
    assert locate(quote, text) is None


@given(st.text(max_size=60), st.text(max_size=120), st.integers(0, 130))
def test_whatever_is_located_is_a_span_of_the_text(quote: str, text: str, near: int) -> None:
    place = locate(quote, text, near=near)
    if place is not None:
        assert 0 <= place.start < place.end <= len(text)
        assert text[place.start : place.end].strip() == text[place.start : place.end]


@pytest.mark.parametrize(
    ("piece", "quote"),
    [
        ("lorem ipsum dolor ", "lorem ipsum dolxr sit " * 20),
        ("a", "a" * 500 + "b"),
        ("a ", "a " * 400 + "b"),
        ("-\n", "- -\n-"),
        ("1.", "1.1"),
        ("\u0301", "\u0327\u0301"),
    ],
)
def test_time_is_linear_in_the_text(piece: str, quote: str) -> None:
    def seconds(length: int) -> float:
        text = piece * (length // len(piece))
        started = time.perf_counter()
        locate(quote, text)
        return time.perf_counter() - started

    seconds(1_000)
    assert seconds(40_000) < 40 * max(seconds(5_000), 0.01)


def passage(text: str, start: int, end: int) -> Passage:
    return Passage(
        document_id="doc_1",
        document_title="Report",
        start=start,
        end=end,
        text=text[start:end],
        score=0.5,
    )


def test_a_citation_points_into_the_document() -> None:
    source = MemorySource({"doc_1": TEXT})
    start = TEXT.index("Unlawful")
    citation = cite("can't be estimated.", passage(TEXT, start, len(TEXT)), source, support=0.7)
    assert citation is not None
    assert_resolves(citation, source)
    assert citation.start == TEXT.index("can’t")
    assert citation.located is Located.NORMALIZED
    assert (citation.support, citation.passage_score, citation.boxes) == (0.7, 0.5, ())
    assert (citation.start_page, citation.end_page) == (None, None)


def test_the_passage_is_preferred_to_what_stands_around_it() -> None:
    text = "Total assets rose. " * 5
    source = MemorySource({"doc_1": text})
    citation = cite("Total assets rose.", passage(text, 38, 76), source)
    assert citation is not None
    assert citation.start == 38
    hinted = cite("Total assets rose.", passage(text, 38, 76), source, hint=19)
    assert hinted is not None
    assert hinted.start == 57


def test_neighbouring_text_is_searched_too_but_not_the_whole_document() -> None:
    text = "The needle is here. " + "Filler words stand here. " * 400
    source = MemorySource({"doc_1": text})
    near = cite("The needle is here.", passage(text, 1_000, 1_200), source)
    assert near is not None
    assert_resolves(near, source)
    assert cite("The needle is here.", passage(text, 8_000, 8_200), source) is None


def test_a_passage_border_does_not_hide_the_rest_of_a_number() -> None:
    text = "Revenue was 15 million in all."
    assert cite("5 million", passage(text, 13, 22), MemorySource({"doc_1": text})) is None


def test_stale_passages_are_cited_by_what_is_stored() -> None:
    source = MemorySource({"doc_1": "Revenue rose by 5%."})
    stale = replace(passage("Revenue fell by 5%.", 0, 19), text="Revenue fell by 5%.")
    assert cite("Revenue fell by 5%.", stale, source) is None


def test_a_deleted_document_gives_no_citation() -> None:
    assert cite("revenue", passage(TEXT, 0, 50), MemorySource({})) is None


def packed(rows: list[tuple[float, float, float, float]]) -> bytes:
    return (np.array(rows) * 65535).round().astype("<u2").tobytes()


def line(text: str, x: float, y: float, *, width: float = 0.01) -> list[tuple[float, ...]]:
    """Boxes of a horizontal line; spaces have no place of their own."""
    return [
        (0, 0, 0, 0) if char.isspace() else (x + i * width, y, x + (i + 1) * width, y + 0.012)
        for i, char in enumerate(text)
    ]


def page(number: int, start: int, text: str, rows: list[tuple[float, ...]]) -> Page:
    return Page(
        number=number,
        start=start,
        end=start + len(text),
        width=600,
        height=800,
        boxes=packed(rows),  # type: ignore[arg-type]
    )


def close(found: tuple[Box, ...], expected: list[tuple[int, float, float, float, float]]) -> bool:
    rows = [(box.page, box.x0, box.y0, box.x1, box.y1) for box in found]
    return len(rows) == len(expected) and bool(np.allclose(rows, expected, atol=1e-3))


def test_one_box_per_line_and_page() -> None:
    first, second = "Alpha beta\ngamma delta\n", "epsilon"
    pages = [
        page(1, 0, first, line("Alpha beta ", 0.1, 0.1) + line("gamma delta ", 0.1, 0.12)),
        page(2, len(first), second, line(second, 0.2, 0.05)),
    ]
    found = boxes(pages, Span(start=6, end=len(first) + 3))
    assert close(
        found,
        [
            (1, 0.16, 0.1, 0.2, 0.112),
            (1, 0.1, 0.12, 0.21, 0.132),
            (2, 0.2, 0.05, 0.23, 0.062),
        ],
    )


def test_cells_far_apart_have_their_own_boxes() -> None:
    rows = line("Total", 0.1, 0.3) + line(" 42", 0.7, 0.3)
    assert close(
        boxes([page(1, 0, "Total 42", rows)], Span(start=0, end=8)),
        [(1, 0.1, 0.3, 0.15, 0.312), (1, 0.71, 0.3, 0.73, 0.312)],
    )


def test_right_to_left_lines_are_one_box() -> None:
    rows = list(reversed(line("abcdef", 0.1, 0.3)))
    assert close(
        boxes([page(1, 0, "abcdef", rows)], Span(start=1, end=6)), [(1, 0.1, 0.3, 0.15, 0.312)]
    )


def test_text_that_runs_down_the_page_is_one_box_per_line() -> None:
    across = line("abcdef", 0.1, 0.3)
    down = [(y0, x0, y1, x1) for x0, y0, x1, y1 in across]
    assert close(
        boxes([page(1, 0, "abcdef", down)], Span(start=0, end=6)), [(1, 0.3, 0.1, 0.312, 0.16)]
    )


def test_small_marks_belong_to_their_line() -> None:
    rows = [(0.1, 0.1, 0.11, 0.104), (0.11, 0.104, 0.12, 0.112), (0.12, 0.11, 0.123, 0.114)]
    rows += [(0.13, 0.1, 0.14, 0.112)]
    assert close(
        boxes([page(1, 0, "'a,T", rows)], Span(start=0, end=4)),  # type: ignore[arg-type]
        [(1, 0.1, 0.1, 0.14, 0.114)],
    )


def test_no_geometry_no_boxes() -> None:
    bare = Page(number=3, start=0, end=10, width=600, height=800)
    assert boxes([bare], Span(start=0, end=5)) == ()
    assert boxes([page(1, 0, "  ", [(0, 0, 0, 0)] * 2)], Span(start=0, end=2)) == ()


def test_pages_of_a_citation() -> None:
    text = "Alpha beta gamma delta"
    pages = [
        page(4, 0, text[:11], line(text[:11], 0.1, 0.9)),
        page(5, 11, text[11:], line(text[11:], 0.1, 0.1)),
    ]
    source = MemorySource({"doc_1": text}, {"doc_1": pages})
    citation = cite("beta gamma", passage(text, 0, len(text)), source)
    assert citation is not None
    assert_resolves(citation, source)
    assert (citation.start_page, citation.end_page) == (4, 5)
    assert [box.page for box in citation.boxes] == [4, 5]
