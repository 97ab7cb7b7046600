"""``python -m tests.benchmarks.search_http --chunks N``: the whole search, over HTTP.

A real service on a synthetic collection (`synthetic.py`): queries of two to six of its words,
each embedded by the model that ships, dense and lexical ranking, fusion, passages from SQL. As
many clients as there are users, each with one connection, send one query after the other. What
is answered with 503 (the queue is full) is counted apart and not timed. ``started`` is from the
start of the process to the answer of the first search; ``built`` the same when nothing was kept.
``memory`` is resident in the service after all of it: its own, and pages of its files.
"""

from __future__ import annotations

import argparse
import http.client
import json
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from tests.benchmarks.synthetic import Language, make
from tests.benchmarks.vector_sets import real_vectors
from tests.crash.service import Service

_PATIENCE_S = 3_600.0
_FILTERS: dict[str, dict[str, Any] | None] = {
    "all": None,
    "10 % allowed": {"tenth": 3},
    "0.1 % allowed": {"thousandth": 3},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--users", type=int, nargs="+", default=[1, 8, 32, 100])
    parser.add_argument("--seconds", type=float, default=10.0, help="for each row")
    parser.add_argument("--home", type=Path, help="keep the home there, or use it again")
    parser.add_argument("--cache", type=Path, default=Path("build/eval"))
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ibidem-search-") as folder:
        home = arguments.home or Path(folder) / "home"
        if not home.exists():
            make(home, real_vectors(arguments.cache), arguments.chunks)
        report = measure(home, arguments.users, arguments.seconds)
    report["chunks"] = arguments.chunks
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1))
    show(report)


def measure(home: Path, users: Sequence[int], seconds: float) -> dict[str, Any]:
    """Start it twice, ask it in every way, and look how much memory it has."""
    report: dict[str, Any] = {}
    kept = (home / "indexes" / "lexical").exists()
    for name in ("started_s",) if kept else ("built_s", "started_s"):
        service = Service(home=home)
        began = time.perf_counter()
        service.spawn()
        try:
            _wait_until_ready(service)
            report["ready_s"] = time.perf_counter() - began
            assert _ask(_connect(service), "the rent", None)[0] == 200
            report[name] = time.perf_counter() - began
            if name == "built_s":
                _wait_for_lists(home)
                continue
            Load(service, 1, None).run(2.0)
            rows = [(1, what) for what in _FILTERS]
            rows += [(count, "all") for count in users if count > 1]
            report["rows"] = [
                {"users": count, "asked": what, **Load(service, count, _FILTERS[what]).run(seconds)}
                for count, what in rows
            ]
            assert service.process is not None
            report["memory_mb"] = _memory(service.process.pid)
        finally:
            service.stop()
    return report


def _wait_until_ready(service: Service) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        assert service.process is not None
        assert service.process.poll() is None, "the service ended"
        try:
            connection = _connect(service)
            connection.request("GET", "/v1/ready")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.05)


def _wait_for_lists(home: Path) -> None:
    """Until the vectors lie in lists and nothing is being written, if they are so many."""
    folder, deadline = home / "indexes" / "faiss", time.monotonic() + _PATIENCE_S
    while folder.exists() and not [p for p in folder.iterdir() if ".new-" not in p.name]:
        assert time.monotonic() < deadline
        time.sleep(0.5)


@dataclass
class Load:
    """So many users, each of whom asks again as soon as there is an answer."""

    service: Service
    users: int
    filter: dict[str, Any] | None
    times: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)

    def run(self, seconds: float) -> dict[str, Any]:
        language, end = Language(), time.perf_counter() + seconds
        users = [
            threading.Thread(target=self._use, args=(language, number, end))
            for number in range(self.users)
        ]
        began = time.perf_counter()
        for user in users:
            user.start()
        for user in users:
            user.join()
        took = time.perf_counter() - began
        return {
            "qps": len(self.times) / took,
            "p50_ms": 1_000 * float(np.percentile(self.times, 50)),
            "p99_ms": 1_000 * float(np.percentile(self.times, 99)),
            "busy": self.statuses["503"],
            "errors": self.statuses.total() - self.statuses["200"] - self.statuses["503"],
        }

    def _use(self, language: Language, number: int, end: float) -> None:
        random, connection = np.random.default_rng(number), _connect(self.service)
        while time.perf_counter() < end:
            query = language.texts(random, 1, int(random.integers(2, 7)))[0]
            began = time.perf_counter()
            try:
                status, retry_s = _ask(connection, query, self.filter)
            except (OSError, http.client.HTTPException) as error:
                self.statuses[type(error).__name__] += 1
                connection = _connect(self.service)
                continue
            self.statuses[str(status)] += 1
            if status == 200:
                self.times.append(time.perf_counter() - began)
            elif retry_s:
                time.sleep(min(retry_s, max(0.0, end - time.perf_counter())))
        connection.close()


def _connect(service: Service) -> http.client.HTTPConnection:
    place = urlsplit(service.url)
    return http.client.HTTPConnection(str(place.hostname), place.port, timeout=_PATIENCE_S)


def _ask(
    connection: http.client.HTTPConnection, query: str, filter: dict[str, Any] | None
) -> tuple[int, float]:
    body = json.dumps({"query": query, "filter": filter} if filter else {"query": query})
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/v1/search", body.encode(), headers)
    reply = connection.getresponse()
    content = reply.read()
    if reply.status == 200:
        assert json.loads(content)["object"]
    return reply.status, float(reply.getheader("Retry-After") or 0)


def _memory(pid: int) -> dict[str, int]:
    """Megabytes: resident in all, of its own, and pages of files."""
    lines = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    names = {"all": "VmRSS", "own": "RssAnon", "files": "RssFile"}
    return {name: int(lines[key].split()[0]) >> 10 for name, key in names.items()}


def show(report: dict[str, Any]) -> None:
    """A row for each load."""
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0))
    for column in ("users", "asked", "QPS", "p50 ms", "p99 ms", "503", "errors"):
        table.add_column(column, justify="right")
    for row in report["rows"]:
        figures = (f"{row['qps']:.0f}", f"{row['p50_ms']:.1f}", f"{row['p99_ms']:.1f}")
        table.add_row(
            str(row["users"]), row["asked"], *figures, str(row["busy"]), str(row["errors"])
        )
    console = Console(width=120)
    console.print(table)
    times = [f"{name} {report[name]:.1f}" for name in ("built_s", "started_s") if name in report]
    console.print(f"{report['chunks']:,} chunks; {', '.join(times)}; MB {report['memory_mb']}")


if __name__ == "__main__":
    main()
