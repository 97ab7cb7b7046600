"""Tasks that can wait: their calls are gathered, handed in as batches, and found replied to.

A task runs until it needs a reply that is not known, and is left there. When the batch with its
call has ended, the reply is kept under its content key like any other, and the task, run
again from its beginning, gets further: to its outcome, or to a next call. What a batch
brings is therefore never bought again, whoever asks, also after a restart.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from rag.catalog.batches import BatchStore, OpenBatch
from rag.errors import ModelError, ModelRejected, ModelUnavailable
from rag.models.batches import CANCELLED, EXPIRED, LOST, BatchBackend
from rag.models.budget import Budget, reserved
from rag.models.calls import Called, Calls
from rag.models.chat import ChatBackend, ChatReply, ChatRequest, Tokens
from rag.models.engine import Context, Engine
from rag.models.limits import Limits
from rag.models.observe import Attempt, Observer, Purpose
from rag.models.pricing import Pricing
from rag.models.replies import ReplyStore
from rag.models.tasks import Outcome, Task, Value
from rag.models.tokens import TokenEstimate

_MOST_REQUESTS = 500
"""In one batch: its replies come as one file, which is bounded like every reply."""
_MOST_TRIES = 2
_POLL_S = 30.0
# A provider's clock may be behind ours.
_CLOCKS_S = 300.0
_MESSAGES = {
    EXPIRED: "{} did not get to this call within the time of its batch; ask again.",
    CANCELLED: "The batch with this call of {} was cancelled.",
    LOST: "The batch with this call of {} is gone; ask again.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A call that waits to be made."""

    request: ChatRequest
    purpose: Purpose


class _Deferred(Exception):
    """A task needs a reply that is not known yet. No error: the task is run again."""

    def __init__(self, wanted: _Wanted) -> None:
        self.wanted = wanted
        super().__init__()


class DeferredCalls(Calls):
    """In the place of `Calls` in an engine whose tasks are run by `Batches.run`."""

    def __init__(self, backend: ChatBackend, *, meter: Observer) -> None:
        super().__init__(backend, limits=Limits(), meter=meter, pricing=Pricing())
        self.failed: dict[str, str] = {}

    def call(
        self,
        request: ChatRequest,
        *,
        budgets: Sequence[Budget] = (),
        purpose: Purpose | None = None,
    ) -> Called:
        """No reply yet; or the error that a batch brought instead of one."""
        purpose = purpose or Purpose()
        if code := self.failed.get(purpose.reply_key or ""):
            _fail(code, self.backend.id)
        raise _Deferred(_Wanted(request=request, purpose=purpose))


