"""`ibidem jobs`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from api.commands.common import (
    connected,
    note,
    plain,
    progress_of,
    show_fields,
    show_json,
    show_table,
    target,
)
from api.commands.working import AT_WORK, resume, watch
from rag.errors import NotFound

if TYPE_CHECKING:
    from api.client import Client, Json

_LOOK_S = 0.3
_STATUSES = (*AT_WORK, "paused", "completed", "failed", "cancelled")

_most = click.option("--limit", type=click.IntRange(1), default=100, help="Most to list.")


@click.group()
def jobs() -> None:
    """List, show, watch and steer the work on documents, batches and analyses."""


@jobs.command("list")
@click.option(
    "--status",
    type=click.Choice(_STATUSES),
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
        (
            one["id"],
            one["kind"],
            one["status"],
            _progress(one),
            plain(one["document_name"] or ""),
            _reason(one),
        )
        for one in found
    ]
    show_table(("ID", "KIND", "STATUS", "DONE", "FILE", "WHY"), rows)


@jobs.command("show")
@click.argument("job_id")
@target
def show_job(job_id: str, url: str | None, as_json: bool) -> None:
    """Show one job."""
    with connected(url) as client:
        job = client.get(f"/v1/jobs/{_job_id(job_id)}")
    show_json(job) if as_json else show_fields({**job, "progress": _progress(job)})


@jobs.command("watch")
@click.argument("job_id", required=False)
@target
def watch_jobs(job_id: str | None, url: str | None, as_json: bool) -> int:
    """Wait until a job, batch or analysis, or all, are finished; without a service, work here.

    Then work that fails and fails again is left for the next time. The exit code is 1 when a job
    failed or was left.
    """
    failed = False
    with connected(url, work=True) as client:
        for job in _watched(client, job_id):
            failed |= job["status"] in ("failed", "paused", *AT_WORK)
            if as_json:
                show_json(job)
                continue
            name = plain(job["document_name"] or "")
            line = f"{job['id']}  {job['status']}  {_progress(job)}  {name}  {_reason(job)}"
            click.echo(line.rstrip())
            if told := _where_results_are(job):
                note(told)
    return 1 if failed else 0


@jobs.command("cancel")
@click.argument("job_id")
@target
def cancel_job(job_id: str, url: str | None, as_json: bool) -> None:
    """Begin nothing more of a batch or an analysis; what has ended is kept."""
    with connected(url) as client:
        job = client.post(f"/v1/jobs/{_job_id(job_id)}/cancel", {})
    show_json(job) if as_json else click.echo(f"{job['id']} is {job['status']}.")


@jobs.command("resume")
@click.argument("job_id")
@click.option(
    "--budget-usd", type=click.FloatRange(0, min_open=True), help="Its budget from now on."
)
@click.option("--retry-failed", is_flag=True, help="Do items that failed once more, too.")
@target
def resume_job(
    job_id: str, budget_usd: float | None, retry_failed: bool, url: str | None, as_json: bool
) -> int:
    """Go on with a batch or an analysis that was paused or cancelled, or that failed.

    A service goes on with it by itself; without one, the work is done here, until its end or
    Ctrl-C. The exit code is 1 when it failed or paused again.
    """
    from api.client import IN_PROCESS

    how = {"budget_usd": budget_usd, "retry_failed": retry_failed}
    with connected(url, work=True) as client:
        job = resume(client, f"/v1/jobs/{_job_id(job_id)}", how)
        if client.address == IN_PROCESS:
            note("No service runs: the work is done here.")
            job = watch(client, job)
    show_json(job) if as_json else click.echo(f"{job['id']} is {job['status']}.")
    return 1 if job["status"] in ("failed", "paused") else 0


def _job_id(given: str) -> str:
    """The job of a batch or an analysis, which has its digits, or the job itself."""
    prefix, _, digits = given.partition("_")
    return f"job_{digits}" if prefix in ("bat", "anl") else given


def _watched(client: Client, job_id: str | None) -> Iterator[Json]:
    """Each job once when it has ended or is left: the one, or all, and those on inner files."""
    waiting = [client.get(f"/v1/jobs/{_job_id(job_id)}")] if job_id else _unfinished(client)
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
    listed = [one for status in AT_WORK for one in client.all("/v1/jobs", status=status)]
    return sorted({one["id"]: one for one in listed}.values(), key=lambda one: one["created_at"])


def _inside(client: Client, job: Json) -> list[Json]:
    """The jobs that this one brought about: those on files found inside its document."""
    found: list[Json] = []
    if job["document_id"] is None:
        return found
    with suppress(NotFound):  # deleted meanwhile
        document = client.get(f"/v1/documents/{job['document_id']}")
        for inner_id in document["attachment_ids"]:
            inner = client.get(f"/v1/jobs/{client.get(f'/v1/documents/{inner_id}')['job_id']}")
            if inner["created_at"] >= job["created_at"]:
                found.append(inner)
    return found


def _ended(client: Client, job: Json) -> Json:
    from api.client import IN_PROCESS
    from api.commands.patience import Patience, pauses

    if job["work"] is not None:
        return watch(client, job)
    patience = Patience()
    for pause_s in pauses(_LOOK_S):
        if job["status"] not in AT_WORK:
            break
        if client.address == IN_PROCESS and patience.is_over([job]):
            break
        time.sleep(pause_s)
        job = client.get(f"/v1/jobs/{job['id']}")
    return job


def _progress(job: Json) -> str:
    counted = progress_of(job)
    return (
        f"{counted} {job['progress']['unit'] or ''}".rstrip() if counted[0].isdigit() else counted
    )


def _where_results_are(job: Json) -> str:
    digits = job["id"].removeprefix("job_")
    if job["kind"] == "analysis":
        return f"`ibidem analyze show anl_{digits}` shows the result."
    if job["kind"] == "batch":
        return f"`ibidem batch results bat_{digits}` writes the answers."
    return ""


def _reason(job: Json) -> str:
    return plain(job["error"]["message"]) if job["error"] else ""
