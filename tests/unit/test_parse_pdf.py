from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from ingest.parse import detect, parse
from rag.errors import (
    CorruptDocument,
    DocumentError,
    EmptyDocument,
    EncryptedDocument,
    RequestError,
)
from rag.types import BlockKind, ParsedDocument
from tests.pdfs import line, pdf, prose
from tests.realdata import REAL_DATA, needs_real_data
from tests.thorough import THOROUGH


def read(tmp_path: Path, data: bytes) -> ParsedDocument:
    path = tmp_path / "a.pdf"
    path.write_bytes(data)
    document = parse(path, "application/pdf")
    check(document)
    return document


def check(document: ParsedDocument) -> None:
    """What every document with pages promises."""
    assert document.pages[0].start == 0
    assert document.pages[-1].end == len(document.text)
    for page, after in pairwise(document.pages):
        assert page.end == after.start
        assert page.number + 1 == after.number
    for page in document.pages:
        assert len(page.boxes) in (0, 8 * (page.end - page.start))


def box(document: ParsedDocument, quote: str, page: int = 0) -> tuple[float, ...]:
    """Rectangle around a quote as fractions of its page."""
    here = document.pages[page]
    start = document.text.index(quote, here.start) - here.start
    quads = np.frombuffer(here.boxes, "<u2").reshape(-1, 4)[start : start + len(quote)]
    quads = quads[quads.any(axis=1)] / 65535
    return (*quads[:, :2].min(axis=0).tolist(), *quads[:, 2:].max(axis=0).tolist())


def test_pages_cover_the_text_and_are_set_apart(tmp_path: Path) -> None:
    document = read(tmp_path, pdf(line(72, 700, "First page."), "", line(72, 700, "Third page.")))
    assert document.text == "First page.\n\nThird page."
    assert [(p.number, p.start, p.end) for p in document.pages] == [
        (1, 0, 13),
        (2, 13, 13),
        (3, 13, 24),
    ]
    assert document.warnings == ("without text: page 2",)


def test_boxes_sit_on_the_words(tmp_path: Path) -> None:
    document = read(tmp_path, pdf(line(72, 700, "left right", size=20)))
    x0, y0, x1, y1 = box(document, "left")
    assert x0 == pytest.approx(72 / 612, abs=0.005)
    assert y0 < 1 - 700 / 792 < y1
    assert y1 - y0 == pytest.approx(20 / 792, rel=0.35)
    assert x1 < box(document, "right")[0]
    space = np.frombuffer(document.pages[0].boxes, "<u2").reshape(-1, 4)[4]
    assert not space.any()


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_boxes_follow_rotation(tmp_path: Path, turn: int) -> None:
    page = f"/MediaBox [0 0 600 800] /Rotate {turn}"
    document = read(tmp_path, pdf(line(60, 700, "word", size=20), page=page))
    x0, y0, x1, y1 = box(document, "word")
    centre = {  # of (about 80, 705) on the upright page, turned clockwise
        0: (80 / 600, 95 / 800),
        90: (705 / 800, 80 / 600),
        180: (520 / 600, 705 / 800),
        270: (95 / 800, 520 / 600),
    }[turn]
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx(centre, abs=0.02)
    size = document.pages[0].width, document.pages[0].height
    assert size == ((600, 800) if turn in (0, 180) else (800, 600))


def test_boxes_count_from_the_crop_box(tmp_path: Path) -> None:
    page = "/MediaBox [-50 -50 650 850] /CropBox [100 400 500 800]"
    text = line(100, 700, "corner", size=20) + line(110, 100, "cut away") + line(120, 600, "seen")
    document = read(tmp_path, pdf(text, page=page))
    assert document.text == "corner\n\nseen"
    x0, y0, _, y1 = box(document, "corner")
    assert x0 == pytest.approx(0, abs=0.01)
    assert y0 < 100 / 400 < y1


def test_divided_words_are_joined_and_compounds_are_not(tmp_path: Path) -> None:
    document = read(
        tmp_path,
        pdf(prose(72, 700, ["It is a clear exam-", "ple of a well-known low-", "level and well-",
                            "known thing for examples of low or high level."])),
    )  # fmt: skip
    assert "clear example of" in document.text
    assert "low-level" in document.text
    assert "and well-known thing" in document.text


