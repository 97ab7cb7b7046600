"""Does what was claimed, and writes down what came of it, whatever comes between."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice

import sqlalchemy as sa

from rag.catalog import Catalog
from rag.catalog.claiming import Claim
from rag.errors import (
    BudgetExceeded,
    EmbeddingFailed,
    IbidemError,
    ModelUnavailable,
    Overloaded,
    StorageError,
)
from rag.models.budget import Budgets
from rag.work import Produced, Work, WorkSpec, WorkTogether

_log = logging.getLogger(__name__)
_WRITE_AGAIN_S = 0.5
_BATCH = 500
_MOST_ATTEMPTS = 4
_MOST_BEGUN = 8
"""An item that was begun so often, and never ended, is what its process ended of each time."""
_FIRST_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 30.0
_MAY_PASS = (
    *(ModelUnavailable, Overloaded, StorageError, EmbeddingFailed),
    *(OSError, sa.exc.OperationalError),
)
_NOT_NOW = (StorageError, sa.exc.OperationalError, sa.exc.TimeoutError, OSError)
_UNFORESEEN = {
    "code": "attempt_failed",
    "message": "Something went wrong inside Ibidem; the log says more.",
}
_ENDED_PROCESSES = {
    "code": "attempt_failed",
    "message": "Ibidem was ended each time that it worked on this; there may be too little memory.",
}


class Carrier:
    """Carries out claimed items and steps. Thread-safe."""

    def __init__(
        self,
        catalog: Catalog,
        works: Mapping[str, Work],
        budgets: Budgets,
        *,
        news: Callable[[], None],
        stopping: threading.Event,
    ) -> None:
        """``news`` is told of new items; once ``stopping``, nothing is written again and again."""
        self._catalog = catalog
        self._claims = catalog.claims
        self._works = works
        self._budgets = budgets
        self._news = news
        self._stopping = stopping

    def carry_out(self, claim: Claim) -> None:
        """Do an item or a step; what it fails of is written down, and not raised."""
        if claim.attempt > _MOST_BEGUN:
            self._stubbornly(partial(self._give_up, claim, _ENDED_PROCESSES), claim)
            return
        error: Exception | None = None
        try:
            work, spec = self._works[claim.ordered.kind], self._spec(claim)
            if claim.is_step:
                self._step(work, spec, claim)
            else:
                self._item(work, spec, claim)
        except Exception as raised:
            error = raised
        if error is not None:
            self._stubbornly(partial(self._take_back, claim, error), claim)

    def carry_out_together(self, claims: Sequence[Claim]) -> None:
        """Hand items of one job in together, and wait for them."""
        work = self._works[claims[0].ordered.kind]
        left = {}
        for claim in claims:
            alone = claim.is_step or claim.attempt > _MOST_BEGUN
            if alone or not isinstance(work, WorkTogether):
                self.carry_out(claim)
            else:
                left[claim.item.round, claim.item.position] = claim
        if not left or not isinstance(work, WorkTogether):
            return
        try:
            spec = self._spec(claims[0])
            for item, came in work.run_together(spec, [one.item for one in left.values()]):
                claim = left.pop((item.round, item.position))
                if isinstance(came, Produced):
                    self._stubbornly(partial(self._claims.settle, claim, came), claim)
                else:
                    self._stubbornly(partial(self._take_back, claim, came), claim)
        except Exception as error:
            for claim in left.values():
                self._stubbornly(partial(self._take_back, claim, error), claim)

    def _spec(self, claim: Claim) -> WorkSpec:
        ordered = claim.ordered
        budgets = self._budgets.of_job(ordered.job_id, key=ordered.key, most_usd=ordered.budget_usd)
        return WorkSpec(
            job=ordered.job_id,
            body=ordered.spec,
            tenant=ordered.tenant,
            key=ordered.key,
            budgets=budgets,
        )

    def _stubbornly(self, write: Callable[[], object], claim: Claim) -> None:
        """Write something down, again and again while that is not possible, as on a full disk."""
        pause_s = _WRITE_AGAIN_S
        while True:
            try:
                write()
                return
            except Exception as error:
                if not _may_come_back(error):
                    raise
                _log.warning("job %s: %s; trying again", claim.ordered.job_id, error)
                if self._stopping.wait(pause_s):
                    return
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    def _take_back(self, claim: Claim, error: Exception) -> None:
        """Write down that an item failed, or is to be tried again."""
        if isinstance(error, BudgetExceeded):
            self._claims.pause(claim, error.as_dict())
            return
        known = isinstance(error, IbidemError)
        if not known:
            _log.warning("an item of job %s failed", claim.ordered.job_id, exc_info=error)
        if (isinstance(error, _MAY_PASS) or not known) and claim.attempt < _MOST_ATTEMPTS:
            self._claims.postpone(claim, _FIRST_PAUSE_S * 2 ** (claim.attempt - 1))
            return
        self._give_up(claim, error.as_dict() if isinstance(error, IbidemError) else _UNFORESEEN)

    def _give_up(self, claim: Claim, told: Mapping[str, str]) -> None:
        fail = self._claims.give_up if claim.is_step else self._claims.fail
        try:
            fail(claim, told)
        except Exception as error:
            if _may_come_back(error):
                raise
            # An item that is never given back would hold its job up for ever.
            _log.exception("why an item of job %s failed cannot be kept", claim.ordered.job_id)
            fail(claim, _UNFORESEEN)

    def _item(self, work: Work, spec: WorkSpec, claim: Claim) -> None:
        produced = work.run(spec, claim.item)
        self._stubbornly(lambda: self._claims.settle(claim, produced), claim)

    def _step(self, work: Work, spec: WorkSpec, claim: Claim) -> None:
        """List the items of the round; when there are none, the work is at its end."""
        number, job_id = claim.item.round, spec.job
        last = self._claims.last_added(claim)  # written before a crash
        if number == 0:
            items = work.items(spec, last)
        else:  # a deletion has the round begun anew, so that its items are the same again
            before = -1 if last is None else last.position
            items = work.after(spec, number - 1, self._catalog.work.done(job_id, round=number - 1))
            items = (item for item in items if item.position > before)
        any_before = last is not None
        while batch := list(islice(items, _BATCH)):
            any_before = True
            if not self._claims.add(claim, batch):
                return
            self._news()
        if any_before:
            self._claims.listed(claim)
            return
        done, failed = self._catalog.work.done(job_id), self._catalog.work.failed(job_id)
        self._claims.finish(claim, work.finish(spec, done, failed))


def _may_come_back(error: Exception) -> bool:
    """Whether a database that something could not be written to may take it later."""
    lost = isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated
    return lost or isinstance(error, _NOT_NOW)
