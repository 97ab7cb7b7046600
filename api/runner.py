"""Carries out work made of items: claims them, runs them in threads, writes down what came of it.

The same for one process on SQLite and for any number of them on PostgreSQL: who is at work on
what stands in the catalog alone, see `rag.catalog.claims`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice

import sqlalchemy as sa

from rag.catalog import Catalog
from rag.catalog.claiming import Claim
from rag.catalog.work import Lane
from rag.errors import (
    BudgetExceeded,
    EmbeddingFailed,
    IbidemError,
    ModelUnavailable,
    Overloaded,
    StorageError,
)
from rag.models.budget import Budgets
from rag.priority import give_way
from rag.work import Produced, Work, WorkSpec, WorkTogether

_log = logging.getLogger(__name__)
_LOOK_S = 0.5
_GATHER_S = 0.05
"""Items that end at nearly the same time are replaced by one claim."""
_BEAT_S = 4.0
_SWEEP_S = 3600.0
_STOP_S = 10.0
_BATCH = 500
_TOGETHER = 500
"""Items that are handed in at once where many go together."""
_MOST_ATTEMPTS = 4
_MOST_BEGUN = 8
"""An item that was begun so often, and never ended, is what its process ended of each time."""
_FIRST_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 30.0
_MAY_PASS = (
    *(ModelUnavailable, Overloaded, StorageError, EmbeddingFailed),
    *(OSError, sa.exc.OperationalError),
)
_UNFORESEEN = {
    "code": "attempt_failed",
    "message": "Something went wrong inside Ibidem; the log says more.",
}
_ENDED_PROCESSES = {
    "code": "attempt_failed",
    "message": "Ibidem was ended each time that it worked on this; there may be too little memory.",
}


class Runner:
    """Works on the items of the catalog's jobs until stopped. Thread-safe."""

    def __init__(
        self,
        catalog: Catalog,
        works: Mapping[str, Work],
        budgets: Budgets,
        *,
        threads: Mapping[Lane, int],
        alone: bool,
        kept_s: float | None = None,
    ) -> None:
        """Carry out these kinds of work.

        Args:
            catalog: What it is written in.
            works: By the kind of the job.
            budgets: What may be spent.
            threads: How many items of each lane are under way at once.
            alone: Nobody else works on this catalog: what is begun in it, nobody is at.
            kept_s: Seconds after which work that has ended is removed; for ever when not given.
        """
        self._catalog = catalog
        self._claims = catalog.claims
        self._works = works
        self._budgets = budgets
        self._alone = alone
        self._threads = threads
        self._kept_s = kept_s
        self._sweep_at = 0.0
        self._pools = {
            lane: ThreadPoolExecutor(count, f"work-{lane}", initializer=give_way)
            for lane, count in threads.items()
        }
        self._under_way = dict.fromkeys(threads, 0)
        self._quiet_until: dict[Lane, float] = {}
        self._idle = threading.Condition()
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._worker = ""
        self._loops = [
            threading.Thread(target=self._until_stopped, args=(step,), name=name, daemon=True)
            for name, step in (("work-claims", self._claim_all), ("work-signs", self._show_life))
        ]

    def start(self) -> None:
        """Begin; what a process that died was at is taken up at once if there can be no other."""
        self._claims.bury_dead(all_of_them=self._alone)
        self._worker = self._claims.sign_on()
        for loop in self._loops:
            loop.start()

    def wake(self) -> None:
        """There may be something new to do."""
        self._quiet_until.clear()
        self._news.set()

    def stop(self, *, at_once: bool = False) -> None:
        """End the items under way, unless ``at_once`` or it takes long; leave the others be."""
        self._stopping.set()
        self._news.set()
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        patience_s = 0 if at_once else _STOP_S
        with self._idle:
            self._idle.wait_for(lambda: not any(self._under_way.values()), timeout=patience_s)
        for loop in self._loops:
            loop.join(timeout=_STOP_S)
        self._claims.sign_off(self._worker)

    def _until_stopped(self, step: Callable[[], None]) -> None:
        while not self._stopping.is_set():
            try:
                step()
            except Exception:
                _log.exception("looking for items failed; trying again")
                self._stopping.wait(_LOOK_S)

    def _show_life(self) -> None:
        self._stopping.wait(_BEAT_S)
        if self._stopping.is_set():
            return
        if not self._claims.stay(self._worker):
            _log.warning("this worker was taken for dead; what it was at went to others")
            self._worker = self._claims.sign_on()
        self._claims.bury_dead()
        if self._kept_s is not None and time.monotonic() >= self._sweep_at:
            self._catalog.work.sweep(self._kept_s)
            self._sweep_at = time.monotonic() + _SWEEP_S

    def _claim_all(self) -> None:
        self._news.clear()
        claimed = sum(map(self._claim, self._threads))
        if not claimed:
            self._news.wait(_LOOK_S)
        self._stopping.wait(_GATHER_S)

    def _claim(self, lane: Lane) -> int:
        """Begin what there is room for; where there was nothing, look again a little later."""
        room = self._threads[lane] - self._under_way[lane]
        if room <= 0 or self._stopping.is_set():
            return 0
        if time.monotonic() < self._quiet_until.get(lane, 0.0):
            return 0
        begun = self._begin_some(lane, room)
        if not begun:
            self._quiet_until[lane] = time.monotonic() + _LOOK_S
        return begun

    def _begin_some(self, lane: Lane, room: int) -> int:
        if lane is Lane.PROVIDER:
            claims = self._claims.claim(self._worker, lane, _TOGETHER)
            by_job = {claim.ordered.job_id: claim for claim in claims}
            for job_id in by_job:
                mine = [claim for claim in claims if claim.ordered.job_id == job_id]
                self._begin(lane, partial(self._carry_out_together, mine))
            return len(claims)
        busy = self._under_way[lane] > 0
        claims = self._claims.claim(self._worker, lane, room, expected=busy)
        for claim in claims:
            self._begin(lane, partial(self._carry_out, claim))
        return len(claims)

    def _begin(self, lane: Lane, do: Callable[[], None]) -> None:
        with self._idle:
            self._under_way[lane] += 1
        try:
            begun = self._pools[lane].submit(do)
        except RuntimeError:  # stopped meanwhile; signing off gives it back
            self._ended(lane)
        else:
            begun.add_done_callback(lambda _: self._ended(lane))

    def _ended(self, lane: Lane) -> None:
        with self._idle:
            self._under_way[lane] -= 1
            self._idle.notify_all()
        self._quiet_until.pop(lane, None)  # it may have been the last of its round
        self._news.set()

    def _carry_out(self, claim: Claim) -> None:
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

    def _carry_out_together(self, claims: Sequence[Claim]) -> None:
        """Hand items of one job in together, and wait for them."""
        work = self._works[claims[0].ordered.kind]
        left = {}
        for claim in claims:
            if claim.is_step or not isinstance(work, WorkTogether):
                self._carry_out(claim)
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
        pause_s = _LOOK_S
        while True:
            try:
                write()
                return
            except (StorageError, sa.exc.OperationalError, OSError) as error:
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
        if claim.is_step:
            self._claims.give_up(claim, told)
        else:
            self._claims.fail(claim, told)

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
            self._news.set()
        if any_before:
            self._claims.listed(claim)
            return
        done, failed = self._catalog.work.done(job_id), self._catalog.work.failed(job_id)
        self._claims.finish(claim, work.finish(spec, done, failed))
