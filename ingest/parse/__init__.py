"""Bytes to one immutable text with pages, headings and boxes, in killable children.

``detect`` says what a file is, ``parse`` reads it, ``render.render_page`` draws one page.

Text. Plain text and Markdown are stored as decoded, unchanged, line endings included; HTML,
DOCX and PDF have line feeds only. A code point that no database stores (NUL, a lone
surrogate) is replaced by U+FFFD, one for one, so that offsets hold; a warning says so.
The pages of a PDF follow each other without a gap: all but the last end with two line feeds
that belong to the page, so that the spans of the pages cover the text.
"""

from ingest.parse.detect import detect
from ingest.parse.reading import parse
from ingest.parse.sandbox import Limits

__all__ = ["Limits", "detect", "parse"]
