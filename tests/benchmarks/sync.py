"""``python -m tests.benchmarks.sync``: how long a folder takes in which nothing has changed.

Makes a folder of small files in a home of its own, brings a collection in step with it, and
then again: processor and wall-clock seconds, files sent and jobs made. ``--contents`` says how
many of the files differ: what the second round costs does not depend on it, the first does.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from api import cli

_COLLECTION = ("--collection", "kept")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what the first and the second round cost."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.sync")
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--contents", type=int, default=200)
    parser.add_argument("--json", type=Path, help="write the figures as JSON")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as place:
        os.environ["IBIDEM_HOME"] = str(Path(place) / "home")
        folder = Path(place) / "files"
        for number in range(options.files):
            path = folder / f"{number // 500:03}" / f"{number:06}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"Note {number % options.contents}: the gauge was read.\n")
        rounds = [_round(folder) for _ in range(2)]
    for figures in rounds:
        print("; ".join(f"{name} {value}" for name, value in figures.items()))
    if options.json is not None:
        options.json.write_text(json.dumps(rounds, indent=2) + "\n", "utf-8")
    return 0


def _round(folder: Path) -> dict[str, Any]:
    wall, cpu = time.monotonic(), time.process_time()
    done = _run("ingest", str(folder), "--sync", *_COLLECTION)
    return {
        "seconds": round(time.monotonic() - wall, 1),
        "processor seconds": round(time.process_time() - cpu, 1),
        **done["counts"],
        "jobs": len(_run("jobs", "list", "--limit", "100000")["data"]),
    }


def _run(*arguments: str) -> Mapping[str, Any]:
    out = StringIO()
    with redirect_stdout(out), redirect_stderr(StringIO()):
        cli.invoke([*arguments, "--json"])
    return dict(json.loads(out.getvalue()))


if __name__ == "__main__":
    sys.exit(main())
