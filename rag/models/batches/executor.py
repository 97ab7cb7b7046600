"""Tasks that can wait: their calls are gathered, handed in as batches, and found replied to.

A task runs until it needs a reply that is not known, and is left there. When the batch with its
call has ended, the reply is kept under its content key like any other, and the task, run
again from its beginning, gets further: to its outcome, or to a next call. What a batch
brings is therefore never bought again, whoever asks, also after a restart.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from rag.catalog.batches import BatchStore
from rag.errors import ModelError, ModelRejected, ModelUnavailable
from rag.models.batches import CANCELLED, EXPIRED, LOST, BatchBackend
from rag.models.batches.collecting import Collecting
from rag.models.budget import Budget, reserved
from rag.models.calls import Called, Calls, Keep, Known
from rag.models.chat import ChatBackend, ChatRequest, Tell, Tokens
from rag.models.engine import Context, Engine
from rag.models.limits import Limits
from rag.models.observe import Observer, Purpose
from rag.models.pricing import Pricing
from rag.models.replies import ReplyStore
from rag.models.tasks import Outcome, Task, Value
from rag.models.tokens import TokenEstimate, request_bytes

_MOST_REQUESTS = 500
"""In one batch, so that a part of many is replied to before all are."""
_MOST_BYTES = 60 << 20
"""Of texts and images in one batch: JSON takes up to three times that, providers take 200 MB."""
_MOST_TRIES = 2
_POLL_S = 30.0
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
        keep: Keep | None = None,
        known: Known | None = None,
        since: float | None = None,
        tell: Tell | None = None,
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
        self._pricing = pricing
        self._sleep = sleep
        self._tokens = TokenEstimate()
        self._collecting = Collecting(
            backend, store=store, replies=replies, meter=meter, pricing=pricing
        )

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
        """Hand in what no batch is under way for, and no other run has a reply to by now."""
        left = list(wanted.values())
        while left:
            part = left[: _fitting(left)]
            free = self._free(part, context.tenant)
            if not free or self._begin(free, context.budgets):
                left = left[len(part) :]

    def _free(self, part: Sequence[_Wanted], tenant: str) -> list[_Wanted]:
        keys = [one.purpose.reply_key or "" for one in part]
        # In this order: a reply is kept before its call is no longer waited for.
        under_way = self._store.waiting(tenant, keys)
        return [
            one
            for key, one in zip(keys, part, strict=True)
            if key not in under_way and not self._is_known(one)
        ]

    def _is_known(self, wanted: _Wanted) -> bool:
        purpose = wanted.purpose
        return self._replies.get(purpose.tenant, purpose.reply_key or "") is not None

    def _begin(self, wanted: Sequence[_Wanted], budgets: Sequence[Budget]) -> bool:
        """Hand in a batch; not when another run was faster with some of it."""
        estimate = self._estimate([one.request for one in wanted])
        with reserved(budgets, estimate if budgets else 0.0) as cost:
            purposes = [one.purpose for one in wanted]
            batch_id = self._store.begin(self._backend.id, purposes, estimate_usd=estimate)
            if batch_id is None or any(map(self._is_known, wanted)):
                if batch_id is not None:
                    self._store.close(batch_id)
                cost.usd = 0.0
                return False
            requests = {one.purpose.reply_key or "": one.request for one in wanted}
            try:
                provider_id = self._backend.submit(batch_id, requests)
            except ModelRejected:
                self._store.close(batch_id)
                raise
            # After any other error it may have arrived all the same; `collect` finds it then.
            self._store.submitted(batch_id, provider_id)
            cost.usd = estimate or 0.0
        return True

    def _estimate(self, requests: Sequence[ChatRequest]) -> float | None:
        most = Tokens()
        for one in requests:
            most += Tokens(input=self._tokens.tokens(one), output=one.max_output_tokens)
        return self._pricing.cost(self._backend.id, most, batch=True)

    def _wait(self, tenant: str, wanted: Mapping[str, _Wanted]) -> Mapping[str, str]:
        """Wait until no batch is under way for these; returns what failed."""
        failed: dict[str, str] = {}
        while True:
            found = self._collecting.collect()
            failed.update(found.failed)
            if not self._store.waiting(tenant, list(wanted)):
                return failed
            for key in found.unreached.keys() & wanted.keys():
                raise found.unreached[key]
            self._sleep(_POLL_S)

    def collect(self) -> Mapping[str, str]:
        """Keep what has come of all batches that have ended, also of an earlier process's.

        Returns:
            The codes of what failed, by content key.

        Raises:
            ModelError: The provider cannot be asked for some of them; nothing is lost.
        """
        found = self._collecting.collect()
        for error in found.unreached.values():
            raise error
        return found.failed

    def cancel(self) -> None:
        """Have the provider stop all that is under way; `collect` keeps what has come of it."""
        self._collecting.cancel()


def _fitting(wanted: Sequence[_Wanted]) -> int:
    """How many of the first go into one batch: at least one."""
    total = 0
    for number, one in enumerate(wanted[:_MOST_REQUESTS]):
        images = (len(image.png) for turn in one.request.turns for image in turn.images)
        total += request_bytes(one.request) + sum(images)
        if number and total > _MOST_BYTES:
            return number
    return min(len(wanted), _MOST_REQUESTS)


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
