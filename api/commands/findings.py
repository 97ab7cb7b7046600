"""`ibidem analyze results`, `compare` and `aggregate`: what an analysis found, as tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from api.commands.analyze import analyze
from api.commands.batch import fetch, format_option, output_option
from api.commands.common import connected, plain, show_json, show_table, target

__all__ = ["analyze"]

_OPERATIONS = ("count", "group", "min", "max", "sum", "timeline")
_WIDEST = 40


@analyze.command("results")
@click.argument("analysis_id")
@output_option
@format_option
@click.option("--url", metavar="URL", help="A running service to work on.")
def show_results(
    analysis_id: str, output: Path | None, format: str | None, url: str | None
) -> None:
    """Write what was found, with its quotes, to a file or to stdout."""
    with connected(url) as client:
        fetch(client, f"/v1/analyses/{analysis_id}/results", output, format)


@analyze.command("compare")
@click.argument("analysis_id")
@target
def compare(analysis_id: str, url: str | None, as_json: bool) -> None:
    """Show the fields of all documents side by side; * marks those that differ."""
    with connected(url) as client:
        found = client.get(f"/v1/analyses/{analysis_id}/comparison")
    if as_json:
        show_json(found)
        return
    names = [_cell(one["document_name"] or one["document_id"]) for one in found["documents"]]
    rows = [
        (f"{' ' if one['same'] else '*'} {one['field']}", *map(_cell, one["values"]))
        for one in found["fields"]
    ]
    show_table(("FIELD", *names), rows)


@analyze.command("aggregate")
@click.argument("analysis_id")
@click.argument("operation", type=click.Choice(_OPERATIONS))
@click.argument("pointer")
@target
def aggregate(
    analysis_id: str, operation: str, pointer: str, url: str | None, as_json: bool
) -> None:
    """Count, group, order or add up the values at a POINTER such as /payments/*/amount."""
    body = {"operations": [{"op": operation, "of": pointer}]}
    with connected(url) as client:
        (found,) = client.post(f"/v1/analyses/{analysis_id}/aggregate", body)["data"]
    if as_json:
        show_json(found)
        return
    click.echo(f"{found['count']} values in {found['documents']} documents")
    if found["distinct"] is not None:
        click.echo(f"{found['distinct']} different ones")
    if found["value"] is not None:
        click.echo(f"{operation}: {found['value']:g}")
    for one in found["groups"] or ():
        click.echo(f"{one['count']:6}  {_cell(one['value'])}")
    for one in found["timeline"] or ():
        click.echo(f"{one['date']}  {_cell(one['value'])}  {one['document_id'] or ''}")
    if found["unreadable"]:
        click.echo(f"{found['unreadable']} could not be read as numbers or dates.")


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    text = plain(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"
