"""`ibidem ingest --sync`: one round, or rounds until Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from api.client import Client
from api.commands.common import note, show_json, show_table
from api.commands.folder import Selection, scan
from api.commands.ingest import ingest_files, report
from api.commands.outcomes import Outcome
from api.commands.sync import Plan, make_plans, settle

_LOOK_S = 2.0
"""Between two looks at watched folders."""


def keep_in_step(
    client: Client,
    folders: Sequence[str],
    collection: str | None,
    fields: Mapping[str, Any],
    selection: Selection,
    how: Mapping[str, Any],
) -> int:
    """Bring a collection in step with folders, once or until Ctrl-C; returns the exit code."""
    if how["dry_run"]:
        _show_plans(make_plans(client, folders, collection, selection), as_json=how["as_json"])
        return 0
    code = _round(client, folders, collection, fields, selection, how)
    if not how["watch"]:
        return code
    note(f"Watching {', '.join(folders)}; Ctrl-C ends it.")
    try:
        seen = _state(folders, selection)
        while True:
            time.sleep(_LOOK_S)
            present = _state(folders, selection)
            if present != seen:
                seen = present
                _round(client, folders, collection, fields, selection, how)
    except KeyboardInterrupt:
        note("Stopped watching.")
        return 0


def _round(
    client: Client,
    folders: Sequence[str],
    collection: str | None,
    fields: Mapping[str, Any],
    selection: Selection,
    how: Mapping[str, Any],
) -> int:
    started = time.monotonic()
    plans = make_plans(client, folders, collection, selection)
    to_send = [one for plan in plans for one in plan.to_send()]
    outcomes: list[Outcome] = []
    if to_send:
        outcomes += ingest_files(client, to_send, collection, fields, how["password"])
    refused = False
    for plan in plans:
        remove = how["allow_removal"] or not plan.removes_most
        refused |= not remove
        outcomes += settle(client, collection, plan, remove=remove)
        outcomes += [*plan.unchanged, *_touched(plan), *plan.folder.left_out]
        if not remove:
            note(
                f"{len(plan.removed)} of the {plan.known} files known of {plan.folder.root} are "
                "gone, more than half; their documents were kept. If that is meant, repeat with "
                "--allow-removal."
            )
    report(outcomes, time.monotonic() - started, as_json=how["as_json"])
    failed = any(outcome.status == "failed" for outcome in outcomes)
    return 1 if refused or failed else 0


def _touched(plan: Plan) -> list[Outcome]:
    root = plan.folder.root
    return [Outcome(path=str(root / path), status="unchanged") for path in plan.touched]


def _state(folders: Sequence[str], selection: Selection) -> object:
    """What stands in the folders now; nothing of one that cannot be read at the moment."""
    state = []
    for folder in folders:
        try:
            state.append(scan(Path(folder).resolve(), selection).files)
        except OSError:
            state.append({})
    return state


def _show_plans(plans: Sequence[Plan], *, as_json: bool) -> None:
    if as_json:
        data = [plan.as_dict() for plan in plans]
        show_json({"object": "ingest.plan", "data": data})
        return
    rows = [
        (action, plan.folder.root / path)
        for plan in plans
        for action in ("new", "changed", "removed")
        for path in getattr(plan, action)
    ]
    show_table(("WOULD BE", "FILE"), rows)
    for plan in plans:
        if plan.removed and plan.removes_most:
            note(f"Removing more than half of {plan.folder.root} needs --allow-removal.")
