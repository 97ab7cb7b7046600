"""Zip archives: the text is the list of their members, and each member a file of its own.

Everything that makes an archive dangerous is looked at in its directory, before anything is
unpacked: how many members, how large in all, how much larger than packed, whether they share
bytes. Names are shown and never used: nothing is written anywhere.
"""

from __future__ import annotations

import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from ingest.parse.encoding import storable
from ingest.parse.options import PASSWORD
from ingest.parse.parts import Part
from rag.errors import CorruptDocument, EmptyDocument, EncryptedDocument, ParserLimit
from rag.types import Attachment

_MOST_MEMBERS = 5_000
_MOST_BYTES = 240_000_000
# Text seldom packs to a fiftieth; deflate reaches a thousandth, with nothing but zeros.
_HIGHEST_RATIO = 250
_SMALL = 16_000_000
_LOCAL_HEADER = 30
_LOCKED, _UTF8 = 0x1, 0x800
_AES = 99
_JUNK = frozenset(("__macosx", "thumbs.db", "desktop.ini"))


def parse(path: Path) -> Iterator[Part]:
    """The list of members, then each as a part with one attachment.

    Raises:
        CorruptDocument: The archive is damaged, or all of its members are.
        EncryptedDocument: All of its members are locked, and the password does not fit.
        ParserLimit: It would unpack to more than is read, or is made to.
        EmptyDocument: There are no files in it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            # A member without a name is neither; asked, it would raise an error of its own.
            members = [m for m in archive.infolist() if m.filename and not m.is_dir()]
            _check(members, path.stat().st_size)
            yield _listing(members)
            yield from _files(archive, members)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise CorruptDocument("the zip archive is damaged") from error


def _check(members: Sequence[zipfile.ZipInfo], size: int) -> None:
    if not members:
        raise EmptyDocument("the zip archive contains no files")
    if len(members) > _MOST_MEMBERS:
        raise ParserLimit(
            f"the zip archive has {len(members):,} members, and {_MOST_MEMBERS:,} are read at "
            "most; send it in parts"
        )
    unpacked = sum(member.file_size for member in members)
    if unpacked > _SMALL and unpacked > _HIGHEST_RATIO * size:
        raise ParserLimit(
            f"the zip archive would unpack to {unpacked // size} times its size: it is made to "
            "fill memory, and was not unpacked"
        )
    if unpacked > _MOST_BYTES:
        raise ParserLimit(
            f"the zip archive would unpack to {unpacked / 1e6:,.0f} MB, and "
            f"{_MOST_BYTES / 1e6:.0f} MB are read at most; send it in parts"
        )
    by_place = sorted(members, key=lambda member: member.header_offset)
    for one, following in pairwise(by_place):
        least = _LOCAL_HEADER + len(_stored_name(one)) + one.compress_size
        if one.header_offset + least > following.header_offset:
            raise ParserLimit("members of the zip archive share their bytes: it was not unpacked")


def _listing(members: Sequence[zipfile.ZipInfo]) -> Part:
    names = [name for member in members if (name := _name(member)) and not _is_hidden(name)]
    hidden = len(members) - len(names)
    warnings = (f"hidden files in the archive were left out: {hidden}",) if hidden else ()
    if not names:
        raise EmptyDocument("the zip archive contains nothing but hidden files")
    return Part(text="\n".join(names), warnings=warnings)


def _files(archive: zipfile.ZipFile, members: Sequence[zipfile.ZipInfo]) -> Iterator[Part]:
    """Each member that can be unpacked; the others are warned of, unless there is no other."""
    faults: list[CorruptDocument | EncryptedDocument] = []
    opened = False
    for member in members:
        name = _name(member)
        if not name or _is_hidden(name):
            continue
        if stat.S_ISLNK(member.external_attr >> 16):
            yield Part(warnings=(f"{name!r} in the archive is a link and was left out",))
            continue
        try:
            content = _unpack(archive, member)
        except (CorruptDocument, EncryptedDocument) as error:
            faults.append(error)
            warning = f"{name!r} in the archive was left out: {error.message}"
            locked = isinstance(error, EncryptedDocument) and member.compress_type != _AES
            yield Part(warnings=(warning,), locked=locked)
        else:
            opened = True
            if content:
                yield Part(attachments=(Attachment(name=name, content=content),))
            else:
                yield Part(warnings=(f"{name!r} in the archive is empty",))
    if faults and not opened:
        raise type(faults[0])(f"nothing in the zip archive can be read: {faults[0].message}")


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    password = PASSWORD.get()
    is_locked = bool(member.flag_bits & _LOCKED)
    if is_locked and member.compress_type == _AES:
        raise EncryptedDocument(
            "it is locked with AES, which cannot be opened here; unpack it and upload the files"
        )
    if is_locked and password is None:
        raise EncryptedDocument("it is locked; upload it again with its password")
    try:
        with archive.open(
            member, pwd=password.encode() if is_locked and password else None
        ) as file:
            # Never more than the directory says, which was checked before.
            return file.read(member.file_size)
    except RuntimeError as error:
        raise EncryptedDocument(
            "the password does not open it; upload it again with the right one"
        ) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        if is_locked:  # one wrong password in 256 is found out only by the checksum
            raise EncryptedDocument(
                "the password does not open it; upload it again with the right one"
            ) from error
        raise CorruptDocument("it is damaged") from error
    except NotImplementedError as error:
        raise CorruptDocument("it is packed in a way that cannot be read") from error


def _name(member: zipfile.ZipInfo) -> str:
    """A member's path as it is shown: no roots, no drives, nothing that leads upwards."""
    given = member.orig_filename
    if not member.flag_bits & _UTF8:  # UTF-8 is often meant all the same
        with suppress(UnicodeError):
            given = _stored_name(member).decode("utf-8")
    steps = re.split(r"[/\\]+", given)
    kept = [step for step in steps if step not in ("", ".", "..") and not step.endswith(":")]
    return storable("/".join(kept)[:1000])


def _stored_name(member: zipfile.ZipInfo) -> bytes:
    return member.orig_filename.encode("utf-8" if member.flag_bits & _UTF8 else "cp437", "replace")


def _is_hidden(name: str) -> bool:
    return any(step.startswith(".") or step.lower() in _JUNK for step in name.split("/"))
