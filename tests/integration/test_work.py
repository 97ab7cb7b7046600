"""Work made of items: whatever ends, dies, stops or fails, each item is done once and kept."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa

import api.carrying
import api.runner
from api.runner import Runner
from rag.catalog import Catalog, schema
from rag.catalog.work import Lane, NewWork
from rag.errors import BudgetExceeded, Conflict, InvalidRequest, ModelUnavailable, StorageFull
from rag.models.budget import BudgetLimits, Budgets
from rag.types import Job, JobStatus
from rag.work import CameTo, Done, Failed, Item, NewItem, Produced, WorkSpec
from tests.unit.test_catalog import add, make_collection

TENANT = "default"
ENOUGH_S = 30
THREADS = {Lane.CALLS: 8, Lane.LOCAL: 1}


@dataclass
class Sums:
    """Adds up numbers, three at a time, round by round."""

    run_one: Callable[[WorkSpec, Item], None] = lambda _spec, _item: None
    list_one: Callable[[int], None] = lambda _position: None
    runs: Counter[tuple[int, int]] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def items(self, spec: WorkSpec, last: NewItem | None = None) -> Iterator[NewItem]:
        if spec.body.get("unknown"):
            raise InvalidRequest("There is no document 'doc_1'.")
        for position in range(0 if last is None else last.position + 1, spec.body["count"]):
            self.list_one(position)
            yield NewItem(position=position, payload={"numbers": [position]})

    def run(self, spec: WorkSpec, item: Item) -> Produced:
        with self.lock:
            self.runs[item.round, item.position] += 1
        self.run_one(spec, item)
        return Produced(value={"sum": sum(item.payload["numbers"])})

    def after(self, spec: WorkSpec, round: int, results: Iterable[Done]) -> Iterator[NewItem]:
        found = [one.value["sum"] for one in results]
        if len(found) > 1:
            for place, first in enumerate(range(0, len(found), 3)):
                yield NewItem(position=place, payload={"numbers": found[first : first + 3]})

    def finish(
        self, spec: WorkSpec, results: Iterable[Done], failures: Iterable[Failed]
    ) -> Produced:
        last = {}
        for one in results:
            last[one.round] = one.value["sum"]
        value = {"sum": last.get(max(last, default=0)), "failed": len(list(failures))}
        return Produced(value=value)


@dataclass
class SumsTogether(Sums):
    """Hands in what it is to add up, and waits for whoever does it."""

    hand_in: Callable[[str], None] = lambda _job: None

    def run_together(self, spec: WorkSpec, items: Sequence[Item]) -> Iterator[tuple[Item, CameTo]]:
        self.hand_in(spec.job)
        for item in items:
            yield item, self.run(spec, item)


class Books:
    """A ledger of what nothing costs."""

    today = None

    def spent_usd(self, **_: Any) -> float:
        return 0.0


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.runner, "_LOOK_S", 0.02)
    monkeypatch.setattr(api.runner, "_GATHER_S", 0.005)
    monkeypatch.setattr(api.carrying, "_WRITE_AGAIN_S", 0.02)
    monkeypatch.setattr(api.carrying, "_FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(api.runner, "_BEAT_S", 0.05)


@contextmanager
def working(
    catalog: Catalog, work: Sums, *, alone: bool = True, **options: Any
) -> Iterator[Runner]:
    budgets = Budgets(BudgetLimits(), Books())  # type: ignore[arg-type]
    runner = Runner(
        catalog,
        {"sums": work},
        budgets,
        threads=options.get("threads", THREADS),
        alone=alone,
        kept_s=options.get("kept_s"),
    )
    runner.start()
    try:
        yield runner
    finally:
        runner.stop()


def order(catalog: Catalog, count: int = 40, **changes: Any) -> str:
    spec = {"count": count, **changes.pop("spec", {})}
    return catalog.work.create(
        NewWork(**({"kind": "sums", "tenant": TENANT, "key": "local", "spec": spec} | changes))
    )


def job(catalog: Catalog, job_id: str) -> Job:
    return catalog.jobs.get(TENANT, job_id)


def ended(catalog: Catalog, job_id: str, status: JobStatus = JobStatus.COMPLETED) -> Job:
    wait_for(lambda: job(catalog, job_id).status is status)
    return job(catalog, job_id)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + ENOUGH_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def result(catalog: Catalog, job_id: str) -> Any:
    return catalog.work.result(job_id)


def test_rounds_follow_one_another_until_nothing_is_left(catalog: Catalog) -> None:
    work = Sums()
    job_id = order(catalog, 40)
    with working(catalog, work):
        done = ended(catalog, job_id)
    assert result(catalog, job_id) == {"sum": sum(range(40)), "failed": 0}
    # 40 items, then 14, 5, 2 and 1 sums of three
    assert (done.done, done.total, done.unit) == (62, 62, "items")
    assert set(work.runs.values()) == {1}
    assert [one.position for one in catalog.work.done(job_id, round=1)] == list(range(14))
    assert len(list(catalog.work.done(job_id))) == 62


def test_items_that_came_with_the_order_are_read_back_in_pages(catalog: Catalog) -> None:
    items = (NewItem(position=n, payload={"numbers": [n], "name": f"n{n}"}) for n in range(250))
    new = NewWork(kind="sums", tenant=TENANT, key="local", spec={})
    job_id = catalog.work.create(new, items)
    assert (job(catalog, job_id).total, job(catalog, job_id).status) == (250, JobStatus.QUEUED)
    with working(catalog, Sums()):
        ended(catalog, job_id)
    found = list(catalog.work.done(job_id, round=0))
    assert [one.value["sum"] for one in found] == list(range(250))
    assert found[249].payload["name"] == "n249"


def test_an_order_that_breaks_off_is_never_seen(catalog: Catalog) -> None:
    def items() -> Iterator[NewItem]:
        yield from (NewItem(position=n, payload={}) for n in range(700))
        raise KeyboardInterrupt

    new = NewWork(kind="sums", tenant=TENANT, key="local", spec={})
    with pytest.raises(KeyboardInterrupt):
        catalog.work.create(new, items())
    assert catalog.jobs.page(TENANT) == []
    with catalog._database.read() as connection:
        assert connection.execute(sa.select(schema.work_items)).all() == []


def test_one_failed_item_ends_nothing_and_can_be_tried_again(catalog: Catalog) -> None:
    broken = True

    def fail(_spec: WorkSpec, item: Item) -> None:
        if broken and item.round == 0 and item.position in (3, 17):
            raise InvalidRequest("It cannot be read.")

    work = Sums(run_one=fail)
    job_id = order(catalog, 40)
    with working(catalog, work):
        ended(catalog, job_id)
        state = catalog.work.state(job(catalog, job_id))
        assert (state.failures, result(catalog, job_id)) == (
            {"invalid_request": 2},
            {"sum": sum(range(40)) - 20, "failed": 2},
        )
        assert [one.position for one in catalog.work.failed(job_id)] == [3, 17]
        broken = False
        catalog.work.resume(job_id, retry_failed=True)
        wait_for(lambda: job(catalog, job_id).status is JobStatus.COMPLETED)
    assert result(catalog, job_id) == {"sum": sum(range(40)), "failed": 0}
    assert work.runs[0, 3] == 2
    assert work.runs[0, 4] == 1
    assert (job(catalog, job_id).done, job(catalog, job_id).total) == (62, 62)
    with pytest.raises(Conflict):
        catalog.work.resume(job_id, retry_failed=True)


@pytest.mark.parametrize("error", [ModelUnavailable(), StorageFull(), OSError("no"), ValueError()])
def test_what_may_pass_is_tried_again_some_times(catalog: Catalog, error: Exception) -> None:
    def fail(_spec: WorkSpec, item: Item) -> None:
        if item.round == 0 and work.runs[0, item.position] < 3:
            raise error

    work = Sums(run_one=fail)
    job_id = order(catalog, 3)
    with working(catalog, work):
        ended(catalog, job_id)
    assert result(catalog, job_id) == {"sum": 3, "failed": 0}
    assert work.runs[0, 0] == 3


def test_what_cannot_be_written_down_ends_an_item_and_not_the_work(catalog: Catalog) -> None:
    half = "half a character: \ud83d"

    def fail(_spec: WorkSpec, item: Item) -> None:
        if item.round == 0 and item.position == 1:
            raise InvalidRequest(half)

    work = Sums(run_one=fail)
    job_id = order(catalog, 3)
    with working(catalog, work):
        ended(catalog, job_id)
    assert result(catalog, job_id) == {"sum": 2, "failed": 1}


def test_work_that_cannot_be_listed_fails_and_says_why(catalog: Catalog) -> None:
    job_id = order(catalog, spec={"unknown": True})
    with working(catalog, Sums()):
        failed = ended(catalog, job_id, JobStatus.FAILED)
    assert failed.error == {
        "code": "invalid_request",
        "message": "There is no document 'doc_1'.",
    }


def test_a_listing_that_died_goes_on_where_it_stood(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The listing fails behind two batches; what was written is neither lost nor written twice."""
    monkeypatch.setattr(api.carrying, "_BATCH", 100)
    fails = iter([True])

    def die(position: int) -> None:
        if position == 240 and next(fails, False):
            raise ConnectionError("as if the process had died")

    work = Sums(list_one=die)
    job_id = order(catalog, 260)
    with working(catalog, work, threads={Lane.CALLS: 16}):
        ended(catalog, job_id)
    assert result(catalog, job_id)["sum"] == sum(range(260))
    assert set(work.runs.values()) == {1}


