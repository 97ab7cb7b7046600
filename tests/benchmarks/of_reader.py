"""What the benchmarks of a reader share: their options, the data, and the encoder beside it."""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.embedding.registry import open_embedder
from tests.benchmarks.cached import CachedEmbedder
from tests.realdata import REAL_DATA


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What a run was asked for, and what it works with."""

    folder: Path
    fit: bool
    most: Any
    json: Path | None
    data: Path
    embedder: CachedEmbedder

    def write(self, report: Any) -> None:
        """Write the figures to the file that was named, if any."""
        if self.json:
            self.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def asked(name: str, *, fits: str, most: int | None, counts: str) -> Bench:
    """Read the options of ``python -m tests.benchmarks.NAME``.

    ``fits`` is what ``--fit`` writes into the card of the model's folder, ``most`` the default of
    ``--most``, and ``counts`` says of what.
    """
    parser = argparse.ArgumentParser(prog=f"python -m tests.benchmarks.{name}")
    parser.add_argument("folder", type=Path, help="as training writes it")
    parser.add_argument("--fit", action="store_true", help=f"write the {fits} into its card")
    parser.add_argument("--most", type=int, default=most, help=counts)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(tempfile.gettempdir()) / "ibidem-benchmark-models",
        help="folder that keeps the model and vectors between runs",
    )
    options = vars(parser.parse_args())
    if REAL_DATA is None:
        raise SystemExit("The public data sets are not beside the repository (../shared/data).")
    cache = options.pop("cache")
    encoder = open_embedder("onnx", cache=cache)
    embedder = CachedEmbedder(encoder, cache / "vectors.sqlite")
    return Bench(data=REAL_DATA, embedder=embedder, **options)
