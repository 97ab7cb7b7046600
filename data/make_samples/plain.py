"""Texts that need no program: they are stored in the encoding their readers would use."""

from __future__ import annotations

from pathlib import Path

_TEXTS = Path(__file__).parent / "text"
# A Windows editor in Germany saves in code page 1252 with CRLF; one in China in GB18030.
_FILES = (
    ("tx-125-maintenance-manual.md", "utf-8", "\n"),
    ("product-tx-125.html", "utf-8", "\n"),
    ("brandschutz-giesserei.txt", "cp1252", "\r\n"),
    ("linnet-anzhuang.txt", "gb18030", "\r\n"),
)


def write(samples: Path, work: Path) -> None:
    """Writes the manual, the product page and the German and Chinese texts."""
    for name, encoding, newline in _FILES:
        text = (_TEXTS / name).read_text(encoding="utf-8").replace("\n", newline)
        (samples / name).write_bytes(text.encode(encoding))
