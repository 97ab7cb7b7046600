"""The job store: carries out, durably, what the catalog says is to be done.

This is the only file that knows DBOS. The catalog alone decides what work exists; a
reconciler starts workflows for unfinished rows, so the store's file may be lost at any
moment. A workflow's id is the job's id with the number of the attempt: a retry never meets
the record of an earlier one.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID, WorkflowStatus

from ingest import pipeline as line
from ingest.pipeline import Pipeline, Prepared
from rag.errors import Conflict, DocumentError, EmbeddingFailed, NotFound, StorageError
from rag.types import Job

_log = logging.getLogger(__name__)
_QUEUE = "ingest"
_RECONCILE_S = 2.0
_LONGEST_PAUSE_S = 60.0
_STOP_S = 10.0
_SWEEP_S = 600.0
_KEPT_S = 3600.0
_ENDED = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")


_NOT_THE_DOCUMENT = (StorageError, EmbeddingFailed, Conflict, OSError, sa.exc.OperationalError)


@dataclass(frozen=True, slots=True)
class _Pause:
    """When a job may be tried again, and how long it waits for that. In seconds."""

    until: float
    length: float


class JobStore:
    """Runs the catalog's ingestion jobs in this process until stopped."""

    def __init__(self, path: Path, pipeline: Pipeline, *, workers: int) -> None:
        self._path = path
        self._pipeline = pipeline
        self._workers = workers
        self._executor_id = uuid.uuid4().hex
        self._mine: set[str] = set()
        self._pauses: dict[str, _Pause] = {}
        self._swept = time.monotonic()
        self._running = 0
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._stopping = threading.Event()
        self._reconciler: threading.Thread | None = None
        self._engine: sa.Engine | None = None
        # Workflows run in threads of our own: the store's queue polls its tables, and is left
        # for what has to be resumed.
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="ingest")
        self._workflow: Callable[[str, int], None] | None = None

    def start(self) -> None:
        """Open the store and take up every unfinished job.

        A store that is damaged is put aside: the catalog knows what is to be done.
        """
        _join_our_log()
        try:
            self._launch()
        except sa.exc.DatabaseError:
            _log.exception("the job store %s is damaged; starting a new one", self._path)
            self._close()
            _put_aside(self._path)
            self._launch()
        self._reconcile()
        self._reconciler = threading.Thread(target=self._keep_up, name="reconciler", daemon=True)
        self._reconciler.start()

    def _launch(self) -> None:
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

    def submit(self, job_id: str) -> None:
        """Take up a new job at once; the reconciler would find it a little later."""
        with self._lock:
            if job_id in self._mine:
                return
            self._mine.add(job_id)
        self._begin(job_id, 1)

    def stop(self) -> None:
        """Finish the steps under way and leave the rest to the next process.

        A step that takes longer than some seconds is left as after a crash.
        """
        self._stopping.set()
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._reconciler is not None:
            self._reconciler.join(timeout=_STOP_S)
        with self._idle:
            self._idle.wait_for(lambda: not self._running, timeout=_STOP_S)
        self._close()

    def _close(self) -> None:
        DBOS.destroy(destroy_registry=True)
        if self._engine is not None:
            self._engine.dispose()

    def _register(self) -> Callable[[str, int], None]:
        """Declare the workflow to the store."""

        @DBOS.workflow(name="ingest")
        def ingest(job_id: str, attempt: int) -> None:
            with self._lock:
                self._running += 1
            try:
                self._run(job_id)
            except NotFound:
                _log.info("job %s: its document is gone", job_id)
                self._pipeline.catalog.jobs.cancel(job_id)
            except Exception as error:
                self._try_later(job_id, attempt, error)
            finally:
                self._release(job_id)
                with self._idle:
                    self._running -= 1
                    self._idle.notify_all()

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

    def _try_later(self, job_id: str, attempt: int, error: Exception) -> None:
        """Pause the job, longer each time; what is not the document's fault is tried for ever."""
        _log.warning("job %s, attempt %d failed", job_id, attempt, exc_info=error)
        with self._lock:
            before = self._pauses.get(job_id, _Pause(until=0.0, length=_RECONCILE_S / 2))
            length = min(_LONGEST_PAUSE_S, before.length * 2)
            self._pauses[job_id] = _Pause(until=time.monotonic() + length, length=length)
        jobs = self._pipeline.catalog.jobs
        with suppress(sa.exc.SQLAlchemyError, StorageError):  # the disk may be full
            (jobs.forgive if isinstance(error, _NOT_THE_DOCUMENT) else jobs.blame)(job_id)

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
                self._sweep()
            except Exception:
                _log.exception("looking for unfinished jobs failed; trying again")

    def _reconcile(self) -> None:
        """Start, resume or repeat the workflow of every unfinished job that is not running."""
        unfinished = self._pipeline.catalog.jobs.unfinished()
        now = time.monotonic()
        with self._lock:
            wanted = {job.id for job in unfinished}
            self._pauses = {i: pause for i, pause in self._pauses.items() if i in wanted}
            paused = {i for i, pause in self._pauses.items() if pause.until > now}
            jobs = [job for job in unfinished if job.id not in self._mine | paused]
            self._mine.update(job.id for job in jobs)
        waiting = [job.id for job in jobs]
        try:
            found = _find_workflows([_workflow_id(job.id, job.attempt) for job in jobs])
            for job in jobs:
                self._take_up(job, found.get(_workflow_id(job.id, job.attempt)))
                waiting.remove(job.id)
        finally:
            for job_id in waiting:  # not taken up; the next round tries again
                self._release(job_id)

    def _sweep(self) -> None:
        """Forget workflows that ended a while ago; the catalog keeps what they did."""
        if time.monotonic() - self._swept < _SWEEP_S:
            return
        self._swept = time.monotonic()
        before = datetime.now(UTC) - timedelta(seconds=_KEPT_S)
        ended = DBOS.list_workflows(
            status=list(_ENDED),
            completed_before=before.isoformat(),
            limit=10_000,
            load_input=False,
            load_output=False,
        )
        DBOS.delete_workflows([workflow.workflow_id for workflow in ended])

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
            self._release(job_id)


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


def _put_aside(path: Path) -> None:
    for file in path.parent.glob(f"{path.name}*"):
        if not file.name.endswith(".damaged"):
            file.replace(file.with_name(f"{file.name}.damaged"))


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