def test_a_spent_budget_pauses_and_a_larger_one_goes_on(catalog: Catalog) -> None:
    def spend(spec: WorkSpec, item: Item) -> None:
        if item.round == 0 and item.position >= 5:
            spec.budgets[0].reserve(2.0)

    work = Sums(run_one=spend)
    job_id = order(catalog, 10, budget_usd=1.0)
    with working(catalog, work):
        paused = ended(catalog, job_id, JobStatus.PAUSED)
        assert paused.error is not None
        assert paused.error["code"] == "budget_exceeded"
        assert len(list(catalog.work.done(job_id))) <= 5
        catalog.work.resume(job_id, budget_usd=100.0)
        assert ended(catalog, job_id).error is None
    assert result(catalog, job_id) == {"sum": 45, "failed": 0}


def test_what_found_the_old_budget_spent_does_not_pause_with_another(catalog: Catalog) -> None:
    began, raised = threading.Event(), threading.Event()

    def spend(_spec: WorkSpec, item: Item) -> None:
        if work.runs[item.round, item.position] == 1 and not raised.is_set():
            began.set()
            assert raised.wait(ENOUGH_S)
            raise BudgetExceeded("There is none left.")

    work = Sums(run_one=spend)
    job_id = order(catalog, 10, budget_usd=1.0)
    with working(catalog, work):
        assert began.wait(ENOUGH_S)
        catalog.work.resume(job_id, budget_usd=100.0)
        raised.set()
        wait_for(lambda: job(catalog, job_id).status is not JobStatus.IN_PROGRESS)
        assert ended(catalog, job_id).error is None
    assert result(catalog, job_id) == {"sum": 45, "failed": 0}


