"""``python -m make_samples [NAME ...]``: writes all samples, or those of the named modules."""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path

MODULES = (
    "quarterly", "annual", "contracts", "plain", "paper", "minutes", "printed", "scan", "chinese",
    "slides", "workbook", "mails",
)  # fmt: skip


def main(names: list[str]) -> None:
    """Runs the named modules, or every one, into ``data/samples``."""
    samples = Path(__file__).resolve().parents[1] / "samples"
    samples.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in names or MODULES:
            module = importlib.import_module(f"make_samples.{name}")
            module.write(samples, Path(folder))
            print(name, flush=True)


main(sys.argv[1:])
