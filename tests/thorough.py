"""How much is tried where more of the same shows a little more; `make test-thorough` sets it."""

from __future__ import annotations

import os

THOROUGH = bool(os.environ.get("TEST_THOROUGH"))
