"""What is in a zip archive or an old Office file, from a few bytes and without opening it.

Opening a hostile archive in the service would let its directory spend the service's memory.
Names alone tell one Office format from another, and only names outside of what is embedded:
a presentation may hold a workbook with parts of the same names.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import BinaryIO

ZIP = b"PK\x03\x04"
EMPTY_ZIP = b"PK\x05\x06"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENTRY = b"PK\x01\x02"
_LOCAL = re.compile(rb"PK\x03\x04.{22}(..)..", re.DOTALL)
_MOST_NAMES = 10_000
_MOST_SECTORS = 16
_TABLES_IN_HEADER = 109
_LAST_SECTOR = 0xFFFFFFFA


def zip_names(head: bytes, tail: bytes) -> frozenset[str]:
    """Names of an archive's members, as far as its directory stands in ``tail``.

    Of an archive that is cut off, the members whose names stand in ``head``.
    """
    if not head.startswith(ZIP):
        return frozenset()
    names = list(_directory(tail)) or list(_local_names(head))
    return frozenset(name.decode("utf-8", "replace").replace("\\", "/") for name in names)


def zip_mimetype(head: bytes) -> str:
    """What OpenDocument and EPUB say of themselves in their first member, else nothing."""
    if head[:4] != ZIP or head[30:38] != b"mimetype":
        return ""
    extra, size = struct.unpack("<H", head[28:30])[0], struct.unpack("<I", head[18:22])[0]
    return head[38 + extra :][: min(size or 80, 100)].split(b"PK")[0].decode("ascii", "replace")


def ole_names(file: BinaryIO, head: bytes) -> tuple[str, ...]:
    """Names of the first streams and storages in an old Office file's directory.

    MS-CFB: the header holds the shift of the sector size at 30, the directory's first sector
    at 48 and the first sectors of the allocation table from 76 on.
    """
    if not head.startswith(OLE) or len(head) < 512:
        return ()
    shift = struct.unpack("<H", head[30:32])[0]
    if shift not in (9, 12):
        return ()
    names: list[str] = []
    sector = struct.unpack("<I", head[48:52])[0]
    for _ in range(_MOST_SECTORS):
        names += _ole_entries(_sector(file, sector, shift))
        table, place = divmod(sector, 1 << shift >> 2)
        if table >= _TABLES_IN_HEADER:
            break
        table = struct.unpack("<I", head[76 + 4 * table : 80 + 4 * table])[0]
        following = _sector(file, table, shift)[4 * place : 4 * place + 4]
        if len(following) < 4:
            break
        sector = struct.unpack("<I", following)[0]
    return tuple(names)


def _sector(file: BinaryIO, sector: int, shift: int) -> bytes:
    if sector > _LAST_SECTOR:
        return b""
    file.seek((sector + 1) << shift)
    return file.read(1 << shift)


def _ole_entries(sector: bytes) -> Iterator[str]:
    # Each 128 bytes: the name in UTF-16, the length of that in bytes at 64, a type at 66.
    for start in range(0, len(sector) - 127, 128):
        size = struct.unpack("<H", sector[start + 64 : start + 66])[0]
        if 2 <= size <= 64 and 1 <= sector[start + 66] <= 5:
            yield sector[start : start + size - 2].decode("utf-16-le", "replace")


def _directory(tail: bytes) -> Iterator[bytes]:
    end = tail.rfind(EMPTY_ZIP)
    if end < 0 or len(tail) < end + 20:
        return
    size = struct.unpack("<I", tail[end + 12 : end + 16])[0]
    at = end - size if size <= end else tail.find(_ENTRY)
    for _ in range(_MOST_NAMES):
        if tail[at : at + 4] != _ENTRY or at + 46 > len(tail):
            return
        lengths = struct.unpack("<HHH", tail[at + 28 : at + 34])
        yield tail[at + 46 : at + 46 + lengths[0]]
        at += 46 + sum(lengths)


def _local_names(head: bytes) -> Iterator[bytes]:
    for found in _LOCAL.finditer(head):
        yield head[found.end() : found.end() + struct.unpack("<H", found[1])[0]]
