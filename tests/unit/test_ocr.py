from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ingest.parse import detect, parse, reading, sandbox
from ingest.parse.render import render_page
from rag.cite import boxes
from rag.errors import CorruptDocument, EmptyDocument, OcrUnavailable, ParserLimit
from rag.types import PageSource, ParsedDocument, Span
from tests.pdfs import line, pdf, prose
from tests.scans import LETTER, drawing, encoded, needs_tesseract, scan

PDF = "application/pdf"
A5 = "/MediaBox [0 0 420 595]"


def read(tmp_path: Path, data: bytes, name: str = "scan.pdf", **options: str) -> ParsedDocument:
    path = tmp_path / name
    path.write_bytes(data)
    return parse(path, detect(path, name, None), **options)


def ink_under(tmp_path: Path, document: ParsedDocument, quote: str, name: str) -> float:
    """Share of the ink of all four lines that lies under a quote's boxes, on the page image."""
    path, page = tmp_path / name, document.pages[0]
    start = document.text.index(quote)
    marks = boxes(document.pages, Span(start=start, end=start + len(quote)))
    drawn = np.asarray(_open(render_page(path, document.media_type, page.number, width_px=800)))
    dark = drawn.min(axis=2) < 128
    marked = np.zeros_like(dark)
    height, width = dark.shape
    assert width / height == pytest.approx(page.width / page.height, abs=0.01)
    for box in marks:
        marked[
            round(box.y0 * height) : round(box.y1 * height),
            round(box.x0 * width) : round(box.x1 * width),
        ] = True
    return float((dark & marked).sum() / dark.sum())


def _open(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png)).convert("RGB")


@needs_tesseract
@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_scan_is_read_in_any_orientation_and_marked_in_place(tmp_path: Path, turn: int) -> None:
    document = read(tmp_path, encoded(scan(turn=turn), "PDF", resolution=150))
    assert document.text.split() == " ".join(LETTER).split()
    assert document.pages[0].source is PageSource.OCR
    assert document.warnings[0].startswith("read by text recognition (OCR, eng")
    assert document.warnings[0].endswith("page 1")
    whole = ink_under(tmp_path, document, document.text, "scan.pdf")
    part = ink_under(tmp_path, document, "replace both pumps", "scan.pdf")
    assert whole > 0.97
    assert 0.09 < part < 0.15


@needs_tesseract
@pytest.mark.parametrize("rotate", [90, 180, 270])
def test_a_page_turned_by_its_dictionary_is_read_as_displayed(tmp_path: Path, rotate: int) -> None:
    width, height = (420, 595) if rotate == 180 else (595, 420)
    content = drawing(scan(turn=-rotate % 360), width, height)
    page = f"/MediaBox [0 0 {width} {height}] /Rotate {rotate}"
    document = read(tmp_path, pdf(content, page=page))
    assert document.text.split() == " ".join(LETTER).split()
    assert ink_under(tmp_path, document, document.text, "scan.pdf") > 0.97


@needs_tesseract
@pytest.mark.parametrize(
    ("form", "name"),
    [("PNG", "a.png"), ("JPEG", "a.jpg"), ("TIFF", "a.tiff"), ("WEBP", "a.webp"), ("BMP", "a.bmp"),
     ("GIF", "a.gif")],
)  # fmt: skip
def test_images_are_read_and_marked_in_place(tmp_path: Path, form: str, name: str) -> None:
    document = read(tmp_path, encoded(scan(), form), name)
    assert document.media_type == f"image/{form.lower()}"
    assert document.text.split() == " ".join(LETTER).split()
    assert 0.09 < ink_under(tmp_path, document, "replace both pumps", name) < 0.15


@needs_tesseract
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_how_a_camera_was_held_is_respected(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x112] = orientation
    turned = scan(turn={3: 180, 6: 270, 8: 90}[orientation])
    document = read(tmp_path, encoded(turned, "JPEG", exif=exif), "a.jpg")
    assert document.pages[0].width < document.pages[0].height
    assert document.text.split() == " ".join(LETTER).split()
    assert ink_under(tmp_path, document, document.text, "a.jpg") > 0.97


@needs_tesseract
def test_every_frame_of_a_tiff_is_a_page(tmp_path: Path) -> None:
    frames = [scan([f"This is the page of number {word}."]) for word in ("one", "two", "three")]
    preview = frames[0].resize((60, 80))
    preview.encoderinfo = {"tiffinfo": {254: 1}}  # reduced resolution
    data = encoded(
        frames[0].convert("1"),
        "TIFF",
        save_all=True,
        append_images=[
            preview,
            frames[1].convert("RGB"),
            Image.new("L", (800, 900), 255),
            frames[2],
        ],
        compression="tiff_lzw",
        dpi=(150, 150),
    )
    document = read(tmp_path, data, "a.tif")
    texts = [document.text[page.start : page.end].strip() for page in document.pages]
    assert texts == [
        "This is the page of number one.", "This is the page of number two.", "",
        "This is the page of number three.",
    ]  # fmt: skip
    assert document.pages[0].width == pytest.approx(420, abs=1)
    assert "without text: page 3" in document.warnings
    third = _open(render_page(tmp_path / "a.tif", "image/tiff", 3, width_px=100))
    assert np.asarray(third).min() == 255


