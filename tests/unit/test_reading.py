"""Documents read batch by batch come out as if read at once."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parse import Limits, detect, parse
from ingest.parse.headings import SetLine, Typography
from ingest.parse.parts import Part, Rest, rest_from, rest_to_frame
from ingest.parse.reading import assembled, packed, read, unpacked
from rag.errors import ParserLimit
from rag.types import ReadSoFar
from tests.pdfs import line, pdf, prose
from tests.scans import drawing, encoded, needs_tesseract, scan

AT_ONCE = Limits(batch_s=60.0)
BY_BATCH = Limits(batch_s=0.0)


def book(pages: int) -> bytes:
    """Pages with prose, words divided across lines and pages, headings now and then."""
    rng = random.Random(pages)
    words = ["pump", "valve", "seal", "shaft", "rotor", "casing", "bearing", "mainte-", "nance"]
    contents = []
    for number in range(pages):
        text = [" ".join(rng.choices(words, k=9)) for _ in range(rng.randint(0, 12))]
        heading = line(72, 720, f"Chapter {number}", size=20) if number % 9 == 4 else ""
        contents.append(heading + prose(72, 690, text))
    return pdf(*contents, title="report_7.pdf")


@pytest.mark.parametrize("pages", [32, 33, 150])
def test_batches_make_the_same_document(tmp_path: Path, pages: int) -> None:
    path = tmp_path / "book.pdf"
    path.write_bytes(book(pages))
    whole = parse(path, "application/pdf", limits=AT_ONCE)
    assert len(whole.pages) == pages
    assert parse(path, "application/pdf", limits=BY_BATCH) == whole
    parts: list[Part] = []
    seen: list[ReadSoFar] = []
    after: ReadSoFar | None = None
    while True:
        batch = read(path, "application/pdf", after=after, limits=BY_BATCH)
        parts += unpacked(packed(batch.parts))
        after = batch.so_far
        if after is None:
            break
        seen.append(after)
    assert assembled(parts, "application/pdf") == whole
    assert [progress.done for progress in seen] == list(range(32, pages, 32))
    assert {progress.total for progress in seen} <= {pages}
    assert [whole.pages[p.done - 1].end for p in seen] == [p.characters for p in seen]


@needs_tesseract
@pytest.mark.parametrize("form", ["pdf", "tif"])
def test_scans_go_on_where_they_stopped(tmp_path: Path, form: str) -> None:
    texts = ["on page one", "on page two", "on page three"]
    pages = [scan([f"This stands {text}."], turn=180) for text in texts]
    path = tmp_path / f"scan.{form}"
    if form == "pdf":
        written = [drawing(page, 420, 595) for page in pages]
        path.write_bytes(pdf(*written, page="/MediaBox [0 0 420 595]"))
    else:
        path.write_bytes(encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    media_type = detect(path, path.name, None)
    whole = parse(path, media_type, limits=AT_ONCE)
    assert parse(path, media_type, limits=BY_BATCH) == whole
    assert all(text in whole.text for text in texts)
    assert any("pages 1-3" in warning for warning in whole.warnings)


def test_the_limit_of_a_documents_text_holds_across_its_batches(tmp_path: Path) -> None:
    path = tmp_path / "book.pdf"
    path.write_bytes(book(100))
    length = len(parse(path, "application/pdf").text)
    limits = replace(BY_BATCH, text_characters=length - 1)
    with pytest.raises(ParserLimit, match="characters"):
        parse(path, "application/pdf", limits=limits)


SET_LINES = st.builds(
    SetLine,
    start=st.integers(0, 99),
    end=st.integers(100, 300),
    page=st.integers(1, 9),
    size=st.sampled_from([8.0, 10.0, 10.2, 14.0]),
    bold=st.booleans(),
    opens=st.booleans(),
    text=st.text(max_size=20),
)


@given(lines=st.lists(SET_LINES, max_size=120), cut=st.integers(0, 120))
def test_typography_survives_the_wire(lines: list[SetLine], cut: int) -> None:
    whole, first = Typography(), Typography()
    for set_line in lines:
        whole.add(set_line)
    for set_line in lines[:cut]:
        first.add(set_line)
    rest = rest_from(rest_to_frame(Rest(done=1, total=2, seen=first.state()))[1])
    assert rest is not None
    second = Typography(state=rest.seen)
    for set_line in lines[cut:]:
        second.add(set_line)
    assert second.headings() == whole.headings()
    assert second.title("") == whole.title("")
