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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.parse.ocr_lines import Word, reading_direction, text_lines
from ingest.parse.options import INSTALLED, OCR_LANGUAGES, OFF
from ingest.parse.pdf_lines import Line
from rag.errors import OcrUnavailable

_PAGE_S = 120.0
_SLOW_S = 15.0
"""Processor time after which no other way is tried: a page has 60 s in all."""

_LIST_S = 60.0
_SURE = 75.0
_DOUBTFUL, _DOUBTFUL_SIGN = 25.0, 60.0
_NOTHING = 45.0
_MOST_LANGUAGES = 4
_RULES = "|_\u2014\u2013"
"""What the lines of tables are taken for."""

_NO_LANGUAGE = ("osd", "equ")
_OTHER_SCRIPTS = (
    "amh", "ara", "asm", "aze_cyrl", "bel", "ben", "bod", "bul", "chi_", "chr", "div", "dzo",
    "ell", "fas", "grc", "guj", "heb", "hin", "hye", "iku", "jpn", "kan", "kat", "kaz", "khm",
    "kir", "kor", "lao", "mal", "mar", "mkd", "mon", "mya", "nep", "ori", "pan", "pus", "rus",
    "san", "sin", "snd", "srp", "syr", "tam", "tel", "tgk", "tha", "tir", "uig", "ukr", "urd",
    "uzb_cyrl", "yid",
)  # fmt: skip
_WITH_LATIN = ("chi_", "jpn", "kor")
"""Languages whose models read Latin letters too."""

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
class _Way:
    """A way to try a page: turned by 180 degrees or not, in some languages."""

    flipped: bool
    languages: str
    mode: str = _AUTO


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    way: _Way
    words: tuple[Word, ...]

    @property
    def confidence(self) -> float:
        letters = sum(len(word.text) for word in self.words)
        weighed = sum(word.confidence * len(word.text) for word in self.words)
        return weighed / letters if letters else 0.0


class Recognizer:
    """Tesseract for the pages of one document.

    ``choices`` are languages joined by ``+``, the usual ones first; the next are tried on
    pages that do not make sense in them.
    """

    def __init__(self, program: str, choices: Sequence[str]) -> None:
        self._program = program
        self._ways = [
            *(_Way(flipped=f, languages=one) for f in (False, True) for one in choices),
            _Way(flipped=False, languages=choices[-1], mode=_AUTO_WITH_ORIENTATION),
        ]
        self.languages: list[str] = []
        """Those in which pages were read."""

    def read(self, pixels: Pixels, dpi: float) -> Recognition:
        """The lines of a page, shape (height, width), 0 for black.

        Raises:
            RecognitionFailed: Tesseract took too long, or broke.
        """
        height, width = pixels.shape
        best = self._best(pixels, dpi)
        words: Sequence[Word] = best.words if best.confidence >= _NOTHING else ()
        if words:
            self._remember(best)
        if best.way.flipped:
            words = [word.flipped(width, height) for word in words]
        turn = reading_direction(words)
        lines = text_lines(words, width, height, turn)
        return Recognition(lines=tuple(lines), turn=turn, confidence=best.confidence)

    def state(self) -> dict[str, Any]:
        """How the pages so far were read, for ``resume``."""
        return {"way": asdict(self._ways[0]), "languages": self.languages}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on as the pages of a state were read, which may have travelled as JSON."""
        self._prefer(_Way(**state["way"]))
        self.languages = list(state["languages"])

    def _prefer(self, way: _Way) -> None:
        self._ways.sort(key=lambda one: one != way)

    def _best(self, pixels: Pixels, dpi: float) -> _Attempt:
        """The first attempt that is sure, or the surest."""
        attempts: list[_Attempt] = []
        started = _helpers_cpu_s()
        for way in self._ways:
            seen = pixels[::-1, ::-1] if way.flipped else pixels
            attempts.append(_Attempt(way=way, words=self._words(seen, dpi, way)))
            sure = attempts[-1].confidence >= _SURE
            if sure or not attempts[-1].words or _helpers_cpu_s() - started > _SLOW_S:
                break
        return max(attempts, key=lambda attempt: attempt.confidence)

    def _remember(self, attempt: _Attempt) -> None:
        """Try the next page in the same way first; the pages of a document are alike."""
        way = attempt.way
        if attempt.confidence >= _SURE and way.mode == _AUTO:
            self._prefer(way)
        self.languages += [name for name in way.languages.split("+") if name not in self.languages]

    def _words(self, pixels: Pixels, dpi: float, way: _Way) -> tuple[Word, ...]:
        command = [self._program, "stdin", "stdout", "-l", way.languages]
        command += ["--dpi", str(min(max(round(dpi), 70), 2400)), "--psm", way.mode, "tsv"]
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
    choices = _usual(installed) if wanted == INSTALLED else [wanted]
    missing = [name for name in choices[0].split("+") if name not in installed]
    if missing:
        packages = " ".join(f"tesseract-ocr-{name.replace('_', '-')}" for name in missing)
        raise OcrUnavailable(
            f"text recognition (OCR) lacks the language {', '.join(missing)}; install it (on "
            f"Debian: apt-get install {packages}) or change IBIDEM_OCR_LANGUAGES, and upload the "
            "file again"
        )
    return Recognizer(program, choices)


def _usual(installed: Sequence[str]) -> list[str]:
    """The languages in Latin letters, English first; then those in others.

    Together they would slow every page down, see Chinese in formulas and English in Chinese.
    """
    ordered = sorted(installed, key=lambda name: (name != "eng", name))
    latin = [name for name in ordered if not name.startswith(_OTHER_SCRIPTS)]
    others = [name for name in ordered if name.startswith(_OTHER_SCRIPTS)]
    latin = latin if 0 < len(latin) <= _MOST_LANGUAGES else ["eng"]
    choices = ["+".join(latin)]
    if 0 < len(others) <= _MOST_LANGUAGES:
        knows_latin = all(name.startswith(_WITH_LATIN) for name in others)
        choices.append("+".join(others if knows_latin else [*others, "eng"]))
    return choices


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
    least = _DOUBTFUL if any(map(str.isalnum, word.text)) else _DOUBTFUL_SIGN
    return word.confidence >= least and x0 < x1 and y0 < y1 and not is_rule
