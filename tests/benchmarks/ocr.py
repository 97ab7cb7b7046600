"""``python -m tests.benchmarks.ocr``: how well pages that are rendered are read again.

Pages with a sound text layer are drawn from a seeded choice of the public PDF files, in
shades of grey at a number of dots per inch, saved as PNG and read as any image is. What the
text layer says is the reference, which is hard on recognition: text inside pictures, rules
taken for dashes and every change of reading order count against it.

- ``accuracy``: 1 - word edit distance / words of the reference, over all pages, in order.
- ``words``: the words of the reference that were read anywhere on their page (a bag of words).
- ``placed``: of the words that align, those whose box has its middle inside the reference's;
  ``IoU``: median of the boxes' intersection over union. Both need an upright image.
- ``s/page``: processor time, with that of Tesseract.

Words are what stands between spaces and has a letter or digit, so that leaders do not count;
they are compared after NFKC, with quotation marks, dashes and ligatures made alike. Pages of
fewer than 150 words, or in other letters than Latin ones, are not chosen.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from itertools import islice
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from ingest.parse import image, pdfium
from ingest.parse.drawing import drawn_gray
from ingest.parse.options import INSTALLED, OCR_LANGUAGES
from ingest.parse.pages import PageLines, PageWriter
from ingest.parse.parts import Part, assemble
from ingest.parse.pdf_columns import unwoven
from ingest.parse.pdf_lines import page_lines
from ingest.parse.soundness import Verdict, judge
from rag.errors import DocumentError
from tests.realdata import REAL_DATA

_FEWEST_WORDS = 150
_MOST_OF_A_FILE = 3
_ALIKE = str.maketrans("\u2018\u2019\u201c\u201d\u2010\u2011\u2013\u2014\u2212", "''\"\"-----")

Quad = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word and its box in fractions of the page."""

    text: str
    box: Quad


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A page to be read, and what it says."""

    path: Path
    number: int
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was read of a page."""

    file: str
    page: int
    dpi: int
    words: int
    distance: int
    found: int
    aligned: int
    placed: int
    overlaps: tuple[float, ...]
    cpu_s: float

    @property
    def accuracy(self) -> float:
        """1 - distance / words."""
        return 1 - self.distance / self.words


def samples(folder: Path, count: int, seed: int) -> list[Sample]:
    """Pages with at least 150 words of sound text, at most three of a file."""
    chosen: list[Sample] = []
    generator = random.Random(seed)
    for path in sorted(folder.glob("*.pdf")):
        chosen += islice(_sound_pages(path, generator), _MOST_OF_A_FILE)
    generator.shuffle(chosen)
    return chosen[:count]


def _sound_pages(path: Path, generator: random.Random) -> Iterator[Sample]:
    with pdfium.opened(path) as document:
        count = pdfium.page_count(document)
        for index in generator.sample(range(count), count):
            with pdfium.loaded(document, index) as page:
                width, height = pdfium.size(page) if page is not None else (0.0, 0.0)
                if not width:
                    continue
                glyphs = pdfium.glyphs(page)
                lines = unwoven(page_lines(glyphs), width)
                layer = judge(glyphs, lines, pdfium.pictured(page))
            own = PageLines(number=1, lines=lines, width=width, height=height)
            found = tuple(words(PageWriter(1).part([own])))
            enough = len(found) >= _FEWEST_WORDS and _is_latin(found)
            if enough and layer.verdict is Verdict.SOUND:
                yield Sample(path=path, number=index + 1, words=found)


def _is_latin(found: Iterable[Word]) -> bool:
    letters = [char for word in found for char in word.text if char.isalpha()]
    return sum("LATIN" in unicodedata.name(char, "") for char in letters) > 0.9 * len(letters)


def words(part: Part) -> Iterator[Word]:
    """The words of a one-page part with their boxes."""
    page = part.pages[0]
    quads = np.frombuffer(page.boxes, "<u2").reshape(-1, 4) / 65535
    start = 0
    for token in part.text.split():
        start = part.text.index(token, start)
        seen = quads[start : start + len(token)]
        seen = seen[seen.any(axis=1)]
        start += len(token)
        if len(seen) and any(map(str.isalnum, token)):
            box = (*seen[:, :2].min(axis=0).tolist(), *seen[:, 2:].max(axis=0).tolist())
            yield Word(text=alike(token), box=box)


def alike(token: str) -> str:
    """A word as it is compared."""
    return unicodedata.normalize("NFKC", token).translate(_ALIKE)


