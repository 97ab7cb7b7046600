"""Work of 300 calls, killed at 50 seeded points: what is lost, doubled, and bought again.

    python -m tests.benchmarks.kills [--analyses] [--items 300] [--kills 50] [--seed 1]
                                     [--json FILE]

A real service on SQLite, a fake provider on loopback that keeps a ledger, `kill -9` of the whole
process group while calls are under way. The work is a batch of questions; or a summary and an
extraction of a text of `--items` valves, read part by part and merged round by round, and compared
with the same on a service that nobody kills.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from tests.crash.analysis_kills import check_analyses, order, readied, undisturbed
from tests.crash.batch_kills import Tally, check, kill_again_and_again, prepared, send, wait

_VALVES = 190
"""A text of so many makes about 300 calls."""


def batch(folder: Path, items: int, kills: int, seed: int, delay_s: float) -> tuple[Tally, float]:
    """Questions, one a line."""
    tally = Tally(items=items)
    with prepared(_home(folder, "home"), items, delay_s=delay_s) as (service, provider):
        started = time.monotonic()
        sent = send(service, items)
        killed = kill_again_and_again(service, provider, tally, random.Random(seed), kills)
        wait(service, sent["job_id"])
        seconds = time.monotonic() - started
        check(service, provider, sent, tally, killed)
    return tally, seconds


def analyses(
    folder: Path, valves: int, kills: int, seed: int, delay_s: float
) -> tuple[Tally, float]:
    """A summary and an extraction."""
    expected = undisturbed(_home(folder, "quiet"), valves)
    tally = Tally(items=len(expected.asked))
    with readied(_home(folder, "home"), valves, delay_s=delay_s) as (service, provider):
        started = time.monotonic()
        ordered = order(service)
        killed = kill_again_and_again(service, provider, tally, random.Random(seed), kills)
        for one in ordered:
            wait(service, one["job_id"])
        seconds = time.monotonic() - started
        check_analyses(service, ordered, valves, expected, tally)
        tally.settle(provider, killed)
    return tally, seconds


def _home(folder: Path, name: str) -> Path:
    home = folder / name / "home"
    home.mkdir(parents=True)
    return home


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--analyses", action="store_true")
    parser.add_argument("--items", type=int, help="Lines, or valves in the text.")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--delay", type=float, default=0.3, help="Seconds that a call takes.")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    measured: Callable[..., tuple[Tally, float]] = analyses if given.analyses else batch
    items = given.items or (_VALVES if given.analyses else 300)
    with tempfile.TemporaryDirectory(prefix="kills") as folder:
        tally, seconds = measured(Path(folder), items, given.kills, given.seed, given.delay)
    rows = {
        "calls needed": tally.items,
        "kills": tally.kills,
        "lost": len(tally.lost),
        "duplicated": len(tally.duplicated),
        "wrong": len(tally.wrong),
        "calls": tally.calls,
        "unanswered at kills": tally.unanswered,
        "reply not stored": tally.unstored,
        "bought again": tally.bought_again,
        "calls allowed": tally.allowed,
        "seconds": round(seconds, 1),
    }
    for name, value in rows.items():
        print(f"{name:<20} {value:>8}")
    if given.json:
        told = {**asdict(tally), "allowed": tally.allowed, "seconds": seconds}
        given.json.write_text(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
