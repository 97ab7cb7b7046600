"""The sample documents say what the questions on them claim, and their figures add up."""

from __future__ import annotations

import email
import email.policy
import io
import json
import re
import zipfile
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import docx
import lxml.etree
import lxml.html
import pypdfium2
import pytest

DATA = Path(__file__).resolve().parents[2] / "data"
SAMPLES = DATA / "samples"
ENCODINGS = {"brandschutz-giesserei.txt": "cp1252", "linnet-anzhuang.txt": "gb18030"}
QUESTIONS: list[dict[str, Any]] = [
    json.loads(line)
    for line in (DATA / "eval" / "questions.jsonl").read_text(encoding="utf-8").splitlines()
]
ANSWERABLE = [question for question in QUESTIONS if question["answerable"]]


def _squeezed(text: str) -> str:
    # PDFium marks a hyphen put in at a line end with U+0002 or U+FFFE.
    return re.sub(r"[\x02\ufffe]\s*|\s+", "", text)


def _pdf_pages(source: Path | bytes) -> list[str]:
    document = pypdfium2.PdfDocument(source)
    try:
        return [page.get_textpage().get_text_bounded() for page in document]
    finally:
        document.close()


def _docx(path: Path) -> str:
    document = docx.Document(str(path))
    rows = [row for table in document.tables for row in table.rows]
    texts = [paragraph.text for paragraph in document.paragraphs]
    return "\n".join([*texts, *(" ".join(cell.text for cell in row.cells) for row in rows)])


def _parts(path: Path, pattern: str) -> Iterator[lxml.etree._Element]:
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            if re.fullmatch(pattern, name):
                yield lxml.etree.fromstring(archive.read(name))


def _slides(path: Path) -> list[str]:
    slides = _parts(path, r"ppt/slides/slide\d+\.xml")
    return ["\n".join(slide.xpath("//*[local-name()='t']/text()")) for slide in slides]


def _sheets(path: Path) -> Iterator[str]:
    (shared,) = _parts(path, r"xl/sharedStrings\.xml")
    strings = ["".join(item.itertext()) for item in shared]
    for sheet in _parts(path, r"xl/worksheets/sheet\d+\.xml"):
        lines = []
        for row in sheet.xpath("//*[local-name()='row']"):
            cells = row.xpath("*[local-name()='c'][*[local-name()='v']]")
            values = [(cell.get("t"), cell.xpath("string(*[local-name()='v'])")) for cell in cells]
            lines.append(" ".join(strings[int(v)] if kind == "s" else v for kind, v in values))
        yield "\n".join(lines)


def _mail(path: Path) -> str:
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    texts = []
    for part in message.walk():
        if part.get_content_maintype() == "text":
            texts.append(part.get_content())
        elif part.get_content_type() == "application/pdf":
            texts.extend(_pdf_pages(part.get_content()))
    return "\n".join(texts)


@cache
def _pages(name: str) -> tuple[str, ...]:
    """The text of each page, or of the whole document as one when it has no pages."""
    path = SAMPLES / name
    if path.suffix == ".pdf":
        return tuple(_pdf_pages(path))
    if path.suffix == ".pptx":
        return tuple(_slides(path))
    if path.suffix == ".xlsx":
        return tuple(_sheets(path))
    if path.suffix == ".html":
        return (lxml.html.fromstring(path.read_bytes()).text_content(),)
    readers = {".docx": _docx, ".eml": _mail}
    if path.suffix in readers:
        return (readers[path.suffix](path),)
    return (path.read_bytes().decode(ENCODINGS.get(name, "utf-8")),)


def _places(question: dict[str, Any]) -> list[dict[str, Any]]:
    return [question, *question.get("also", []), *question.get("elsewhere", [])]


def _numbers(text: str) -> list[int]:
    """Whole amounts as the reports print them; parentheses mean negative."""
    found = re.findall(r"\([\d,]+\)|[\d,]+", text)
    return [int(re.sub(r"[(),]", "", n)) * (-1 if n[0] == "(" else 1) for n in found]


def _row(text: str, label: str) -> list[int]:
    lines = re.findall(rf"^{re.escape(label)} ((?:[\d,()]+ ?)+)\s*$", text, re.MULTILINE)
    assert lines, f"no row {label!r}"
    return _numbers(lines[0])


def test_thirty_questions_can_be_answered_and_ten_cannot() -> None:
    assert len(ANSWERABLE) == 30
    assert len(QUESTIONS) == 40
    assert len({question["id"] for question in QUESTIONS}) == 40
    assert sum("needs" not in question for question in ANSWERABLE) >= 24
    assert {question["language"] for question in QUESTIONS} == {"en", "de", "zh"}


