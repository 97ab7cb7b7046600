"""Uploaded bytes, kept under their sha256 and safe on disk before anybody is told so."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rag.errors import EmptyDocument, PayloadTooLarge, StorageFull

_READ_SIZE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """Received bytes in a temporary file, flushed to disk but not yet kept."""

    path: Path
    sha256: str
    size: int


class Originals:
    """A folder of files named by their content."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._incoming = folder / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)
        # Every folder is there, and known to the disk, before the first upload needs it.
        shards = [folder / f"{number:02x}" for number in range(256)]
        if not all(shard.is_dir() for shard in shards):
            for shard in shards:
                shard.mkdir(exist_ok=True)
            _sync_folder(folder)
        _sync_folder(folder.parent)

    @contextmanager
    def receive(self, parts: Iterable[bytes], *, limit: int) -> Iterator[Upload]:
        """Stream bytes to disk and hash them; the temporary file is gone on leaving.

        Raises:
            PayloadTooLarge: more than ``limit`` bytes came.
            EmptyDocument: none came.
            StorageFull: the disk is full.
        """
        handle, name = tempfile.mkstemp(dir=self._incoming)
        path = Path(name)
        try:
            with os.fdopen(handle, "wb") as file, disk_full_is_said():
                digest, size = hashlib.sha256(), 0
                for part in parts:
                    size += len(part)
                    if size > limit:
                        raise PayloadTooLarge(
                            f"The file is larger than {limit / 1e6:.0f} MB; "
                            "raise IBIDEM_MAX_UPLOAD_MB or send it in parts."
                        )
                    digest.update(part)
                    file.write(part)
                if size == 0:
                    raise EmptyDocument("The file is empty.")
                file.flush()
                os.fsync(file.fileno())
            yield Upload(path=path, sha256=digest.hexdigest(), size=size)
        finally:
            path.unlink(missing_ok=True)

    def keep(self, upload: Upload) -> None:
        """Give the received bytes their final name, also where another file bears it.

        That one may be damaged, and these bytes are known to be sound; a second call is a no-op.
        When this returns, file and directory entry survive power loss.
        """
        target = self.path(upload.sha256)
        with disk_full_is_said():
            try:
                os.link(upload.path, target)
            except FileExistsError:
                if not upload.path.samefile(target):
                    _replace(target, upload.path)
            _sync_folder(target.parent)

    def discard(self, sha256: str) -> None:
        """Remove an original that no document has any more."""
        self.path(sha256).unlink(missing_ok=True)

    def path(self, sha256: str) -> Path:
        """Where the bytes with this hash lie."""
        return self.folder / sha256[:2] / sha256

    def is_gone(self, sha256: str) -> bool:
        """Whether there is no such file, though its folder can be seen."""
        path = self.path(sha256)
        return path.parent.is_dir() and not path.exists()

    def all(self) -> Iterator[str]:
        """The hashes of every file kept, for the audit."""
        for path in self.folder.glob("??/*"):
            yield path.name

    def clear_incoming(self) -> None:
        """Remove what uploads of a dead process left half received."""
        for path in self._incoming.iterdir():
            path.unlink(missing_ok=True)


def file_parts(path: Path) -> Iterator[bytes]:
    """A file's bytes in pieces of bounded size."""
    with path.open("rb") as file:
        while part := file.read(_READ_SIZE):
            yield part


@contextmanager
def disk_full_is_said() -> Iterator[None]:
    """Turn the operating system's word for a full disk into ours."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(
                "The disk is full; the file was not stored. Free some space and send it again."
            ) from error
        raise


def _replace(target: Path, source: Path) -> None:
    """Put another name of ``source`` in the place of ``target`` at once."""
    spare = source.with_name(f"{source.name}-again")
    os.link(source, spare)
    spare.replace(target)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
