"""Pages whose text has to be recognized, and what is to be said about them.

A page of a PDF keeps its own text where that is sound. Where it is missing or doubtful the
page is drawn and recognized, and the better of the two texts is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ingest.parse import pdfium
from ingest.parse.drawing import drawn_gray
from ingest.parse.ocr import Pixels, RecognitionFailed, Recognizer, open_recognizer
from ingest.parse.pages import PageLines, numbered
from ingest.parse.pdf_lines import Line
from ingest.parse.pdfium import Glyphs
from ingest.parse.soundness import NO_LAYER, Layer, Verdict, judge
from rag.errors import OcrUnavailable
from rag.types import PageSource

DPI = 300
"""What Tesseract was trained on; more takes longer and reads no better."""

_SURE = 70.0


class Scans:
    """Recognizes pages of one document; Tesseract is looked for when the first one needs it."""

    def __init__(self, seen: Mapping[str, Any] | None = None) -> None:
        """Begin, or go on from a ``state``, which may have travelled as JSON."""
        seen = seen or {}
        self.recognized: list[int] = seen.get("recognized", [])
        """Numbers of the pages whose text was recognized."""
        self.left_out: list[int] = seen.get("left_out", [])
        """Numbers of the pages that could not be read because of ``unavailable``."""
        self.tried: int = seen.get("tried", 0)
        """Pages that were drawn and given to Tesseract, whatever came of it."""
        self.unavailable: OcrUnavailable | None = None
        self._recognizer: Recognizer | None = None
        self._wanting: list[int] = seen.get("wanting", [])
        self._doubtful: list[int] = seen.get("doubtful", [])
        self._failed: list[int] = seen.get("failed", [])
        begun = self.tried or self.left_out or self._wanting
        recognizer = self._ready() if begun else None
        if recognizer is not None and seen["recognizer"] is not None:
            recognizer.resume(seen["recognizer"])

    def state(self) -> dict[str, Any]:
        """What the pages so far leave for those to come."""
        return {
            "recognized": self.recognized,
            "left_out": self.left_out,
            "tried": self.tried,
            "wanting": self._wanting,
            "doubtful": self._doubtful,
            "failed": self._failed,
            "recognizer": self._recognizer.state() if self._recognizer is not None else None,
        }

    def read(self, page: Any, glyphs: Glyphs, own: PageLines) -> PageLines:
        """A page of a PDF as written or, where that is better, as recognized."""
        if not pdfium.has_content(page):
            return own
        layer = judge(glyphs, own.lines, pdfium.pictured(page))
        if layer.verdict is Verdict.SOUND:
            return own
        recognizer = self._ready()
        if recognizer is None:
            (self._wanting if own.lines else self.left_out).append(own.number)
            return own
        return self._recognized(recognizer, drawn_gray(page, own.number, DPI), own, layer)

    def recognize(self, pixels: Pixels, page: PageLines) -> PageLines:
        """A page that has no text of its own.

        Raises:
            OcrUnavailable: Nothing can be recognized.
        """
        recognizer = self._ready()
        if recognizer is None:
            assert self.unavailable is not None  # noqa: S101 - says why
            raise self.unavailable
        return self._recognized(recognizer, pixels, page, NO_LAYER)

    def warnings(self) -> Iterator[str]:
        """What a reader of the text has to know."""
        if self._recognizer is not None and self.recognized:
            languages = "+".join(self._recognizer.languages)
            yield f"read by text recognition (OCR, {languages}): {numbered(self.recognized)}"
        if self._doubtful:
            yield f"recognized with little confidence: {numbered(self._doubtful)}"
        if self._failed:
            yield f"text recognition (OCR) gave up on: {numbered(self._failed)}"
        if self.unavailable is not None:
            if self.left_out:
                yield f"left out: {numbered(self.left_out)}; {self.unavailable.message}"
            if self._wanting:
                yield f"perhaps incomplete: {numbered(self._wanting)}; {self.unavailable.message}"

    def _ready(self) -> Recognizer | None:
        if self._recognizer is None and self.unavailable is None:
            try:
                self._recognizer = open_recognizer()
            except OcrUnavailable as error:
                self.unavailable = error
        return self._recognizer

    def _recognized(
        self, recognizer: Recognizer, pixels: Pixels, page: PageLines, layer: Layer
    ) -> PageLines:
        self.tried += 1
        scale = page.width / pixels.shape[1]
        try:
            seen = recognizer.read(pixels, 72 / scale)
        except RecognitionFailed:
            self._failed.append(page.number)
            return page
        if not layer.is_worse_than(seen.lines):
            return page
        self.recognized.append(page.number)
        if seen.confidence < _SURE:
            self._doubtful.append(page.number)
        lines = [_scaled(line, scale) for line in seen.lines]
        return replace(page, lines=lines, source=PageSource.OCR, turn=seen.turn)


def _scaled(line: Line, scale: float) -> Line:
    return replace(
        line,
        boxes=line.boxes * scale,
        x0=line.x0 * scale,
        y0=line.y0 * scale,
        x1=line.x1 * scale,
        y1=line.y1 * scale,
        size=line.size * scale,
    )
