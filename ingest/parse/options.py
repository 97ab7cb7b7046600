"""What a request says about how to read a document; set in the child before it is read."""

from __future__ import annotations

from contextvars import ContextVar

INSTALLED, OFF = "installed", "none"

OCR_LANGUAGES: ContextVar[str] = ContextVar("OCR_LANGUAGES", default=INSTALLED)
"""Languages of text recognition, joined by ``+``, or ``INSTALLED``, or ``OFF``."""

PASSWORD: ContextVar[str | None] = ContextVar("PASSWORD", default=None)
"""What opens a locked document, if anybody said."""
