"""Indexes with lists on disk, whole or not at all.

FAISS reads a damaged file and answers wrong. A snapshot is a folder that gets its name when
all is written, and it names the sha256 of each of its files; what does not agree is not used,
and the index is made anew from SQL.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from rag.types import Ids
from rag.vectors.listing import HALVES, LISTS, list_apart
from rag.vectors.rows import ListedRows, read_lists
from rag.vectors.stored import Halves, StoredHalves

_log = logging.getLogger(__name__)
_IDS, _MANIFEST = "ids.npy", "manifest.json"
_VERSION = 1
_UNFINISHED = ".new-"
_ABANDONED_S = 3600.0


class Snapshots:
    """The snapshot of one index; without a folder none is kept."""

    def __init__(self, folder: Path | None, name: str = "index") -> None:
        """Keep it in a folder of this name, in ``folder``."""
        self._folder = folder
        self._name = name
        self._closed = False
        self._publishing = threading.Lock()

    def make(self, ids: Ids, halves: Halves) -> ListedRows:
        """Put rows into lists, in a child process, and keep the result.

        Raises:
            OSError: It cannot be written.
            RuntimeError: The child failed.
        """
        with self._written(ids) as place:
            np.save(place / HALVES, halves)
            list_apart(place)
            return ListedRows(read_lists(place / LISTS), StoredHalves(place / HALVES))

    def keep(self, ids: Ids, rows: ListedRows) -> StoredHalves | None:
        """Keep rows that are in lists already; the ids of dead ones are negative.

        Returns:
            Their vectors as they lie in the file now, if there is where to keep them.

        Raises:
            OSError: It cannot be written.
        """
        if self._folder is None or self._closed:
            return None
        with self._written(ids) as place:
            rows.save(place / LISTS, place / HALVES)
            return StoredHalves(place / HALVES)

    def load(self, dimension: int) -> tuple[Ids, ListedRows] | None:
        """Ids by row, and the rows; ``None`` when there is no sound snapshot."""
        if self._folder is None:
            return None
        self._tidy()
        place = self._folder / self._name
        if not place.exists():
            return None
        try:
            _check(place)
            ids: Ids = np.load(place / _IDS, allow_pickle=False)
            halves = StoredHalves(place / HALVES)
            rows = ListedRows(read_lists(place / LISTS), halves)
            if len(ids) != len(rows) or halves.dimension != dimension:
                raise ValueError("its parts do not fit each other")
        except (OSError, ValueError) as error:
            _log.warning("the index in %s is made anew: %s", place, error)
            return None
        return ids, rows

    def close(self) -> None:
        """Leave what is kept to others: nothing that is written from now on takes its place."""
        with self._publishing:
            self._closed = True

    def withdraw(self) -> None:
        """Remove it, for the index is of another form now."""
        with self._publishing:
            if not self._closed:
                self.drop()

    def drop(self) -> None:
        """Remove it, whoever wrote it."""
        if self._folder is not None:
            shutil.rmtree(self._folder / self._name, ignore_errors=True)

    @contextmanager
    def _written(self, ids: Ids) -> Iterator[Path]:
        """A new folder to write to, which becomes the snapshot, if there is where to keep it."""
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=f"{self._name}{_UNFINISHED}", dir=self._folder, ignore_cleanup_errors=True
        ) as folder:
            place = Path(folder) / self._name
            place.mkdir(exist_ok=True)
            yield place
            if self._folder is not None:
                np.save(place / _IDS, ids)
                _seal(place)
                self._publish(place)

    def _publish(self, place: Path) -> None:
        assert self._folder is not None  # noqa: S101 - the caller has looked
        target = self._folder / self._name
        with self._publishing:
            if not self._closed:
                if target.exists():
                    target.rename(place.with_name("old"))
                place.rename(target)
                _sync(self._folder)

    def _tidy(self) -> None:
        """Remove what a process that died was writing, and not what another one writes now."""
        assert self._folder is not None  # noqa: S101 - the caller has looked
        for left in self._folder.glob(f"{self._name}{_UNFINISHED}*"):
            with suppress(OSError):
                if time.time() - left.stat().st_mtime > _ABANDONED_S:
                    shutil.rmtree(left, ignore_errors=True)


def _seal(place: Path) -> None:
    files = {name: _sha256(place / name) for name in (_IDS, HALVES, LISTS)}
    for name in files:
        _sync(place / name)
    manifest = json.dumps({"version": _VERSION, "sha256": files})
    (place / _MANIFEST).write_text(manifest, encoding="utf-8")
    _sync(place / _MANIFEST)
    _sync(place)


def _check(place: Path) -> None:
    manifest = json.loads((place / _MANIFEST).read_text(encoding="utf-8"))
    if not isinstance(manifest, dict) or manifest.get("version") != _VERSION:
        raise ValueError("another version wrote it")
    for name in (_IDS, HALVES, LISTS):
        if manifest["sha256"].get(name) != _sha256(place / name):
            raise ValueError(f"{name} is damaged")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
