"""The job store: carries out, durably, what the catalog says is to be done.

This is the only file that knows DBOS. The catalog alone decides what work exists; a
reconciler starts workflows for unfinished rows, so the store's file may be lost at any
moment. A workflow's id is the job's id with the number of the attempt: a retry never meets
the record of an earlier one.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID, WorkflowStatus

from ingest import pipeline as line
from ingest.pipeline import Pipeline, Prepared
from rag.errors import DocumentError, IbidemError, NotFound
from rag.types import Job

_log = logging.getLogger(__name__)
_QUEUE = "ingest"
_RECONCILE_S = 2.0
_MOST_ATTEMPTS = 5
_ENDED = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")


class JobStore:
    """Runs the catalog's ingestion jobs in this process until stopped."""

    def __init__(self, path: Path, pipeline: Pipeline, *, workers: int) -> None:
        self._path = path
        self._pipeline = pipeline
        self._workers = workers
        self._executor_id = uuid.uuid4().hex
        self._mine: set[str] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._reconciler: threading.Thread | None = None
        self._engine: sa.Engine | None = None
        # Workflows run in threads of our own: the store's queue polls its tables, and is left
        # for what has to be resumed.
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="ingest")
        self._workflow: Callable[[str, int], None] | None = None

    def start(self) -> None:
        """Open the store and take up every unfinished job."""
        _join_our_log()
        self._engine = _open_engine(self._path)
        config = DBOSConfig(
            name="ibidem",
            system_database_url=f"sqlite:///{self._path}",
            system_database_engine=self._engine,
            application_version="1",
            executor_id=self._executor_id,
            serializer=DBOSPortableJSONSerializer(),
            log_level="ERROR",
            run_migrations=True,
        )
        DBOS(config=config)
        self._workflow = self._register()
        DBOS.launch()
        DBOS.register_queue(_QUEUE, worker_concurrency=self._workers)
        self._reconcile()
        self._reconciler = threading.Thread(target=self._keep_up, name="reconciler", daemon=True)
        self._reconciler.start()

    def submit(self, job_id: str) -> None:
        """Take up a new job at once; the reconciler would find it a little later."""
        with self._lock:
            if job_id in self._mine:
                return
            self._mine.add(job_id)
        self._begin(job_id, 1)

    def stop(self) -> None:
        """Finish the steps under way and leave the rest to the next process."""
        self._stopping.set()
        self._threads.shutdown(cancel_futures=True)
        if self._reconciler is not None:
            self._reconciler.join(timeout=10)
        DBOS.destroy(destroy_registry=True)
        if self._engine is not None:
            self._engine.dispose()

    def _register(self) -> Callable[[str, int], None]:
        """Declare the workflow to the store."""

        @DBOS.workflow(name="ingest")
        def ingest(job_id: str, attempt: int) -> None:
            try:
                self._run(job_id)
            except NotFound:
                _log.info("job %s: its document is gone", job_id)
            except Exception as error:
                _log.warning("job %s, attempt %d failed", job_id, attempt, exc_info=True)
                if attempt >= _MOST_ATTEMPTS:
                    self._fail(job_id, _last_words(error))
            finally:
                self._release(job_id)

        return ingest

    def _run(self, job_id: str) -> None:
        """The workflow: one step to prepare, and one for each batch of chunks."""
        prepared = DBOS.run_step({"name": "prepare"}, self._prepare, job_id)
        if "error" in prepared:
            self._fail(job_id, prepared["error"])
            return
        for first in range(0, prepared["chunks"], line.EMBED_BATCH):
            self._go_on()
            DBOS.run_step({"name": "embed"}, self._embed, job_id, first, prepared)

    def _go_on(self) -> None:
        if self._stopping.is_set():
            raise _Stopped

    def _prepare(self, job_id: str) -> dict[str, Any]:
        try:
            prepared = line.prepare(self._pipeline, self._job(job_id))
        except DocumentError as error:  # a result like any other, so that it is recorded
            return {"error": dict(error.as_dict())}
        return asdict(prepared)

    def _embed(self, job_id: str, first: int, prepared: Mapping[str, Any]) -> None:
        line.embed(self._pipeline, self._job(job_id), first, Prepared(**prepared))

    def _fail(self, job_id: str, error: Mapping[str, Any]) -> None:
        line.fail(self._pipeline, self._job(job_id), error)

    def _job(self, job_id: str) -> Job:
        job = self._pipeline.catalog.jobs.find(job_id)
        if job is None:
            raise NotFound(f"No job {job_id!r}.")
        return job

    def _release(self, job_id: str) -> None:
        with self._lock:
            self._mine.discard(job_id)

    def _keep_up(self) -> None:
        while not self._stopping.wait(_RECONCILE_S):
            try:
                self._reconcile()
            except Exception:
                _log.exception("looking for unfinished jobs failed; trying again")

    def _reconcile(self) -> None:
        """Start, resume or repeat the workflow of every unfinished job that is not running."""
        with self._lock:
            jobs = [
                job for job in self._pipeline.catalog.jobs.unfinished() if job.id not in self._mine
            ]
            self._mine.update(job.id for job in jobs)
        found = _find_workflows([_workflow_id(job.id, job.attempt) for job in jobs])
        for job in jobs:
            self._take_up(job, found.get(_workflow_id(job.id, job.attempt)))

    def _take_up(self, job: Job, found: WorkflowStatus | None) -> None:
        if found is None:
            self._begin(job.id, job.attempt)
        elif found.status in _ENDED:  # it gave up, yet the catalog still wants the work
            self._begin(job.id, self._pipeline.catalog.jobs.next_attempt(job.id))
        elif found.status == "PENDING" and found.executor_id == self._executor_id:
            self._release(job.id)  # just ending; the next round sees how
        elif found.status == "PENDING":  # it was running in a process that is no more
            DBOS.resume_workflow(found.workflow_id, queue_name=_QUEUE)

    def _begin(self, job_id: str, attempt: int) -> None:
        self._threads.submit(self._execute, job_id, attempt)

    def _execute(self, job_id: str, attempt: int) -> None:
        if self._stopping.is_set() or self._workflow is None:
            return
        try:
            with SetWorkflowID(_workflow_id(job_id, attempt)):
                self._workflow(job_id, attempt)
        except _Stopped:
            _log.info("job %s goes on with the next start", job_id)
        except Exception:
            _log.exception("job %s, attempt %d was lost by the job store", job_id, attempt)