class Batches:
    """Hands in calls of one model and keeps what comes of them. Thread-safe."""

    def __init__(
        self,
        backend: BatchBackend,
        *,
        store: BatchStore,
        replies: ReplyStore,
        meter: Observer,
        pricing: Pricing,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._backend = backend
        self._store = store
        self._replies = replies
        self._meter = meter
        self._pricing = pricing
        self._sleep = sleep
        self._tokens = TokenEstimate()
        self._lock = threading.Lock()

    def run(
        self,
        engine: Engine,
        calls: DeferredCalls,
        tasks: Sequence[Task[Value]],
        context: Context,
    ) -> list[Outcome[Value] | ModelError]:
        """Do tasks, each as far as it gets, in as many rounds of batches as they take.

        Args:
            engine: Asks through ``calls``.
            calls: Defers what the engine asks.
            tasks: What to do.
            context: For whom; its budgets bound what is handed in.

        Returns:
            For each task its outcome, or what it failed of: one that fails, fails alone.

        Raises:
            ModelError: A batch could not be handed in or looked after; run the same again.
        """
        calls.failed.clear()
        done: dict[int, Outcome[Value] | ModelError] = {}
        tries: Counter[str] = Counter()
        while True:
            wanted: dict[str, _Wanted] = {}
            for number, task in enumerate(tasks):
                if number in done:
                    continue
                try:
                    done[number] = engine.run(task, context)
                except ModelError as error:
                    done[number] = error
                except _Deferred as deferred:
                    wanted[deferred.wanted.purpose.reply_key or ""] = deferred.wanted
            if not wanted:
                return [done[number] for number in range(len(tasks))]
            tries.update(list(wanted))
            self._submit(wanted, context)
            for key, code in self._wait(context.tenant, wanted).items():
                if not _may_pass(code) or tries[key] >= _MOST_TRIES:
                    calls.failed[key] = code

    def _submit(self, wanted: Mapping[str, _Wanted], context: Context) -> None:
        """Hand in what no batch is under way for."""
        with self._lock:
            under_way = self._store.waiting(context.tenant, list(wanted))
            missing = [one for key, one in wanted.items() if key not in under_way]
            for start in range(0, len(missing), _MOST_REQUESTS):
                self._begin(missing[start : start + _MOST_REQUESTS], context.budgets)

    def _begin(self, wanted: Sequence[_Wanted], budgets: Sequence[Budget]) -> None:
        estimate = self._estimate([one.request for one in wanted])
        with reserved(budgets, estimate if budgets else 0.0) as cost:
            purposes = [one.purpose for one in wanted]
            batch_id = self._store.begin(self._backend.id, purposes, estimate_usd=estimate)
            requests = {one.purpose.reply_key or "": one.request for one in wanted}
            try:
                provider_id = self._backend.submit(batch_id, requests)
            except ModelRejected:
                self._store.close(batch_id)
                raise
            # After any other error it may have arrived all the same; `collect` finds it then.
            self._store.submitted(batch_id, provider_id)
            cost.usd = estimate or 0.0

    def _estimate(self, requests: Sequence[ChatRequest]) -> float | None:
        most = Tokens()
        for one in requests:
            most += Tokens(input=self._tokens.tokens(one), output=one.max_output_tokens)
        return self._pricing.cost(self._backend.id, most, batch=True)

    def _wait(self, tenant: str, wanted: Mapping[str, _Wanted]) -> Mapping[str, str]:
        """Wait until no batch is under way for these; returns what failed."""
        failed: dict[str, str] = {}
        while True:
            failed.update(self.collect())
            if not self._store.waiting(tenant, list(wanted)):
                return failed
            self._sleep(_POLL_S)

    def collect(self) -> Mapping[str, str]:
        """Keep what has come of all batches that have ended, also of an earlier process's.

        Returns:
            The codes of what failed, by content key.

        Raises:
            ModelError: The provider cannot be asked; nothing is lost.
        """
        failed: dict[str, str] = {}
        with self._lock:
            for batch in self._store.open(self._backend.id):
                failed.update(self._collected(batch))
        return failed

    def cancel(self) -> None:
        """Have the provider stop all that is under way; `collect` keeps what has come of it."""
        with self._lock:
            for batch in self._store.open(self._backend.id):
                if (provider_id := self._found(batch)) is not None:
                    self._backend.cancel(provider_id)

    def _collected(self, batch: OpenBatch) -> Mapping[str, str]:
        purposes = self._store.purposes(batch.id)
        provider_id = self._found(batch)
        if provider_id is None:
            self._store.close(batch.id)
            return dict.fromkeys(purposes, LOST)
        try:
            results = self._backend.results(provider_id)
        except ModelRejected as error:  # it never began, or is no more
            self._store.close(batch.id)
            return dict.fromkeys(purposes, error.code)
        if results is None:
            return {}
        failed = {}
        unsaid = dict(purposes)
        for key, result in results:
            purpose = unsaid.pop(key, None)
            if purpose is None:  # kept before a crash
                continue
            if isinstance(result, ChatReply):
                self._keep(batch.id, purpose, result)
            else:
                failed[key] = result
        failed.update(dict.fromkeys(unsaid, EXPIRED))
        for key in failed.keys() & purposes.keys():
            self._tell(purposes[key], error=failed[key])
        self._store.close(batch.id)
        self._backend.forget(provider_id)
        return failed

    def _found(self, batch: OpenBatch) -> str | None:
        """The provider's id of a batch, also when a crash came before it was written down."""
        if batch.provider_id is not None:
            return batch.provider_id
        since = batch.created_at - _CLOCKS_S
        found = self._backend.find(batch.id, since=since, count=batch.count)
        if found is not None:
            self._store.submitted(batch.id, found)
        return found

    def _keep(self, batch_id: str, purpose: Purpose, reply: ChatReply) -> None:
        # In this order a crash repeats the last step, and counts a reply twice at worst.
        key = purpose.reply_key or ""
        self._replies.put(purpose.tenant, key, reply, documents=purpose.documents)
        self._tell(purpose, reply=reply)
        self._store.settle(batch_id, key)

    def _tell(
        self, purpose: Purpose, *, reply: ChatReply | None = None, error: str | None = None
    ) -> None:
        tokens = reply.tokens if reply else Tokens()
        cost = self._pricing.cost(self._backend.id, tokens, batch=True) if reply else 0.0
        self._meter.tell(
            Attempt(
                model=self._backend.id,
                purpose=purpose,
                seconds=0.0,
                finish=reply.finish if reply else None,
                tokens=tokens,
                cost_usd=cost,
                error=error,
            )
        )


def _kinds(kind: type[ModelError] = ModelError) -> Iterator[type[ModelError]]:
    yield kind
    for one in kind.__subclasses__():
        yield from _kinds(one)


_KINDS = {kind.code: kind for kind in _kinds()}


def _may_pass(code: str) -> bool:
    """Whether another batch may bring a reply."""
    return code in (EXPIRED, LOST) or issubclass(_KINDS.get(code, ModelError), ModelUnavailable)


def _fail(code: str, model: str) -> NoReturn:
    if code in _MESSAGES:
        kind = ModelError if code == CANCELLED else ModelUnavailable
        raise kind(_MESSAGES[code].format(model))
    raise _KINDS.get(code, ModelError)
