"""Server-sent events, and the one watcher of jobs that all event streams share."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Iterable, Mapping, Set
from typing import Any

import anyio.to_thread
from pydantic import BaseModel

from rag.catalog import Catalog
from rag.catalog.jobs import UNFINISHED
from rag.types import Job

_log = logging.getLogger(__name__)
_POLL_S = 0.2
_HEARTBEAT_S = 15.0

MEDIA_TYPE = "text/event-stream"
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
HEARTBEAT = b": still here\n\n"


def event(name: str, data: BaseModel | Mapping[str, Any]) -> bytes:
    """One event, its data as one line of JSON."""
    text = data.model_dump_json() if isinstance(data, BaseModel) else json.dumps(data)
    return f"event: {name}\ndata: {text}\n\n".encode()


class JobWatcher:
    """Reads the jobs that anybody watches from the catalog, once for all who watch.

    Lives on the event loop: every method is called there.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._watching: dict[str, set[asyncio.Queue[Job | None]]] = {}
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def watching(self) -> int:
        """How many streams are open on jobs that have not ended."""
        return sum(len(queues) for queues in self._watching.values())

    async def watch(self, job: Job) -> AsyncGenerator[Job | None, None]:
        """Each new state of a job until it ends; ``None`` now and then when nothing changed.

        A slow watcher misses states in between, never the last one.
        """
        yield job
        if job.status not in UNFINISHED or self._closed:
            return
        latest: asyncio.Queue[Job | None] = asyncio.Queue(maxsize=1)
        self._watching.setdefault(job.id, set()).add(latest)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._poll())
        try:
            while job.status in UNFINISHED:
                try:
                    found = await asyncio.wait_for(latest.get(), _HEARTBEAT_S)
                except TimeoutError:
                    yield None
                    continue
                if found is None:  # the service is stopping, or the job is gone
                    return
                if found != job:
                    job = found
                    yield job
        finally:
            self._leave(job.id, latest)

    def close(self) -> None:
        """End every stream and watch no more; their clients may connect again elsewhere."""
        self._closed = True
        for queues in self._watching.values():
            _tell(queues, None)

    def _leave(self, job_id: str, queue: asyncio.Queue[Job | None]) -> None:
        queues = self._watching.get(job_id, set())
        queues.discard(queue)
        if not queues:
            self._watching.pop(job_id, None)

    async def _poll(self) -> None:
        while self._watching and not self._closed:
            try:
                jobs = await anyio.to_thread.run_sync(self._read, tuple(self._watching))
            except Exception:
                _log.error("reading the watched jobs failed; trying again", exc_info=False)
                jobs = {}
            for job_id, job in jobs.items():
                _tell(self._watching.get(job_id, set()), job)
            await asyncio.sleep(_POLL_S)

    def _read(self, job_ids: Iterable[str]) -> dict[str, Job | None]:
        return {job_id: self._catalog.jobs.find(job_id) for job_id in job_ids}


def _tell(queues: Set[asyncio.Queue[Job | None]], job: Job | None) -> None:
    for queue in queues:
        if queue.full():
            queue.get_nowait()
        queue.put_nowait(job)
