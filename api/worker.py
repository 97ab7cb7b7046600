"""What works beside the service: the job store, started a little later, and the runner."""

from __future__ import annotations

import logging
import os
import signal
import threading
from typing import TYPE_CHECKING

from api.reindexing import remove_dropped
from api.services import Services
from api.works import open_runner

if TYPE_CHECKING:
    from api.jobs import JobStore

_log = logging.getLogger(__name__)
_TIDY_S = 2.0
_STOP_S = 10.0


class Worker:
    """Carries out jobs from a little after the start on.

    Loading the workflow engine takes longer than everything else together, and questions need
    none of it. Until it runs, uploads are acknowledged as ever: the store takes up what the
    catalog wants done when it starts.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._store: JobStore | None = None
        # On a server's database others may be at work on items, though nobody else reads
        # documents into it.
        self._runner = open_runner(services, alone=not services.shares_database)
        self.failed = False
        self._starting = threading.Thread(target=self._start, name="worker-start")
        self._stopping = threading.Event()
        self._tidying = threading.Thread(target=self._tidy, name="worker-tidy", daemon=True)

    def start(self) -> None:
        """Begin to load the job store."""
        # It brings SQLAlchemy's ORM, which asks to be consulted by every statement as soon as it
        # is half there: it has to be whole before another thread makes one.
        import sqlalchemy.orm  # noqa: F401

        self._starting.start()
        self._runner.start()
        self._tidying.start()

    def submit(self, job_id: str) -> None:
        """Take up a new job."""
        if self._store is not None:
            self._store.submit(job_id)

    def wake(self) -> None:
        """There may be new items to do."""
        self._runner.wake()

    def stop(self, *, at_once: bool = False) -> None:
        """Finish the steps under way, unless ``at_once``; leave the rest to the next process."""
        self._stopping.set()
        self._starting.join()
        self._tidying.join(timeout=0 if at_once else _STOP_S)
        self._runner.stop(at_once=at_once)
        if self._store is not None:
            self._store.stop(at_once=at_once)

    def _tidy(self) -> None:
        while not self._stopping.wait(_TIDY_S):
            try:
                remove_dropped(self._services)
            except Exception:
                _log.exception("removing indexes that nobody needs failed; trying again")

    def _start(self) -> None:
        from api.jobs import JobStore

        services = self._services
        store = JobStore(services.job_store, services.pipeline, workers=services.settings.workers)
        try:
            store.start()
        except Exception:
            _log.exception("the job store did not start; stopping")
            self.failed = True
            os.kill(os.getpid(), signal.SIGTERM)
            return
        self._store = store
