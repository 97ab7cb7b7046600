"""Keeping a collection in step with folders: what to send and what to remove.

What was sent before is known by the service, under the folder's absolute path; the walking is
done here. Files of the size and time that they had are not read again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api.client import Client, Json, storable_name
from api.commands.common import collection_id
from api.commands.folder import File, Folder, Selection, scan
from api.commands.outcomes import Outcome
from rag.errors import InvalidRequest, NotFound

_LISTED_AT_ONCE = 1000
_SETTLED_AT_ONCE = 500


@dataclass(slots=True, kw_only=True)
class Plan:
    """What has happened to the files of a folder since it was last in step.

    ``locked`` are known, and may open with the password that is at hand now. ``lost`` are those
    removed whose content stands in the folder no more: files that were only moved do not count.
    """

    folder: Folder
    known: int
    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    locked: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    touched: list[str] = field(default_factory=list)
    unchanged: list[Outcome] = field(default_factory=list)

    @property
    def source(self) -> str:
        """The folder's name to the service."""
        return storable_name(str(self.folder.root))

    @property
    def loses_most(self) -> bool:
        """Whether more than half of what is known is gone, as when a disk is not mounted."""
        return 2 * len(self.lost) > self.known

    def to_send(self) -> Iterator[tuple[Path, Mapping[str, Any]]]:
        """Files that are new, changed or locked, each with what the service is told of it."""
        for path in (*self.new, *self.changed, *self.locked):
            file = self.folder.files[path]
            yield file.path, {"name": self.source, **_facts(path, file)}

    def as_dict(self) -> Json:
        """As printed for a dry run."""
        return {
            "folder": str(self.folder.root),
            "new": self.new,
            "changed": self.changed,
            "locked": self.locked,
            "removed": self.removed,
            "unchanged": len(self.unchanged) + len(self.touched),
        }


def make_plans(
    client: Client,
    folders: Sequence[str],
    collection: str | None,
    selection: Selection,
    *,
    unlocks: bool,
) -> list[Plan]:
    """Compare folders with what the collection has of them; ``unlocks``: with a password.

    Raises:
        InvalidRequest: one of them is no folder.
        OSError: one of them cannot be read.
    """
    roots = [Path(folder).resolve() for folder in folders]
    for given, root in zip(folders, roots, strict=True):
        if not root.is_dir():
            raise InvalidRequest(f"{given!r} is no folder, and --sync takes folders only.")
    return [
        compare(
            scan(root, selection),
            _known(client, collection, storable_name(str(root))),
            unlocks=unlocks,
        )
        for root in dict.fromkeys(roots)
    ]


def compare(folder: Folder, known: Mapping[str, Json], *, unlocks: bool = False) -> Plan:
    """What has happened to a folder's files since the service learned of them."""
    plan = Plan(folder=folder, known=len(known))
    seen = set()
    for path, file in folder.files.items():
        seen.add(storable_name(path))
        before = known.get(storable_name(path))
        if before is None or before["status"] is None:  # or its document was deleted by hand
            plan.new.append(path)
        elif unlocks and before["locked"]:
            plan.locked.append(path)
        elif (before["size"], before["mtime_ns"]) == (file.size, file.mtime_ns):
            plan.unchanged.append(_unchanged(file, before))
        elif before["size"] == file.size and _sha256(file.path) == before["sha256"]:
            plan.touched.append(path)
        else:
            plan.changed.append(path)
    unseen = {storable_name(path) for path in folder.unseen}
    hidden = Folder(root=folder.root, unseen=unseen)
    plan.removed = [path for path in known if path not in seen and not hidden.is_unseen(path)]
    plan.lost = _lost(plan, known)
    return plan


def settle(client: Client, collection: str | None, plan: Plan, *, remove: bool) -> list[Outcome]:
    """Remove what is gone, and earlier versions of what has been read; says what was removed."""
    try:
        place = f"/v1/collections/{collection_id(client, collection)}/source"
    except NotFound:  # nothing could be sent, so that no collection was made
        return []
    removed = plan.removed if remove else []
    touched = [_facts(path, plan.folder.files[path]) for path in plan.touched]
    for start in range(0, max(1, len(removed), len(touched)), _SETTLED_AT_ONCE):
        part = slice(start, start + _SETTLED_AT_ONCE)
        body = {"name": plan.source, "removed": removed[part], "touched": touched[part]}
        client.post(place, body, patient=True)
    return [Outcome(path=str(plan.folder.root / path), status="removed") for path in removed]


def _known(client: Client, collection: str | None, source: str) -> dict[str, Json]:
    try:
        place = f"/v1/collections/{collection_id(client, collection)}/source"
    except NotFound:
        return {}
    files = client.all(place, at_once=_LISTED_AT_ONCE, name=source)
    return {str(one["id"]): one for one in files}


def _unchanged(file: File, before: Json) -> Outcome:
    """A file that failed stays failed until it changes or opens; it would fail again."""
    failed = before["status"] == "failed"
    return Outcome(
        path=str(file.path),
        status="failed" if failed else "unchanged",
        document_id=before["document_id"],
        error=before["error"],
    )


def _lost(plan: Plan, known: Mapping[str, Json]) -> list[str]:
    """Removed files whose content no other file of the folder has."""
    sizes = {known[path]["size"] for path in plan.removed}
    arrived = [*plan.new, *plan.changed]
    gone = {*plan.removed, *map(storable_name, arrived)}
    here = {one["sha256"] for path, one in known.items() if path not in gone}
    files = [plan.folder.files[path] for path in arrived]
    here |= {_sha256(file.path) for file in files if file.size in sizes}
    here.discard(None)
    return [path for path in plan.removed if known[path]["sha256"] not in here]


def _facts(path: str, file: File) -> Json:
    return {"path": storable_name(path), "size": file.size, "mtime_ns": file.mtime_ns}


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:  # sending it will say why
        return None
