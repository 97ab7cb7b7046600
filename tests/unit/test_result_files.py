"""Files of results hold what was found, as their formats can say it."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from typing import Any
from xml.etree import ElementTree

from openpyxl import load_workbook

from api.results.analyses import entries
from api.results.entries import Entry, Said
from api.results.files import Format, Report, content_of
from api.results.reading import sections
from api.results.report import MOST_PAGES, as_html
from api.results.tables import as_csv
from api.results.workbook import as_xlsx


class Nowhere:
    """Shows no place."""

    def around(self, citation: Any) -> tuple[str, str]:
        return "", ""

    def image(self, document_id: str, page: int) -> bytes | None:
        return None


class Pages(Nowhere):
    """Has a picture of every page, and words around every quote."""

    def __init__(self) -> None:
        self.drawn: list[tuple[str, int]] = []

    def around(self, citation: Any) -> tuple[str, str]:
        return "as we <said>, ", " & so on"

    def image(self, document_id: str, page: int) -> bytes | None:
        self.drawn.append((document_id, page))
        return b"png"


def citation(document_id: str, page: int | None, quote: str = "it says") -> dict[str, Any]:
    box = {"page": page, "x0": 0.1, "y0": 0.2, "x1": 0.5, "y1": 0.25}
    return {
        "document_id": document_id, "document_title": f"Title <{document_id}>",
        "document_name": "f.pdf", "start_char_index": 1, "end_char_index": 3,
        "start_page_number": page, "end_page_number": page, "located": "exact", "support": None,
        "boxes": [] if page is None else [box, {**box, "y0": 0.25, "y1": 0.3}], "cited_text": quote,
    }  # fmt: skip


def sheet_of(**columns: Any) -> str:
    file = b"".join(as_xlsx([Entry(title="t", raw={}, columns=columns)]))
    with zipfile.ZipFile(io.BytesIO(file)) as package:
        text = package.read("xl/worksheets/sheet1.xml").decode()
    ElementTree.fromstring(text)  # noqa: S314
    return text


def test_a_sheet_is_xml_whatever_the_text_and_numbers_are() -> None:
    numbers = {"b": float("nan"), "c": float("-inf"), "d": 1.5, "e": 10**15 - 1}
    text = sheet_of(a="x\ufffe\uffff\x00\x0by\n", **numbers, f=4_036_500_000_000_001_239, g=10**400)
    assert "xy\n" in text
    assert "<v>1.5</v>" in text
    assert "<v>999999999999999</v>" in text
    assert ">4036500000000001239</t>" in text  # a sheet keeps 15 digits of a number
    assert "<v>nan</v>" not in text
    assert "<v>-inf</v>" not in text
    assert "nan</t>" in text


def test_fields_called_like_a_column_of_the_row_have_columns_of_their_own() -> None:
    value = {"confidence": "high", "document_id": "C-9", "citations": "12",
             "value.confidence": "low", "corrected_by": "nobody", "price": 3}  # fmt: skip
    row = {"document_id": "d1", "document_title": "T", "document_name": "n", "confidence": 0.4}
    shown = {
        "result": {"documents": [{**row, "value": value}]},
        "evidence": {},
        "confidences": {},
        "corrected_by": {"/documents/0/value/price": "ann"},
    }
    names, cells = csv.reader(io.StringIO(b"".join(as_csv(entries(shown))).decode("utf-8-sig")))
    told = dict(zip(names, cells, strict=True))
    assert len(told) == len(names)
    assert (told["document_id"], told["confidence"], told["corrected_by"]) == (
        "d1", "0.4", "/price: ann",
    )  # fmt: skip
    assert (told["value.confidence"], told["value.document_id"]) == ("high", "C-9")
    assert (told["value.value.confidence"], told["value.citations"]) == ("low", "12")
    assert told["price"] == "3"


def test_what_is_said_of_a_document_stands_with_it_however_many_there_are() -> None:
    count = 12
    row = {"document_title": "T", "document_name": "n", "confidence": 0.4}
    rows = [{**row, "document_id": f"d{n}", "value": {"a": "b"}} for n in range(count)]
    at = [f"/documents/{n}/value" for n in range(count)]
    shown = {
        "kind": "extraction",
        "result": {"documents": rows},
        "evidence": {f"{one}/a": [citation("d", None, str(n))] for n, one in enumerate(at)},
        "confidences": {at[2]: 0.4},
        "corrected_by": {at[1]: "ann", f"{at[11]}/a": "bob"},
        "not_mentioned": [f"{one}/of_{n}" for n, one in enumerate(at)],
    }
    told = list(sections(shown))
    quotes = [one.raw["evidence"]["/a"][0]["cited_text"] for one in told]
    assert quotes == [str(n) for n in range(count)]
    assert [one.said[-1].text for one in told] == [f"of {n}" for n in range(count)]
    corrected = {n: one.raw["corrected_by"] for n, one in enumerate(told)}
    assert {n: by for n, by in corrected.items() if by} == {1: {"": "ann"}, 11: {"/a": "bob"}}


def test_neither_cells_nor_names_of_columns_are_formulas() -> None:
    cells = {"=cmd|'/C calc'!A0": "=1+1", "b": " @SUM(1)", "c": "\n-1", "d": "\uff1d1", "e": "1-2"}
    entry = Entry(title="t", raw={}, columns=cells)
    names, told = csv.reader(io.StringIO(b"".join(as_csv([entry])).decode("utf-8-sig")))
    assert names[0] == "'=cmd|'/C calc'!A0"
    assert told == ["'=1+1", "' @SUM(1)", "'\n-1", "'\uff1d1", "1-2"]
    book = load_workbook(io.BytesIO(b"".join(as_xlsx([entry]))))
    for rows in book["Results"].iter_rows():
        assert {cell.data_type for cell in rows} == {"s"}


def test_a_workbook_has_a_header_that_stays_and_a_sheet_of_quotes() -> None:
    said = [Said(text="12", label="price", citations=[citation("d", 3), citation("e", None)])]
    columns = {"document": "Lease", "price": 12, "told": "x" * 500}
    entries = [Entry(title="Lease", raw={}, columns=columns, said=said)] * 2
    book = load_workbook(io.BytesIO(b"".join(as_xlsx(entries))))
    results, quotes = book["Results"], book["Citations"]
    assert [cell.value for cell in results[1]] == ["document", "price", "told"]
    assert results["A1"].font.b
    assert (results["A1"].fill.fill_type, results.freeze_panes) == ("solid", "A2")
    widths = [results.column_dimensions[name].width for name in "ABC"]
    assert 8 < widths[0] < widths[2] <= 80
    assert results["B2"].value == 12
    assert quotes.max_row == 1 + 4
    row = dict(zip([one.value for one in quotes[1]], [one.value for one in quotes[2]], strict=True))
    assert (row["field"], row["value"], row["quote"], row["pages"]) == (
        "price",
        "12",
        "it says",
        "3",
    )
    assert (row["document"], row["document_id"], row["start"]) == ("Title <d>", "d", 1)


def test_a_report_holds_the_cited_pages_with_the_quotes_marked_and_needs_no_service() -> None:
    pages = Pages()
    said = [
        Said(
            text="a",
            citations=[citation("d", 3), {**citation("d", None, "words"), "start_char_index": 0}],
        ),
        Said(text="b", citations=[{**citation("d", 3, "again"), "start_char_index": 2}]),
        *(Said(text="c", citations=[citation(f"p{n}", 1)]) for n in range(MOST_PAGES + 5)),
    ]
    entry = Entry(title="t", raw={}, columns={}, said=said)
    page = b"".join(as_html("T", {}, [entry], pages, ["Read <half>."])).decode()
    assert len(pages.drawn) == len(set(pages.drawn)) == MOST_PAGES == page.count("<img ")
    assert "http" not in page.replace("http-equiv", "")
    assert "img-src data:" in page
    assert "<li>Read &lt;half&gt;.</li>" in page
    assert '<i id="at-r1-1" style="left:10.00%;top:20.00%;width:40.00%;height:5.00%">' in page
    links, targets = (set(re.findall(rf'{name}="#?([^"]+)"', page)) for name in ("href", "id"))
    assert links <= targets
    assert {"at-r1-1", "at-r1-3"} <= links
    # What has no picture is shown among its words.
    assert page.count("as we &lt;said&gt;, <mark>") == 1 + 6


def test_json_has_null_for_numbers_that_it_cannot_write() -> None:
    report = Report(name="n", title="t", facts={}, places=Nowhere())
    entry = Entry(title="t", raw={"a": [float("nan"), 1.5], "b": float("inf")}, columns={})
    told = json.loads(b"".join(content_of(Format.JSON, [entry], report)), parse_constant=str.upper)
    assert told["data"] == [{"a": [None, 1.5], "b": None}]


def test_what_stands_nowhere_is_quoted_without_a_link() -> None:
    said = [Said(text="a", citations=[citation("", None)], corrected_by="<ann>", confidence=0.174)]
    entry = Entry(title="t", raw={}, columns={}, said=said)
    page = b"".join(as_html("t", {}, [entry], Nowhere())).decode()
    assert "it says" in page
    assert 'class="where" href' not in page
    assert "corrected by &lt;ann&gt;" in page
    assert "17% sure" in page