class _Stopped(BaseException):
    """Leaves a workflow unfinished. Not an ``Exception``: the store would record its end."""


def _join_our_log() -> None:
    """Send the engine's messages where ours go; its own handler would keep this stderr for ever."""
    log = logging.getLogger("dbos")
    log.handlers[:] = [logging.NullHandler()]  # with none, the engine would add its own
    log.propagate = True
    log.setLevel(logging.ERROR)


def _workflow_id(job_id: str, attempt: int) -> str:
    return f"{job_id}.{attempt}"


def _find_workflows(workflow_ids: Sequence[str]) -> dict[str, WorkflowStatus]:
    """What the store knows of these workflows."""
    found: dict[str, WorkflowStatus] = {}
    for start in range(0, len(workflow_ids), 500):
        batch = list(workflow_ids[start : start + 500])
        rows = DBOS.list_workflows(workflow_ids=batch, load_input=False, load_output=False)
        found.update((row.workflow_id, row) for row in rows)
    return found


def _last_words(error: Exception) -> dict[str, Any]:
    if isinstance(error, IbidemError):
        return dict(error.as_dict())
    return {
        "code": "internal_error",
        "message": f"Reading the document failed {_MOST_ATTEMPTS} times; the log says why.",
    }


def _open_engine(path: Path) -> sa.Engine:
    """The store's own SQLite file: WAL, without waiting for the disk, since it may be lost."""
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"check_same_thread": False})

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = "IMMEDIATE"
        connection.execute("PRAGMA busy_timeout=30000")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")

    return engine
