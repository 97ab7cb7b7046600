"""`ibidem analyze`: order an analysis, watch it, show what came of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.commands.ask import parse_filter, source
from api.commands.common import connected, note, plain, progress_of, show_json, show_table, target
from api.commands.working import resume, watch
from rag.pointers import below, names_of

if TYPE_CHECKING:
    from api.client import Client, Json

_KINDS = ("summary", "extraction", "reasoning", "classification", "report")
_MOST_SHOWN = 300
_MOST_MISSING = 20


def _schema(_context: click.Context, _option: click.Parameter, path: Path | None) -> Any:
    if path is None:
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise click.BadParameter(f"{path} is not JSON: {error}.") from error
    if not isinstance(found, dict) or not found:
        raise click.BadParameter(
            f"{path} is JSON, but no JSON Schema of an object, such as "
            '{"type": "object", "properties": {"price": {"type": "number"}}}.'
        )
    return found


def _labels(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> Any:
    """``NAME`` or ``NAME=DESCRIPTION``."""
    found = (one.partition("=") for one in given)
    return [{"name": name.strip(), "description": told or None} for name, _, told in found]


def _text_of(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text or text.startswith("%PDF-"):
        raise click.UsageError(
            f"{file} is not plain text in UTF-8. Read it with `ibidem ingest` first, and name the "
            "document with --document ID; `ibidem docs list` shows the ids."
        )
    return text


_file = click.Path(exists=True, path_type=Path, dir_okay=False)


@click.group()
def analyze() -> None:
    """Read documents to the end: summarize, extract, classify, lay arguments open."""


@analyze.command("run")
@click.argument("kind", type=click.Choice(_KINDS))
@click.option("--text", "file", type=_file, metavar="FILE", help="Analyze the text of this file.")
@click.option("--document", "documents", multiple=True, metavar="ID", help="May be repeated.")
@click.option("--collection", metavar="NAME", help="All documents of a collection.")
@click.option("--filter", callback=parse_filter, metavar="JSON", help="Only those that pass.")
@click.option("--over", type=click.Choice(["each", "all"]), help="A result for each, or for all.")
@click.option("--instructions", metavar="WORDS", help="What to attend to, or which fields.")
@click.option("--schema", type=_file, callback=_schema, metavar="FILE", help="Fields to fill.")
@click.option(
    "--label",
    "labels",
    multiple=True,
    callback=_labels,
    metavar="NAME[=DESCRIPTION]",
    help="To choose from; repeated.",
)
@click.option("--confidence-threshold", type=click.FloatRange(0, 1), help="Below it: review.")
@click.option("--findings", type=click.IntRange(1, 50), help="Most key findings of a summary.")
@click.option("--engine", metavar="NAME", help="What reads; see `ibidem engines`.")
@click.option(
    "--budget-usd", type=click.FloatRange(0, min_open=True), help="What it may cost; then it rests."
)
@click.option("--priority", type=click.IntRange(-100, 100), help="Jobs of a higher one go first.")
@click.option("--dry-run", is_flag=True, help="Say what it would take, and do nothing.")
@click.option("--detach", is_flag=True, help="Do not wait: print its id.")
@target
def run_analysis(
    file: Path | None, dry_run: bool, detach: bool, url: str | None, as_json: bool, **body: Any
) -> int:
    """Make a summary, extraction, reasoning, classification or report.

    Ctrl-C leaves the display, and a service goes on with it; `ibidem jobs watch` shows it again.
    The exit code is 1 when a part was not read or there is no result.
    """
    text = None if file is None else _text_of(file)
    sent = {
        **{name: value or None for name, value in body.items()},
        "confidence_threshold": body["confidence_threshold"],
        "text": text,
    }
    with connected(url, work=not dry_run) as client:
        if dry_run:
            told = client.post("/v1/analyses", {**sent, "dry_run": True}, patient=True)
            show_json(told) if as_json else _show_forecast(told)
            return 0
        ordered = client.post("/v1/analyses", sent)
        _show_notes(ordered)
        if detach:
            show_json(ordered) if as_json else click.echo(ordered["id"])
            return 0
        note(f"{ordered['id']}")
        watch(client, client.get(f"/v1/jobs/{ordered['job_id']}"))
        return _report(client, ordered["id"], as_json=as_json, told=ordered["notes"])


@analyze.command("list")
@click.option("--limit", type=click.IntRange(1), default=100, help="Most to list.")
@target
def list_analyses(limit: int, url: str | None, as_json: bool) -> None:
    """List analyses, newest first."""
    with connected(url) as client:
        found = client.listed("/v1/analyses", limit)
    if as_json:
        show_json({"object": "list", "data": found})
        return
    rows = [
        (one["id"], one["kind"], one["status"], progress_of(one), f"{one['work']['cost_usd']:.4f}")
        for one in found
    ]
    show_table(("ID", "KIND", "STATUS", "DONE", "COST USD"), rows)


@analyze.command("show")
@click.argument("analysis_id")
@target
def show_analysis(analysis_id: str, url: str | None, as_json: bool) -> int:
    """Show how far an analysis is, or its result."""
    with connected(url) as client:
        return _report(client, analysis_id, as_json=as_json)


@analyze.command("cancel")
@click.argument("analysis_id")
@target
def cancel_analysis(analysis_id: str, url: str | None, as_json: bool) -> None:
    """Read no further part; what was found is kept, and `resume` goes on."""
    with connected(url) as client:
        found = client.post(f"/v1/analyses/{analysis_id}/cancel", {})
    show_json(found) if as_json else click.echo(f"{analysis_id} is {found['status']}.")


@analyze.command("resume")
@click.argument("analysis_id")
@click.option("--budget-usd", type=click.FloatRange(0, min_open=True), help="From now on, in all.")
@click.option("--retry-failed", is_flag=True, help="Read parts that failed once more, too.")
@target
def resume_analysis(
    analysis_id: str,
    budget_usd: float | None,
    retry_failed: bool,
    url: str | None,
    as_json: bool,
) -> int:
    """Go on with an analysis that was paused, cancelled or left, and wait for its end."""
    with connected(url, work=True) as client:
        how = {"budget_usd": budget_usd, "retry_failed": retry_failed}
        resumed = resume(client, f"/v1/analyses/{analysis_id}", how)
        watch(client, client.get(f"/v1/jobs/{resumed['job_id']}"))
        return _report(client, analysis_id, as_json=as_json)


def _report(client: Client, analysis_id: str, *, as_json: bool, told: Sequence[str] = ()) -> int:
    """Show an analysis, without the notes that were ``told`` before; returns the exit code."""
    shown = client.get(f"/v1/analyses/{analysis_id}")
    coverage = shown["coverage"]
    whole = coverage is not None and not coverage["failures"]
    if as_json:
        show_json(shown)
    else:
        _show({**shown, "notes": [one for one in shown["notes"] if one not in told]})
    return 0 if whole or shown["status"] in ("queued", "in_progress") else 1


def _show(shown: Json) -> None:
    click.secho(
        f"{shown['id']}  {shown['kind']}  {shown['status']}  {progress_of(shown)}", bold=True
    )
    if shown["error"]:
        click.echo(plain(shown["error"]["message"]))
    if shown["result"] is None:
        if shown["status"] in ("queued", "in_progress"):
            note(f"To watch it go on: ibidem jobs watch {shown['job_id']}")
        return
    _show_value(shown["result"], "", shown, 0)
    coverage = shown["coverage"]
    click.echo()
    click.echo(f"Read {coverage['chunks_read']} of {coverage['chunks_total']} parts of the text.")
    for one in coverage["failed"][:10]:
        click.echo(f"Not read: {one['document_id'] or 'the text'}: {plain(one['message'])}")
    if shown["not_mentioned"]:
        click.echo(f"Not mentioned: {_missing(shown['not_mentioned'])}")
    if shown["dropped_citations"]:
        note(f"note: {shown['dropped_citations']} quotes were dropped: not in the documents.")
    _show_notes(shown)
    if shown["in_review"]:
        note(f"{shown['in_review']} to review: ibidem analyze review {shown['id']}")


def _missing(pointers: Sequence[str]) -> str:
    """Fields that are not mentioned, and in how many documents."""
    by_document = pointers[0].startswith("/documents/")
    names = Counter("/".join(names_of(one)[3 if by_document else 0 :]) for one in pointers)
    times = (f"{name} ({count})" if by_document else name for name, count in names.items())
    more = ", …" if len(names) > _MOST_MISSING else ""
    return plain(", ".join(islice(times, _MOST_MISSING)) + more)


def _show_notes(told: Json) -> None:
    for one in told["notes"][:10]:
        note(f"note: {plain(one)}")


def _show_value(value: Any, pointer: str, shown: Json, depth: int) -> None:
    """Print a value of an analysis line by line, each with where it stands, or who put it right."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for name, one in inner:
        at, indent = below(pointer, name), "  " * depth
        called = f"{name}: " if isinstance(value, dict) else "- "
        if isinstance(one, dict | list) and one:
            click.echo(f"{indent}{called}".rstrip())
            _show_value(one, at, shown, depth + 1)
            continue
        by = shown["corrected_by"].get(at)
        sure = shown["confidences"].get(at)
        told = f"  (corrected by {plain(by)})" if by else ""
        told += "" if sure is None else f"  ({sure:.0%} sure)"
        click.echo(f"{indent}{called}{_short(one)}{told}")
        for citation in shown["evidence"].get(at, ())[:3]:
            place = source(citation)
            quote = _short(citation["cited_text"])
            click.secho(f'{indent}    [{place or "the text"}] "{quote}"', dim=True)


def _show_forecast(told: Json) -> None:
    cost = told["most_cost_usd"]
    price = "at a price that is not known" if cost is None else f"for ${cost:.4f} at most"
    click.echo(
        f"{told['engine']} would read {_count(told['documents'], 'text')} in "
        f"{_count(told['chunks'], 'part')}, with {_count(told['calls'], 'call')}, about "
        f"{_count(told['input_tokens'], 'token')} of input and at most "
        f"{told['most_output_tokens']} of output, {price}."
    )
    _show_notes(told)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _short(value: Any) -> str:
    text = plain(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
