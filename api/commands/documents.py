"""`ibidem docs` and `ibidem jobs`."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.commands.common import (
    collection_id,
    connected,
    note,
    plain,
    printable,
    show_json,
    show_table,
    target,
)
from rag.errors import InvalidRequest, NotFound

if TYPE_CHECKING:
    from api.client import Client, Json

_AROUND = 300
"""Code points shown before and behind a span."""
_LOOK_S = 0.3
_UNFINISHED = ("queued", "in_progress", "cancelling")

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
            _show_fields(document)


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


@click.group()
def jobs() -> None:
    """List, show and watch the work on documents."""


@jobs.command("list")
@click.option(
    "--status",
    type=click.Choice(["queued", "in_progress", "completed", "failed", "cancelling", "cancelled"]),
    help="Only these.",
)
@_most
@target
def list_jobs(status: str | None, limit: int, url: str | None, as_json: bool) -> None:
    """List jobs, newest first."""
    with connected(url) as client:
        found = client.listed("/v1/jobs", limit, status=status)
    if as_json:
        show_json({"object": "list", "data": found})
        return
    rows = [
        (one["id"], one["status"], _progress(one), plain(one["document_name"] or ""), _reason(one))
        for one in found
    ]
    show_table(("ID", "STATUS", "CHUNKS", "FILE", "WHY"), rows)


@jobs.command("show")
@click.argument("job_id")
@target
def show_job(job_id: str, url: str | None, as_json: bool) -> None:
    """Show one job."""
    with connected(url) as client:
        job = client.get(f"/v1/jobs/{job_id}")
    show_json(job) if as_json else _show_fields(job)


@jobs.command("watch")
@click.argument("job_id", required=False)
@target
def watch_jobs(job_id: str | None, url: str | None, as_json: bool) -> int:
    """Wait until a job, or all, are finished; without a service, do the work here.

    Then work that fails and fails again is left for the next time. The exit code is 1 when a job
    failed or was left.
    """
    failed = False
    with connected(url, work=True) as client:
        for job in _watched(client, job_id):
            failed |= job["status"] in ("failed", *_UNFINISHED)
            if as_json:
                show_json(job)
                continue
            name = plain(job["document_name"] or "")
            line = f"{job['id']}  {job['status']}  {_progress(job)}  {name}  {_reason(job)}"
            click.echo(line.rstrip())
    return 1 if failed else 0


def _watched(client: Client, job_id: str | None) -> Iterator[Json]:
    """Each job once when it has ended or is left: the one, or all, and those on inner files."""
    waiting = [client.get(f"/v1/jobs/{job_id}")] if job_id else _unfinished(client)
    seen = {job["id"] for job in waiting}
    while waiting:
        job = _ended(client, waiting.pop(0))
        yield job
        more = _inside(client, job)
        if not waiting and job_id is None:
            more += _unfinished(client)
        waiting += [
            one for one in {one["id"]: one for one in more}.values() if one["id"] not in seen
        ]
        seen.update(one["id"] for one in waiting)


def _unfinished(client: Client) -> list[Json]:
    """Oldest first; one may be listed under two states while it goes from one to the other."""
    listed = [one for status in _UNFINISHED for one in client.all("/v1/jobs", status=status)]
    return sorted({one["id"]: one for one in listed}.values(), key=lambda one: one["created_at"])


def _inside(client: Client, job: Json) -> list[Json]:
    """The jobs that this one brought about: those on files found inside its document."""
    found = []
    with suppress(NotFound):  # deleted meanwhile
        document = client.get(f"/v1/documents/{job['document_id']}")
        for inner_id in document["attachment_ids"]:
            inner = client.get(f"/v1/jobs/{client.get(f'/v1/documents/{inner_id}')['job_id']}")
            if inner["created_at"] >= job["created_at"]:
                found.append(inner)
    return found


def _ended(client: Client, job: Json) -> Json:
    from api.client import IN_PROCESS
    from api.commands.patience import Patience

    patience = Patience()
    while job["status"] in _UNFINISHED:
        if client.address == IN_PROCESS and patience.is_over([job]):
            break
        time.sleep(_LOOK_S)
        job = client.get(f"/v1/jobs/{job['id']}")
    return job


def _similarity(duplicate: Json) -> str:
    if duplicate["kind"] == "same_text":
        return "same text"
    return f"{'' if duplicate['exact'] else '~'}{duplicate['similarity']:.3f}"


def _show_fields(thing: Json) -> None:
    for name, value in thing.items():
        if name.endswith("_at"):
            value = datetime.fromtimestamp(value, UTC).isoformat(timespec="seconds")
        if value not in (None, [], {}):
            click.echo(f"{name + ':':<15} {plain(str(value))}")


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


def _progress(job: Json) -> str:
    progress = job["progress"]
    total = "?" if progress["total"] is None else progress["total"]
    return f"{progress['done']}/{total} {progress['unit'] or ''}".rstrip()


def _reason(job: Json) -> str:
    return plain(job["error"]["message"]) if job["error"] else ""
