"""Pages printed to PDF by a browser: an invoice, and a German certificate."""

from __future__ import annotations

from pathlib import Path

from . import programs

_TEXTS = Path(__file__).parent / "text"


def write(samples: Path, work: Path) -> None:
    """Writes ``invoice-2024-06-0318.pdf`` and ``pruefbericht-tx-200.pdf``."""
    for source, target, when in (
        ("invoice.html", "invoice-2024-06-0318.pdf", "2024-06-14 09:12"),
        ("pruefbericht.html", "pruefbericht-tx-200.pdf", "2024-07-01 15:30"),
    ):
        programs.chromium(_TEXTS / source, samples / target, programs.at(when))
