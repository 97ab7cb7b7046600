"""`ibidem chunks`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from api.commands.common import (
    asked_password,
    connected,
    password_options,
    plain,
    printable,
    show_json,
    target,
)

if TYPE_CHECKING:
    from api.client import Json


def _parse_options(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> dict[str, Any] | None:
    if value is None:
        return None
    try:
        options = json.loads(value)
    except ValueError as error:
        raise click.BadParameter(f"not valid JSON: {error}") from error
    if not isinstance(options, dict):
        raise click.BadParameter("expected a JSON object.")
    return options


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--strategy",
    metavar="NAME",
    help="recursive, sentence, structure, semantic, fixed, or llama_index:DOTTED.NAME.",
)
@click.option("--size", type=int, help="Most tokens in a chunk.")
@click.option("--overlap", type=int, help="What neighbours share: tokens, or whole sentences.")
@click.option("--group", type=int, help="semantic: tokens in the groups that are compared.")
@click.option(
    "--options", callback=_parse_options, metavar="JSON", help="llama_index: its arguments."
)
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=100, help="Most chunks to show; 100."
)
@password_options
@target
def chunks(
    file: Path,
    limit: int,
    ask: bool,
    password_file: TextIO | None,
    url: str | None,
    as_json: bool,
    **chunking: Any,
) -> None:
    """Show how a file would be cut, without storing it."""
    password = asked_password(password_file, ask=ask)
    with connected(url) as client:
        found = client.preview_chunks(file, chunking, limit=limit, password=password)
    if as_json:
        show_json(found)
    else:
        _show(found)


def _show(found: Json) -> None:
    settings = ", ".join(f"{k} {v}" for k, v in found["chunking"].items() if k != "strategy" and v)
    figures = found["statistics"]
    for one in found["data"]:
        place = f"{one['start_char_index']}-{one['end_char_index']}, {one['tokens']} tokens"
        path = " > ".join(plain(words) for words in one["heading_path"])
        click.secho(f"[{one['id']}] {place}{'  ' + path if path else ''}", bold=True)
        click.echo(printable(one["text"]) + "\n")
    if found["has_more"]:
        click.echo(f"... and {figures['chunks'] - len(found['data'])} more; see --limit.\n")
    click.echo(
        f"{found['chunking']['strategy']} ({settings}): {figures['chunks']} chunks of "
        f"{figures['fewest_tokens']} to {figures['most_tokens']} tokens, half of them of "
        f"{figures['median_tokens']:g} or more; {figures['repeated']} of {found['text_length']} "
        "characters come twice."
    )
