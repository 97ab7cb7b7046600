"""``python -m tests.benchmarks.hostile``: hostile files are read while queries run.

A real service on a home of its own reads every hostile file under a hostile name, while
others search. What is counted, and should be 0: exits of the service, requests without an
answer, answers with a 5xx that no error of ours explains, files, those inside them too, that
end neither as text nor with a reason, children without their filter of system calls, files
that appear beside the home: the service has a user's folder, a temporary and a current one to
itself, and all that is in them, however deep, is listed. Besides, no child may pass its limit
of memory, the service must say that its parsers are protected in full (the kernel tells nobody
else which files a process may open), a small text that is uploaded in the middle of it all must
be found, and 95 of 100 queries must be answered within twice the time that it takes idle. Where
any of it does not hold, the exit code is 1 and the last lines say why. Printed besides: what
became of the files of each extension.

The files are generated here (tests/bombs.py) and, when the public data sets are beside the
repository, those of ``odd/`` and ``security/files/`` and what their generator makes.
``--trace`` runs the service under strace and counts, instead of times, the sockets that
children got and the files that any process opened for writing outside of the home. Only the
calls that may do so stop a process, by a filter in the kernel; all files take a few times as
long as without.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from rich import box
from rich.console import Console
from rich.table import Table

from ingest.parse.sandbox import Limits
from ingest.parse.watch import usage
from tests.bombs import bombs
from tests.crash.service import IBIDEM, Service
from tests.realdata import REAL_DATA

_SAMPLES = Path(__file__).resolve().parents[2] / "data" / "samples"
_QUERIES = ("how often is the pump serviced", "termination of the agreement", "net revenue")
_IDLE_S = 15.0
_CALLS = "socket,connect,execve,openat,creat,mkdir,mkdirat,rename,renameat2,link,linkat,symlink"
_PLACES = ("user", "temporary", "current")
_MOST_P95_RATIO = 2.0
_HOSTILE_NAMES = (
    "../../../etc/passwd",
    "..\\..\\win.ini",
    "a\x00b",
    "\u202egpj.exe",
    "=cmd|x",
    "-rf",
)


@dataclass
class Report:
    """What happened. Times are in seconds, memory in bytes."""

    files: int = 0
    files_inside: int = 0
    protection: str = ""
    exits: int = 0
    unanswered: int = 0
    unmapped_5xx: int = 0
    silent: int = 0
    beside_home: int = 0
    child_peak_bytes: int = 0
    child_peak_cpu_s: float = 0.0
    children_seen: int = 0
    children_unfiltered: int = 0
    sockets_of_children: int | None = None
    written_outside: int | None = None
    idle_p95_s: float = 0.0
    load_p95_s: float = 0.0
    p95_ratio: float = 0.0
    small_ready_s: float | None = None
    queries: int = 0
    seconds: float = 0.0
    outcomes: list[dict[str, str]] = field(default_factory=list)


class Queries(threading.Thread):
    """Searches again and again; what is not answered, or with a 5xx, is counted."""

    def __init__(self, url: str, report: Report) -> None:
        super().__init__(daemon=True)
        self._client = httpx2.Client(base_url=f"{url}/v1", timeout=60)
        self._report = report
        self._over = threading.Event()
        self.times: list[float] = []

    def run(self) -> None:
        number = 0
        while not self._over.wait(0.05):
            body = {"query": _QUERIES[number % len(_QUERIES)], "collection": "corpus"}
            begun = time.perf_counter()
            reply = asked(self._client, self._report, "POST", "/search", json=body)
            self.times.append(time.perf_counter() - begun)
            number += 1
            if reply is not None and reply.status_code != 200:
                raise AssertionError(f"a search was refused: {reply.text}")

    def stop(self) -> None:
        self._over.set()
        self.join()


class Children(threading.Thread):
    """Looks at the parser children ten times a second: memory, processor time, filters."""

    def __init__(self, service: int, report: Report) -> None:
        super().__init__(daemon=True)
        self._service = service
        self._report = report
        self._over = threading.Event()
        self._busy: dict[int, float] = {}
        self._seen: set[int] = set()

    def run(self) -> None:
        while not self._over.wait(0.1):
            for child in parsers(self._service):
                self._look(child)

    def _look(self, child: int) -> None:
        report, now = self._report, usage(child)
        report.child_peak_bytes = max(report.child_peak_bytes, now.memory_bytes)
        # What it has spent since it last began to be busy is at most one document's time.
        before = self._busy.setdefault(child, now.cpu_s)
        report.child_peak_cpu_s = max(report.child_peak_cpu_s, now.cpu_s - before)
        if child in self._seen:
            return
        try:
            status = Path(f"/proc/{child}/status").read_text()
        except OSError:
            return
        if now.cpu_s > 0.3:  # by then it has read a document, and confined itself before
            self._seen.add(child)
            report.children_seen += 1
            filtered = re.search(r"^Seccomp:\s2$", status, re.MULTILINE)
            report.children_unfiltered += not filtered

    def stop(self) -> None:
        self._over.set()
        self.join()


def parsers(service: int) -> Iterator[int]:
    """Process ids of the parser children of a service."""
    for threads in Path(f"/proc/{service}/task").glob("*/children"):
        try:
            children = threads.read_text().split()
        except OSError:
            continue
        for child in children:
            try:
                command = Path(f"/proc/{child}/cmdline").read_bytes()
            except OSError:
                continue
            if b"ingest.parse.child" in command:
                yield int(child)


def asked(
    client: httpx2.Client, report: Report, method: str, path: str, **options: Any
) -> httpx2.Response | None:
    """A reply, counted when it is none or an error that nobody mapped."""
    try:
        reply = client.request(method, path, **options)
    except httpx2.TransportError:
        report.unanswered += 1
        return None
    if reply.status_code >= 500:
        try:
            mapped = reply.json()["error"]["code"] not in ("internal_error", "ibidem_error")
        except (ValueError, KeyError, TypeError):
            mapped = False
        report.unmapped_5xx += not mapped
    return reply


def hostile_files(folder: Path, most: int | None) -> Iterator[Path]:
    """Our bombs, written to a folder, then the files of the data sets."""
    found = []
    for name, data in bombs():
        (folder / name).write_bytes(data)
        found.append(folder / name)
    if REAL_DATA is None:
        print("../shared/data is not there: only the files that are made here", file=sys.stderr)
    else:
        more = folder / "more"
        make = REAL_DATA / "security" / "tools" / "make_bombs.py"
        subprocess.run([sys.executable, make, more], check=True, stdout=subprocess.DEVNULL)
        found += sorted(more.iterdir())
        for part in ("odd", "security/files"):
            found += sorted(path for path in (REAL_DATA / part).iterdir() if path.is_file())
    yield from found[:: max(1, -(-len(found) // most))] if most else found


def hostile_names() -> list[str]:
    """Names that try to leave the folder, to be a command, to be longer than names are."""
    path = REAL_DATA / "security" / "hostile_filenames.jsonl" if REAL_DATA else None
    if path is None:
        return list(_HOSTILE_NAMES)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [base64.b64decode(row["name_b64"]).decode("utf-8", "replace") for row in rows]


def upload(client: httpx2.Client, report: Report, path: Path, name: str) -> dict[str, str]:
    """Send a file; what became of it so far."""
    outcome = {"file": path.name, "extension": path.suffix.lower() or "(none)"}
    parts = {"file": (name + path.suffix, path.read_bytes(), "application/octet-stream")}
    reply = asked(client, report, "POST", "/documents", files=parts, data={"collection": "hostile"})
    if reply is None:
        return {**outcome, "end": "unanswered"}
    if reply.status_code in (200, 202):
        return {**outcome, "end": "accepted", "id": reply.json()["document"]["id"]}
    reason = reply.json()["error"]
    return {**outcome, "end": "refused", "code": reason["code"], "reason": reason["message"]}


def settled(client: httpx2.Client, report: Report, patience_s: float) -> dict[str, dict[str, Any]]:
    """Every document of the hostile collection once none is being read any more."""
    deadline = time.monotonic() + patience_s
    while True:
        found: dict[str, dict[str, Any]] = {}
        after: dict[str, str] = {}
        while True:
            params = {"collection": "hostile", "limit": "100", **after}
            reply = asked(client, report, "GET", "/documents", params=params)
            page = reply.json() if reply is not None else {"data": [], "has_more": False}
            found.update((one["id"], one) for one in page["data"])
            if not page["has_more"]:
                break
            after = {"after": page["last_id"]}
        waiting = sum(one["status"] in ("queued", "processing") for one in found.values())
        if not waiting or time.monotonic() > deadline:
            return found
        time.sleep(1.0)


def found_after(client: httpx2.Client, patience_s: float) -> float | None:
    """Seconds from the upload of a small text, behind everything else, until it is found."""
    begun = time.monotonic()
    sent = {"file": ("small.txt", b"The quenched zebra settles the invoice.")}
    client.post("/documents", files=sent, data={"collection": "corpus"}).raise_for_status()
    body = {"query": "quenched zebra", "collection": "corpus", "top_k": 1}
    while (waited := time.monotonic() - begun) < patience_s:
        found = client.post("/search", json=body).json()["passages"]
        if found and "zebra" in found[0]["text"]:
            return waited
        time.sleep(0.1)
    return None


def judge(report: Report, documents: dict[str, dict[str, Any]]) -> None:
    """Put down how each document ended; an end without text or reason is silent."""
    sent = {outcome.get("id") for outcome in report.outcomes}
    inside = [document for id_, document in documents.items() if id_ not in sent]
    report.files_inside = len(inside)
    report.silent += sum(map(is_silent, inside))
    for outcome in report.outcomes:
        document = documents.get(outcome.pop("id", ""))
        if document is None:
            report.silent += outcome["end"] == "accepted"
            continue
        report.silent += is_silent(document)
        outcome["end"] = document["status"]
        if document["status"] == "failed":
            error = document["error"] or {}
            outcome |= {"code": error.get("code", ""), "reason": error.get("message", "")}
        elif document["status"] == "ready":
            outcome["warnings"] = "; ".join(document["warnings"])


def is_silent(document: dict[str, Any]) -> bool:
    """Whether a document has come to no end, or to one without text and without a reason."""
    if document["status"] == "failed":
        return not (document["error"] or {}).get("message")
    return document["status"] != "ready" or not document["chunk_count"]


def faults(report: Report) -> list[str]:
    """What did not hold, a sentence each."""
    none = ("exits", "unanswered", "unmapped_5xx", "silent", "beside_home", "children_unfiltered")
    none += ("sockets_of_children", "written_outside")
    found = [f"{name} is {count}, not 0." for name in none if (count := getattr(report, name))]
    if report.child_peak_bytes > (most := Limits().memory_bytes):
        found.append(f"A child took {report.child_peak_bytes} bytes of memory, more than {most}.")
    if report.protection != "ok":
        found.append(f"Parsers are not protected in full: {report.protection or 'nothing said'}.")
    if report.small_ready_s is None:
        found.append("The small text was not found.")
    traced = report.sockets_of_children is not None  # which takes more time than anything
    if report.p95_ratio > _MOST_P95_RATIO and not traced:
        found.append(f"Queries took {report.p95_ratio:.1f} times as long under load as idle.")
    return found


def run(work: Path, *, most: int | None, trace: bool, patience_s: float) -> Report:
    """The whole benchmark in a folder of its own."""
    report = Report()
    home, log, files_at = work / "home", work / "strace.log", work / "files"
    service: Service = Traced(home, log) if trace else Alone(home)
    files_at.mkdir()
    files = list(hostile_files(files_at, most))
    report.files = len(files)
    service.spawn()
    try:
        service.wait_ready()
        assert service.process is not None
        service_pid = (
            next(iter(children_of(service.process.pid)), 0) if trace else service.process.pid
        )
        with httpx2.Client(base_url=f"{service.url}/v1", timeout=120) as client:
            report.protection = client.get("/ready").json()["checks"]["parsers"]
            for name in ("corpus", "hostile"):
                client.post("/collections", json={"name": name}).raise_for_status()
            for sample in sorted(_SAMPLES.glob("*.*")):
                with sample.open("rb") as file:
                    data = {"collection": "corpus"}
                    sent = {"file": (sample.name, file)}
                    client.post("/documents", files=sent, data=data).raise_for_status()
            wait_idle(client)
            idle = Queries(service.url, report)
            idle.start()
            time.sleep(_IDLE_S)
            idle.stop()
            load, watch = Queries(service.url, report), Children(service_pid, report)
            load.start()
            watch.start()
            begun, names = time.perf_counter(), hostile_names()
            for number, path in enumerate(files):
                report.outcomes.append(upload(client, report, path, names[number % len(names)]))
            report.small_ready_s = found_after(client, patience_s)
            judge(report, settled(client, report, patience_s))
            report.seconds = time.perf_counter() - begun
            load.stop()
            watch.stop()
        report.idle_p95_s, report.load_p95_s = p95(idle.times), p95(load.times)
        report.p95_ratio = report.load_p95_s / report.idle_p95_s if report.idle_p95_s else 0.0
        report.queries = len(load.times)
        report.exits = int(service.process.poll() is not None)
    finally:
        service.stop()
    report.beside_home = sum(len(list((work / place).rglob("*"))) for place in _PLACES)
    if trace:
        report.sockets_of_children, report.written_outside = traced(log, home)
    return report


class Alone(Service):
    """A service whose user's folder, temporary and current one are its own."""

    command: tuple[str, ...] = (IBIDEM, "serve")

    def __init__(self, home: Path) -> None:
        super().__init__(home=home)
        for place in _PLACES:
            (home.parent / place).mkdir()

    def environment(self) -> dict[str, str]:
        user, temporary, _ = (str(self.home.parent / place) for place in _PLACES)
        return {**super().environment(), "HOME": user, "TMPDIR": temporary}

    def spawn(self) -> None:
        with (self.home.parent / "service.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env=self.environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.home.parent / _PLACES[2],
            )


