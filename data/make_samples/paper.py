"""A two-column paper with equations, a table and a plotted figure, typeset with pdfLaTeX."""

from __future__ import annotations

from pathlib import Path

from . import programs


def write(samples: Path, work: Path) -> None:
    """Writes ``paper-cavitation.pdf``."""
    source = Path(__file__).parent / "text" / "paper-cavitation.tex"
    text = source.read_text(encoding="utf-8")
    programs.latex(text, samples / "paper-cavitation.pdf", programs.at("2024-03-01 10:00"))
