"""Files of results hold what was found, as their formats can say it."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from typing import Any
from xml.etree import ElementTree

from api.results.analyses import entries
from api.results.entries import Entry, Said
from api.results.files import Format, Report, content_of
from api.results.report import as_html
from api.results.tables import as_csv, as_xlsx


def sheet_of(**columns: Any) -> str:
    file = b"".join(as_xlsx([Entry(title="t", raw={}, columns=columns)]))
    with zipfile.ZipFile(io.BytesIO(file)) as package:
        text = package.read("xl/worksheets/sheet1.xml").decode()
    ElementTree.fromstring(text)  # noqa: S314
    return text


def test_a_sheet_is_xml_whatever_the_text_and_numbers_are() -> None:
    text = sheet_of(a="x\ufffe\uffff\x00\x0by\n", b=float("nan"), c=float("-inf"), d=1.5)
    assert "xy\n" in text
    assert "<v>1.5</v>" in text
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


def test_neither_cells_nor_names_of_columns_are_formulas() -> None:
    entry = Entry(title="t", raw={}, columns={"=cmd|'/C calc'!A0": "=1+1"})
    names, cells = csv.reader(io.StringIO(b"".join(as_csv([entry])).decode("utf-8-sig")))
    assert (names, cells) == (["'=cmd|'/C calc'!A0"], ["'=1+1"])


def test_json_has_null_for_numbers_that_it_cannot_write() -> None:
    report = Report(name="n", title="t", facts={}, service="")
    entry = Entry(title="t", raw={"a": [float("nan"), 1.5], "b": float("inf")}, columns={})
    told = json.loads(b"".join(content_of(Format.JSON, [entry], report)), parse_constant=str.upper)
    assert told["data"] == [{"a": [None, 1.5], "b": None}]


def test_what_came_with_the_request_is_quoted_without_a_link() -> None:
    citation = {"document_id": "", "document_title": None, "document_name": "Text",
                "start_char_index": 1, "end_char_index": 3, "start_page_number": None,
                "end_page_number": None, "boxes": [], "cited_text": "so it says"}  # fmt: skip
    said = [Said(text="a", citations=[citation], corrected_by="<ann>")]
    entry = Entry(title="t", raw={}, columns={}, said=said)
    page = b"".join(as_html("t", {}, [entry], "http://host")).decode()
    assert "so it says" in page
    assert "http://host" not in page
    assert "corrected by &lt;ann&gt;" in page
