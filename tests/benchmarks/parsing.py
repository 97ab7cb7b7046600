"""``python -m tests.benchmarks.parsing``: what becomes of files of every format.

One row per file name extension: how many files were tried, read and refused, how long reading
took, and how alike the text is to a reference. The files are the samples, the questions on
them (JSONL), scans and a JSON file that are made here, and, when the public data sets are
beside the repository, those that docling has rendered as Markdown, real PDFs, and odd and
hostile files, of which many are damaged or locked. That rendering is another program's output
and not the truth: it leaves out what we keep (notes, hidden sheets) and writes numbers as
stored where we write them as shown.

- ``ms/file``, ``ms/page``: processor time of the parsing child over all files read, its start
  (once per extension) included; a document without pages counts as one page.
- ``why``: the errors of the files that were refused. Files inside files count for themselves
  where they are uploaded, and not here.
- ``alike``: median and least of ``similarity`` (see similarity.py) over files with a reference.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from rich import box
from rich.console import Console
from rich.table import Table

from ingest.parse import detect, parse
from ingest.parse.formats import BY_MEDIA_TYPE, FORMATS
from ingest.parse.sandbox import POOL
from rag.errors import IbidemError
from tests.benchmarks.similarity import similarity
from tests.realdata import REAL_DATA
from tests.scans import LETTER, encoded, scan

_DATA = Path(__file__).resolve().parents[2] / "data"
_PARTS = ("parsing/docling-pairs", "pdfs", "odd", "security/files")
_REFERENCE = ".expected.md"
_WIDTH, _WIDTH_OF_MARKDOWN = 120, 300
_NUMBERS = ("files", "read", "refused", "pages", "ms/file", "ms/page", "alike", "least")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What became of one file; ``refusal`` says why it was not read."""

    name: str
    extension: str
    format: str | None = None
    pages: int = 0
    characters: int = 0
    similarity: float | None = None
    refusal: str | None = None
    code: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """All files of one extension; ``cpu_s`` is what reading them took together."""

    extension: str
    readings: tuple[Reading, ...]
    cpu_s: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the files, print the table, and say what was refused and why."""
    options = _options(arguments)
    with tempfile.TemporaryDirectory(prefix="ibidem-parsing-") as made:
        return _run(options, options.folders or _folders(Path(made)))


def _run(options: argparse.Namespace, folders: Iterable[Path]) -> int:
    files = [path for folder in folders for path in _files(folder)]
    if options.only:
        files = [path for path in files if _extension(path) in options.only]
    rows = [_row(extension, files) for extension in sorted({_extension(path) for path in files})]
    _print(rows, every=options.every, markdown=options.markdown)
    met = {reading.format for row in rows for reading in row.readings}
    if not options.only and (unmet := [row.name for row in FORMATS if row.name not in met]):
        _say(f"No files of: {', '.join(unmet)}")
    if options.json is not None:
        report = [asdict(row) for row in rows]
        options.json.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return 0


def read(path: Path) -> Reading:
    """Read one file as the service would, and compare it with its reference if it has one."""
    name, extension, kind = path.name, _extension(path), None
    try:
        media_type = detect(path, name, None)
        kind = BY_MEDIA_TYPE[media_type].name
        document = parse(path, media_type)
    except IbidemError as error:
        return Reading(
            name=name, extension=extension, format=kind, refusal=str(error), code=error.code
        )
    reference = path.with_name(name + _REFERENCE)
    alike = None
    if reference.is_file():
        alike = similarity(document.text, reference.read_text("utf-8"))
    return Reading(
        name=name,
        extension=extension,
        format=kind,
        pages=len(document.pages),
        characters=len(document.text),
        similarity=alike,
        warnings=document.warnings,
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.parsing")
    parser.add_argument("folders", nargs="*", type=Path, help="read these instead")
    parser.add_argument("--only", nargs="+", metavar="EXTENSION", help="such as: docx pptx")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--every", action="store_true", help="a line for every file, too")
    parser.add_argument("--json", type=Path, help="write all of it as JSON")
    return parser.parse_args(arguments)


def _folders(made: Path) -> Iterator[Path]:
    _make_files(made)
    yield from (_DATA / "samples", _DATA / "eval", made)
    if REAL_DATA is None:
        _say("The public data sets are not beside the repository (../shared/data): samples only.")
    else:
        yield from (REAL_DATA / part for part in _PARTS)


def _make_files(folder: Path) -> None:
    """Of formats of which no public file has text, one with its text as reference."""
    page, text = scan(), "\n".join(LETTER)
    pages = {"save_all": True, "append_images": [scan(turn=90)]}
    made = {
        "letter.png": (encoded(page, "PNG"), text),
        "letter.jpg": (encoded(page, "JPEG"), text),
        "letter.tiff": (encoded(page, "TIFF", **pages), f"{text}\n{text}"),
        "letter.json": (json.dumps(LETTER).encode(), json.dumps(LETTER)),
    }
    for name, (content, reference) in made.items():
        (folder / name).write_bytes(content)
        (folder / (name + _REFERENCE)).write_text(reference, "utf-8")


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.endswith(_REFERENCE):
            yield path


def _extension(path: Path) -> str:
    return path.suffix[1:].lower() or "(none)"


def _row(extension: str, files: Sequence[Path]) -> Row:
    POOL.close()  # a child's processor time is known once it has ended
    before = _children_s()
    readings = tuple(read(path) for path in files if _extension(path) == extension)
    POOL.close()
    return Row(extension=extension, readings=readings, cpu_s=_children_s() - before)


def _children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _print(rows: Sequence[Row], *, every: bool, markdown: bool) -> None:
    style = box.MARKDOWN if markdown else box.SIMPLE
    table = Table(title="files by extension", title_justify="left", box=style)
    for column in ("", "read as"):
        table.add_column(column, no_wrap=markdown)
    for column in _NUMBERS:
        table.add_column(column, justify="right", no_wrap=markdown)
    table.add_column("why", no_wrap=markdown)
    for row in rows:
        table.add_row(row.extension, *_cells(row))
    Console(width=_WIDTH_OF_MARKDOWN if markdown else _WIDTH).print(table)
    for reading in (reading for row in rows for reading in row.readings):
        alike = "" if reading.similarity is None else f"{reading.similarity:.3f} "
        if every and reading.refusal is None:
            _say(f"{alike}{reading.name} {'; '.join(reading.warnings)}")
        elif reading.refusal is not None:
            _say(f"Refused {reading.name}: {reading.refusal}")


def _cells(row: Row) -> Iterator[str]:
    done = [reading for reading in row.readings if reading.refusal is None]
    pages = sum(max(1, reading.pages) for reading in done)
    alike = [one.similarity for one in done if one.similarity is not None]
    yield ", ".join(sorted({one.format for one in done if one.format is not None}))
    yield from map(str, (len(row.readings), len(done), len(row.readings) - len(done), pages))
    yield f"{1000 * row.cpu_s / len(done):.0f}" if done else "-"
    yield f"{1000 * row.cpu_s / pages:.1f}" if done else "-"
    yield f"{median(alike):.3f}" if alike else "-"
    yield f"{min(alike):.3f}" if alike else "-"
    codes = Counter(one.code for one in row.readings if one.code is not None)
    yield ", ".join(f"{code} {count}" for code, count in codes.most_common())


def _say(line: str) -> None:
    Console(width=_WIDTH).print(line, markup=False, highlight=False)


if __name__ == "__main__":
    sys.exit(main())
