"""How far a job made of items is: a bar for a person, lines for a log. Leaving does not end it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from api.commands.common import note, progress_of

if TYPE_CHECKING:
    from api.client import Client, Json

AT_WORK = ("queued", "in_progress", "cancelling")
_LOOK_S = 0.5
_LINE_S = 10.0
_pause = time.sleep
_Show: TypeAlias = "Callable[[Json], None]"


def resume(client: Client, path: str, how: Mapping[str, Any]) -> Json:
    """Go on with a batch or an analysis, or join it where it goes on already.

    What a command without a service was stopped from is still at work by its state, and goes on,
    maybe to its end, as soon as the home is opened for work.

    Raises:
        Conflict: there is nothing to go on with.
    """
    from api.client import IN_PROCESS
    from rag.errors import Conflict

    try:
        return client.post(f"{path}/resume", how)
    except Conflict as refused:
        found = client.get(path)
        if found["status"] in ("queued", "in_progress"):
            return found
        if found["status"] != "completed" or client.address != IN_PROCESS or how["retry_failed"]:
            raise
        note(refused.message)
        return found


def watch(client: Client, job: Json, *, later: str = "") -> Json:
    """The job when it has ended or rests; ``later`` tells who leaves what to do in the end.

    Raises:
        KeyboardInterrupt: somebody has seen enough, and was told how to come back.
    """
    from api.commands.patience import pauses
    from rag.errors import IbidemError, RequestError

    looks = pauses(_LOOK_S)
    try:
        with _display() as show:
            show(job)
            while job["status"] in AT_WORK:
                _pause(next(looks))
                job = client.get(f"/v1/jobs/{job['id']}")
                show(job)
    except KeyboardInterrupt:
        note(f"{_what_goes_on(client)} `ibidem jobs watch {job['id']}` shows it again.{later}")
        raise
    except RequestError:
        raise
    except IbidemError:  # the service has gone
        note(f"What has ended is kept; `ibidem jobs watch {job['id']}` goes on with it.{later}")
        raise
    return job


def _what_goes_on(client: Client) -> str:
    from api.client import IN_PROCESS

    if client.address == IN_PROCESS:
        return "It rests now: what has ended is kept, and it goes on with the next service, or"
    return "The service goes on with it."


def in_words(job: Json) -> str:
    """How a job stands, in a line."""
    work = job["work"]
    parts = [progress_of(job)]
    if work["per_second"]:
        parts.append(f"{work['per_second']:.3g}/s")
    if work["seconds_left"] and job["status"] in AT_WORK:
        parts.append(f"{_time(work['seconds_left'])} left")
    parts.append(f"${work['cost_usd']:.4f}")
    if failures := work["failures"]:
        told = ", ".join(f"{count} {code}" for code, count in sorted(failures.items()))
        parts.append(f"failed: {told}")
    return "  ".join(parts)


@contextmanager
def _display() -> Iterator[_Show]:
    """A bar at a terminal, lines elsewhere, both on stderr."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn("{task.fields[status]}"), BarColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("", total=None, status="")

        def show(job: Json) -> None:
            done, total = job["progress"]["done"], job["progress"]["total"]
            words, status = in_words(job), job["status"].replace("_", " ")
            progress.update(bar, completed=done, total=total, description=words, status=status)

        yield show


class _Lines:
    """A line now and then, and whenever the state is another."""

    def __init__(self) -> None:
        self._last = ""
        self._at = 0.0

    def __call__(self, job: Json) -> None:
        now = time.monotonic()
        if job["status"] != self._last or now - self._at > _LINE_S:
            note(f"{job['id']} {job['status']}: {in_words(job)}")
            self._last, self._at = job["status"], now


def _time(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