def test_what_ended_long_ago_is_swept_and_what_rests_stays(catalog: Catalog) -> None:
    def spend(_spec: WorkSpec, _item: Item) -> None:
        raise BudgetExceeded("There is none left.")

    kept_s = 3600.0
    old, fresh = order(catalog, 10), order(catalog, 10)
    with working(catalog, Sums()):
        ended(catalog, old)
        ended(catalog, fresh)
    resting = order(catalog, 10)
    with working(catalog, Sums(run_one=spend)):
        ended(catalog, resting, JobStatus.PAUSED)
    with catalog._database.write() as connection:
        ago = sa.update(schema.jobs).where(schema.jobs.c.id.in_((old, resting)))
        connection.execute(ago.values(updated_at=time.time() - 2 * kept_s))
    with working(catalog, Sums(run_one=spend), kept_s=kept_s):
        wait_for(lambda: {one.id for one in catalog.jobs.page(TENANT)} == {fresh, resting})
    assert result(catalog, fresh) == {"sum": 45, "failed": 0}
    with catalog._database.read() as connection:
        for table in (schema.work, schema.work_items):
            assert connection.execute(sa.select(table).where(table.c.job_id == old)).all() == []
    assert catalog.work.sweep(kept_s) == 0


def test_a_worker_shows_that_it_lives_while_it_sweeps(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept, shown = threading.Event(), threading.Semaphore(0)
    stay = catalog.workers.stay

    def show(worker: str) -> bool:
        shown.release()
        return stay(worker)

    monkeypatch.setattr(catalog.work, "sweep", lambda _kept_s: swept.wait(ENOUGH_S))
    monkeypatch.setattr(catalog.workers, "stay", show)
    with working(catalog, Sums(), kept_s=1.0):
        assert all(shown.acquire(timeout=ENOUGH_S / 3) for _ in range(3))
        swept.set()


def test_what_nobody_is_at_takes_another_budget(catalog: Catalog) -> None:
    job_id = order(catalog, 10, budget_usd=1.0)
    catalog.work.resume(job_id, budget_usd=100.0)
    assert catalog.work.state(job(catalog, job_id)).budget_usd == 100.0
    with pytest.raises(Conflict):
        catalog.work.resume(job_id)
    with working(catalog, Sums()):
        assert ended(catalog, job_id).error is None
    assert result(catalog, job_id) == {"sum": 45, "failed": 0}


def test_pauses_are_no_attempts(catalog: Catalog) -> None:
    def spend(_spec: WorkSpec, item: Item) -> None:
        if work.runs[0, item.position] <= 5:
            raise BudgetExceeded("There is none left.")
        if work.runs[0, item.position] == 6:
            raise ModelUnavailable()

    work = Sums(run_one=spend)
    job_id = order(catalog, 1)
    with working(catalog, work):
        for _ in range(5):
            ended(catalog, job_id, JobStatus.PAUSED)
            catalog.work.resume(job_id)
        ended(catalog, job_id)
    assert result(catalog, job_id) == {"sum": 0, "failed": 0}


@pytest.mark.parametrize("killed", [True, False])
def test_an_item_that_ends_its_process_again_and_again_is_given_up(
    catalog: Catalog, killed: bool
) -> None:
    items = [NewItem(position=n, payload={"numbers": [n]}) for n in (0, 1)]
    new = NewWork(kind="sums", tenant=TENANT, key="local", spec={})
    job_id = catalog.work.create(new, items)
    worker = catalog.workers.sign_on()
    _, second = catalog.claims.claim(worker, Lane.CALLS, 8)
    assert catalog.claims.settle(second, Produced(value={"sum": 1}))
    for _ in range(8):
        if killed:
            catalog.workers.bury_dead(all_of_them=True)
        else:
            catalog.workers.sign_off(worker)
        worker = catalog.workers.sign_on()
        assert catalog.claims.claim(worker, Lane.CALLS, 8)
    work = Sums()
    if not killed:
        catalog.workers.sign_off(worker)
    with working(catalog, work):
        ended(catalog, job_id)
        if killed:
            assert result(catalog, job_id) == {"sum": 1, "failed": 1}
            (failed,) = catalog.work.failed(job_id)
            assert (failed.position, failed.error["code"]) == (0, "attempt_failed")
            assert work.runs == {}
            catalog.work.resume(job_id, retry_failed=True)
            wait_for(lambda: job(catalog, job_id).status is JobStatus.COMPLETED)
    assert list(catalog.work.failed(job_id)) == []


def together(catalog: Catalog, count: int) -> str:
    items = [NewItem(position=n, payload={"numbers": [n]}) for n in range(count)]
    new = NewWork(kind="sums", tenant=TENANT, key="local", spec={}, lane=Lane.PROVIDER)
    return catalog.work.create(new, items)


def test_nobody_waits_for_anothers_batch_at_a_provider(catalog: Catalog) -> None:
    first, second = together(catalog, 3), together(catalog, 3)
    go_on = threading.Event()

    def wait(job_id: str) -> None:
        if job_id == first:
            assert go_on.wait(ENOUGH_S)

    work = SumsTogether(hand_in=wait)
    with working(catalog, work, threads={Lane.PROVIDER: 2}):
        ended(catalog, second)
        assert job(catalog, first).done == 0
        go_on.set()
        ended(catalog, first)
    assert set(work.runs.values()) == {2}  # each item of both jobs once


def test_what_ends_its_process_is_given_up_also_where_many_go_together(catalog: Catalog) -> None:
    job_id = together(catalog, 2)
    worker = catalog.workers.sign_on()
    _, second = catalog.claims.claim(worker, Lane.PROVIDER, 2)
    assert catalog.claims.settle(second, Produced(value={"sum": 1}))
    for _ in range(8):
        catalog.workers.bury_dead(all_of_them=True)
        worker = catalog.workers.sign_on()
        assert catalog.claims.claim(worker, Lane.PROVIDER, 2)
    work = SumsTogether()
    with working(catalog, work, threads={Lane.CALLS: 1, Lane.PROVIDER: 2}):
        ended(catalog, job_id)
    (failed,) = catalog.work.failed(job_id)
    assert (failed.position, failed.error["code"]) == (0, "attempt_failed")
    assert work.runs == {}


def test_deaths_between_which_work_comes_on_are_not_held_against_items(catalog: Catalog) -> None:
    items = [NewItem(position=n, payload={"numbers": [n]}) for n in range(12)]
    new = NewWork(kind="sums", tenant=TENANT, key="local", spec={})
    job_id = catalog.work.create(new, items)
    for left in range(11):
        worker = catalog.workers.sign_on()
        *_, last = catalog.claims.claim(worker, Lane.CALLS, 12)
        assert last.item.position == 11 - left
        assert catalog.claims.settle(last, Produced(value={"sum": 0}))
        catalog.workers.bury_dead(all_of_them=True)
    with working(catalog, Sums()):
        ended(catalog, job_id)
    assert list(catalog.work.failed(job_id)) == []


def test_a_cancelled_job_ends_its_calls_and_can_go_on(catalog: Catalog) -> None:
    go_on = threading.Event()

    def slow(_spec: WorkSpec, item: Item) -> None:
        go_on.wait(ENOUGH_S)

    work = Sums(run_one=slow)
    job_id = order(catalog, 40)
    with working(catalog, work):
        wait_for(lambda: len(work.runs) == 8)
        catalog.work.cancel(job_id)
        assert job(catalog, job_id).status is JobStatus.CANCELLING
        go_on.set()
        cancelled = ended(catalog, job_id, JobStatus.CANCELLED)
        assert cancelled.done == 8  # what was paid for is kept
        with pytest.raises(Conflict):
            catalog.work.cancel(job_id)
        catalog.work.resume(job_id)
        ended(catalog, job_id)
    assert result(catalog, job_id)["sum"] == sum(range(40))
    assert set(work.runs.values()) == {1}


def test_keys_of_a_tenant_share_too(catalog: Catalog) -> None:
    def given(key: str) -> str:
        items = [NewItem(position=n, payload={"numbers": [n]}) for n in range(60)]
        return catalog.work.create(NewWork(kind="sums", tenant=TENANT, key=key, spec={}), items)

    many, few = [given("many") for _ in range(3)], given("few")
    worker = catalog.workers.sign_on()
    begun = Counter(
        claim.ordered.job_id
        for _ in range(5)
        for claim in catalog.claims.claim(worker, Lane.CALLS, 12)
    )
    assert begun == dict.fromkeys(many, 10) | {few: 30}


def test_tenants_share_and_priorities_go_first(catalog: Catalog) -> None:
    def given(count: int, **changes: Any) -> str:
        items = [NewItem(position=n, payload={"numbers": [n]}) for n in range(count)]
        new = {"kind": "sums", "tenant": "many", "key": "local", "spec": {}} | changes
        return catalog.work.create(NewWork(**new), items)

    many, more = given(60), given(60)
    few = given(60, tenant="few")
    first = given(5, priority=1)
    given(60, lane=Lane.LOCAL)
    worker = catalog.workers.sign_on()
    begun = [
        claim.ordered.job_id
        for _ in range(4)
        for claim in catalog.claims.claim(worker, Lane.CALLS, 10)
    ]
    assert begun[:5] == [first] * 5
    # The tenant of three jobs has twenty items under way, and so has that of one.
    assert Counter(begun) == {first: 5, many: 8, more: 7, few: 20}


def test_a_worker_that_comes_back_late_can_write_nothing(catalog: Catalog) -> None:
    claims = catalog.claims
    job_id = order(catalog, 1)
    late, other = catalog.workers.sign_on(), catalog.workers.sign_on()
    (step,) = claims.claim(late, Lane.CALLS, 8)
    claims.add(step, list(Sums().items(WorkSpec(job=job_id, body={"count": 1}))))
    claims.listed(step)
    (mine,) = claims.claim(late, Lane.CALLS, 8)
    _expire(catalog, late)
    assert catalog.workers.bury_dead() == 1
    (theirs,) = claims.claim(other, Lane.CALLS, 8)
    assert mine.item == theirs.item
    assert mine.token < theirs.token
    assert not claims.settle(mine, Produced(value={"sum": -1}))
    assert not claims.fail(mine, {"code": "late", "message": "Late."})
    assert not catalog.workers.stay(late)
    assert claims.claim(late, Lane.CALLS, 8) == []
    assert claims.settle(theirs, Produced(value={"sum": 7}))
    assert not claims.settle(theirs, Produced(value={"sum": 8}))
    assert [one.value["sum"] for one in catalog.work.done(job_id)] == [7]
    assert job(catalog, job_id).done == 1


def _expire(catalog: Catalog, worker: str) -> None:
    with catalog._database.write() as connection:
        mine = schema.workers.c.id == worker
        connection.execute(sa.update(schema.workers).where(mine).values(until=0.0))


def test_a_dead_workers_items_are_taken_over(catalog: Catalog) -> None:
    job_id = order(catalog, 20)
    dead = catalog.workers.sign_on()
    catalog.claims.claim(dead, Lane.CALLS, 8)
    work = Sums()
    with working(catalog, work, alone=False):
        time.sleep(0.2)
        assert job(catalog, job_id).total is None  # its lease goes on
        _expire(catalog, dead)
        ended(catalog, job_id)
    assert result(catalog, job_id)["sum"] == sum(range(20))
    order(catalog, 20)
    catalog.claims.claim(catalog.workers.sign_on(), Lane.CALLS, 8)
    with working(catalog, work):  # alone on its catalog, it waits for no lease
        wait_for(lambda: catalog.jobs.count_unfinished() == 0)


def test_what_repeats_a_deleted_document_goes_with_it(catalog: Catalog) -> None:
    collection = make_collection(catalog)
    kept, gone = add(catalog, collection, "a"), add(catalog, collection, "b")
    items = [
        NewItem(position=0, payload={"text": "of b"}, documents=frozenset({gone.id})),
        *(NewItem(position=n, payload={}) for n in (1, 2, 3)),
    ]
    new = NewWork(kind="sums", tenant=TENANT, key="local", spec={})
    job_id = catalog.work.create(new, items)
    worker = catalog.workers.sign_on()
    claims = catalog.claims.claim(worker, Lane.CALLS, 8)
    for number, document in ((1, kept), (2, gone)):
        found = Produced(value={"text": "said"}, documents=frozenset({document.id}))
        assert catalog.claims.settle(claims[number], found)
    catalog.versions.delete(TENANT, gone.id)
    # One that comes later repeats what is no more.
    late = Produced(value={"text": "said"}, documents=frozenset({kept.id, gone.id}))
    assert catalog.claims.settle(claims[3], late)
    assert not catalog.claims.settle(claims[0], late)
    assert [one.position for one in catalog.work.done(job_id)] == [1]
    failed = list(catalog.work.failed(job_id))
    assert [(one.position, one.payload) for one in failed] == [(0, {}), (2, {}), (3, {})]
    assert {one.error["code"] for one in failed} == {"document_deleted"}
    (step,) = catalog.claims.claim(worker, Lane.CALLS, 8)
    assert step.is_step
    catalog.claims.finish(step, Produced(value={"all": 1}, documents=frozenset({kept.id})))
    assert (job(catalog, job_id).done, result(catalog, job_id)) == (4, {"all": 1})
    catalog.versions.delete(TENANT, kept.id)
    assert result(catalog, job_id) is None
    assert list(catalog.work.done(job_id)) == []