def test_columns_written_row_by_row_are_read_one_after_the_other(tmp_path: Path) -> None:
    left = [f"left column line number {k} runs to here" for k in range(1, 10)]
    right = [f"right column line number {k} goes there" for k in range(1, 10)]
    rows = "".join(
        line(60, 700 - 14 * k, a) + line(330, 700 - 14 * k, b)
        for k, (a, b) in enumerate(zip(left, right, strict=True))
    )
    document = read(tmp_path, pdf(line(60, 740, "A heading across both of the columns") + rows))
    assert list(filter(None, document.text.split("\n")))[1:] == [*left, *right]


def _sheet(number: int, body: list[str], *, top: float = 700) -> str:
    """A page with a running header and footer around its lines."""
    return (
        line(72, 760, "Supply Agreement")
        + prose(72, top, body)
        + line(280, 30, f"Page {number} of 3", size=9)
    )


def test_a_sentence_reads_on_over_the_end_of_a_page(tmp_path: Path) -> None:
    first = ["Either party may end this agreement by six months written notice, but"]
    second = ["not before the end of the second year.", "", "", "The fee is fixed, and neither the"]
    third = ["first review nor any later one changes it."]
    document = read(tmp_path, pdf(*(_sheet(k, b) for k, b in enumerate((first, second, third), 1))))
    assert "written notice, but\nnot before the end of the second year.\n\n" in document.text
    assert "neither the\nfirst review nor" in document.text
    for number, page in enumerate(document.pages, start=1):
        text = document.text[page.start : page.end]
        assert text.count("Supply Agreement") == text.count(f"Page {number} of 3") == 1
        assert box(document, "Supply Agreement", page=number - 1)[1] < 0.06
    assert not [block for block in document.blocks if block.kind is BlockKind.HEADING]


def test_wide_line_spacing_is_no_end_of_a_paragraph(tmp_path: Path) -> None:
    body = [
        "The words of this page stand far apart",
        "from one line to the next and go on",
        "and on",
    ]
    lines = [text for text in body * 3 for text in (text, "")]
    document = read(tmp_path, pdf(prose(72, 740, lines)))
    assert "\n\n" not in document.text


def test_bookmarks_are_headings_at_their_own_levels(tmp_path: Path) -> None:
    body = ["Some words of the body text that go on for a while and then on."] * 4
    page = (
        line(72, 740, "2. Terms")
        + prose(72, 700, body)
        + line(72, 630, "2.1 Payment", font="F2")
        + prose(72, 600, body)
        + line(72, 530, "Notices", font="F2")
        + prose(72, 500, body)
    )
    titles = ("Terms", "2.1 Payment", "Nowhere")
    entries = [
        f"<< /Title ({title}) /Dest [4 0 R /Fit] {link} >>".encode()
        for title, link in zip(titles, ("/First 8 0 R", "/Next 9 0 R", ""), strict=True)
    ]
    outline = b"<< /First 7 0 R /Count 1 >>"
    document = read(tmp_path, pdf(page, catalog="/Outlines 6 0 R", extra=[outline, *entries]))
    found = [(document.text[b.start : b.end], b.level) for b in document.blocks]
    assert found == [("2. Terms", 1), ("2.1 Payment", 2), ("Notices", 2)]


def test_form_fields_are_read_with_their_names(tmp_path: Path) -> None:
    widget = "<< /Type /Annot /Subtype /Widget /F 4 /P 4 0 R /DA (/F1 10 Tf 0 g)"
    fields = [
        f"{widget} /FT /Tx /T (f1[0]) /TU (Name of applicant)"
        " /V (Jane Doe) /Rect [300 690 400 710] >>",
        f"{widget} /FT /Btn /T (agreed) /V /Yes /AS /Yes /Rect [300 640 315 655] >>",
        f"{widget} /FT /Btn /T (a.refused) /V /Off /AS /Off /Rect [300 620 315 635] >>",
        f"{widget} /FT /Tx /T (c1_02[0]) /Rect [300 590 400 610] >>",
    ]
    form = "/AcroForm << /Fields [6 0 R 7 0 R 8 0 R 9 0 R] >>"
    page = "/MediaBox [0 0 612 792] /Annots [6 0 R 7 0 R 8 0 R 9 0 R]"
    data = pdf(
        line(72, 700, "Applicant:"), page=page, catalog=form, extra=[f.encode() for f in fields]
    )
    document = read(tmp_path, data)
    told = [text for text in document.text.split("\n") if ": " in text]
    assert told == ["Name of applicant: Jane Doe", "agreed: checked", "refused: unchecked"]
    assert box(document, "applicant: Jane")[0] == pytest.approx(300 / 612, abs=0.005)


