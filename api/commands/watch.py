"""`ibidem ingest --sync`: one round, or rounds until Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from api.client import Client
from api.commands.common import note, show_json, show_table
from api.commands.folder import File, Selection, scan
from api.commands.ingest import ingest_files, report
from api.commands.outcomes import Outcome
from api.commands.sync import Plan, make_plans, settle
from rag.errors import InvalidRequest

_LOOK_S = 2.0
"""Between two looks at watched folders."""
_State: TypeAlias = dict[str, dict[str, File] | None]


def keep_in_step(
    client: Client,
    folders: Sequence[str],
    collection: str | None,
    fields: Mapping[str, Any],
    selection: Selection,
    how: Mapping[str, Any],
) -> int:
    """Bring a collection in step with folders, once or until Ctrl-C; returns the exit code."""
    keeper = _Keeper(
        client=client, collection=collection, fields=fields, selection=selection, how=how
    )
    if how["dry_run"]:
        _show_plans(keeper.plans(folders), as_json=how["as_json"])
        return 0
    seen = _state(folders, selection)  # before the round: what comes during it is for the next
    code = keeper.carry_out(keeper.plans(folders))
    if not how["watch"]:
        return code
    note(f"Watching {', '.join(folders)}; Ctrl-C ends it.")
    try:
        keeper.follow(folders, seen)
    except KeyboardInterrupt:
        note("Stopped watching.")
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Keeper:
    """What all rounds of a run have in common."""

    client: Client
    collection: str | None
    fields: Mapping[str, Any]
    selection: Selection
    how: Mapping[str, Any]

    def plans(self, folders: Sequence[str]) -> list[Plan]:
        """What is to be done. See `make_plans`."""
        unlocks = self.how["password"] is not None
        return make_plans(self.client, folders, self.collection, self.selection, unlocks=unlocks)

    def follow(self, folders: Sequence[str], seen: _State | None) -> NoReturn:
        """A round after each change; a folder that cannot be read waits until it can."""
        while True:
            time.sleep(_LOOK_S)
            present = _state(folders, self.selection)
            if present == seen:
                continue
            for folder in folders:
                if present[folder] is None and (seen is None or seen[folder] is not None):
                    note(f"{folder} cannot be read now; its documents stay until it can.")
            seen = present
            try:
                plans = self.plans([one for one in folders if present[one] is not None])
            except (InvalidRequest, OSError):  # one has vanished since it was looked at
                seen = None
                continue
            self.carry_out(plans)

    def carry_out(self, plans: Sequence[Plan]) -> int:
        """Send, remove and report; returns the exit code."""
        started = time.monotonic()
        to_send = [one for plan in plans for one in plan.to_send()]
        outcomes: list[Outcome] = []
        if to_send:
            password = self.how["password"]
            outcomes += ingest_files(self.client, to_send, self.collection, self.fields, password)
        refused = False
        for plan in plans:
            remove = self.how["allow_removal"] or not plan.loses_most
            refused |= not remove
            outcomes += settle(self.client, self.collection, plan, remove=remove)
            outcomes += [*plan.unchanged, *_touched(plan), *plan.folder.left_out]
            if not remove:
                note(
                    f"{len(plan.lost)} of the {plan.known} files known of {plan.folder.root} "
                    "are gone, more than half; their documents were kept. If that is meant, "
                    "repeat with --allow-removal."
                )
        report(outcomes, time.monotonic() - started, as_json=self.how["as_json"])
        failed = any(outcome.status == "failed" for outcome in outcomes)
        return 1 if refused or failed else 0


def _touched(plan: Plan) -> list[Outcome]:
    root = plan.folder.root
    return [Outcome(path=str(root / path), status="unchanged") for path in plan.touched]


def _state(folders: Sequence[str], selection: Selection) -> _State:
    """What stands in each folder now; ``None`` of one that cannot be read at the moment."""
    state: _State = {}
    for folder in folders:
        try:
            state[folder] = scan(Path(folder).resolve(), selection).files
        except OSError:
            state[folder] = None
    return state


def _show_plans(plans: Sequence[Plan], *, as_json: bool) -> None:
    if as_json:
        data = [plan.as_dict() for plan in plans]
        show_json({"object": "ingest.plan", "data": data})
        return
    rows = [
        (action, plan.folder.root / path)
        for plan in plans
        for action in ("new", "changed", "locked", "removed")
        for path in getattr(plan, action)
    ]
    show_table(("WOULD BE", "FILE"), rows)
    for plan in plans:
        if plan.loses_most:
            note(f"Removing more than half of {plan.folder.root} needs --allow-removal.")