@needs_tesseract
def test_only_pages_without_sound_text_are_recognized(tmp_path: Path) -> None:
    written = prose(40, 500, LETTER)
    scanned = drawing(scan(), 420, 595)
    document = read(
        tmp_path,
        pdf(
            written,
            scanned,
            scanned + line(40, 20, "Stamped 0017"),
            scanned + "3 Tr " + written,
            "",
            page=A5,
        ),
    )
    ocr, text = PageSource.OCR, PageSource.TEXT
    assert [page.source for page in document.pages] == [text, ocr, ocr, text, text]
    stamped = document.text[document.pages[2].start : document.pages[2].end]
    assert "Stamped 0017" in stamped
    assert "replace both pumps" in stamped
    assert document.warnings[0].endswith("pages 2-3")
    assert document.warnings[1:] == ("without text: page 5",)


@needs_tesseract
def test_a_hidden_layer_of_nonsense_gives_way_to_what_is_seen(tmp_path: Path) -> None:
    # As fonts are that do not say which characters their glyphs are.
    shifted = ["".join(chr(max(32, ord(char) - 29)) for char in text) for text in LETTER]
    page = drawing(scan(), 420, 595) + "3 Tr " + prose(40, 500, shifted)
    document = read(tmp_path, pdf(page, page=A5))
    assert document.text.split() == " ".join(LETTER).split()


def test_without_tesseract_scans_fail_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sandbox._ENVIRONMENT, "PATH", str(tmp_path))
    pool = sandbox.ChildPool(idle=1)
    monkeypatch.setattr(reading, "POOL", pool)
    try:
        scanned = drawing(scan(), 420, 595)
        for data, name in ((encoded(scan(), "PNG"), "a.png"), (pdf(scanned, page=A5), "a.pdf")):
            with pytest.raises(OcrUnavailable, match=r"not installed.*apt-get install tesseract"):
                read(tmp_path, data, name)
        digital = line(40, 500, "Digital text")
        document = read(tmp_path, pdf(digital, scanned, scanned, page=A5))
        assert document.text.strip() == "Digital text"
        assert document.warnings[0].startswith("left out: pages 2-3; text recognition (OCR) is not")
    finally:
        pool.close()


@needs_tesseract
def test_languages_are_chosen_and_missing_ones_named(tmp_path: Path) -> None:
    data = encoded(scan(), "PNG")
    german = read(tmp_path, data, "a.png", ocr_languages="deu")
    assert german.warnings[0] == "read by text recognition (OCR, deu): page 1"
    with pytest.raises(OcrUnavailable, match="tesseract-ocr-tlh-x"):
        read(tmp_path, data, "a.png", ocr_languages="eng+tlh_x")
    with pytest.raises(OcrUnavailable, match="switched off"):
        read(tmp_path, data, "a.png", ocr_languages="none")


@needs_tesseract
def test_images_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    with pytest.raises(EmptyDocument, match="found no text"):
        read(tmp_path, encoded(Image.new("L", (600, 800), 255), "PNG"), "a.png")
    whole = encoded(scan(), "PNG")
    for damaged in (whole[:2000], whole[:20], b"\xff\xd8\xff\xe0" + bytes(50)):
        with pytest.raises(CorruptDocument):
            read(tmp_path, damaged, "a.png")
    with pytest.raises(ParserLimit, match="make it smaller"):
        read(tmp_path, encoded(Image.new("1", (20_000, 6_000)), "PNG"), "a.png")


@needs_tesseract
@pytest.mark.parametrize("mode", ["RGBA", "P", "I;16", "CMYK", "LA"])
def test_pixels_of_any_kind(tmp_path: Path, mode: str) -> None:
    page = scan()
    if mode == "I;16":
        page = Image.fromarray(np.asarray(page).astype(np.uint16) * 257)
    elif mode in ("RGBA", "LA"):  # dark letters on a transparent ground
        ground = Image.new(mode, page.size, 0)
        ground.putalpha(page.point(lambda value: 255 - value))
        page = ground
    else:
        page = page.convert(mode)
    document = read(tmp_path, encoded(page, "TIFF"), "a.tif")
    assert document.text.split() == " ".join(LETTER).split()