@pytest.mark.parametrize("question", ANSWERABLE, ids=lambda question: question["id"])
def test_every_place_is_in_its_document(question: dict[str, Any]) -> None:
    for place in _places(question):
        pages = _pages(place["document"])
        paged = place["document"].endswith((".pdf", ".pptx", ".xlsx"))
        assert (place["page"] is not None) == paged
        page = pages[place["page"] - 1 if paged else 0]
        if "ocr" in question.get("needs", []):
            assert not page.strip(), "a scanned page has no text of its own"
        else:
            assert _squeezed(place["quote"]) in _squeezed(page)


@pytest.mark.parametrize("question", ANSWERABLE, ids=lambda question: question["id"])
def test_an_accepted_answer_stands_in_the_quote(question: dict[str, Any]) -> None:
    assert question["answer"]
    if question["type"] in {"yes-no", "compare"}:
        assert len(question["accepted"]) > 1
        return
    quote = _squeezed(question["quote"]).casefold()
    assert any(_squeezed(answer).casefold() in quote for answer in question["accepted"])


def test_unanswerable_questions_point_nowhere_and_say_why() -> None:
    for question in QUESTIONS:
        if not question["answerable"]:
            assert question["answer"] is question["document"] is question["quote"] is None
            assert question["why"]


def test_samples_are_many_small_and_cover_the_formats() -> None:
    files = list(SAMPLES.iterdir())
    assert len(files) >= 20
    assert sum(file.stat().st_size for file in files) < 6_000_000
    wanted = {".pdf", ".docx", ".html", ".md", ".txt", ".pptx", ".xlsx", ".eml"}
    assert {file.suffix for file in files} == wanted


def test_no_sample_names_a_folder_of_the_machine_that_made_it() -> None:
    for file in SAMPLES.iterdir():
        data = [file.read_bytes()]
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(io.BytesIO(data[0])) as archive:
                data += [archive.read(name) for name in archive.namelist()]
        for part in data:
            assert not re.search(rb"file://|/tmp/|/home/\w|/root/", part), file.name


@pytest.mark.parametrize("year", [2023, 2024])
def test_quarters_add_up_to_the_year_as_printed(year: int) -> None:
    report = "\n".join(_pages(f"tarrowby-annual-report-{year}.pdf"))
    table = report[report.rindex("Quarterly figures") :]
    revenue = _row(table, "Revenue")
    segments = [
        _row(table, f"Revenue, {name}")
        for name in ("Process Pumps", "Water & Wastewater", "Aftermarket Services")
    ]
    profit = [_row(table, "Operating profit (EBIT)"), _row(table, "Profit for the period")]
    for row in [revenue, *segments, *profit, _row(table, "Order intake")]:
        assert sum(row[:4]) == row[4]
    assert [sum(column) for column in zip(*segments, strict=True)] == revenue


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_quarterly_reports_agree_with_the_annual_reports(quarter: int) -> None:
    text = "\n".join(_pages(f"tarrowby-q{quarter}-2024.pdf"))
    for column, year in enumerate((2024, 2023)):
        report = "\n".join(_pages(f"tarrowby-annual-report-{year}.pdf"))
        table = report[report.rindex("Quarterly figures") :]
        for label in ("Revenue", "Operating profit (EBIT)", "Profit for the period"):
            printed = re.search(rf"^{re.escape(label)} ([\d, ]+)", text, re.MULTILINE)
            assert printed
            assert _numbers(printed[1])[column] == _row(table, label)[quarter - 1]


@pytest.mark.parametrize(
    "name", ["q1-2024", "q2-2024", "q3-2024", "annual-report-2023", "annual-report-2024"]
)
def test_balance_sheets_balance(name: str) -> None:
    text = "\n".join(_pages(f"tarrowby-{name}.pdf"))
    assert _row(text, "Total assets") == _row(text, "Total equity and liabilities")


def test_years_follow_one_another() -> None:
    texts = ["\n".join(_pages(f"tarrowby-annual-report-{year}.pdf")) for year in (2023, 2024)]
    for label in ("Total assets", "Equity", "Gross profit", "Profit before tax"):
        for before, after in pairwise(_row(text, label) for text in texts):
            assert after[1] == before[0]


def test_the_invoice_adds_up() -> None:
    (text,) = _pages("invoice-2024-06-0318.pdf")
    item = re.compile(r"^[1-4] .* (\d+) ([\d,]+\.\d\d) ([\d,]+\.\d\d)\s*$", re.MULTILINE)
    lines = [
        (int(count), *(round(float(n.replace(",", "")) * 100) for n in rest))
        for count, *rest in item.findall(text)
    ]
    assert len(lines) == 4
    assert all(count * price == amount for count, price, amount in lines)
    parts = sum(amount for _, _, amount in lines[1:])
    net = lines[0][2] + parts - round(parts * 0.12)
    assert f"Net amount {net / 100:,.2f}" in text
    assert f"Total payable {(net + round(net * 0.2)) / 100:,.2f}" in text
