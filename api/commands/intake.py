"""Files and folders to documents: what to send, and what became of each."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from api.client import Client
from api.commands.folder import Selection, scan
from api.commands.outcomes import Outcome
from ingest.parse import detect
from rag.errors import DocumentError, IbidemError, InvalidRequest, NotFound, UnsupportedType

_ASKED_AT_ONCE = 16
"""Jobs under way, and as many that wait, asked about in one round: these are begun in order."""
_MOST_ASKED = 256
"""In one round, of jobs that turn out to have ended: so that progress is shown between."""


def find_files(
    paths: Iterable[str], selection: Selection | None = None
) -> tuple[list[Path], list[Outcome]]:
    """The files that paths, folders and patterns name, each once, and what was left out.

    ``selection`` and ignore files speak of what is in folders, not of what is named. A path
    that names nothing is an outcome like any other.
    """
    files: dict[Path, None] = {}
    hidden: list[Outcome] = []
    for given in paths:
        named = Path(given)
        matches = [named]
        if not named.exists():
            # Path.glob refuses absolute patterns.
            found = glob.glob(given, recursive=True)  # noqa: PTH207
            matches = [Path(one) for one in sorted(found)]
        if not matches:
            told = {"code": "not_found", "message": "There is no such file or folder."}
            hidden.append(Outcome(path=given, status="failed", error=told))
        for path in matches:
            if path.is_dir():
                folder = scan(path, selection or Selection())
                files.update(dict.fromkeys(file.path for file in folder.files.values()))
                hidden += folder.left_out
                if not folder.files and not folder.left_out:
                    hidden.append(Outcome(path=str(path), status="skipped", error=_EMPTY_FOLDER))
            else:
                files[path] = None
    return list(files), hidden


@dataclass(slots=True, kw_only=True)
class Intake:
    """Sends files and follows their jobs; ``outcomes`` holds one for each file, in order.

    Those of files found inside others follow as they are found.
    """

    client: Client
    collection: str | None
    metadata: Mapping[str, Any]
    password: str | None = field(default=None, repr=False)
    outcomes: list[Outcome] = field(default_factory=list)
    _waiting: list[int] = field(default_factory=list)
    _begun: list[int] = field(default_factory=list)

    def send(self, file: Path, source: Mapping[str, Any] | None = None) -> Outcome:
        """Upload one file, of a folder if ``source`` says so; what is wrong is its outcome."""
        outcome = self._send(file, source)
        if not outcome.finished:
            self._waiting.append(len(self.outcomes))
        self.outcomes.append(outcome)
        return outcome

    @property
    def waiting(self) -> bool:
        """Whether a document is still being read."""
        return bool(self._waiting or self._begun)

    def look(self) -> Sequence[Outcome]:
        """Ask about jobs; returns what has finished.

        They are begun in order and end in any: those under way are asked about in turn, and of
        the others the oldest.
        """
        again, self._begun = self._begun[:_ASKED_AT_ONCE], self._begun[_ASKED_AT_ONCE:]
        asked, waiting = list[int](), list[int]()
        for place in [*again, *self._waiting[:_MOST_ASKED]]:
            if len(waiting) == _ASKED_AT_ONCE:
                break
            outcome = self.outcomes[place] = self._follow(self.outcomes[place])
            asked.append(place)
            if outcome.finished:
                continue
            (waiting if outcome.chunks_total is None else self._begun).append(place)
        self._waiting = waiting + self._waiting[len(asked) - len(again) :]
        ended = [place for place in asked if self.outcomes[place].finished]
        for place in ended:
            if self.outcomes[place].may_hold_files:
                self._look_inside(place)
        return [self.outcomes[place] for place in ended]

    def _send(self, file: Path, source: Mapping[str, Any] | None) -> Outcome:
        path = str(file)
        try:
            detect(file, file.name, None)  # spares sending what cannot be read
            reply = self.client.upload(
                file,
                collection=self.collection,
                metadata=self.metadata,
                password=self.password,
                source=source,
            )
        except UnsupportedType as error:
            return Outcome(path=path, status="skipped", error=error.as_dict())
        except OSError as error:
            told = {"code": "unreadable", "message": error.strerror or str(error)}
            return Outcome(path=path, status="failed", error=told)
        except IbidemError as error:
            if isinstance(error, (DocumentError, InvalidRequest)) or error.code in _ONE_FILE:
                return Outcome(path=path, status="failed", error=error.as_dict())
            raise  # the next file would meet the same
        document, job = reply["document"], reply["job"]
        ready = document["status"] == "ready"
        return Outcome(
            path=path,
            status="unchanged" if ready else "queued",
            document_id=document["id"],
            job_id=job["id"],
            chunks=document["chunk_count"] if ready else 0,
            may_hold_files=not document["media_type"].startswith("text/"),
        )

    def _look_inside(self, place: int) -> None:
        """Take up the files found inside one that has been read, and what was said of it."""
        outer = self.outcomes[place]
        with suppress(NotFound):  # deleted meanwhile
            document = self.client.get(f"/v1/documents/{outer.document_id}")
            self.outcomes[place] = replace(outer, warnings=tuple(document["warnings"]))
            known = {one.document_id for one in self.outcomes}
            for document_id in document["attachment_ids"]:
                if document_id not in known:
                    self._waiting.append(len(self.outcomes))
                    self.outcomes.append(self._inner(outer, document_id))

    def _inner(self, outer: Outcome, document_id: str) -> Outcome:
        document = self.client.get(f"/v1/documents/{document_id}")
        return Outcome(
            path=f"{outer.path}/{document['name']}",
            status="queued",
            document_id=document_id,
            job_id=document["job_id"],
            may_hold_files=not document["media_type"].startswith("text/"),
        )

    def _follow(self, outcome: Outcome) -> Outcome:
        try:
            job = self.client.get(f"/v1/jobs/{outcome.job_id}")
        except NotFound:
            return replace(outcome, status="failed", error=_DELETED)
        progress = job["progress"]
        outcome = replace(outcome, chunks=progress["done"], chunks_total=progress["total"])
        if job["status"] == "completed":
            return replace(outcome, status="ready")
        if job["status"] == "failed":
            return replace(outcome, status="failed", error=job["error"])
        if job["status"] == "cancelled":
            return replace(outcome, status="failed", error=_DELETED)
        return outcome


_ONE_FILE = ("payload_too_large",)
_EMPTY_FOLDER = {"code": "empty_folder", "message": "There is no file in this folder."}
_DELETED = {"code": "deleted", "message": "It was deleted while it was being read."}
