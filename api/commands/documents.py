"""`ibidem docs`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.commands.common import (
    collection_id,
    connected,
    note,
    plain,
    printable,
    show_fields,
    show_json,
    show_table,
    target,
)
from rag.errors import InvalidRequest

if TYPE_CHECKING:
    from api.client import Client, Json

_AROUND = 300
"""Code points shown before and behind a span."""

_most = click.option("--limit", type=click.IntRange(1), default=100, help="Most to list.")


def _parse_span(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> tuple[int, int] | None:
    if value is None:
        return None
    match = re.fullmatch(r"(\d{1,18})-(\d{1,18})", value)
    if match is None or int(match[1]) > int(match[2]):
        raise click.BadParameter("a span is START-END, such as 120-180.")
    return int(match[1]), int(match[2])


@click.group()
def docs() -> None:
    """List, show and remove documents."""


@docs.command("list")
@click.option("--collection", metavar="NAME", help="Only those in this one.")
@click.option(
    "--status", type=click.Choice(["queued", "processing", "ready", "failed"]), help="Only these."
)
@_most
@target
def list_documents(
    collection: str | None, status: str | None, limit: int, url: str | None, as_json: bool
) -> None:
    """List documents, newest first."""
    with connected(url) as client:
        found = client.listed("/v1/documents", limit, collection=collection, status=status)
    if as_json:
        show_json({"object": "list", "data": found})
        return
    rows = [
        (one["id"], one["status"], one["chunk_count"], one["page_count"] or "", one["name"])
        for one in found
    ]
    show_table(("ID", "STATUS", "CHUNKS", "PAGES", "NAME"), rows)


@docs.command("show")
@click.argument("document_id")
@click.option("--span", callback=_parse_span, metavar="START-END", help="Show this place in it.")
@click.option("--page", type=click.IntRange(1), help="With --png: the page to draw.")
@click.option(
    "--png",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw the page, with the span highlighted, into this file.",
)
@target
def show_document(
    document_id: str,
    span: tuple[int, int] | None,
    page: int | None,
    png: Path | None,
    **where: Any,
) -> None:
    """Show what is known of a document, or a place in it."""
    if (png is None) != (page is None):
        raise click.UsageError("--png and --page need each other.")
    with connected(where["url"]) as client:
        place = f"/v1/documents/{document_id}"
        if png:
            highlight = {"highlight": f"{span[0]}-{span[1]}"} if span else {}
            png.write_bytes(client.content(f"{place}/pages/{page}.png", **highlight))
            note(f"Drew page {page} into {png}.")
            return
        document = client.get(place)
        if span:
            _show_span(client, document, span, where["as_json"])
        elif where["as_json"]:
            show_json(document)
        else:
            show_fields(document)


@docs.command("duplicates")
@click.option("--collection", metavar="NAME", help="In this one.")
@click.option(
    "--threshold",
    type=click.FloatRange(0.5, 1),
    help="Least similarity, 0.5 to 1; 0.8 when left out, 1 for equal wording.",
)
@_most
@target
def list_duplicates(
    collection: str | None, threshold: float | None, limit: int, url: str | None, as_json: bool
) -> None:
    """List groups of documents that say nearly the same.

    The same bytes are one document already. These are the same text in another format, and
    versions that differ in some clauses. SIMILARITY is that to the document LIKE, with ~ when
    it is an estimate.
    """
    with connected(url) as client:
        place = f"/v1/collections/{collection_id(client, collection)}/duplicates"
        found = client.listed(place, limit, threshold=threshold)
    if as_json:
        show_json({"object": "list", "data": found})
        return
    if not found:
        click.echo("No two documents say nearly the same.")
    for number, group in enumerate(found):
        if number:
            click.echo()
        names = {one["document_id"]: one["name"] for one in group["documents"]}
        rows = [
            (one["document_id"], _similarity(one), names[one["similar_to"]], one["name"])
            for one in group["documents"]
        ]
        show_table(("ID", "SIMILARITY", "LIKE", "NAME"), rows)


@docs.command("rm")
@click.argument("document_ids", nargs=-1, required=True, metavar="DOCUMENT_ID...")
@target
def remove_documents(document_ids: tuple[str, ...], url: str | None, as_json: bool) -> None:
    """Delete documents and everything derived from them."""
    with connected(url) as client:
        for document_id in document_ids:
            deleted = client.delete(f"/v1/documents/{document_id}")
            show_json(deleted) if as_json else click.echo(f"Deleted {document_id}.")


def _similarity(duplicate: Json) -> str:
    if duplicate["kind"] == "same_text":
        return "same text"
    return f"{'' if duplicate['exact'] else '~'}{duplicate['similarity']:.3f}"


def _show_span(client: Client, document: Json, span: tuple[int, int], as_json: bool) -> None:
    if span[1] > document["text_length"]:
        raise InvalidRequest(
            f"{document['name']} has {document['text_length']} characters, and no place "
            f"{span[0]}-{span[1]}."
        )
    start, end = max(0, span[0] - _AROUND), span[1] + _AROUND
    shown: Any = client.get(f"/v1/documents/{document['id']}/text", start=start, end=end)
    if as_json:
        show_json(shown)
        return
    text, first = shown["text"], shown["start"]
    before, at = text[: span[0] - first], text[span[0] - first : span[1] - first]
    click.secho(f"{plain(document['name'])}, characters {span[0]}-{span[1]}", bold=True)
    # Brackets besides bold: they are seen in a pipe as well.
    marked = click.style(f">>>{printable(at)}<<<", bold=True)
    click.echo(printable(before) + marked + printable(text[span[1] - first :]))
