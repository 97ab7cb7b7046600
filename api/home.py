"""The state folder: who owns it, and where its parts lie."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rag.errors import HomeBusy

_ASKING_S = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Names of the things in an ``IBIDEM_HOME``."""

    path: Path

    @property
    def catalog(self) -> Path:
        """The SQL truth."""
        return self.path / "catalog.db"

    @property
    def vectors(self) -> Path:
        """Vectors by text."""
        return self.path / "vectors.db"

    @property
    def jobs(self) -> Path:
        """The job store, which may be lost."""
        return self.path / "jobs.db"

    @property
    def indexes(self) -> Path:
        """Vector indexes, as far as they are not only in memory; all made from SQL."""
        return self.path / "indexes"

    @property
    def originals(self) -> Path:
        """Uploaded bytes."""
        return self.path / "originals"

    @property
    def models(self) -> Path:
        """Converted model graphs."""
        return self.path / "models"

    def secret(self) -> bytes:
        """32 bytes that only this home knows; made when they are first asked for."""
        path = self.path / "secret"
        if not path.exists():
            spare = path.with_suffix(".new")
            spare.write_bytes(os.urandom(32))
            spare.chmod(0o600)
            spare.replace(path)
        return path.read_bytes()

    @contextmanager
    def owned(self, *, address: str | None = None) -> Iterator[None]:
        """Own the folder until leaving; the owner may publish the address that it serves on.

        Raises:
            HomeBusy: another process owns it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "owner").open("a+") as file:
            if not _lock(file):
                raise HomeBusy(
                    f"Another process ({self.user()}) is using {self.path}. "
                    "Stop it, or set IBIDEM_HOME to another folder."
                )
            file.truncate(0)
            file.write(json.dumps({"pid": os.getpid(), "address": address}))
            file.flush()
            try:
                yield
            finally:
                file.truncate(0)

    def owner(self) -> dict[str, object]:
        """What the present owner says of itself; empty when nobody owns the folder."""
        try:
            with (self.path / "owner").open("r") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except OSError:
                    return dict(json.loads(file.read() or "{}")) or {"pid": None}
                return {}
        except (FileNotFoundError, ValueError):
            return {}

    def user(self) -> str:
        """Who is using the folder, for a person to read."""
        owner = self.owner()
        if owner.get("address"):
            return f"a service on {owner['address']}"
        return f"process {owner['pid']}" if owner.get("pid") else "a process just starting"


def _lock(file: IO[str]) -> bool:
    """Lock for ourselves; somebody who is only asking who owns the folder holds it for a moment."""
    deadline = time.monotonic() + _ASKING_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        else:
            return True
