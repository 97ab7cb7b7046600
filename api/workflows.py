"""Durable workflows on DBOS; this is the only file that knows it.

Its store, an SQLite file or a schema on a PostgreSQL server, is its own and may be lost at any
moment: the catalog alone decides what work exists.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID

_log = logging.getLogger(__name__)
_QUEUE = "ingest"
_ENDED = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")
_POLL_S = 0.05
"""Closing waits for its listener for messages, which looks so often; we send none."""
_LOOKED_UP_AT_ONCE = 500
_SWEPT_AT_ONCE = 10_000
T = TypeVar("T")


class State(Enum):
    """What the store knows of a workflow."""

    RUNNING = auto()
    """It runs in this process, or has ended there and the store does not say so (yet)."""
    INTERRUPTED = auto()
    """It was running in a process that is no more."""
    WAITING = auto()
    ENDED = auto()


class Workflows:
    """Runs one function as a workflow; its steps are not done again after a crash."""

    def __init__(self, place: Path | str, work: Callable[..., None], *, workers: int) -> None:
        """Run ``work``, whose arguments are JSON; ``workers`` interrupted ones at once.

        The store lies in the file ``place``, or at that PostgreSQL URL.
        """
        self._place = place
        self._work = work
        self._workers = workers
        self._executor_id = uuid.uuid4().hex
        self._engine: sa.Engine | None = None
        self._workflow: Callable[..., None] | None = None

    def open(self) -> None:
        """Open the store; one that is damaged is put aside for a new one."""
        _join_our_log()
        try:
            self._launch()
        except sa.exc.DatabaseError:
            if not isinstance(self._place, Path):
                raise
            _log.exception("the job store %s is damaged; starting a new one", self._place)
            self.close()
            _put_aside(self._place)
            self._launch()

    def close(self) -> None:
        """Let go of the store; workflows that run end with their next step."""
        DBOS.destroy(destroy_registry=True)
        if self._engine is not None:
            self._engine.dispose()

    def run(self, workflow_id: str, *arguments: Any) -> None:
        """Run a workflow that the store does not know yet in this thread."""
        if self._workflow is None:
            raise RuntimeError("The store is not open.")
        with SetWorkflowID(workflow_id):
            self._workflow(*arguments)

    def step(self, name: str, function: Callable[..., T], *arguments: Any) -> T:
        """Within a workflow: do this once; after a crash its recorded result is returned."""
        return DBOS.run_step({"name": name}, function, *arguments)

    def resume(self, workflow_id: str) -> None:
        """Go on with an interrupted workflow, in a thread of the store."""
        DBOS.resume_workflow(workflow_id, queue_name=_QUEUE)

    def states(self, workflow_ids: Sequence[str]) -> Mapping[str, State]:
        """What is known of these workflows; nothing of those left out."""
        found: dict[str, State] = {}
        for start in range(0, len(workflow_ids), _LOOKED_UP_AT_ONCE):
            batch = list(workflow_ids[start : start + _LOOKED_UP_AT_ONCE])
            rows = DBOS.list_workflows(workflow_ids=batch, load_input=False, load_output=False)
            found.update((row.workflow_id, self._state(row)) for row in rows)
        return found

    def sweep(self, *, kept_s: float) -> None:
        """Forget workflows that ended longer ago; the catalog keeps what they did."""
        before = datetime.now(UTC) - timedelta(seconds=kept_s)
        ended = DBOS.list_workflows(
            status=list(_ENDED),
            completed_before=before.isoformat(),
            limit=_SWEPT_AT_ONCE,
            load_input=False,
            load_output=False,
        )
        DBOS.delete_workflows([workflow.workflow_id for workflow in ended])

    def _launch(self) -> None:
        if isinstance(self._place, Path):
            url, self._engine = f"sqlite:///{self._place}", _open_engine(self._place)
        else:
            url = self._place
        config = DBOSConfig(
            name="ibidem",
            system_database_url=url,
            system_database_engine=self._engine,
            application_version="1",
            executor_id=self._executor_id,
            serializer=DBOSPortableJSONSerializer(),
            log_level="ERROR",
            run_migrations=True,
            notification_listener_polling_interval_sec=_POLL_S,
        )
        DBOS(config=config)
        self._workflow = DBOS.workflow(name="ingest")(self._named())
        DBOS.launch()
        DBOS.register_queue(_QUEUE, worker_concurrency=self._workers)

    def _named(self) -> Callable[..., None]:
        # The store takes functions, not methods of objects that it does not know.
        def work(*arguments: Any) -> None:
            self._work(*arguments)

        return work

    def _state(self, row: Any) -> State:
        if row.status in _ENDED:
            return State.ENDED
        if row.status != "PENDING":
            return State.WAITING
        return State.RUNNING if row.executor_id == self._executor_id else State.INTERRUPTED


def _join_our_log() -> None:
    """Send the engine's messages where ours go; its own handler would keep this stderr for ever."""
    log = logging.getLogger("dbos")
    log.handlers[:] = [logging.NullHandler()]  # with none, the engine would add its own
    log.propagate = True
    log.setLevel(logging.ERROR)


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