class Traced(Alone):
    """A service under strace."""

    def __init__(self, home: Path, log: Path) -> None:
        super().__init__(home)
        strace = ("strace", "-f", "-qq", "--seccomp-bpf", "-e", f"trace={_CALLS}")
        self.command = (*strace, "-o", str(log), *self.command)

    def stop(self) -> None:
        """End the service; strace itself takes no signal and ends with it."""
        if self.process is not None and self.process.poll() is None:
            for pid in children_of(self.process.pid):
                os.kill(pid, signal.SIGTERM)
            self.process.wait(timeout=60)


def traced(log: Path, home: Path) -> tuple[int, int]:
    """Sockets that children got, and files opened for writing outside of the home, by a trace."""
    parsing: set[str] = set()
    sockets = outside = 0
    for line in log.read_text(errors="replace").splitlines():
        pid, _, call = line.partition(" ")
        call = call.strip()
        failed = re.search(r"= -1 \w+", call)
        if call.startswith("execve(") and ("ingest.parse.child" in call or "tesseract" in call):
            parsing.add(pid)
        elif failed:
            continue
        elif call.startswith(("socket(", "connect(")):
            sockets += pid in parsing
        elif re.search(r"O_WRONLY|O_RDWR|O_CREAT|^(creat|mkdir|rename|link|symlink)", call):
            paths = re.findall(r'"([^"]*)"', call)
            outside += not all(p.startswith((str(home), "/dev/null")) for p in paths)
    return sockets, outside


