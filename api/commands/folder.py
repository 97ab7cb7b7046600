"""What is in a folder: the files to read, and what is left out, with the reason."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from api.commands.outcomes import Outcome
from api.commands.patterns import Patterns

IGNORE_FILE = ".ibidemignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which files of a folder a run looks at; those outside of it are left as they are."""

    include: Patterns = field(default_factory=lambda: Patterns(()))
    exclude: Patterns = field(default_factory=lambda: Patterns(()))

    def wants(self, path: str) -> bool:
        """Whether a file is looked at."""
        return (not self.include or self.include.match(path)) and not self.exclude.match(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file as it stands in a folder."""

    path: Path
    size: int
    mtime_ns: int


@dataclass(slots=True, kw_only=True)
class Folder:
    """The files of a folder by their path within it.

    ``unseen`` are paths of which this run knows nothing: outside of what it looks at, or not
    readable, with everything below. ``left_out`` says of what else is not read why.
    """

    root: Path
    files: dict[str, File] = field(default_factory=dict)
    unseen: set[str] = field(default_factory=set)
    left_out: list[Outcome] = field(default_factory=list)

    def is_unseen(self, path: str) -> bool:
        """Whether this run cannot know if there is such a file."""
        return path in self.unseen or any(path.startswith(f"{one}/") for one in self.unseen)


def scan(root: Path, selection: Selection) -> Folder:
    """Look through a folder and all below; links to folders are not followed.

    Raises:
        OSError: the folder itself cannot be read.
    """
    folder = Folder(root=root)
    try:
        ignored = Patterns((root / IGNORE_FILE).read_text("utf-8", "replace").splitlines())
    except FileNotFoundError:
        ignored = Patterns(())
    pending = [""]
    while pending:
        at = pending.pop()
        try:
            entries = sorted(os.scandir(root / at), key=lambda entry: entry.name, reverse=True)
        except OSError as error:
            if not at:
                raise
            _unreadable(folder, at, error)
            continue
        below: list[str] = []
        for entry in reversed(entries):
            path = f"{at}/{entry.name}" if at else entry.name
            if _look(folder, entry, path, ignored, selection):
                below.append(path)
        pending.extend(reversed(below))
    return folder


def _look(
    folder: Folder, entry: os.DirEntry[str], path: str, ignored: Patterns, selection: Selection
) -> bool:
    """Take up one entry; true for a folder to go into."""
    if entry.name.startswith("."):
        if entry.name != IGNORE_FILE:
            _leave_out(folder, path, "hidden", "Hidden files and folders are left out.")
        return False
    try:
        is_folder = entry.is_dir(follow_symlinks=False)
        if ignored.match(path, folder=is_folder):
            return False
        if is_folder:
            if selection.exclude.match(path, folder=True):
                folder.unseen.add(path)
                return False
            return True
        status = entry.stat()
    except OSError as error:
        _unreadable(folder, path, error)
        return False
    if stat.S_ISDIR(status.st_mode):
        _leave_out(folder, path, "link", "Links to folders are not followed.")
    elif not stat.S_ISREG(status.st_mode):
        _leave_out(folder, path, "no_file", "It is no file but a pipe, socket or device.")
    elif not selection.wants(path):
        folder.unseen.add(path)
    else:
        folder.files[path] = File(
            path=folder.root / path, size=status.st_size, mtime_ns=status.st_mtime_ns
        )
    return False


def _leave_out(folder: Folder, path: str, code: str, message: str) -> None:
    told = {"code": code, "message": message}
    place = str(folder.root / path)
    folder.left_out.append(Outcome(path=place, status="skipped", error=told))


def _unreadable(folder: Folder, path: str, error: OSError) -> None:
    folder.unseen.add(path)
    told = {"code": "unreadable", "message": error.strerror or str(error)}
    place = str(folder.root / path)
    folder.left_out.append(Outcome(path=place, status="failed", error=told))
