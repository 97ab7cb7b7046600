"""Which model stands behind a local one's name: told by what its files hold, not by their dates."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from rag.models.chat.local_model import LocalSettings


def model_revision(name: str, settings: LocalSettings) -> str:
    """The same for the same files, wherever they lie; of a model in the cache by its commit."""
    told = [str(settings.bits)]
    for folder in (Path(name), settings.adapter):
        if folder is not None and folder.is_dir():
            told += [f"{path.name} {_of_file(path)}" for path in sorted(folder.iterdir())]
        elif folder is not None:
            told.append(f"{folder} {_commit(str(folder))}")
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def _of_file(path: Path) -> str:
    stat = path.stat()
    return _sha256(path, stat.st_size, stat.st_mtime_ns) if path.is_file() else ""


@lru_cache(maxsize=1_024)
def _sha256(path: Path, _size: int, _changed_ns: int) -> str:
    """Read once: as long as a file has the same size and date, it is taken for the same."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _commit(name: str) -> str:
    try:
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError
    except ImportError:
        return ""
    try:
        found = try_to_load_from_cache(name, "config.json")
    except HFValidationError:  # no name that a model can have
        return ""
    return Path(found).parent.name if isinstance(found, str) else ""
