"""``python -m tests.benchmarks.evaluate``: how good retrieval is, in tables and JSON."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rag.embedding.registry import open_embedder
from tests.benchmarks.cached import CachedEmbedder
from tests.benchmarks.retrieval import run_retrieval_eval

_ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Run with the public data sets; exit status 1 when there are none."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.evaluate")
    parser.add_argument("--data", type=Path, default=_ROOT.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, help="write the report as JSON")
    parser.add_argument("--embedder", default="onnx")
    parser.add_argument(
        "--cache", type=Path, default=_ROOT / "build" / "eval", help="models and vectors"
    )
    parser.add_argument(
        "--contracts", type=int, default=20, help="how many contracts to chunk (-1: all)"
    )
    options = parser.parse_args(arguments)
    if not (options.data / "retrieval").is_dir():
        print(f"no data sets in {options.data}; name their folder with --data", file=sys.stderr)
        return 1
    embedder = CachedEmbedder(
        open_embedder(options.embedder, cache=options.cache / "models"),
        options.cache / "vectors.sqlite",
    )
    contracts = None if options.contracts < 0 else options.contracts
    run_retrieval_eval(options.data, embedder, options.out, contracts)
    embedder.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
