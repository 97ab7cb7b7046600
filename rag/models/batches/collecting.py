"""What comes of batches: looked for at the provider, and kept like any other reply."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from rag.catalog.batches import BatchStore, OpenBatch
from rag.errors import ModelError, ModelRejected
from rag.models.batches import EXPIRED, LOST, BatchBackend
from rag.models.chat import ChatReply, Tokens
from rag.models.observe import Attempt, Observer, Purpose
from rag.models.pricing import Pricing
from rag.models.replies import ReplyStore

_log = logging.getLogger(__name__)

# A provider's clock may be behind ours or before it, and a batch takes a while to arrive.
_CLOCKS_S = 300.0
_ARRIVAL_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What came instead of replies, by content key.

    ``failed`` holds the codes of calls that are over, ``unreached`` why the provider could not
    be asked what came of one that is not.
    """

    failed: dict[str, str] = field(default_factory=dict)
    unreached: dict[str, ModelError] = field(default_factory=dict)


class Collecting:
    """Keeps what comes of the batches of one model. Thread-safe."""

    def __init__(
        self,
        backend: BatchBackend,
        *,
        store: BatchStore,
        replies: ReplyStore,
        meter: Observer,
        pricing: Pricing,
    ) -> None:
        self._backend = backend
        self._store = store
        self._replies = replies
        self._meter = meter
        self._pricing = pricing
        self._lock = threading.Lock()

    def collect(self) -> Collected:
        """Keep what has come of all batches that have ended, also of an earlier process's.

        One that cannot be asked for keeps none of the others from it.
        """
        found = Collected()
        with self._lock:
            for batch in self._store.open(self._backend.id):
                purposes = self._store.purposes(batch.id)
                try:
                    found.failed.update(self._collected(batch, purposes))
                except ModelError as error:
                    found.unreached.update(dict.fromkeys(purposes, error))
        return found

    def cancel(self) -> None:
        """Have the provider stop all that is under way and known to be ours."""
        with self._lock:
            for batch in self._store.open(self._backend.id):
                provider_id, _ = self._found(batch, self._store.purposes(batch.id))
                if provider_id is not None:
                    self._backend.cancel(provider_id)

    def _collected(self, batch: OpenBatch, purposes: Mapping[str, Purpose]) -> Mapping[str, str]:
        provider_id, undecided = self._found(batch, purposes)
        if provider_id is None:
            if undecided:
                return {}
            self._store.close(batch.id)
            return dict.fromkeys(purposes, LOST)
        failed = {}
        unsaid = dict(purposes)
        rest = EXPIRED
        try:
            results = self._backend.results(provider_id)
            if results is None:
                return {}
            for key, result in results:
                purpose = unsaid.pop(key, None)
                if purpose is None:  # kept before a crash
                    continue
                if isinstance(result, ChatReply):
                    self._keep(batch.id, purpose, result)
                else:
                    failed[key] = result
        except ModelRejected as error:  # it never began, is no more, or cannot be read
            rest = error.code
        failed.update(dict.fromkeys(unsaid, rest))
        for key, code in failed.items():
            self._tell(purposes[key], error=code)
        self._store.close(batch.id)
        try:
            self._backend.forget(provider_id)
        except ModelError as error:  # what has failed is to be told all the same
            _log.warning("%s still keeps the batch %s: %s", self._backend.id, provider_id, error)
        return failed

    def _found(self, batch: OpenBatch, purposes: Mapping[str, Purpose]) -> tuple[str | None, bool]:
        """The provider's id of a batch, also when a crash came before it was written down.

        Where no mark tells ours from another application's, only its results do: until all that
        may be it have ended, it is undecided.
        """
        if batch.provider_id is not None:
            return batch.provider_id, False
        since, until = batch.created_at - _CLOCKS_S, batch.created_at + _ARRIVAL_S
        undecided = False
        for found in self._backend.find(batch.id, since=since, until=until, count=batch.count):
            ours = True if found.marked else self._ours(found.id, purposes)
            if ours:
                self._store.submitted(batch.id, found.id)
                return found.id, False
            undecided |= ours is None
        return None, undecided

    def _ours(self, provider_id: str, purposes: Mapping[str, Purpose]) -> bool | None:
        """Whether the results have our content keys; ``None`` while there are none."""
        try:
            results = self._backend.results(provider_id)
            # All of a batch are ours or none is; nothing of this one has been kept yet.
            return None if results is None else next(iter(results), ("", ""))[0] in purposes
        except ModelRejected:  # its results are no more
            return False

    def _keep(self, batch_id: str, purpose: Purpose, reply: ChatReply) -> None:
        key = purpose.reply_key or ""

        def settle() -> None:
            self._tell(purpose, reply=reply)
            self._store.settle(batch_id, key)

        self._replies.put(purpose.tenant, key, reply, documents=purpose.documents, also=settle)

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
