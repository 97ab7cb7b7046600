"""A batch of 300 calls, killed at 50 seeded points: what is lost, doubled, and bought again.

    python -m tests.benchmarks.kills [--items 300] [--kills 50] [--seed 1] [--json FILE]

A real service on SQLite, a fake provider on loopback that keeps a ledger, `kill -9` of the whole
process group while calls are under way.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from tests.crash.batch_kills import Tally, check, kill_again_and_again, prepared, send, wait


def measure(items: int, kills: int, seed: int, delay_s: float) -> tuple[Tally, float]:
    tally = Tally(items=items)
    with tempfile.TemporaryDirectory(prefix="kills") as folder:
        home = Path(folder) / "home"
        home.mkdir()
        with prepared(home, items, delay_s=delay_s) as (service, provider):
            started = time.monotonic()
            batch = send(service, items)
            kill_again_and_again(service, provider, tally, random.Random(seed), kills)
            wait(service, batch["job_id"])
            seconds = time.monotonic() - started
            check(service, provider, batch, tally)
    return tally, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=300)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--delay", type=float, default=0.3, help="Seconds that a call takes.")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    tally, seconds = measure(given.items, given.kills, given.seed, given.delay)
    rows = {
        "items": tally.items,
        "kills": tally.kills,
        "lost": len(tally.lost),
        "duplicated": len(tally.duplicated),
        "wrong": len(tally.wrong),
        "calls": tally.calls,
        "in flight at kills": tally.in_flight,
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
