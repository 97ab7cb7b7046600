"""Carries out work made of items: claims them, and has threads do them as there is room.

The same for one process on SQLite and for any number of them on PostgreSQL: who is at work on
what stands in the catalog alone, see `rag.catalog.claims` and `workers`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from api.carrying import Carrier
from rag.catalog import Catalog
from rag.catalog.work import Lane
from rag.models.budget import Budgets
from rag.priority import give_way
from rag.work import Work

_log = logging.getLogger(__name__)
_LOOK_S = 0.5
_GATHER_S = 0.05
"""Items that end at nearly the same time are replaced by one claim."""
_BEAT_S = 4.0
_SWEEP_S = 3600.0
_STOP_S = 10.0
_TOGETHER = 500
"""Items that are handed in at once where many go together."""


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
        self._alone = alone
        self._threads = threads
        self._pools = {
            lane: ThreadPoolExecutor(count, f"work-{lane}", initializer=give_way)
            for lane, count in threads.items()
        }
        self._under_way = dict.fromkeys(threads, 0)
        self._quiet_until: dict[Lane, float] = {}
        self._idle = threading.Condition()
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._carrier = Carrier(
            catalog, works, budgets, news=self._news.set, stopping=self._stopping
        )
        self._worker = ""
        steps = {"work-claims": self._claim_all, "work-signs": self._show_life}
        if kept_s is not None:  # it may take longer than a lease
            steps["work-sweeps"] = partial(self._sweep, kept_s)
        self._loops = [
            threading.Thread(target=self._until_stopped, args=(step,), name=name, daemon=True)
            for name, step in steps.items()
        ]

    def start(self) -> None:
        """Begin; what a process that died was at is taken up at once if there can be no other."""
        self._catalog.workers.bury_dead(all_of_them=self._alone)
        self._worker = self._catalog.workers.sign_on()
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
        self._catalog.workers.sign_off(self._worker)

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
        if not self._catalog.workers.stay(self._worker):
            _log.warning("this worker was taken for dead; what it was at went to others")
            self._worker = self._catalog.workers.sign_on()
        self._catalog.workers.bury_dead()

    def _sweep(self, kept_s: float) -> None:
        self._catalog.work.sweep(kept_s)
        self._stopping.wait(_SWEEP_S)

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
            for job_id in dict.fromkeys(claim.ordered.job_id for claim in claims):
                mine = [claim for claim in claims if claim.ordered.job_id == job_id]
                self._begin(lane, partial(self._carrier.carry_out_together, mine))
            return len(claims)
        busy = self._under_way[lane] > 0
        claims = self._claims.claim(self._worker, lane, room, expected=busy)
        for claim in claims:
            self._begin(lane, partial(self._carrier.carry_out, claim))
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
