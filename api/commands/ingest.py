"""`ibidem ingest`: files and folders into a collection, with a progress bar."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from api.commands.common import (
    asked_password,
    collection_id,
    connected,
    note,
    password_options,
    plain,
    show_json,
    show_table,
    target,
)
from api.commands.progress import Display, display_of

if TYPE_CHECKING:
    from api.client import Client
    from api.commands.intake import Intake
    from api.commands.outcomes import Outcome

_LOOK_S = 0.2


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--collection", metavar="NAME", help="Into this one, made when there is none yet.")
@click.option("--engine", metavar="NAME", help="With --collection: what answers from it.")
@click.option(
    "--metadata",
    multiple=True,
    metavar="KEY=VALUE",
    help="A field to filter by; may be given several times. Numbers and true/false are such.",
)
@password_options
@click.option(
    "--include", multiple=True, metavar="PATTERN", help="In folders, only files of this pattern."
)
@click.option(
    "--exclude", multiple=True, metavar="PATTERN", help="In folders, no files of this pattern."
)
@click.option("--sync", "in_step", is_flag=True, help="Also remove documents whose files are gone.")
@click.option("--watch", is_flag=True, help="With --sync: go on until Ctrl-C.")
@click.option("--dry-run", is_flag=True, help="With --sync: only show what would be done.")
@click.option(
    "--allow-removal",
    is_flag=True,
    help="With --sync: remove documents even if more than half of a folder's files are gone.",
)
@target
def ingest(
    paths: tuple[str, ...],
    collection: str | None,
    metadata: tuple[str, ...],
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    password_file: TextIO | None,
    **how: Any,
) -> int:
    """Read files, folders (with all below) and patterns, and the files inside e-mails and archives.

    Bytes that are there already are not read again. Hidden files and types that cannot be read
    are left out and listed. The exit code is 1 when a file failed or nothing could be read.

    With --sync a collection is kept in step with folders: new and changed files are read, the
    version before staying visible until then, and documents whose files are gone are removed,
    but only those that came from that folder. What a folder's .ibidemignore names does not
    belong to it; files that --include and --exclude leave out stay as they are. Patterns mean
    what they mean in a .gitignore.
    """
    fields = _fields(metadata)
    if not how["in_step"] and (how["watch"] or how["dry_run"] or how["allow_removal"]):
        raise click.UsageError("--watch, --dry-run and --allow-removal need --sync.")
    if how["watch"] and how["dry_run"]:
        raise click.UsageError("--watch and --dry-run exclude each other.")
    if how["engine"] and (collection is None or how["dry_run"]):
        raise click.UsageError("--engine needs --collection, and no --dry-run.")
    password = asked_password(password_file, ask=how["ask"])
    started = time.monotonic()
    with connected(how["url"], work=not how["dry_run"]) as client:
        from api.commands.folder import Selection
        from api.commands.intake import find_files
        from api.commands.patterns import Patterns

        if how["engine"]:
            _pin(client, str(collection), how["engine"])
        selection = Selection(include=Patterns(include), exclude=Patterns(exclude))
        if how["in_step"]:
            from api.commands.watch import keep_in_step

            return keep_in_step(
                client, paths, collection, fields, selection, {**how, "password": password}
            )
        files, left_out = find_files(paths, selection)
        sent = ingest_files(client, [(file, None) for file in files], collection, fields, password)
        outcomes = [*sent, *left_out]
        _finish_what_was_left(client)
    report(outcomes, time.monotonic() - started, as_json=how["as_json"])
    return exit_code(outcomes)


def _finish_what_was_left(client: Client) -> None:
    """Without a service, read what an earlier command was stopped from reading."""
    from api.client import IN_PROCESS
    from api.commands.patience import Patience, pauses

    if client.address != IN_PROCESS:
        return
    told, patience, looks = False, Patience(), pauses(_LOOK_S)
    while left := client.listed("/v1/jobs", 100, status="queued") + client.listed(
        "/v1/jobs", 100, status="in_progress"
    ):
        if not told:
            note(f"Reading {len(left)} documents that an earlier command left.")
            told = True
        if patience.is_over(left):
            note(f"{len(left)} of them cannot be read now; they are tried again the next time:")
            for job in left:
                name, why = job["document_name"] or job["id"], job["error"]["message"]
                note(f"{plain(name)}: {plain(why)}")
            return
        time.sleep(next(looks))


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """1 when a file failed or nothing could be read."""
    counts = Counter(outcome.status for outcome in outcomes)
    return 1 if counts["failed"] or not counts["ready"] + counts["unchanged"] else 0


def ingest_files(
    client: Client,
    files: Sequence[tuple[Path, Mapping[str, Any] | None]],
    collection: str | None,
    fields: Mapping[str, Any],
    password: str | None = None,
) -> Sequence[Outcome]:
    """Send files and wait until all have been read; tells the progress on stderr.

    With each file comes which one of a folder it is, when a folder is kept in step.
    """
    from api.commands.intake import Intake

    if collection:
        _make_collection(client, collection)
    intake = Intake(client=client, collection=collection, metadata=fields, password=password)
    try:
        with display_of(len(files)) as display:
            _drive(intake, files, display)
    except KeyboardInterrupt:
        note(
            f"\nStopping. {len(intake.outcomes)} of {len(files)} files were accepted; those not "
            f"yet read {_when_read(client)}."
        )
        raise
    return intake.outcomes


def _when_read(client: Client) -> str:
    from api.client import IN_PROCESS

    if client.address == IN_PROCESS:
        return "are read when `ibidem ingest` or `ibidem serve` runs next"
    return "are read by the service; `ibidem jobs watch` shows how far it is"


def report(outcomes: Sequence[Outcome], seconds: float, *, as_json: bool) -> None:
    """What became of the files: those with a reason in a table, then one line in all."""
    from api.commands.outcomes import STATUSES

    counts = Counter(outcome.status for outcome in outcomes)
    if as_json:
        show_json(
            {
                "object": "ingest",
                "documents": [outcome.as_dict() for outcome in outcomes],
                "counts": {
                    status: counts[status]
                    for status in STATUSES
                    if status != "queued" and (status != "removed" or counts[status])
                },
                "seconds": round(seconds, 3),
            }
        )
        return
    rows = [
        (one.status, one.path, one.error["message"])
        for status in ("skipped", "failed")
        for one in outcomes
        if one.status == status and one.error
    ]
    rows += [("warning", one.path, warning) for one in outcomes for warning in one.warnings]
    if rows:
        show_table(("STATUS", "FILE", "WHY"), rows)
    chunks = sum(one.chunks for one in outcomes if one.status == "ready")
    said = [f"{counts['ready']} ingested ({chunks} {'chunk' if chunks == 1 else 'chunks'})"]
    said += [f"{counts[status]} {status}" for status in STATUSES[1:] if counts[status]]
    click.echo(f"{', '.join(said)} in {seconds:.1f} s")


def _make_collection(client: Client, name: str, engine: str | None = None) -> bool:
    """Make a collection unless it is there; true when it was not."""
    from rag.errors import Conflict

    try:
        client.post("/v1/collections", {"name": name, "engine": engine})
    except Conflict:
        return False
    note(f"Made the collection {name!r}.")
    return True


def _pin(client: Client, collection: str, engine: str) -> None:
    """Let an engine answer from a collection, which is made when there is none yet."""
    if not _make_collection(client, collection, engine):
        place = f"/v1/collections/{collection_id(client, collection)}"
        before = client.get(place)["engine"] or "the service's default"
        now = client.patch(place, {"engine": engine})["engine"]
        if now != before:
            note(f"{collection!r} is answered by {now} from now on, and was by {before}.")


def _drive(
    intake: Intake, files: Iterable[tuple[Path, Mapping[str, Any] | None]], display: Display
) -> None:
    from api.commands.patience import pauses

    looked = time.monotonic()
    for file, source in files:
        outcome = intake.send(file, source)
        if outcome.finished:
            display.finished(outcome)
        if time.monotonic() - looked >= _LOOK_S:
            _look(intake, display)
            looked = time.monotonic()
    looks = pauses(_LOOK_S)
    while intake.waiting:
        if not _look(intake, display) and intake.waiting:
            time.sleep(next(looks))


def _look(intake: Intake, display: Display) -> bool:
    """Show what has come on; whether a file came to its end."""
    before = len(intake.outcomes)
    ended = intake.look()
    display.found(len(intake.outcomes) - before)
    for outcome in ended:
        display.finished(outcome)
    display.chunks(intake.outcomes)
    return bool(ended)


def _fields(given: Sequence[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for one in given:
        key, equals, value = one.partition("=")
        if not equals or not key:
            raise click.UsageError(f"--metadata {one!r} is not of the form KEY=VALUE.")
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = value
        fields[key] = parsed if isinstance(parsed, (bool, int, float)) else value
    return fields
