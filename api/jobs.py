"""The job store: carries out, durably, what the catalog says is to be done.

The catalog alone decides what work exists; a reconciler starts what is unfinished. A small
document is one piece of work, done again after a crash; a larger one goes on as a workflow.
A workflow's id is the job's id with the number of the attempt: a retry never meets the record
of an earlier one. Large documents take turns, batch by batch, apart from the small ones, while
they are read and while they are embedded: no document waits for another to come to its end.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from api.pauses import Pauses
from api.turns import Turns
from api.workflows import State, Workflows
from ingest import pipeline as line
from ingest.pipeline import Pipeline, Prepared
from rag.errors import (
    Conflict,
    DocumentError,
    EmbeddingFailed,
    IbidemError,
    NotFound,
    StorageError,
)
from rag.priority import give_way
from rag.types import Job

_log = logging.getLogger(__name__)
_RECONCILE_S = 2.0
_LONGEST_PAUSE_S = 60.0
_STOP_S = 10.0
_SWEEP_S = 600.0
_KEPT_S = 3600.0
_LONG = 96
"""Large documents that take turns; a thread waits for each. Further ones wait for one of them."""
_AT_ONCE = 2
"""Batches under way at once: while one is written, another is embedded."""

_NOT_THE_DOCUMENT = (StorageError, EmbeddingFailed, Conflict, OSError, sa.exc.OperationalError)

_UNFORESEEN = {
    "code": "attempt_failed",
    "message": "Reading it failed and is tried again; the log says why.",
}


class JobStore:
    """Runs the catalog's ingestion jobs in this process until stopped."""

    def __init__(self, place: Path | str, pipeline: Pipeline, *, workers: int) -> None:
        """Keep its records in a SQLite file, or in a schema of its own at a PostgreSQL URL."""
        self._pipeline = replace(pipeline, submit=self.submit)
        self._workflows = Workflows(place, self._go_on_with, workers=_LONG)
        self._turns = Turns(places=_AT_ONCE, leave=self._leave_if_stopping)
        self._pauses = Pauses(first=_RECONCILE_S, longest=_LONGEST_PAUSE_S)
        self._mine: set[str] = set()
        self._swept = time.monotonic()
        self._running = 0
        self._idle = threading.Condition()
        self._stopping = threading.Event()
        self._reconciler: threading.Thread | None = None
        # New work runs in threads of our own: the workflows' queue polls its tables, and is
        # left for what has to be resumed.
        self._threads = ThreadPoolExecutor(workers, "ingest", initializer=give_way)
        # What goes on behind a batch of pages has threads apart, for a batch each in turn: those
        # above are never held by documents that take long to read.
        self._reading = ThreadPoolExecutor(
            max(1, workers - 1), "ingest-reading", initializer=give_way
        )
        self._long = ThreadPoolExecutor(_LONG, "ingest-long", initializer=give_way)

    def start(self) -> None:
        """Open the store and take up every unfinished job."""
        self._workflows.open()
        self._reconcile()
        self._reconciler = threading.Thread(target=self._keep_up, name="reconciler", daemon=True)
        self._reconciler.start()

    def submit(self, job_id: str) -> None:
        """Take up a new job at once; the reconciler would find it a little later."""
        if self._stopping.is_set():
            return
        with self._idle:
            if job_id in self._mine:
                return
            self._mine.add(job_id)
        self._threads.submit(self._read, job_id, 1)

    def stop(self, *, at_once: bool = False) -> None:
        """Finish the steps under way and leave the rest to the next process.

        A step that takes longer than some seconds, or any that is under way if ``at_once``, is
        left as after a crash.
        """
        patience_s = 0 if at_once else _STOP_S
        self._stopping.set()
        for threads in (self._threads, self._reading, self._long):
            threads.shutdown(wait=False, cancel_futures=True)
        self._turns.wake()
        if self._reconciler is not None:
            self._reconciler.join(timeout=patience_s)
        with self._idle:
            self._idle.wait_for(lambda: not self._running, timeout=patience_s)
        self._workflows.close()

    def _read(self, job_id: str, attempt: int) -> None:
        """Do a small document's work; hand a larger one on.

        One of which a batch of pages is kept goes to the end of those that are being read, and
        one whose chunks are staged to those that are embedded.
        """
        handed_on = False
        try:
            with self._at_work(job_id, attempt):
                self._leave_if_stopping()
                job = self._job(job_id)
                try:
                    prepared = line.begin(self._pipeline, job, between=_leave_to_others)
                except _TurnOver:
                    self._leave_if_stopping()
                    self._reading.submit(self._read, job_id, attempt)
                    handed_on = True
                    return
                if prepared is not None:
                    self._leave_if_stopping()
                    self._long.submit(self._run, job_id, attempt, asdict(prepared))
                    handed_on = True
        finally:
            if not handed_on:
                self._release(job_id)

    def _run(self, job_id: str, attempt: int, prepared: Mapping[str, Any]) -> None:
        """Start the workflow that goes on with a large document, and see it through."""
        try:
            with self._at_work(job_id, attempt):
                self._workflows.run(_workflow_id(job_id, attempt), job_id, attempt, prepared)
        finally:
            self._release(job_id)

    def _go_on_with(self, job_id: str, attempt: int, prepared: Mapping[str, Any]) -> None:
        """The workflow: a step for each batch of chunks."""
        give_way()  # one that is resumed runs in a thread of the store
        try:
            with self._at_work(job_id, attempt):
                for first in range(0, prepared["chunks"], line.EMBED_BATCH):
                    with self._turns.turn(job_id):
                        self._leave_if_stopping()
                        self._workflows.step("embed", self._embed, job_id, first, prepared)
        finally:
            self._turns.forget(job_id)
            self._release(job_id)

    def _embed(self, job_id: str, first: int, prepared: Mapping[str, Any]) -> None:
        line.embed(self._pipeline, self._job(job_id), first, Prepared(**prepared))

    def _leave_if_stopping(self) -> None:
        if self._stopping.is_set():
            raise _Stopped

    @contextmanager
    def _at_work(self, job_id: str, attempt: int) -> Iterator[None]:
        """See to what may go wrong; what is left unfinished is found by the reconciler.

        Only ``_Stopped`` passes, for the next process to go on.
        """
        with self._idle:
            self._running += 1
        try:
            with self._seen_to_its_end(job_id):
                yield
        except Exception as error:
            _log.warning("job %s, attempt %d failed", job_id, attempt, exc_info=error)
            self._try_later(job_id, error)
        finally:
            with self._idle:
                self._running -= 1
                self._idle.notify_all()

    @contextmanager
    def _seen_to_its_end(self, job_id: str) -> Iterator[None]:
        """Record what ends a job for good."""
        try:
            yield
        except NotFound:
            _log.info("job %s: there is nothing left to do", job_id)
            self._pipeline.catalog.jobs.cancel(job_id)
        except DocumentError as error:
            line.fail(self._pipeline, self._job(job_id), error.as_dict())

    def _try_later(self, job_id: str, error: Exception) -> None:
        """Pause the job; what is not the document's fault is tried for ever."""
        self._pauses.add(job_id)
        jobs = self._pipeline.catalog.jobs
        with suppress(sa.exc.SQLAlchemyError, StorageError):  # the disk may be full
            record = jobs.forgive if isinstance(error, _NOT_THE_DOCUMENT) else jobs.blame
            record(job_id, error.as_dict() if isinstance(error, IbidemError) else _UNFORESEEN)

    def _job(self, job_id: str) -> Job:
        job = self._pipeline.catalog.jobs.find(job_id)
        if job is None:
            raise NotFound(f"No job {job_id!r}.")
        return job

    def _release(self, job_id: str) -> None:
        with self._idle:
            self._mine.discard(job_id)

    def _keep_up(self) -> None:
        while not self._stopping.wait(_RECONCILE_S):
            try:
                self._reconcile()
                line.finish_deletions(self._pipeline)
                if time.monotonic() - self._swept > _SWEEP_S:
                    self._swept = time.monotonic()
                    self._workflows.sweep(kept_s=_KEPT_S)
            except Exception:
                _log.exception("looking for unfinished jobs failed; trying again")

    def _reconcile(self) -> None:
        """Start, resume or repeat the work of every unfinished job that is not running."""
        with self._idle:
            before = set(self._mine)  # one of these may end while the catalog is being read
        unfinished = self._pipeline.catalog.jobs.unfinished()
        paused = self._pauses.current({job.id for job in unfinished})
        with self._idle:
            taken = before | self._mine | paused
            jobs = [job for job in unfinished if job.id not in taken]
            self._mine.update(job.id for job in jobs)
        waiting = [job.id for job in jobs]
        try:
            states = self._workflows.states([_workflow_id(job.id, job.attempt) for job in jobs])
            for job in jobs:
                self._take_up(job, states.get(_workflow_id(job.id, job.attempt)))
                waiting.remove(job.id)
        finally:
            for job_id in waiting:  # not taken up; the next round tries again
                self._release(job_id)

    def _take_up(self, job: Job, state: State | None) -> None:
        if state is None:
            # With a unit it was begun before, and is none of those that are soon done.
            threads = self._reading if job.unit else self._threads
            threads.submit(self._read, job.id, job.attempt)
        elif state is State.INTERRUPTED:
            self._workflows.resume(_workflow_id(job.id, job.attempt))
        elif state is not State.WAITING:
            # It gave up, or came to an end that could not be recorded, as on a full disk: nothing
            # is at work on it. Yet the catalog still wants the work.
            attempt = self._pipeline.catalog.jobs.next_attempt(job.id)
            self._threads.submit(self._read, job.id, attempt)


def _leave_to_others() -> None:
    raise _TurnOver


class _TurnOver(BaseException):
    """Leaves a document of which a batch of pages is kept. Not an ``Exception``: none failed."""


class _Stopped(BaseException):
    """Leaves a workflow unfinished. Not an ``Exception``: the store would record its end."""


def _workflow_id(job_id: str, attempt: int) -> str:
    return f"{job_id}.{attempt}"
