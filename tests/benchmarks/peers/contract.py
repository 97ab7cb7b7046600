"""What a measured system must do, and the clock around it. Standard library only: it also
runs in the peers' environment, where nothing of Ibidem is installed.

A child process is called as ``MODULE ingest|query MODEL CORPUS INDEX [VARIANT]`` and writes one
JSON object per line to its standard output; whatever libraries print goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

TOP_K = 10
CHUNK_TOKENS = 256
WARM_UP = 10
QUERIES = 100


class System:
    """One way to ingest a folder of text files and to search it."""

    def __init__(self, model: Path, index: Path, variant: str) -> None:
        self.model = model
        self.index = index
        self.variant = variant

    def load(self) -> None:
        """Have the model in memory; ``index`` is an empty folder."""
        raise NotImplementedError

    def ingest(self, files: Path) -> int:
        """Read, split, embed, index and store all text files; returns the number of chunks."""
        raise NotImplementedError

    def open(self) -> None:
        """Make ready to search what ``ingest`` stored, in a fresh process."""
        raise NotImplementedError

    def search(self, query: str) -> list[str]:
        """The texts of the ten best passages, from the question's text."""
        raise NotImplementedError

    def search_dense(self, query: str) -> list[str]:
        """``search`` by vectors alone, for systems that do more than that."""
        return self.search(query)

    def close(self) -> None:
        """Let go of what outlives the process's memory."""


def main(kind: type[System]) -> None:
    """Run one measurement as the command line says and report it."""
    out = claim_stdout()
    mode, model, corpus, index = sys.argv[1:5]
    system = kind(Path(model), Path(index), "".join(sys.argv[5:6]))
    queries: list[str] = json.loads((Path(corpus) / "queries.json").read_text(encoding="utf-8"))
    measure = {"ingest": _ingest, "query": _query}[mode]
    figures = measure(system, Path(corpus) / "files", queries, out)
    report(out, event="done", peak_mb=peak_memory_mb(), **figures)
    system.close()


def claim_stdout() -> TextIO:
    """A private handle on standard output; prints of libraries are sent to standard error."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return out


def report(out: TextIO, **event: Any) -> None:
    print(json.dumps(event), file=out, flush=True)


def peak_memory_mb() -> float:
    """The most memory this process ever held (Linux ``VmHWM``); children are not counted."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def _ingest(system: System, files: Path, queries: list[str], out: TextIO) -> dict[str, Any]:
    """The clock stops when a first search has been answered from the new index."""
    system.load()
    start = time.perf_counter()
    chunks = system.ingest(files)
    found = system.search(queries[0])
    seconds = time.perf_counter() - start
    if not found:
        raise RuntimeError("the fresh index answers nothing")
    return {"seconds": seconds, "chunks": chunks}


def _query(system: System, files: Path, queries: list[str], out: TextIO) -> dict[str, Any]:
    """The reader of ``first_answer`` knows when this process started: that is the cold start."""
    system.open()
    system.search(queries[0])
    report(out, event="first_answer")
    for query in queries[1 : 1 + WARM_UP]:
        system.search(query)
    timed = queries[1 + WARM_UP :][:QUERIES]
    ordered, hits = _timed(system.search, timed)
    dense, _ = _timed(system.search_dense, timed)
    return {
        "p50_ms": ordered[len(ordered) // 2],
        "p95_ms": ordered[int(len(ordered) * 0.95)],
        "p50_dense_ms": dense[len(dense) // 2],
        "recall": hits / len(timed),
    }


def _timed(search: Callable[[str], list[str]], queries: list[str]) -> tuple[list[float], int]:
    """Milliseconds, ascending, and how many queries found the paragraph they are from."""
    milliseconds, hits = [], 0
    for query in queries:
        start = time.perf_counter()
        texts = search(query)
        milliseconds.append((time.perf_counter() - start) * 1000)
        hits += any(query in " ".join(text.split()) for text in texts[:TOP_K])
    return sorted(milliseconds), hits
