"""Questions handed in together through a provider's batches: half the price, within a day.

The provider's batches only bring the replies, which are kept like any others. Each question is
then answered as ever, and finds its replies known.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NoReturn

from api.services import Services
from rag.errors import InvalidRequest, ModelError
from rag.models.batches.opening import BatchEngine, open_batches
from rag.models.engine import Context, Engine, Forecast
from rag.models.tasks import Task
from rag.types import JobStatus

_PROVIDERS = ("openai:", "anthropic:")
_LOOK_S = 2.0


def check_provider(services: Services, engine: Engine) -> None:
    """Refuse an engine whose calls no provider's batch would bring.

    Raises:
        InvalidRequest: the message says why.
    """
    settings = services.settings
    named = (settings.engine, *settings.engines)
    if not engine.id.startswith(_PROVIDERS) or engine.id not in named:
        raise InvalidRequest(
            f"{engine.id} has no batches of its provider's; openai:MODEL and anthropic:MODEL have, "
            "named as they are in IBIDEM_ENGINE or IBIDEM_ENGINES.",
            param="executor",
        )
    if settings.page_images or settings.redact != "none":
        raise InvalidRequest(
            "Through a provider's batches no pages can be shown and nothing can be hidden; leave "
            "`executor` out, or unset IBIDEM_PAGE_IMAGES and IBIDEM_REDACT.",
            param="executor",
        )


@dataclass(slots=True)
class Noting:
    """Stands in for an engine, and notes what it is asked for."""

    id: str
    task: Task[Any] | None = None
    context: Context = field(default_factory=Context)

    def supports(self, task: type[Task[Any]]) -> bool:
        """Any task can be noted."""
        return True

    def check(self, context: Context) -> Mapping[str, str]:
        """Nothing is asked."""
        return {}

    def forecast(self, task: Task[Any], context: Context) -> Forecast:
        """Nothing: the engine in whose place it stands would know."""
        return Forecast()

    def run(self, task: Task[Any], context: Context) -> NoReturn:
        """Note the task, and leave."""
        self.task, self.context = task, context
        raise Noted


class Noted(Exception):
    """The task is known, and will be done later."""


def bring_replies(
    services: Services, job_id: str, noted: Sequence[Noting]
) -> Iterator[tuple[int, ModelError | None]]:
    """Have a provider reply to all of these; for each, by its place, what it failed of if it did.

    Raises:
        ModelError: a batch could not be handed in or looked after; nothing is lost.
    """
    in_order = sorted(range(len(noted)), key=lambda place: _asked_of(noted[place]))
    for (engine_id, _), group in groupby(in_order, key=lambda place: _asked_of(noted[place])):
        engine, places = _opened(services, job_id, engine_id), list(group)
        tasks = [task for place in places if (task := noted[place].task) is not None]
        for place, outcome in zip(places, engine.run(tasks, noted[places[0]].context), strict=True):
            yield place, outcome if isinstance(outcome, ModelError) else None


def _asked_of(noted: Noting) -> tuple[str, str]:
    """Which engine is asked, and with which prompt of the caller's own."""
    prompt = noted.context.prompt
    return noted.id, "" if prompt is None else prompt.sha256


def _opened(services: Services, job_id: str, engine_id: str) -> BatchEngine:
    engine = open_batches(
        engine_id,
        services.models,
        services.catalog.batches,
        pause=lambda seconds: pause(seconds),
    )
    pause = _unless_cancelled(services, job_id, engine.batches.cancel)
    return engine


def _unless_cancelled(
    services: Services, job_id: str, cancel: Callable[[], None]
) -> Callable[[float], None]:
    """Waits; has the provider stop once when the job is being cancelled meanwhile."""
    told = False

    def wait(seconds: float) -> None:
        nonlocal told
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(min(_LOOK_S, seconds))
            job = services.catalog.jobs.find(job_id)
            if not told and job is not None and job.status is JobStatus.CANCELLING:
                told = True
                cancel()
                return

    return wait
