"""Where the public data sets lie when they are at hand; nothing in the repository needs them."""

from __future__ import annotations

from pathlib import Path

import pytest

_FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data"
REAL_DATA: Path | None = _FOLDER if _FOLDER.is_dir() else None

needs_real_data = pytest.mark.skipif(
    REAL_DATA is None, reason="the public data sets are not beside the repository (../shared/data)"
)
