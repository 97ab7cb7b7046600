"""`ibidem batch`."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from api.commands.common import connected, note, plain, show_fields, show_json, show_table, target
from api.commands.working import in_words, resume, watch

if TYPE_CHECKING:
    from api.client import Client, Json

_MOST_BROKEN = 5
_FORMATS = ("jsonl", "json", "csv", "xlsx", "html")


def _check_output(
    context: click.Context, _option: click.Parameter, output: Path | None
) -> Path | None:
    """Refuse, before anything is done, a file that could not be written in the end."""
    if output is None:
        return None
    if not output.parent.is_dir():
        raise click.BadParameter(f"There is no folder {output.parent}; make it first.")
    if not os.access(output if output.exists() else output.parent, os.W_OK):
        raise click.BadParameter(f"{output} may not be written.")
    if context.params.get("format") is None and _ending(output) not in ("", *_FORMATS):
        known = ", ".join(f".{one}" for one in _FORMATS)
        raise click.BadParameter(
            f"Results are not written as {output.suffix}, but as {known}; choose one of these, or "
            "add --format."
        )
    return output


def _ending(output: Path) -> str:
    return output.suffix.removeprefix(".").lower()


format_option = click.option(
    "--format",
    is_eager=True,  # before the file, whose ending need not say it then
    type=click.Choice(_FORMATS),
    help="What kind of file; as the name of --output ends, and without one jsonl.",
)
output_option = click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=_check_output,
    help="Write the results here.",
)
_budget = click.option(
    "--budget-usd",
    type=click.FloatRange(0, min_open=True),
    help="Most that language models may cost in all; then the batch pauses.",
)


@click.group()
def batch() -> None:
    """Ask many questions as one job that survives crashes and restarts."""


@batch.command("run")
@click.argument("file", type=click.Path(exists=True, path_type=Path, dir_okay=False))
@click.option("--collection", metavar="NAME", help="For lines that name none.")
@click.option("--engine", metavar="NAME", help="For lines that name none; see `ibidem engines`.")
@click.option("--priority", type=click.IntRange(-100, 100), help="Jobs of a higher one go first.")
@_budget
@click.option(
    "--executor",
    type=click.Choice(["calls", "provider"]),
    help="provider: through the batches of the engine's provider, half the price, within a day.",
)
@click.option("--detach", is_flag=True, help="Do not wait: print the batch.")
@output_option
@format_option
@target
def run_batch(
    file: Path, detach: bool, output: Path | None, format: str | None, **options: Any
) -> int:
    """Answer each line of a JSON Lines FILE: {"custom_id": "q-1", "question": "..."}.

    Ctrl-C leaves the display, and a service goes on with the batch; without one, `ibidem jobs
    watch` or `ibidem batch resume` goes on. The exit code is 1 when a line failed or the batch did
    not come to its end.
    """
    url, as_json = options.pop("url"), options.pop("as_json")
    with connected(url, work=True) as client:
        sent = client.send("/v1/batches", file, name=file.name, **options)
        if detach:
            _tell_broken(sent)
            show_json(sent) if as_json else click.echo(sent["id"])
            return 0
        note(f"{sent['id']}: {sent['request_counts']['total']} lines")
        _tell_broken(sent)
        later = _later(sent["id"], output, format)
        watch(client, client.get(f"/v1/jobs/{sent['job_id']}"), later=later)
        return _report(client, sent["id"], output, format, as_json=as_json)


@batch.command("list")
@click.option("--limit", type=click.IntRange(1), default=100, help="Most to list.")
@target
def list_batches(limit: int, url: str | None, as_json: bool) -> None:
    """List batches, newest first."""
    with connected(url) as client:
        found = client.listed("/v1/batches", limit)
    if as_json:
        show_json({"object": "list", "data": found})
        return
    rows = [
        (
            one["id"],
            one["status"],
            f"{one['request_counts']['completed']}/{one['request_counts']['total']}",
            one["request_counts"]["failed"],
            f"{one['work']['cost_usd']:.4f}",
            one["name"] or "",
        )
        for one in found
    ]
    show_table(("ID", "STATUS", "ANSWERED", "FAILED", "COST USD", "NAME"), rows)


@batch.command("show")
@click.argument("batch_id")
@target
def show_batch(batch_id: str, url: str | None, as_json: bool) -> None:
    """Show how far a batch is."""
    with connected(url) as client:
        found = client.get(f"/v1/batches/{batch_id}")
    show_json(found) if as_json else show_fields(found)


@batch.command("results")
@click.argument("batch_id")
@output_option
@format_option
@click.option("--url", metavar="URL", help="A running service to work on.")
def show_results(batch_id: str, output: Path | None, format: str | None, url: str | None) -> None:
    """Write the results of a batch: those of all lines that have ended so far."""
    with connected(url) as client:
        fetch(client, f"/v1/batches/{batch_id}/results", output, format)


@batch.command("cancel")
@click.argument("batch_id")
@target
def cancel_batch(batch_id: str, url: str | None, as_json: bool) -> None:
    """Begin no further line; what has ended is kept, and `resume` goes on."""
    with connected(url) as client:
        found = client.post(f"/v1/batches/{batch_id}/cancel", {})
    show_json(found) if as_json else click.echo(f"{batch_id} is {found['status']}.")


@batch.command("resume")
@click.argument("batch_id")
@_budget
@click.option("--retry-failed", is_flag=True, help="Do lines that failed once more, too.")
@output_option
@format_option
@target
def resume_batch(
    batch_id: str,
    budget_usd: float | None,
    retry_failed: bool,
    output: Path | None,
    format: str | None,
    **where: Any,
) -> int:
    """Go on with a batch that was paused, cancelled or left, and wait for its end."""
    with connected(where["url"], work=True) as client:
        how = {"budget_usd": budget_usd, "retry_failed": retry_failed}
        resumed = resume(client, f"/v1/batches/{batch_id}", how)
        later = _later(batch_id, output, format)
        watch(client, client.get(f"/v1/jobs/{resumed['job_id']}"), later=later)
        return _report(client, batch_id, output, format, as_json=where["as_json"])


def _tell_broken(sent: Json) -> None:
    """Say at once which lines of a file come to nothing."""
    count = sent["broken_lines"]
    if not count:
        return
    total = sent["request_counts"]["total"]
    fail = "is broken, and fails" if count == 1 else "are broken, and fail"
    note(f"{count} of {total} lines {fail}; the others are done:")
    for one in sent["broken"][:_MOST_BROKEN]:
        note(f"  {plain(one['message'])}")
    if count > _MOST_BROKEN:
        note("  …")


def _report(
    client: Client, batch_id: str, output: Path | None, format: str | None, *, as_json: bool
) -> int:
    """Say how a batch went, and hand out its results; returns the exit code."""
    ended = client.get(f"/v1/batches/{batch_id}")
    if output is not None:
        fetch(client, f"/v1/batches/{batch_id}/results", output, format)
    if as_json:
        show_json(ended)
    else:
        click.echo(_told(ended))
        if output is None:
            note(f"`ibidem batch results {batch_id}` writes the answers.")
    return 0 if ended["status"] == "completed" and not ended["request_counts"]["failed"] else 1


def _later(batch_id: str, output: Path | None, format: str | None) -> str:
    """How to get the file that the command did not stay for."""
    if output is None:
        return ""
    options = f"--output {output}" + (f" --format {format}" if format else "")
    return f" `ibidem batch results {batch_id} {options}` writes the file then."


def _told(ended: Json) -> str:
    counts = ended["request_counts"]
    progress = {"done": counts["completed"] + counts["failed"], "total": counts["total"]}
    line = f"{ended['id']} {ended['status']}: {in_words({**ended, 'progress': progress})}"
    return f"{line}\n{plain(ended['error']['message'])}" if ended["error"] else line


def fetch(client: Client, path: str, output: Path | None, format: str | None) -> None:
    """Write a file of results, of a batch or an analysis, or print it."""
    kind = format or (_ending(output) if output else "") or "jsonl"
    if output is None:
        _write(client, path, kind, sys.stdout.buffer)
        return
    with closing(output.open("wb")) as file:
        _write(client, path, kind, file)
    note(f"Wrote {output}.")


def _write(client: Client, path: str, kind: str, file: IO[bytes]) -> None:
    for piece in client.pieces(path, format=kind):
        file.write(piece)
    file.flush()
