"""`ibidem prompts`: list, show, diff, add and try them, and compare two on labelled examples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.commands.common import connected, plain, printable, show_json, show_table, target

if TYPE_CHECKING:
    from api.client import Client, Json

_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def prompts() -> None:
    """What language models are asked with: versions that never change.

    A prompt is named TASK/FORM, such as answer/strict, which is its newest version, or
    TASK/FORM@VERSION.
    """


@prompts.command("list")
@target
def list_(url: str | None, as_json: bool) -> None:
    """List every version of every prompt."""
    with connected(url) as client:
        found = client.get("/v1/prompts")
    if as_json:
        show_json(found)
        return
    rows = [
        (one["id"], "own" if one["own"] else "", one["sha256"][:12], one["changelog"])
        for one in found["data"]
    ]
    show_table(("PROMPT", "", "SHA256", "CHANGE"), rows)


@prompts.command()
@click.argument("name")
@target
def show(name: str, url: str | None, as_json: bool) -> None:
    """Print a prompt as its file says it."""
    with connected(url) as client:
        found = _find(client, name)
    show_json(found) if as_json else click.echo(printable(found["text"]))


@prompts.command()
@click.argument("one")
@click.argument("other")
@target
def diff(one: str, other: str, url: str | None, as_json: bool) -> None:
    """Show what differs between two versions, or two prompts."""
    import difflib

    with connected(url) as client:
        found = [_find(client, name) for name in (one, other)]
    before, after = (prompt["text"].splitlines() for prompt in found)
    first, second = (str(prompt["id"]) for prompt in found)
    lines = list(difflib.unified_diff(before, after, first, second, lineterm=""))
    if as_json:
        show_json({"from": first, "to": second, "lines": lines})
        return
    for line in lines or ["They say the same."]:
        color = {"+": "green", "-": "red", "@": "cyan"}.get(line[0])
        click.secho(printable(line), fg=color)


@prompts.command()
@click.argument("file", type=_file)
@target
def add(file: Path, url: str | None, as_json: bool) -> None:
    """Add a prompt of your own, or its next version; its header says task and form."""
    with connected(url) as client:
        added = client.post("/v1/prompts", {"text": _read(file)})
    show_json(added) if as_json else click.echo(f"{added['id']}  {added['sha256']}")


@prompts.command("try")
@click.argument("name")
@click.option("--question", help="The question, or the claim, or what a summary attends to.")
@click.option("--file", "text", type=_file, help="Plain text to read, instead of passages.")
@click.option("--collection", metavar="NAME", help="Where to search for passages.")
@click.option("--label", "labels", multiple=True, help="For classify; give it several times.")
@click.option("--schema", type=_file, help="For extract: the JSON Schema of what to fill.")
@click.option("--engine", metavar="ID", help="See `ibidem engines`.")
@click.option("--run", is_flag=True, help="Also ask; costs what a call costs.")
@target
def try_(name: str, url: str | None, as_json: bool, **given: Any) -> None:
    """Show what would be sent with a prompt, and with --run what comes of it."""
    body = {
        "prompt": name,
        "question": given["question"],
        "text": _read(given["text"]) if given["text"] else None,
        "collection": given["collection"],
        "labels": [{"name": label} for label in given["labels"]] or None,
        "output_schema": _json(given["schema"]) if given["schema"] else None,
        "engine": given["engine"],
        "run": given["run"],
    }
    with connected(url) as client:
        tried = client.post("/v1/prompts:try", body, patient=True)
    show_json(tried) if as_json else _show_tried(tried)


@prompts.command()
@click.argument("file", type=_file)
@click.option("--prompt", "names", multiple=True, metavar="NAME", help="One for both, or two.")
@click.option("--engine", "engines", multiple=True, metavar="ID", help="One for both, or two.")
@click.option("--collection", metavar="NAME", help="Where questions without text are searched.")
@click.option("--schema", type=_file, help="For fields: the schema of lines that have none.")
@target
def compare(
    file: Path,
    names: tuple[str, ...],
    engines: tuple[str, ...],
    collection: str | None,
    schema: Path | None,
    url: str | None,
    as_json: bool,
) -> None:
    """Compare two prompts, or two engines, on a file of labelled examples.

    FILE has a JSON object to a line: {"question", "answer"}, {"text", "label"}, or
    {"text", "fields"}. Intervals are 95 % bootstrap intervals over examples; the difference
    is paired.
    """
    from api.commands.comparison import Side, compared, show_compared
    from rag.labelled import read_examples

    if sorted((len(names), len(engines))) not in ([0, 2], [1, 2]):
        raise click.UsageError("Give two of --prompt, or two of --engine.")
    pairs = zip(_both(names), _both(engines), strict=True)
    sides = [Side(prompt=prompt, engine=engine) for prompt, engine in pairs]
    examples = read_examples(_read(file).splitlines())
    shared = {"collection": collection, "output_schema": _json(schema) if schema else None}
    with connected(url) as client:
        told = compared(client, examples, sides, shared)
    show_json(told) if as_json else show_compared(told)


def _both(given: tuple[str, ...]) -> tuple[str | None, ...]:
    return given if len(given) == 2 else (given or (None,)) * 2


def _find(client: Client, name: str) -> Json:
    """A prompt by name, and version if it has one.

    Raises:
        NotFound: there is none.
    """
    from rag.errors import NotFound

    base, _, version = name.partition("@")
    known = [one for one in client.get("/v1/prompts")["data"] if one["name"] == base]
    for one in reversed(known):
        if version in ("", str(one["version"])):
            return client.get(f"/v1/prompts/{one['name']}/{one['version']}")
    raise NotFound(f"No prompt {name!r}; `ibidem prompts list` shows those that there are.")


def _show_tried(tried: Json) -> None:
    rendered = tried["rendered"]
    click.secho("system", bold=True)
    click.echo(printable(rendered["system"]) + "\n")
    for turn in rendered["turns"]:
        click.secho(turn["role"], bold=True)
        click.echo(printable(turn["text"]) + "\n")
    if (outcome := tried["outcome"]) is not None:
        usage = outcome["usage"]
        click.secho(
            f"{plain(outcome['engine'])}: {outcome['attempts']} calls, {usage['input_tokens']} "
            f"tokens in, {usage['output_tokens']} out",
            bold=True,
        )
        for note in outcome["notes"]:
            click.echo(plain(note), err=True)
        show_json(outcome["value"])


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{file} is not text in UTF-8.") from error


def _json(file: Path) -> Any:
    try:
        return json.loads(_read(file))
    except ValueError as error:
        raise click.ClickException(f"{file} is not JSON: {error}") from error
