"""What became of a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one file; ``status`` is one of `STATUSES`, ``error`` as in REST."""

    path: str
    status: str
    document_id: str | None = None
    job_id: str | None = None
    chunks: int = 0
    chunks_total: int | None = None
    error: Mapping[str, Any] | None = None
    warnings: tuple[str, ...] = ()
    may_hold_files: bool = False

    @property
    def finished(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status != "queued"

    def as_dict(self) -> dict[str, Any]:
        """As printed with ``--json``."""
        return {
            "path": self.path,
            "status": self.status,
            "document_id": self.document_id,
            "chunks": self.chunks,
            "error": dict(self.error) if self.error else None,
            "warnings": list(self.warnings),
        }


STATUSES = ("ready", "unchanged", "removed", "failed", "skipped", "queued")
