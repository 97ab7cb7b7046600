"""``python -m tests.benchmarks.page_images FOLDER``: pages with what was cited on them, to look at.

A real service on a home of its own reads samples and, when the public data sets are beside the
repository, PDFs of them: scans, tables, forms, columns, turned pages, right-to-left text. Of each
it is asked one question about that document alone, and the page of the first citation is drawn
into FOLDER with the cited place highlighted. Whether it is the right place is for a person to
see: the table says what was cited. What code can tell is checked, and the exit code is 1 when it
does not hold: of each document something is cited, the paper within the boxes is yellow, there
is text in them, nothing else on the page has changed.

Slides and workbooks are pages of text without page images: their citations name the page and
the place in the text.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx2
from rich import box
from rich.console import Console
from rich.table import Table

from tests.benchmarks.hostile import wait_idle
from tests.crash.service import Service
from tests.marks import Highlight, highlight
from tests.realdata import REAL_DATA
from tests.scans import encoded, scan

_SAMPLES = Path(__file__).resolve().parents[2] / "data" / "samples"
_COLLECTION = "pages"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A document, what is special in it, and what to ask of it."""

    kind: str
    file: Path
    question: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """The page image of a case."""

    kind: str
    name: str
    page: int
    cited: str
    image: str
    seen: Highlight

    @property
    def holds(self) -> bool:
        """Whether text is highlighted, and nothing but the boxes."""
        return self.seen.yellow > 0.9 and self.seen.ink > 0.01 and self.seen.elsewhere == 0


_OF_SAMPLES = (
    ("scan", "letter-fernhill-scan.pdf", "To what amount does Fernhill raise the deductible?"),
    ("table", "tarrowby-q3-2024.pdf", "What was the segment result of Process Pumps in Q3 2024?"),
    ("table", "invoice-2024-06-0318.pdf", "What is the total payable?"),
    ("columns", "paper-cavitation.pdf", "Which NPSH margin is recommended for cold water?"),
    ("Chinese", "zhiliang-tongbao-2024-11.pdf", "批次 SK-2311 的机械密封为什么磨损过快？"),  # noqa: RUF001
)
_OF_PUBLIC_PDFS = (
    (
        "scan, turned",
        "ocr_test_rotated_90.pdf",
        "Which package bundles PDF document conversion to JSON?",
    ),
    (
        "scan, table",
        "NCT06155240_Prot_SAP_000.pdf",
        "What happens in week 3 of the yoga protocol?",
    ),
    ("right to left", "right_to_left_01.pdf", "ما الذي توفره مكتبات R و Python؟"),
    ("table", "2305.03393v1-pg9.pdf", "Which mAP has OTSL with 6 encoder layers?"),
    (
        "form",
        "20080108X00029.pdf",
        "What was the damage to the aircraft?",
    ),
    ("columns", "tracemonkey.pdf", "What does the trace recorder do when it records?"),
    ("Korean", "normal_4pages.pdf", "코로나-19의 국내 확진자는 몇 명인가?"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the pages and print what is on them."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.page_images")
    parser.add_argument("folder", type=Path, help="where the images are written")
    parser.add_argument("--json", type=Path, help="write what was drawn as JSON")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ibidem-pages-") as work:
        chosen = list(_cases(Path(work)))
        drawn = list(_draw(Path(work), chosen, options.folder))
    _print(drawn)
    if options.json is not None:
        report = [asdict(one) for one in drawn]
        options.json.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return int(len(drawn) < len(chosen) or not all(one.holds for one in drawn))


def _cases(work: Path) -> Iterator[Case]:
    turned = work / "letter-turned.tiff"
    turned.write_bytes(encoded(scan(turn=90), "TIFF"))
    yield Case(kind="image, turned", file=turned, question="How much do the pumps cost?")
    for kind, name, question in _OF_SAMPLES:
        yield Case(kind=kind, file=_SAMPLES / name, question=question)
    if REAL_DATA is None:
        _say("The public data sets are not beside the repository (../shared/data): samples only.")
        return
    for kind, name, question in _OF_PUBLIC_PDFS:
        yield Case(kind=kind, file=REAL_DATA / "pdfs" / name, question=question)


def _draw(work: Path, cases: Sequence[Case], folder: Path) -> Iterator[Drawn]:
    service = Service(home=work / "home")
    service.spawn()
    try:
        service.wait_ready()
        with httpx2.Client(base_url=f"{service.url}/v1", timeout=300) as client:
            client.post("/collections", json={"name": _COLLECTION}).raise_for_status()
            for case in cases:
                sent = {"file": (case.file.name, case.file.read_bytes())}
                form = {"collection": _COLLECTION}
                client.post("/documents", files=sent, data=form).raise_for_status()
            wait_idle(client)
            for number, case in enumerate(cases, 1):
                name = f"{number:02}-{case.kind.replace(', ', '-').replace(' ', '-')}.png"
                if (place := _cited(client, case)) is None:
                    _say(f"{case.file.name}: the answer cites nothing.")
                else:
                    yield _drawn(client, case, place, folder / name)
    finally:
        service.stop()


def _drawn(client: httpx2.Client, case: Case, place: dict[str, Any], image: Path) -> Drawn:
    page, start, end = (
        place[key] for key in ("start_page_number", "start_char_index", "end_char_index")
    )
    at = f"/documents/{place['document_id']}/pages/{page}.png"
    plain, marked = (
        client.get(at, params=params).raise_for_status().content
        for params in ({}, {"highlight": f"{start}-{end}"})
    )
    image.write_bytes(marked)
    boxes = [one for one in place["boxes"] if one["page"] == page]
    return Drawn(
        kind=case.kind,
        name=case.file.name,
        page=page,
        cited=" ".join(place["cited_text"].split()),
        image=image.name,
        seen=highlight(plain, marked, boxes),
    )


def _cited(client: httpx2.Client, case: Case) -> dict[str, Any] | None:
    """The first citation of the answer from this document alone."""
    where = {"collection": _COLLECTION, "filter": {"name": {"$eq": case.file.name}}}
    asked = client.post("/ask", json={"question": case.question, **where}).raise_for_status()
    cited = (one for sentence in asked.json()["sentences"] for one in sentence["citations"])
    return next(cited, None)


def _print(drawn: Sequence[Drawn]) -> None:
    table = Table("image", "file", "page", "yellow", "ink", "cited", box=box.SIMPLE)
    for one in drawn:
        seen = (f"{one.seen.yellow:.2f}", f"{one.seen.ink:.2f}")
        table.add_row(one.image, one.name, str(one.page), *seen, one.cited[:160])
    Console(width=160).print(table, markup=False)
    for one in drawn:
        if not one.holds:
            _say(f"{one.image}: something else than text is highlighted.")


def _say(line: str) -> None:
    print(line, file=sys.stderr)


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    sys.exit(main())
