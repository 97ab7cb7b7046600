"""Text recognition by Tesseract: pixels to lines with a box for every character.

Tesseract is a program, called once or a few times per page with the pixels on its standard
input and the words on its standard output: no file is written. It runs in the parsing child
and inherits its limits.

Orientation. Tesseract itself reads pages that have to be turned by 270 degrees, and what has
to be turned by 90 or 180 comes out with little confidence; turning the pixels by 180 degrees
covers both. The confidence of the words decides, page by page.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ingest.parse.ocr_lines import Word, reading_direction, text_lines
from ingest.parse.options import INSTALLED, OCR_LANGUAGES, OFF
from ingest.parse.pdf_lines import Line
from rag.errors import OcrUnavailable

_PAGE_S = 120.0
_SLOW_S = 15.0
"""Processor time of an attempt after which there is no other: a page has some 60 s in all."""

_LIST_S = 60.0
_SURE = 75.0
_DOUBTFUL = 25.0
_NOTHING = 45.0
_MOST_LANGUAGES = 4
_RULES = "|_\u2014\u2013"
"""What the lines of tables are taken for."""

_NO_LANGUAGE = ("osd", "equ")
_AUTO, _AUTO_WITH_ORIENTATION = "3", "1"
_INSTALL = "install Tesseract (on Debian: apt-get install tesseract-ocr) and upload the file again"

Pixels = NDArray[np.uint8]


class RecognitionFailed(Exception):
    """Tesseract took too long over a page, or broke."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognition:
    """What stands on a page.

    ``turn`` is how far, clockwise, the pixels have to be turned for the lines to stand
    upright; the lines' boxes are in pixels of the turned page.
    """

    lines: tuple[Line, ...]
    turn: int
    confidence: float
    """Mean over the characters, from 0 to 100."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    words: tuple[Word, ...]
    flipped: bool

    @property
    def confidence(self) -> float:
        letters = sum(len(word.text) for word in self.words)
        weighed = sum(word.confidence * len(word.text) for word in self.words)
        return weighed / letters if letters else 0.0


class Recognizer:
    """Tesseract for the pages of one document."""

    def __init__(self, program: str, languages: Sequence[str]) -> None:
        self.languages = tuple(languages)
        self._program = program
        self.flipped = False
        """Whether the last page stood on its head; the next one probably does, too."""

    def read(self, pixels: Pixels, dpi: float) -> Recognition:
        """The lines of a page, shape (height, width), 0 for black.

        Raises:
            RecognitionFailed: Tesseract took too long, or broke.
        """
        height, width = pixels.shape
        attempt = self._attempt(pixels, dpi)
        self.flipped = attempt.flipped
        words = [word.flipped(width, height) for word in attempt.words if attempt.flipped]
        words = words or list(attempt.words)
        turn = reading_direction(words)
        lines = text_lines(words, width, height, turn)
        return Recognition(lines=tuple(lines), turn=turn, confidence=attempt.confidence)

    def _attempt(self, pixels: Pixels, dpi: float) -> _Attempt:
        attempts: list[_Attempt] = []
        for flipped, mode in (
            (self.flipped, _AUTO),
            (not self.flipped, _AUTO),
            (False, _AUTO_WITH_ORIENTATION),
        ):
            seen = pixels[::-1, ::-1] if flipped else pixels
            started = _helpers_cpu_s()
            attempts.append(_Attempt(words=self._words(seen, dpi, mode), flipped=flipped))
            if attempts[-1].confidence >= _SURE or _helpers_cpu_s() - started > _SLOW_S:
                break
        best = max(attempts, key=lambda attempt: attempt.confidence)
        return best if best.confidence >= _NOTHING else _Attempt(words=(), flipped=False)

    def _words(self, pixels: Pixels, dpi: float, mode: str) -> tuple[Word, ...]:
        command = [self._program, "stdin", "stdout", "-l", "+".join(self.languages)]
        command += ["--dpi", str(min(max(round(dpi), 70), 2400)), "--psm", mode, "tsv"]
        height, width = pixels.shape
        image = b"P5 %d %d 255\n" % (width, height) + pixels.tobytes()
        return tuple(word for word in _table(_run(command, _PAGE_S, image)) if _is_word(word))


def _helpers_cpu_s() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def open_recognizer() -> Recognizer:
    """Tesseract with the languages that are wanted, or else those that are installed.

    Raises:
        OcrUnavailable: It is switched off or not installed, or a language is missing.
    """
    wanted = OCR_LANGUAGES.get()
    if wanted == OFF:
        raise OcrUnavailable("text recognition (OCR) is switched off by IBIDEM_OCR_LANGUAGES")
    program = shutil.which("tesseract")
    if program is None:
        raise OcrUnavailable(f"text recognition (OCR) is not installed; {_INSTALL}")
    installed = _installed(program)
    languages = _usual(installed) if wanted == INSTALLED else wanted.split("+")
    missing = [name for name in languages if name not in installed]
    if missing:
        packages = " ".join(f"tesseract-ocr-{name.replace('_', '-')}" for name in missing)
        raise OcrUnavailable(
            f"text recognition (OCR) lacks the language {', '.join(missing)}; install it (on "
            f"Debian: apt-get install {packages}) or change IBIDEM_OCR_LANGUAGES, and upload the "
            "file again"
        )
    return Recognizer(program, languages)


def _usual(installed: Sequence[str]) -> Sequence[str]:
    """All languages, English first, or it alone when they are many: each slows a page down."""
    ordered = sorted(installed, key=lambda name: (name != "eng", name))
    return ordered if 0 < len(ordered) <= _MOST_LANGUAGES else ["eng"]


@lru_cache(maxsize=4)
def _installed(program: str) -> tuple[str, ...]:
    try:
        listed = _run([program, "--list-langs"], _LIST_S, b"").splitlines()[1:]
    except RecognitionFailed as error:
        raise OcrUnavailable(
            f"text recognition (OCR) does not work: {program} cannot be run; {_INSTALL}"
        ) from error
    names = (line.strip() for line in listed)
    return tuple(name for name in names if name and "/" not in name and name not in _NO_LANGUAGE)


def _run(command: Sequence[str], seconds: float, data: bytes) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - the program found on PATH, no part from outside
            command,
            input=data,
            stdout=subprocess.PIPE,
            timeout=seconds,
            check=True,
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise RecognitionFailed(str(error)) from error
    return done.stdout.decode("utf-8", "replace")


def _table(tsv: str) -> Iterable[Word]:
    for row in tsv.splitlines()[1:]:
        fields = row.split("\t", 11)
        if len(fields) == 12 and fields[0] == "5" and (text := fields[11].strip()):
            left, top, width, height = map(int, fields[6:10])
            yield Word(
                text=text,
                line=(int(fields[2]), int(fields[3]), int(fields[4])),
                box=(left, top, left + width, top + height),
                confidence=float(fields[10]),
            )


def _is_word(word: Word) -> bool:
    x0, y0, x1, y1 = word.box
    is_rule = not word.text.strip(_RULES)
    return word.confidence >= _DOUBTFUL and x0 < x1 and y0 < y1 and not is_rule
