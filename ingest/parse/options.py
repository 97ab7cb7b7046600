"""What a request says about how to read a document; set in the child before it is read."""

from __future__ import annotations

from contextvars import ContextVar

OCR_LANGUAGES: ContextVar[str] = ContextVar("OCR_LANGUAGES", default="")
"""Languages of text recognition, joined by ``+``; empty for all that are installed."""
