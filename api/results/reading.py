"""An analysis as a report to be read: a title that says what it is, and a section for each part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from api.results.analyses import by_row, entries, is_by_document, values_at
from api.results.entries import Entry, Json, Said
from rag.pointers import below, names_of

_MADE: Mapping[str, str] = {
    "summary": "Summary of {}",
    "extraction": "Values stated in {}",
    "reasoning": "Arguments of {}",
    "classification": "Classification of {}",
    "report": "Report on {}",
}
_MOST_NAMED = 2
_MOST_FAILED = 20


def title_of(shown: Json) -> str:
    """What a report is of, for its reader.

    Args:
        shown: An analysis as `GET /analyses/{id}` tells it.
    """
    titles = _titles(shown)
    named = " and ".join(f"“{one}”" for one in titles)
    what = named if len(titles) <= _MOST_NAMED else f"{len(titles)} documents"
    return _MADE[shown["kind"]].format(what or "a text")


def sections(shown: Json) -> Iterator[Entry]:
    """An entry for each document, or for each part of the one result, under its name."""
    result = shown["result"]
    if is_by_document(result):
        missing_of = by_row(dict.fromkeys(shown["not_mentioned"]))
        for at, entry in enumerate(entries(shown)):
            unsaid = _not_mentioned(missing_of.get(at, ()))
            yield replace(entry, said=[*entry.said, *unsaid])
        return
    if not isinstance(result, Mapping):
        yield from entries(shown)
        return
    if shown["kind"] == "report":
        if result["title"]:
            yield _section("In short", result["title"], "/title", shown)
        for at, section in enumerate(result["sections"]):
            pointer = f"/sections/{at}/paragraphs"
            yield _section(section["heading"], section["paragraphs"], pointer, shown)
        result = {"contradictions": result["contradictions"]}
    for name, value in result.items():
        if value not in (None, "", [], {}):
            title = name.replace("_", " ").capitalize()
            yield _section(title, value, below("", name), shown)
    if missing := list(_not_mentioned(shown["not_mentioned"])):
        yield Entry(title="Not mentioned", raw={}, columns={}, said=missing)


def notes_of(shown: Json) -> list[str]:
    """What the reader of a report has to know of how far it goes."""
    coverage = shown["coverage"]
    told = dict.fromkeys(shown["notes"])
    for one in coverage["failed"][:_MOST_FAILED]:
        where = one["document_id"] or "The text"
        told[f"Not {'merged' if one['what'] == 'merge' else 'read'}: {where}: {one['message']}"] = (
            None
        )
    more = sum(coverage["failures"].values()) - _MOST_FAILED
    if more > 0:
        told[f"And {more} more parts that were not read."] = None
    return list(told)


def _not_mentioned(pointers: Iterable[str]) -> Iterator[Said]:
    """What was looked for in a document, or in all of them, and is not there."""
    if found := [at for at in pointers if at]:
        names = (" ".join(names_of(at)).replace("_", " ") for at in found)
        yield Said(text=", ".join(names), label="not mentioned")


def _section(title: str, value: Any, pointer: str, shown: Json) -> Entry:
    return Entry(title=title, raw={}, columns={}, said=list(_paragraphs(value, pointer, shown)))


def _paragraphs(value: Any, pointer: str, shown: Json) -> Iterator[Said]:
    """What is said at a place; the items of a list are paragraphs without a label of their own."""
    if not isinstance(value, list):
        yield from values_at(value, pointer, shown)
        return
    for at, one in enumerate(value):
        for said in values_at(one, below(pointer, at), shown):
            yield replace(said, label=said.label or None)


def _titles(shown: Json) -> list[str]:
    """The documents that a result is of, as far as they are known by it."""
    if is_by_document(shown["result"]):
        rows = shown["result"]["documents"]
        return [str(one["document_title"] or one["document_name"] or "a text") for one in rows]
    cited = {
        one["document_id"]: str(one["document_title"] or one["document_name"])
        for found in shown["evidence"].values()
        for one in found
        if one["document_id"]
    }
    named = shown["request"].get("documents", ())
    return list(cited.values()) if len(named) <= len(cited) else [str(one) for one in named]
