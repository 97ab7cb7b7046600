"""A language model in this process: calls that come together are answered together."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass

from rag.errors import ConfigurationError, ModelError, ModelRejected, ModelTimeout, ModelUnavailable
from rag.models.chat import ChatReply, ChatRequest, Tell
from rag.models.chat.local_model import LocalModel, LocalSettings
from rag.models.chat.local_revision import model_revision

_GATHER_S = 0.02
_IDLE_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    request: ChatRequest
    deadline: float
    reply: Future[ChatReply]
    tell: Tell | None = None


class LocalChat:
    """Loads its model at the first call, and lets go of it after ten idle minutes."""

    provider = "local"
    takes_temperature = True
    takes_images = False

    def __init__(
        self,
        name: str,
        settings: LocalSettings | None = None,
        *,
        idle_s: float = _IDLE_S,
        batch: int = 8,
        load: Callable[[str, LocalSettings], LocalModel] = LocalModel,
    ) -> None:
        """``name`` is a folder with a causal model of transformers, or its name in the cache.

        At most ``batch`` calls are answered together.
        """
        self._name = name
        self._settings = settings or LocalSettings()
        self._idle_s = idle_s
        self._batch = batch
        self._load = load
        self._queue: queue.Queue[_Waiting] = queue.Queue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loaded: str | None = None

    @property
    def id(self) -> str:
        """Name under which calls are reported."""
        adapter = f"+{self._settings.adapter.name}" if self._settings.adapter else ""
        return f"local:{self._name}{adapter}"

    @property
    def revision(self) -> str:
        """Of the model in memory, or of the one that would be loaded now."""
        return self._loaded or model_revision(self._name, self._settings)

    @property
    def is_loaded(self) -> bool:
        """Whether the model is in memory."""
        return self._thread is not None

    def complete(self, request: ChatRequest, *, timeout: float) -> ChatReply:
        """One call, answered with others that wait at the same time.

        Raises:
            ModelTimeout: It was not answered in time; loading the model counts.
            ModelError: It cannot be answered. See `ChatBackend.complete`.
        """
        return self._answered(request, timeout, None)

    def stream(self, request: ChatRequest, *, timeout: float, tell: Tell) -> ChatReply:
        """One call, told token by token. See `StreamingBackend.stream`."""
        return self._answered(request, timeout, tell)

    def _answered(self, request: ChatRequest, timeout: float, tell: Tell | None) -> ChatReply:
        deadline = time.monotonic() + timeout
        waiting = _Waiting(request=request, deadline=deadline, reply=Future(), tell=tell)
        with self._lock:
            self._queue.put(waiting)
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="local", daemon=True)
                self._thread.start()
        try:
            return waiting.reply.result(timeout=timeout + 1.0)
        except FutureTimeout:
            raise ModelTimeout(f"{self.id} did not answer in time.") from None

    def _serve(self) -> None:
        """Answer batch after batch until nothing has come for a while."""
        model: LocalModel | None = None
        while True:
            batch = self._gather()
            if not batch:
                with self._lock:
                    if self._queue.empty():
                        self._thread = self._loaded = None
                        return
                continue
            try:
                if model is None:
                    found = model_revision(self._name, self._settings)
                    model = self._load(self._name, self._settings)
                    self._loaded = found
                self._answer(model, batch)
            except ModelError as error:
                _fail(batch, error)
            except ConfigurationError as error:  # no waiting mends it
                _fail(batch, ModelRejected(error.message))
            except Exception as error:  # a model that is not there, or out of memory
                _fail(batch, ModelUnavailable(f"{self.id} failed: {error}"))

    def _gather(self) -> list[_Waiting]:
        """The first call, and those of the same temperature that come right after it."""
        try:
            batch = [self._queue.get(timeout=self._idle_s)]
        except queue.Empty:
            return []
        until = time.monotonic() + _GATHER_S
        while len(batch) < self._batch:
            try:
                following = self._queue.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if following.request.temperature != batch[0].request.temperature:
                self._queue.put(following)
                break
            batch.append(following)
        return batch

    def _answer(self, model: LocalModel, batch: list[_Waiting]) -> None:
        replies = model.complete(
            [waiting.request for waiting in batch],
            [waiting.deadline for waiting in batch],
            [waiting.tell for waiting in batch],
        )
        for waiting, reply in zip(batch, replies, strict=True):
            if isinstance(reply, ModelError):
                waiting.reply.set_exception(reply)
            else:
                waiting.reply.set_result(reply)


def _fail(batch: list[_Waiting], error: ModelError) -> None:
    for waiting in batch:
        waiting.reply.set_exception(error)