def read(sample: Sample, dpi: int, turn: int, folder: Path) -> Reading:
    """Draw a page, turn it clockwise, and read it as an image."""
    with pdfium.opened(sample.path) as document, pdfium.loaded(document, sample.number - 1) as page:
        pixels = Image.fromarray(drawn_gray(page, sample.number, dpi)).rotate(-turn, expand=True)
    path = folder / "page.png"
    pixels.save(path, dpi=(dpi, dpi))
    with _timed() as spent:
        try:
            text = assemble(image.parse(path), "image/png")
        except DocumentError:
            text = None
    found = [] if text is None else list(words(Part(text=text.text, pages=text.pages)))
    pairs = list(_aligned(sample.words, found))
    return Reading(
        file=sample.path.name,
        page=sample.number,
        dpi=dpi,
        words=len(sample.words),
        distance=distance([w.text for w in sample.words], [w.text for w in found]),
        found=_shared(sample.words, found),
        aligned=len(pairs),
        placed=sum(_holds_middle(a.box, b.box) for a, b in pairs),
        overlaps=tuple(round(_overlap(a.box, b.box), 3) for a, b in pairs),
        cpu_s=spent[0],
    )


@contextmanager
def _timed() -> Iterator[list[float]]:
    spent = [0.0]
    start = _processor_s()
    yield spent
    spent[0] = _processor_s() - start


def _processor_s() -> float:
    used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def distance(reference: Sequence[str], read: Sequence[str]) -> int:
    """Levenshtein distance in words."""
    codes = {word: code for code, word in enumerate({*reference, *read})}
    other = np.array([codes[word] for word in read], np.int64)
    steps = np.arange(len(other) + 1)
    row = steps
    for word in reference:
        # Deletions and substitutions at once; insertions are a running minimum.
        new = np.concatenate(
            [row[:1] + 1, np.minimum(row[1:] + 1, row[:-1] + (other != codes[word]))]
        )
        row = np.minimum.accumulate(new - steps) + steps
    return int(row[-1])


def _shared(reference: Iterable[Word], found: Iterable[Word]) -> int:
    return (Counter(w.text for w in reference) & Counter(w.text for w in found)).total()


def _aligned(reference: Sequence[Word], found: Sequence[Word]) -> Iterator[tuple[Word, Word]]:
    matcher = SequenceMatcher(None, [w.text for w in reference], [w.text for w in found], False)
    for a, b, size in matcher.get_matching_blocks():
        yield from zip(reference[a : a + size], found[b : b + size], strict=True)


def _overlap(a: Quad, b: Quad) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return width * height / (sum(areas) - width * height)


def _holds_middle(outer: Quad, inner: Quad) -> bool:
    x, y = (inner[0] + inner[2]) / 2, (inner[1] + inner[3]) / 2
    return outer[0] <= x <= outer[2] and outer[1] <= y <= outer[3]


def table(readings: Sequence[Reading], by: str) -> Table:
    """A row per value of ``by``: ``dpi`` or ``file``."""
    shown = Table(by, "pages", "words", "accuracy", "words read", "placed", "IoU", "s/page")
    for value in sorted({getattr(one, by) for one in readings}):
        rows = [one for one in readings if getattr(one, by) == value]
        total = sum(one.words for one in rows)
        aligned = sum(one.aligned for one in rows)
        shown.add_row(
            str(value),
            str(len(rows)),
            str(total),
            f"{1 - sum(one.distance for one in rows) / total:.3f}",
            f"{sum(one.found for one in rows) / total:.3f}",
            f"{sum(one.placed for one in rows) / aligned:.3f}" if aligned else "-",
            f"{median(v for one in rows for v in one.overlaps):.2f}" if aligned else "-",
            f"{sum(one.cpu_s for one in rows) / len(rows):.1f}",
        )
    return shown


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--pages", type=int, default=24)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--dpi", type=int, nargs="+", default=[150, 300])
    options.add_argument("--turn", type=int, choices=(0, 90, 180, 270), default=0)
    options.add_argument("--languages", default=INSTALLED)
    options.add_argument("--json", type=Path)
    chosen = options.parse_args()
    if REAL_DATA is None:
        sys.exit("The public data sets are not beside the repository (../shared/data).")
    OCR_LANGUAGES.set(chosen.languages)
    pages = samples(REAL_DATA / "pdfs", chosen.pages, chosen.seed)
    with tempfile.TemporaryDirectory() as folder:
        readings = [
            read(page, dpi, chosen.turn, Path(folder)) for dpi in chosen.dpi for page in pages
        ]
    console = Console()
    console.print(table(readings, "dpi"))
    console.print(table(readings, "file"))
    if chosen.json:
        chosen.json.write_text(json.dumps([asdict(one) for one in readings], indent=1))


if __name__ == "__main__":
    main()
