"""What a PDF holds beside its pages: bookmarks and files. Child processes only."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import pypdfium2.raw as pdfium

from ingest.parse.headings import Bookmark
from ingest.parse.pdfium import utf16
from rag.types import Attachment

_MOST_BOOKMARKS = 20_000
_MOST_FILES = 500
_MOST_BYTES = 200_000_000


def bookmarks(document: Any) -> Iterator[Bookmark]:
    """The outline in reading order; entries that lead nowhere are left out."""
    waiting = [(pdfium.FPDFBookmark_GetFirstChild(document, None), 1)]
    for _ in range(_MOST_BOOKMARKS):  # damaged outlines go round in circles
        if not waiting:
            return
        entry, level = waiting.pop()
        if not entry:
            continue
        waiting.append((pdfium.FPDFBookmark_GetNextSibling(document, entry), level))
        waiting.append((pdfium.FPDFBookmark_GetFirstChild(document, entry), level + 1))
        place = pdfium.FPDFBookmark_GetDest(document, entry)
        if not place and (action := pdfium.FPDFBookmark_GetAction(entry)):
            place = pdfium.FPDFAction_GetDest(document, action)
        index = pdfium.FPDFDest_GetDestPageIndex(document, place) if place else -1
        title = " ".join(utf16(pdfium.FPDFBookmark_GetTitle, entry).split())
        if index >= 0 and title:
            yield Bookmark(title=title, level=level, page=index + 1)


def attachments(document: Any) -> tuple[list[Attachment], int]:
    """The files embedded in a document, and how many more are too large or damaged."""
    found: list[Attachment] = []
    count = max(0, pdfium.FPDFDoc_GetAttachmentCount(document))
    left = _MOST_BYTES
    for index in range(min(count, _MOST_FILES)):
        handle = pdfium.FPDFDoc_GetAttachment(document, index)
        length = ctypes.c_ulong()
        if not handle or not pdfium.FPDFAttachment_GetFile(handle, None, 0, length):
            continue
        if not 0 < length.value <= left:
            continue
        buffer = ctypes.create_string_buffer(length.value)
        if pdfium.FPDFAttachment_GetFile(handle, buffer, length.value, length):
            name = utf16(pdfium.FPDFAttachment_GetName, handle).strip()
            media_type = utf16(pdfium.FPDFAttachment_GetSubtype, handle).strip() or None
            found.append(
                Attachment(
                    name=name or f"attachment {index + 1}",
                    content=buffer.raw[: length.value],
                    media_type=media_type,
                )
            )
            left -= length.value
    return found, count - len(found)
