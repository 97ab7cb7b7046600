"""Rows of measurements, told as they come and kept in a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def tell(measured: Iterable[Mapping[str, Any]], file: Path | None) -> None:
    """Print a line a row; write them all as JSON if there is a file to write to."""
    rows = []
    for row in measured:
        rows.append(row)
        print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
    if file is not None:
        file.write_text(json.dumps(rows, indent=1))
