"""The kinds of work made of items, and what carries them out."""

from __future__ import annotations

from collections.abc import Mapping

from api.analyzing import KIND as ANALYSIS
from api.analyzing import analysis_work
from api.batches.work import KIND as BATCH
from api.batches.work import BatchWork
from api.reindexing import KIND as REINDEX
from api.reindexing import ReindexWork
from api.runner import Runner
from api.services import Services
from rag.catalog.work import Lane
from rag.models.engine import Engine
from rag.work import Work

_HERE = ("offline", "local:")
"""Beginnings of names of engines that compute in this process."""
_PROVIDER_BATCHES = 16
"""Batches of providers' that are waited for at once: each may take a day."""


def works(services: Services) -> Mapping[str, Work]:
    """Each kind of work by its name."""
    searches = max(1, services.settings.workers // 2)
    return {
        BATCH: BatchWork(services, searches=searches),
        ANALYSIS: analysis_work(services),
        REINDEX: ReindexWork(services),
    }


def open_runner(services: Services, *, alone: bool) -> Runner:
    """What carries out all work, in as many threads as the settings say."""
    settings = services.settings
    return Runner(
        services.catalog,
        works(services),
        services.budgets,
        threads={
            Lane.CALLS: settings.calls,
            Lane.LOCAL: max(1, settings.workers // 2),
            Lane.PROVIDER: _PROVIDER_BATCHES,
        },
        alone=alone,
        kept_s=settings.keep_days * 86_400.0,
    )


def lane_of(engine: Engine) -> Lane:
    """Where work for an engine runs: calls wait for others, computing takes a processor."""
    return Lane.LOCAL if engine.id.startswith(_HERE) else Lane.CALLS
