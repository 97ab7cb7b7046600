"""Results as a page to be read: self-contained, and each citation opens its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from html import escape

from api.results.entries import Entry, Json, Said, place

_STYLE = """
body { font: 16px/1.55 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto;
  padding: 0 1rem; color-scheme: light dark }
header p, .where, .label { color: #777 } h2 { font-size: 1.1rem; margin: 2rem 0 .3rem }
article { border-top: 1px solid #8886 } p { margin: .3rem 0 } sup a { text-decoration: none }
ol { font-size: .9rem; padding-left: 1.6rem } q { font-style: italic }
.error { color: #b00; border-left: 3px solid #b00; padding-left: .6rem }
@media print { a { color: inherit } article { break-inside: avoid } }
"""


def as_html(
    title: str, facts: Mapping[str, object], entries: Iterable[Entry], service: str
) -> Iterator[bytes]:
    """A report; ``service`` is the address at which documents' pages can be seen."""
    told = " · ".join(f"{escape(name)}: {escape(str(value))}" for name, value in facts.items())
    yield (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width"><meta http-equiv='
        "\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<style>{_STYLE}</style><header><h1>{escape(title)}</h1><p>{told}</p></header>\n"
    ).encode()
    for number, entry in enumerate(entries, start=1):
        text = "".join(_entry(number, entry, service.rstrip("/")))
        yield text.encode("utf-8", "backslashreplace")
    yield b"</html>\n"


def _entry(number: int, entry: Entry, service: str) -> Iterator[str]:
    yield f'<article id="r{number}"><h2>{escape(entry.title)}</h2>'
    if entry.error is not None:
        yield f'<p class="error">{escape(entry.error)}</p>'
    places: dict[tuple[object, ...], int] = {}
    shown: list[Json] = []
    for said in entry.said:
        yield _said(number, said, places, shown)
    if shown:
        notes = "".join(
            _note(f"r{number}-{note}", one, service) for note, one in enumerate(shown, start=1)
        )
        yield f"<ol>{notes}</ol>"
    yield "</article>\n"


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
    return f"<p>{label}{escape(said.text)}{''.join(dict.fromkeys(marks))}{told}</p>"


def _note(id: str, citation: Json, service: str) -> str:
    quote = f'<li id="{id}"><q>{escape(citation["cited_text"])}</q> '
    link, where = link_to(citation, service), escape(place(citation))
    if link is None:
        return f'{quote}<span class="where">{where}</span></li>'
    return f'{quote}<a class="where" href="{escape(link)}" rel="noreferrer">{where}</a></li>'


def link_to(citation: Json, service: str) -> str | None:
    """Where the quote is seen: on a picture of its page, else in the text around it.

    The text that came with a request is kept nowhere to be seen.
    """
    if not citation["document_id"]:
        return None
    document = f"{service}/v1/documents/{citation['document_id']}"
    start, end = citation["start_char_index"], citation["end_char_index"]
    page = citation["start_page_number"]
    if page is None or not citation["boxes"]:
        return f"{document}/text?start={start}&end={end}"
    return f"{document}/pages/{page}.png?highlight={start}-{end}"