def test_files_inside_come_with_the_document(tmp_path: Path) -> None:
    stored = b"<< /Type /EmbeddedFile /Subtype /text#2Fplain /Length 5 >>\nstream\nhello\nendstream"
    named = b"<< /Type /Filespec /F (note.txt) /UF (note.txt) /EF << /F 6 0 R >> >>"
    names = "/Names << /EmbeddedFiles << /Names [(note.txt) 7 0 R] >> >>"
    document = read(
        tmp_path, pdf(line(72, 700, "See inside."), catalog=names, extra=[stored, named])
    )
    (attachment,) = document.attachments
    assert (attachment.name, attachment.content) == ("note.txt", b"hello")
    assert attachment.media_type == "text/plain"


def test_table_rows_stay_together(tmp_path: Path) -> None:
    cells = [("Net sales", "82,959 81,434"), ("Cost", "47,074 46,179"), ("Gross margin", "35,885")]
    rows = "".join(
        line(60, 700 - 14 * k, a) + line(330, 700 - 14 * k, b) for k, (a, b) in enumerate(cells * 3)
    )
    document = read(tmp_path, pdf(rows))
    assert document.text.split("\n")[:2] == ["Net sales\t82,959 81,434", "Cost\t47,074 46,179"]


def test_headings_and_title_come_from_the_type(tmp_path: Path) -> None:
    body = ["Some words of the body text that go on for a while and then on."] * 6
    content = (
        line(72, 740, "The Report of the Year", size=24)
        + line(72, 700, "1. Income", size=16)
        + prose(72, 670, body)
        + line(72, 560, "Expenses by kind", font="F2")
        + prose(72, 530, body)
    )
    document = read(tmp_path, pdf(content, title="report_2022.indd"))
    found = [(document.text[b.start : b.end], b.kind, b.level) for b in document.blocks]
    assert found == [
        ("The Report of the Year", BlockKind.HEADING, 1),
        ("1. Income", BlockKind.HEADING, 2),
        ("Expenses by kind", BlockKind.HEADING, 3),
    ]
    assert document.title == "The Report of the Year"
    assert read(tmp_path, pdf(content, title="Annual Report")).title == "Annual Report"


def test_control_characters_and_accents(tmp_path: Path) -> None:
    page = "/MediaBox [0 0 612 792]"
    encoded = line(72, 700, "caf\xe9 \x01 na\xefve")
    document = read(tmp_path, pdf(encoded, page=page))
    assert document.text == document.text.strip()
    assert not any(ord(char) < 32 for char in document.text)


def test_a_password_is_asked_for(tmp_path: Path) -> None:
    noise = "00112233445566778899AABBCCDDEEFF" * 2
    lock = f"/Encrypt << /Filter /Standard /V 1 /R 2 /O <{noise}> /U <{noise}> /P -4 >>"
    with pytest.raises(EncryptedDocument, match="password"):
        read(tmp_path, pdf(line(72, 700, "secret"), trailer=f"{lock} /ID [<00> <00>]"))


@pytest.mark.parametrize("data", [b"%PDF-1.4\n", b"%PDF-1.4\n" + bytes(1000), pdf()])
def test_damaged_files_are_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(CorruptDocument, match="damaged"):
        read(tmp_path, data)


def test_a_document_of_empty_pages_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmptyDocument, match="nothing can be read"):
        read(tmp_path, pdf("", ""))


def test_many_pages_arrive_in_batches(tmp_path: Path) -> None:
    document = read(tmp_path, pdf(*(line(72, 700, f"Page {k}") for k in range(1, 71))))
    assert len(document.pages) == 70
    last = document.pages[69]
    assert document.text[last.start : last.end] == "Page 70"
    assert box(document, "Page 70", page=69)[0] == pytest.approx(72 / 612, abs=0.005)


@pytest.mark.realdata
@needs_real_data
@pytest.mark.parametrize("folder", ["odd", "pdfs"])
def test_every_real_file_ends_in_text_or_a_clear_error(folder: str) -> None:
    assert REAL_DATA is not None
    outcomes: list[str] = []
    files = sorted((REAL_DATA / folder).iterdir())
    for path in files if THOROUGH else files[::4]:
        try:
            document = parse(path, detect(path, path.name, None))
        except (DocumentError, RequestError) as error:
            outcomes.append(error.message)
            continue
        outcomes.append("text")
        assert document.text.strip()
        document.text.encode()
        if document.pages:
            check(document)
    assert all(outcome == "text" or len(outcome) > 20 for outcome in outcomes)
    assert outcomes.count("text") > len(outcomes) / 2