def children_of(pid: int) -> Iterator[int]:
    for threads in Path(f"/proc/{pid}/task").glob("*/children"):
        yield from map(int, threads.read_text().split())


def wait_idle(client: httpx2.Client) -> None:
    while any(
        client.get("/jobs", params={"status": s}).json()["data"] for s in ("queued", "in_progress")
    ):
        time.sleep(0.5)


def p95(times: list[float]) -> float:
    return sorted(times)[int(0.95 * len(times))] if times else 0.0


def show(report: Report) -> None:
    """Print the counts, then a row per extension, then each reason with a file that has it."""
    console = Console(width=110)
    counts = {k: v for k, v in asdict(report).items() if k != "outcomes" and v is not None}
    for name, value in counts.items():
        console.print(
            f"{name:22} {value:.3f}" if isinstance(value, float) else f"{name:22} {value}"
        )
    table = Table("extension", "tried", "parsed", "failed", "refused", "reasons", box=box.SIMPLE)
    groups: dict[str, list[dict[str, str]]] = defaultdict(list)
    for outcome in report.outcomes:
        groups[outcome["extension"]].append(outcome)
    for extension, outcomes in sorted(groups.items()):
        ends = Counter(outcome["end"] for outcome in outcomes)
        codes = Counter(outcome["code"] for outcome in outcomes if "code" in outcome)
        reasons = ", ".join(f"{code} {count}" for code, count in codes.most_common())
        row = [str(len(outcomes)), *(str(ends[end]) for end in ("ready", "failed", "refused"))]
        table.add_row(extension, *row, reasons)
    console.print(table)
    examples: dict[str, str] = {}
    tally: Counter[str] = Counter()
    for outcome in report.outcomes:
        if reason := outcome.get("reason"):
            general = re.sub(r"'[^']*'|\d[\d,.]*", "…", reason)
            tally[general] += 1
            examples.setdefault(general, f"{outcome['file']}: {reason}")
    for general, count in tally.most_common():
        console.print(f"{count:4} {examples[general]}", highlight=False, markup=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, help="take only so many of the files")
    parser.add_argument("--trace", action="store_true", help="count system calls with strace")
    parser.add_argument("--patience", type=float, default=3600.0, help="seconds to wait at most")
    parser.add_argument("--json", type=Path, help="write the report here")
    arguments = parser.parse_args()
    if arguments.trace and shutil.which("strace") is None:
        parser.error("strace is not installed")
    with tempfile.TemporaryDirectory(prefix="ibidem-hostile-") as folder:
        options = {"most": arguments.most, "trace": arguments.trace}
        report = run(Path(folder), patience_s=arguments.patience, **options)
    if arguments.json:
        arguments.json.write_text(json.dumps(asdict(report), indent=1))
    show(report)
    for fault in (found := faults(report)):
        print(fault, file=sys.stderr)
    sys.exit(int(bool(found)))


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
