"""Results as a page to be read: it holds all that it shows, and each citation opens its place.

Nobody who is handed the page needs a key of the service: images of cited pages, on which the quotes
are marked, are in it up to a number of them, and the words around all other quotes.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import NamedTuple, Protocol

from api.results.entries import Entry, Json, Said, place

MOST_PAGES = 40
"""Images of pages in a report."""

_STYLE = """
body { font: 16px/1.55 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto;
  padding: 0 1rem; color-scheme: light dark }
h1 { font-size: 1.6rem; line-height: 1.25 } h2 { font-size: 1.15rem; margin: 2rem 0 .3rem }
header p, .where, .label { color: #777 } header ul { font-size: .9rem }
article { border-top: 1px solid #8886 } p { margin: .3rem 0 } sup a { text-decoration: none }
sup { margin-left: .15em } ol { font-size: .9rem; padding-left: 1.6rem } q { font-style: italic }
ol li { margin: .25rem 0 } details p { color: #777; border-left: 3px solid #8886;
  padding-left: .6rem; white-space: pre-line } summary { cursor: pointer }
mark, figure i { background: #fd06 } figure { margin: 2rem 0 } figcaption { color: #777 }
figure div { position: relative; border: 1px solid #8886 }
figure img { display: block; width: 100% }
figure i { position: absolute; scroll-margin-top: 30vh; mix-blend-mode: multiply }
span:has(i:target) i { background: #f808; outline: 2px solid #d40 }
.error { color: #b00; border-left: 3px solid #b00; padding-left: .6rem }
@media print { a { color: inherit } article, figure { break-inside: avoid } }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


class Places(Protocol):
    """Shows where quotes stand."""

    def around(self, citation: Json) -> tuple[str, str]:
        """The words before and behind a quote; empty where there are none to be read."""
        ...

    def image(self, document_id: str, page: int) -> bytes | None:
        """A page as PNG, if it can be drawn."""
        ...


class _Page(NamedTuple):
    document_id: str
    number: int


def as_html(
    title: str,
    facts: Mapping[str, object],
    entries: Iterable[Entry],
    places: Places,
    notes: Sequence[str] = (),
) -> Iterator[bytes]:
    """A report, as it comes; ``notes`` say what is left out of it."""
    told = " · ".join(f"{escape(name)}: {escape(str(value))}" for name, value in facts.items())
    listed = "".join(f"<li>{escape(one)}</li>" for one in notes)
    yield _bytes(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width"><meta http-equiv='
        f'"Content-Security-Policy" content="{POLICY}"><style>{_STYLE}</style>'
        f"<header><h1>{escape(title)}</h1><p>{told}</p>"
        f"{f'<ul>{listed}</ul>' if listed else ''}</header>\n"
    )
    report = _Report(places)
    for number, entry in enumerate(entries, start=1):
        yield _bytes("".join(report.entry(number, entry)))
    for figure in report.figures():
        yield _bytes(figure)
    yield b"</html>\n"


class _Report:
    """Writes entries, and remembers which pages they cite."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._pages: dict[_Page, list[tuple[str, Json]]] = {}

    def entry(self, number: int, entry: Entry) -> Iterator[str]:
        yield f'<article id="r{number}"><h2>{escape(entry.title)}</h2>'
        if entry.error is not None:
            yield f'<p class="error">{escape(entry.error)}</p>'
        places: dict[tuple[object, ...], int] = {}
        shown: list[Json] = []
        for said in entry.said:
            yield _said(number, said, places, shown)
        if shown:
            yield "<ol>"
            for note, one in enumerate(shown, start=1):
                yield self._note(f"r{number}-{note}", one)
            yield "</ol>"
        yield "</article>\n"

    def figures(self) -> Iterator[str]:
        """The cited pages, with the quotes marked on them."""
        for page, cited in self._pages.items():
            image = self._places.image(*page)
            title = cited[0][1]["document_title"] or cited[0][1]["document_name"]
            caption = f"<figcaption>{escape(str(title))}, p. {page.number}</figcaption>"
            marks = "".join(_marks(id, one, page.number) for id, one in cited)
            if image is None:
                yield f"<figure>{caption}{marks}<p>This page cannot be drawn any more.</p></figure>"
                continue
            data = base64.b64encode(image).decode()
            yield (
                f'<figure>{caption}<div><img alt="Page {page.number}" '
                f'src="data:image/png;base64,{data}">{marks}</div></figure>\n'
            )

    def _note(self, id: str, citation: Json) -> str:
        where, quote = escape(place(citation)), f"<q>{escape(citation['cited_text'])}</q>"
        page = self._shown_on(citation)
        if page is not None:
            self._pages.setdefault(page, []).append((id, citation))
            return f'<li id="{id}">{quote} <a class="where" href="#at-{id}">{where}</a></li>'
        before, after = self._places.around(citation)
        if not (before or after):
            return f'<li id="{id}">{quote} <span class="where">{where}</span></li>'
        words = f"…{escape(before)}<mark>{escape(citation['cited_text'])}</mark>{escape(after)}…"
        told = f'<summary>{quote} <span class="where">{where}</span></summary><p>{words}</p>'
        return f'<li id="{id}"><details>{told}</details></li>'

    def _shown_on(self, citation: Json) -> _Page | None:
        """The page whose image a quote is marked on, if there is one, and room for it."""
        if not (citation["document_id"] and citation["boxes"]):
            return None
        page = _Page(citation["document_id"], citation["boxes"][0]["page"])
        return page if page in self._pages or len(self._pages) < MOST_PAGES else None


def _said(number: int, said: Said, places: dict[tuple[object, ...], int], shown: list[Json]) -> str:
    marks = []
    for one in said.citations:
        key = (one["document_id"], one["start_char_index"], one["end_char_index"])
        if key not in places:
            shown.append(one)
            places[key] = len(shown)
        note = places[key]
        marks.append(f'<sup><a href="#r{number}-{note}">{note}</a></sup>')
    label = f'<span class="label">{escape(said.label)}:</span> ' if said.label else ""
    by = said.corrected_by
    told = "" if by is None else f' <span class="where">(corrected by {escape(by)})</span>'
    if said.confidence is not None:
        told += f' <span class="where">{said.confidence:.0%} sure</span>'
    return f"<p>{label}{escape(said.text)}{''.join(dict.fromkeys(marks))}{told}</p>"


def _marks(id: str, citation: Json, page: int) -> str:
    """The boxes of a quote on a page, in percents of it; the first is what links lead to."""
    made: list[str] = []
    for box in citation["boxes"]:
        if box["page"] == page:
            at = (box["x0"], box["y0"], box["x1"] - box["x0"], box["y1"] - box["y0"])
            sides = zip(("left", "top", "width", "height"), at, strict=True)
            style = ";".join(f"{side}:{100 * value:.2f}%" for side, value in sides)
            own = "" if made else f' id="at-{id}"'
            made.append(f'<i{own} style="{style}"></i>')
    return f"<span>{''.join(made)}</span>"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")
