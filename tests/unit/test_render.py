from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ingest.parse import parse
from ingest.parse.render import render_page
from rag.errors import CorruptDocument, EncryptedDocument, InvalidRequest, NotFound
from rag.types import Box
from tests.pdfs import line, pdf

PDF = "application/pdf"


def stored(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "a.pdf"
    path.write_bytes(data)
    return path


def pixels(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB")).astype(int)


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("crop", ["", "/CropBox [50 60 550 750]"])
def test_character_boxes_cover_the_ink(tmp_path: Path, turn: int, crop: str) -> None:
    page = f"/MediaBox [0 0 600 800] /Rotate {turn} {crop}"
    path = stored(tmp_path, pdf(line(100, 600, "Highlighted", size=30), page=page))
    document = parse(path, "application/pdf")
    quads = np.frombuffer(document.pages[0].boxes, "<u2").reshape(-1, 4) / 65535
    x0, y0 = quads[:, :2].min(axis=0).tolist()
    x1, y1 = quads[:, 2:].max(axis=0).tolist()
    plain = pixels(render_page(path, PDF, 1, width_px=600))
    marked = pixels(
        render_page(
            path, PDF, 1, width_px=600, highlights=[Box(page=1, x0=x0, y0=y0, x1=x1, y1=y1)]
        )
    )
    ink = plain.sum(axis=2) < 300
    yellow = marked[:, :, 2] < plain[:, :, 2] - 50
    inside = np.zeros_like(ink)
    height, width = ink.shape
    inside[round(y0 * height) : round(y1 * height), round(x0 * width) : round(x1 * width)] = True
    assert ink.sum() > 300
    assert (ink & inside).sum() > 0.98 * ink.sum()
    assert (yellow & ~inside).sum() == 0
    assert yellow.sum() > 0.4 * inside.sum()
    assert (marked[ink] <= plain[ink]).all()  # what was dark stays dark


def test_width_and_proportion(tmp_path: Path) -> None:
    path = stored(tmp_path, pdf(line(72, 700, "x"), page="/MediaBox [0 0 500 1000]"))
    assert pixels(render_page(path, PDF, 1, width_px=321)).shape == (642, 321, 3)
    endless = stored(tmp_path, pdf(line(72, 700, "x"), page="/MediaBox [0 0 10 14400]"))
    height, width, _ = pixels(render_page(endless, PDF, 1, width_px=4000)).shape
    assert height * width <= 24_000_000


def test_highlights_of_other_pages_and_outside_the_page(tmp_path: Path) -> None:
    path = stored(tmp_path, pdf(line(72, 700, "x")))
    plain = render_page(path, PDF, 1, width_px=200)
    elsewhere = [
        Box(page=2, x0=0, y0=0, x1=1, y1=1),
        Box(page=1, x0=0.9, y0=0.9, x1=0.1, y1=0.1),
        Box(page=1, x0=5, y0=5, x1=9, y1=9),
    ]
    assert render_page(path, PDF, 1, width_px=200, highlights=elsewhere) == plain


def test_bad_requests(tmp_path: Path) -> None:
    path = stored(tmp_path, pdf(line(72, 700, "x")))
    for number in (0, -1, 2, 10**9):
        with pytest.raises(NotFound, match="no page"):
            render_page(path, PDF, number, width_px=100)
    for width in (0, 4001):
        with pytest.raises(InvalidRequest, match="width"):
            render_page(path, PDF, 1, width_px=width)
    with pytest.raises(CorruptDocument):
        render_page(stored(tmp_path, b"%PDF-1.4 nothing"), PDF, 1, width_px=100)
    noise = "00112233445566778899AABBCCDDEEFF" * 2
    lock = f"/Encrypt << /Filter /Standard /V 1 /R 2 /O <{noise}> /U <{noise}> /P -4 >>"
    locked = stored(tmp_path, pdf(line(72, 700, "x"), trailer=lock + " /ID [<00> <00>]"))
    with pytest.raises(EncryptedDocument):
        render_page(locked, PDF, 1, width_px=100)
