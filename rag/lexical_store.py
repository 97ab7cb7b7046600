"""BM25 indexes that outlive the process, each in step with the commit log up to a change.

An index lies in a numbered folder. What is deleted from it can no longer be found, but its words
stay in the files; so an index that has lost something is at times made anew beside the old one,
under the next number. A folder counts from the moment that it names the last change that is in
it, and only if the checksums agree that tantivy writes at the end of its files.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from rag.errors import StoreDamaged
from rag.lexical import LexicalIndex

_log = logging.getLogger(__name__)
_STATE = "ibidem.json"
_VERSION = 3
"""Raise it when other words of a chunk are indexed than before: indexes are made anew then."""
_FOOTER = struct.Struct("<II")
_MAGIC = 1337
_AT_ONCE = 1 << 20


class StoredLexical:
    """An index in a folder, or in memory, and what it is in step with."""

    def __init__(self, index: LexicalIndex, folder: Path | None = None) -> None:
        """An index that nothing is in yet."""
        self.index = index
        self.seq = 0
        """The last change of the collection's log that is in it."""
        self._folder = folder

    @property
    def has_residue(self) -> bool:
        """Whether words that can no longer be found are in its files."""
        if self._folder is None:
            return False
        segments = _segments(self._folder)
        files = {path.name.partition(".")[0] for path in self._folder.glob("*.term")}
        return any(segments.values()) or not files <= segments.keys()

    def note(self, seq: int) -> None:
        """It has every change up to this one."""
        self.seq = seq
        if self._folder is not None:
            state = {"version": _VERSION, "seq": seq}
            spare = self._folder / f"{_STATE}.new"
            with spare.open("w", encoding="utf-8") as file:
                json.dump(state, file)
                file.flush()
                os.fsync(file.fileno())
            spare.replace(self._folder / _STATE)

    def anew(self) -> StoredLexical:
        """An empty one, to take this one's place when all is in it."""
        if self._folder is None:
            return StoredLexical(LexicalIndex())
        return _empty(self._folder.with_name(str(int(self._folder.name) + 1)))

    def discard(self) -> None:
        """Remove its files; searches that have begun end as if they were there."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


class LexicalStore:
    """Keeps the indexes of places, each under its place's name; without a folder in memory."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def open(self, name: str) -> StoredLexical:
        """What was kept under a name, if it is sound; else an empty index."""
        if self._folder is None:
            return StoredLexical(LexicalIndex())
        place = self._folder / name
        found: StoredLexical | None = None
        number = 0
        for folder in sorted(_numbered(place), key=lambda one: -int(one.name)):
            number = max(number, int(folder.name))
            found = found or _read(folder)
            if found is None or found._folder != folder:
                shutil.rmtree(folder, ignore_errors=True)
        return found or _empty(place / str(number + 1))

    def names(self) -> set[str]:
        """Under which names something is kept."""
        if self._folder is None or not self._folder.is_dir():
            return set()
        return {place.name for place in self._folder.iterdir()}

    def drop(self, name: str) -> None:
        """Forget what is kept under a name."""
        if self._folder is not None:
            shutil.rmtree(self._folder / name, ignore_errors=True)


def _numbered(place: Path) -> Iterator[Path]:
    if place.is_dir():
        yield from (one for one in place.iterdir() if one.name.isdecimal())


def _empty(folder: Path) -> StoredLexical:
    shutil.rmtree(folder, ignore_errors=True)
    return StoredLexical(LexicalIndex(folder), folder)


def _read(folder: Path) -> StoredLexical | None:
    """The index in a folder; ``None`` when it was never finished or is not sound."""
    try:
        state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        if state["version"] != _VERSION:
            return None
        _check(folder)
        found = StoredLexical(LexicalIndex(folder), folder)
        found.seq = int(state["seq"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, LookupError, StoreDamaged) as error:
        _log.warning("the index in %s is made anew: %s", folder, error)
        return None
    return found


def _check(folder: Path) -> None:
    """Compare the files of every segment with the checksums at their ends.

    Raises:
        ValueError: One of them is damaged.
    """
    for name in _segments(folder):
        for path in folder.glob(f"{name}.*"):
            _check_file(path)


def _segments(folder: Path) -> Mapping[str, bool]:
    """The names of the segments in use, and whether something was deleted from each."""
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    return {one["segment_id"].replace("-", ""): bool(one["deletes"]) for one in meta["segments"]}


def _check_file(path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _FOOTER.size))
        end = file.read()
        length, magic = _FOOTER.unpack(end) if len(end) == _FOOTER.size else (0, 0)
        left = size - _FOOTER.size - length
        if magic != _MAGIC or left < 0:
            raise ValueError(f"{path.name} is damaged")
        file.seek(left)
        expected = json.loads(file.read(length))["crc"]
        file.seek(0)
        found = 0
        while left:
            part = file.read(min(left, _AT_ONCE))
            if not part:
                raise ValueError(f"{path.name} is damaged")
            found, left = zlib.crc32(part, found), left - len(part)
    if found != expected:
        raise ValueError(f"{path.name} is damaged")
