"""What commands share: where they work, how they print. Light: imported for every command."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from api.home import Home
from api.settings import Settings, load_settings

if TYPE_CHECKING:
    from api.client import Client, Json

_Command = TypeVar("_Command", bound=Callable[..., Any])


def target(command: _Command) -> _Command:
    """Options ``--url`` and ``--json``."""
    command = click.option(
        "--json", "as_json", is_flag=True, help="Print JSON, shaped as in the REST API."
    )(command)
    return click.option(
        "--url",
        metavar="URL",
        help="A running service to work on, such as http://127.0.0.1:8000; "
        "the first of IBIDEM_API_KEYS is sent to it.",
    )(command)


def password_options(command: _Command) -> _Command:
    """Options ``--password`` and ``--password-file``; see `asked_password`."""
    command = click.option(
        "--password-file",
        type=click.File("r"),
        metavar="FILE",
        help="Read what opens locked files from the first line of this file.",
    )(command)
    return click.option("--password", "ask", is_flag=True, help="Ask for what opens locked files.")(
        command
    )


def asked_password(file: TextIO | None, *, ask: bool) -> str | None:
    """What opens locked files, as the options say; ``None`` for nothing.

    Raises:
        UsageError: There is no terminal to ask on.
    """
    if ask:
        if not sys.stdin.isatty():
            raise click.UsageError(
                "--password asks on a terminal, and this is none; use --password-file FILE, "
                "with - for standard input."
            )
        return str(click.prompt("Password", hide_input=True, err=True))
    return file.readline().rstrip("\r\n") if file else None


@contextmanager
def connected(url: str | None, *, work: bool = False) -> Iterator[Client]:
    """A client of the service named, else of the one that owns the home, else of none but us.

    With ``work``, documents are also read when no service does it. A service that is starting, or
    another command that is using the home, is waited for.

    Raises:
        HomeBusy: another command has been using the home for too long.
        ConfigurationError: a setting is wrong.
    """
    from api.commands.patience import when_free

    settings = load_settings()
    home = Home(path=settings.home)
    if not url and not home.owner():
        announce_first_start(settings)
    with ExitStack() as stack:
        yield when_free(lambda: _client(stack, settings, url, work=work), home.user)


def _client(stack: ExitStack, settings: Settings, url: str | None, *, work: bool) -> Client:
    key = settings.api_keys[0] if settings.api_keys else None
    address = url or Home(path=settings.home).owner().get("address")
    if address:
        from api.client import over_http

        return stack.enter_context(over_http(str(address), key=key))
    from api.client import in_process
    from api.running import opened

    app = stack.enter_context(opened(settings, work=work))
    return stack.enter_context(in_process(app, key=key))


def collection_id(client: Client, name: str | None) -> str:
    """The id of the collection of this name or id; of the default one for none.

    Raises:
        NotFound: there is none.
    """
    from rag.errors import NotFound

    wanted = name or "default"
    for collection in client.all("/v1/collections"):
        if wanted in (collection["name"], collection["id"]):
            return str(collection["id"])
    raise NotFound(f"No collection {wanted!r}.")


def announce_first_start(settings: Settings) -> None:
    """Say why the first start takes longer."""
    models = Home(path=settings.home).models
    if settings.embedder.startswith("onnx") and not (models.is_dir() and any(models.iterdir())):
        note("Preparing the embedding model, once; this takes a few seconds.")


def note(message: str) -> None:
    """Tell the person, not the program that reads our output."""
    click.echo(message, err=True)


def show_json(value: object) -> None:
    """Print a JSON value; a list of several lines for a person, one line for a program."""
    indent = 2 if sys.stdout.isatty() else None
    shown = json.dumps(value, ensure_ascii=False, indent=indent)
    # What is no text, in names of files, is escaped as JSON escapes it.
    click.echo(shown.encode("utf-8", "backslashreplace").decode())


def show_table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print columns, the last one as long as it is."""
    cells = [headings, *([plain(str(cell)) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings) - 1)]
    for number, row in enumerate(cells):
        line = "  ".join(
            cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)
        ).rstrip()
        click.secho(line, bold=number == 0)


def show_fields(thing: Json) -> None:
    """Print what is known of something, a line each, in columns."""
    lines = [(name, plain(_in_words(name, one))) for name, one in thing.items() if _is_known(one)]
    widest = max((len(name) for name, _ in lines), default=0)
    for name, said in lines:
        click.echo(f"{name + ':':<{widest + 1}} {said}")


def _is_known(value: Any) -> bool:
    return value not in (None, [], {}, "")


def _in_words(name: str, value: Any) -> str:
    """A value for a person: what it is made of in one line, parts that are unknown left out."""
    if name.endswith("_at"):
        return datetime.fromtimestamp(value, UTC).isoformat(timespec="seconds")
    if isinstance(value, dict):
        known = ((part, one) for part, one in value.items() if _is_known(one))
        return ", ".join(f"{part} {_in_words(part, one)}" for part, one in known)
    if isinstance(value, list):
        return ", ".join(_in_words("", one) for one in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def progress_of(job: Json) -> str:
    """How much of a job is done, also while nobody knows how much there is."""
    done, total = job["progress"]["done"], job["progress"]["total"]
    if total is not None:
        return f"{done}/{total}"
    if done:
        return str(done)
    return {"queued": "waiting", "in_progress": "reading"}.get(job["status"], "-")


def plain(text: str) -> str:
    """One line without control characters: a document shall not steer the terminal."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())


def printable(text: str) -> str:
    """Text with its lines, but without what else may steer the terminal."""
    return "".join(c for c in text if c.isprintable() or c in "\n\t")
