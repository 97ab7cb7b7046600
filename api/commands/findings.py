"""`ibidem analyze results`, `review`, `compare` and `aggregate`: what was found, as tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.commands.analyze import analyze
from api.commands.batch import fetch, format_option, output_option
from api.commands.common import connected, plain, show_json, show_table, target
from rag.errors import InvalidRequest
from rag.pointers import names_of

if TYPE_CHECKING:
    from api.client import Client, Json

__all__ = ["analyze"]

_OPERATIONS = ("count", "group", "min", "max", "sum", "timeline")
_NEEDED = {
    "min": "numbers or dates",
    "max": "numbers or dates",
    "sum": "numbers",
    "timeline": "dates",
}
_DECIDED = {"accept": "accepted", "correct": "corrected"}
_WIDEST = 40
_MOST_SIDE_BY_SIDE = 4
_MOST_LEFT_OUT = 10


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


@analyze.command("review")
@click.argument("analysis_id")
@click.option("--accept", type=click.IntRange(0), metavar="NUMBER", help="This value is right.")
@click.option(
    "--correct",
    type=(click.IntRange(0), str),
    metavar="NUMBER VALUE",
    help="This is the right one.",
)
@click.option("--note", metavar="WORDS", help="Why.")
@target
def review(
    analysis_id: str,
    accept: int | None,
    correct: tuple[int, str] | None,
    note: str | None,
    url: str | None,
    as_json: bool,
) -> None:
    """List what a person should look at, or decide on one of it."""
    if accept is not None and correct is not None:
        raise click.UsageError("--accept and --correct are two decisions; give one at a time.")
    path = f"/v1/analyses/{analysis_id}/review"
    with connected(url) as client:
        if accept is not None:
            client.post(f"{path}/{accept}", {"action": "accept", "note": note})
        if correct is not None:
            number, value = correct
            body = {"action": "correct", "value": _value(value), "note": note}
            client.post(f"{path}/{number}", body)
        found = list(client.all(path))
        names = {} if as_json else _names(client, analysis_id)
    if as_json:
        show_json({"object": "list", "data": found})
        return
    rows = [
        (
            one["number"],
            _DECIDED[one["decision"]["action"]] if one["decision"] else "open",
            names.get(one["document_id"], one["document_id"] or "all together"),
            one["reason"].replace("_", " "),
            one["pointer"] or "all of it",
            _cell(one["decision"]["value"] if _is_corrected(one) else one["value"]),
            one["detail"],
        )
        for one in found
    ]
    show_table(("NO.", "STATE", "DOCUMENT", "REASON", "WHERE", "VALUE", "WHY"), rows)


@analyze.command("compare")
@click.argument("analysis_id")
@target
def compare(analysis_id: str, url: str | None, as_json: bool) -> None:
    """Show the fields of all documents side by side; * marks those that differ.

    Of more than four, each document is a row.
    """
    with connected(url) as client:
        found = client.get(f"/v1/analyses/{analysis_id}/comparison")
    if as_json:
        show_json(found)
        return
    names = [_name(one) for one in found["documents"]]
    fields = [f"{' ' if one['same'] else '*'} {one['field']}" for one in found["fields"]]
    columns = [[_cell(value) for value in one["values"]] for one in found["fields"]]
    if len(names) > _MOST_SIDE_BY_SIDE:
        show_table(("DOCUMENT", *fields), list(zip(names, *columns, strict=True)))
    else:
        rows = [(field, *column) for field, column in zip(fields, columns, strict=True)]
        show_table(("FIELD", *names), rows)


@analyze.command("aggregate")
@click.argument("analysis_id")
@click.argument("operation", type=click.Choice(_OPERATIONS))
@click.argument("pointer")
@target
def aggregate(
    analysis_id: str, operation: str, pointer: str, url: str | None, as_json: bool
) -> int:
    """Count, group, order or add up the values at a POINTER such as /payments/*/amount.

    The exit code is 1 when there is no value, or none that can be read as a number or a date.
    """
    body = {"operations": [{"op": operation, "of": pointer}]}
    with connected(url) as client:
        (found,) = client.post(f"/v1/analyses/{analysis_id}/aggregate", body)["data"]
        if not found["count"]:
            _check_field(client.get(f"/v1/analyses/{analysis_id}"), pointer)
        named = (found["timeline"] or found["left_out"]) and not as_json
        names = _names(client, analysis_id) if named else {}
    readable = found["count"] - found["unreadable"]
    if as_json:
        show_json(found)
    else:
        _show_aggregate(found, names)
    return 0 if readable else 1


def _check_field(shown: Json, pointer: str) -> None:
    """Refuse a field that the analysis did not look for; one that is nowhere is another thing."""
    fields = shown["result_schema"].get("properties", {})
    name = names_of(pointer)[0] if pointer else ""
    if fields and name not in fields:
        raise click.UsageError(
            f"The analysis has no field at {pointer or 'an empty pointer'}; it has "
            f"{', '.join(f'/{one}' for one in fields)}."
        )


def _names(client: Client, analysis_id: str) -> dict[str | None, str]:
    """Names of the documents of an analysis by id, if it is of each."""
    try:
        compared = client.get(f"/v1/analyses/{analysis_id}/comparison")
    except InvalidRequest:
        return {}
    return {one["document_id"]: _name(one) for one in compared["documents"]}


def _name(document: Json) -> str:
    return _cell(document["document_name"] or document["document_id"])


def _show_aggregate(found: Json, names: Mapping[str | None, str]) -> None:
    documents = "document" if found["documents"] == 1 else "documents"
    values = "value" if found["count"] == 1 else "values"
    click.echo(f"{found['count']} {values} in {found['documents']} {documents}")
    if found["distinct"] is not None:
        click.echo(f"{found['distinct']} different ones")
    if found["value"] is not None and found["count"] > found["unreadable"]:
        value = found["value"]
        said = value if isinstance(value, str) else _digits(value)
        click.echo(f"{found['op']}: {said} {found['unit'] or ''}".rstrip())
    for one in found["groups"] or ():
        click.echo(f"{one['count']:6}  {_cell(one['value'])}")
    for one in found["timeline"] or ():
        name = names.get(one["document_id"], one["document_id"] or "")
        click.echo(f"{one['date']}  {_cell(one['value'])}  {name}".rstrip())
    if found["unreadable"]:
        needed = _NEEDED[found["op"]]
        click.echo(f"{found['unreadable']} could not be read as {needed}, and were left out:")
        for one in found["left_out"][:_MOST_LEFT_OUT]:
            name = names.get(one["document_id"], one["document_id"] or "")
            click.echo(f"        {_cell(one['value'])}  {name}".rstrip())
        if found["unreadable"] > _MOST_LEFT_OUT:
            click.echo("        …")


def _digits(number: float) -> str:
    """A number as people write it, with all of its digits."""
    return str(int(number)) if number == int(number) else repr(number)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    text = plain(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


def _is_corrected(doubt: Json) -> bool:
    return bool(doubt["decision"]) and doubt["decision"]["action"] == "correct"


def _value(text: str) -> Any:
    """A corrected value: JSON where it is, and else the words as they are."""
    try:
        return json.loads(text)
    except ValueError:
        return text
