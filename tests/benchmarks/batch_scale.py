"""A batch of 5,000 questions to a model that takes a second, 64 at once: pace, memory, disk.

    python -m tests.benchmarks.batch_scale [--items 5000] [--limit 64] [--layer] [--json FILE]

A real service on SQLite; the model is a fake on loopback. Throughput is compared with what the
limit allows: so many calls at once, each of a second. The processor time says what the service
itself can do, also where other programs share the machine. `--layer` leaves questions out: items
that only wait a second, to see what keeping and handing out items takes by itself.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from api.runner import Runner
from rag.catalog import Catalog
from rag.catalog.opening import open_sqlite
from rag.catalog.vectors import VectorStore
from rag.catalog.work import Lane, NewWork
from rag.models.budget import BudgetLimits, Budgets
from rag.types import JobStatus
from rag.work import Done, Failed, Item, NewItem, Produced, WorkSpec
from tests.crash.batch_kills import Tally, check, prepared, send, wait
from tests.crash.service import Service

_TICKS = 100


def measure(items: int, limit: int, delay_s: float) -> dict[str, Any]:
    tally = Tally(items=items)
    with tempfile.TemporaryDirectory(prefix="scale") as folder:
        home = Path(folder) / "home"
        home.mkdir()
        with prepared(home, items, delay_s=delay_s, at_once=limit) as (service, provider):
            before, started = _seconds(service), time.monotonic()
            disk = bytes_on_disk(home, "*.db")
            batch = send(service, items)
            sent = time.monotonic()
            wait(service, batch["job_id"], look_s=0.5)
            ended = time.monotonic()
            used = _seconds(service) - before
            check(service, provider, batch, tally)
            memory = _peak(service)
            service.stop()
            grown = bytes_on_disk(home, "*.db*") - disk
    possible = limit / delay_s
    return {
        "items": items,
        "lost": len(tally.lost),
        "wrong": len(tally.wrong),
        "calls": tally.calls,
        "most calls at once": provider.most_in_flight(),
        "seconds to send": round(sent - started, 1),
        "seconds to answer": round(ended - sent, 1),
        "items per second": round(items / (ended - sent), 1),
        "of what the limit allows": f"{items / (ended - sent) / possible:.0%}",
        "processor ms per item": round(used / items * 1000, 1),
        "peak memory MB": round(memory / 1e6),
        "grown on disk MB": round(grown / 1e6, 1),
    }


class Sleeping:
    """Work that waits."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def items(self, spec: WorkSpec, last: NewItem | None = None) -> Iterator[NewItem]:
        return iter(())

    def run(self, spec: WorkSpec, item: Item) -> Produced:
        time.sleep(self._seconds)
        return Produced(value={"text": "x" * 2_000})

    def after(self, spec: WorkSpec, round: int, results: Iterable[Done]) -> Iterator[NewItem]:
        return iter(())

    def finish(
        self, spec: WorkSpec, results: Iterable[Done], failures: Iterable[Failed]
    ) -> Produced:
        return Produced(value={})


def measure_layer(items: int, limit: int, delay_s: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="scale") as folder:
        vectors = VectorStore(open_sqlite(Path(folder) / "vectors.db"))
        catalog = Catalog(open_sqlite(Path(folder) / "catalog.db"), vectors)
        given = (NewItem(position=n, payload={"question": "?" * 200}) for n in range(items))
        new = NewWork(kind="sleep", tenant="default", key="local", spec={})
        job_id = catalog.work.create(new, given)
        budgets = Budgets(BudgetLimits(), catalog.usage)
        works = {"sleep": Sleeping(delay_s)}
        runner = Runner(catalog, works, budgets, threads={Lane.CALLS: limit}, alone=True)
        used, started = time.process_time(), time.monotonic()
        runner.start()
        while (job := catalog.jobs.find(job_id)) and job.status is not JobStatus.COMPLETED:
            time.sleep(0.2)
        took, used = time.monotonic() - started, time.process_time() - used
        runner.stop()
        catalog.close()
    return {
        "items": items,
        "items per second": round(items / took, 1),
        "of what the limit allows": f"{items / took / (limit / delay_s):.0%}",
        "processor ms per item": round(used / items * 1000, 2),
    }


def _seconds(service: Service) -> float:
    """Processor time of the service so far."""
    assert service.process is not None
    fields = Path(f"/proc/{service.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _peak(service: Service) -> int:
    assert service.process is not None
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    [line] = [one for one in status.splitlines() if one.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def bytes_on_disk(home: Path, which: str) -> int:
    """Of SQLite's files; rather too few before: what a log holds goes into its file later."""
    return sum(file.stat().st_size for file in home.glob(which))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=5_000)
    parser.add_argument("--limit", type=int, default=64)
    parser.add_argument("--delay", type=float, default=1.0, help="Seconds that a call takes.")
    parser.add_argument("--layer", action="store_true", help="Without questions and a service.")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    measured = measure_layer if given.layer else measure
    rows = measured(given.items, given.limit, given.delay)
    for name, value in rows.items():
        print(f"{name:<26} {value:>10}")
    if given.json:
        given.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
