"""Analyses with merges by a provider with a ledger, on a service that is killed meanwhile.

A summary, which a model merges round by round, and the records of all valves, which code merges.
What comes of them is compared with the same on a service that nobody kills.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx2

from tests.crash.batch_kills import Tally, prepared, wait
from tests.crash.service import Service
from tests.ledger_server import bar

WINDOW = 5_200
"""Of the model: it has room for a few valves at a time."""
_NUMBER = {"type": "integer"}
_VALVE = {"type": "object", "properties": {"number": _NUMBER, "bar": _NUMBER}}
_RECORD = {"type": "object", "properties": {"valves": {"type": "array", "items": _VALVE}}}
_ORDERS: Sequence[Mapping[str, Any]] = (
    {"kind": "summary", "collection": "default"},
    {"schema": _RECORD, "collection": "default"},
)

readied = partial(prepared, window=WINDOW)
"""See `prepared`; with the window that makes many calls of a text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undisturbed:
    """What the analyses say, and the calls that they make, when nothing happens to them."""

    results: Sequence[Any]
    asked: frozenset[str]


def undisturbed(home: Path, valves: int) -> Undisturbed:
    """Run both analyses once on a service of their own."""
    with readied(home, valves, delay_s=0.0) as (service, provider):
        results = [_told(finished(service, one)) for one in order(service)]
        asked = [call.asked for call in provider.ledger]
    assert len(asked) == len(set(asked))
    return Undisturbed(results=results, asked=frozenset(asked))


def order(service: Service) -> Sequence[Any]:
    """Order both analyses."""
    return [_created(service, one) for one in _ORDERS]


def finished(service: Service, analysis: Any) -> Any:
    """The analysis with its result, once it has ended."""
    wait(service, analysis["job_id"])
    return httpx2.get(f"{service.url}/v1/analyses/{analysis['id']}", timeout=60).json()


def check_analyses(
    service: Service, analyses: Sequence[Any], valves: int, expected: Undisturbed, tally: Tally
) -> None:
    """Compare what came of analyses with the text, and with what was expected."""
    results = [finished(service, one) for one in analyses]
    found = Counter(
        (one["number"], one["bar"])
        for one in results[1]["result"]["documents"][0]["value"]["valves"]
    )
    right = {(number, bar(number)) for number in range(valves)}
    tally.lost = [f"valve {one}" for one in right - found.keys()]
    tally.duplicated = [f"valve {one}" for one, times in found.items() if times > 1]
    tally.wrong = [f"valve {one}" for one in found.keys() - right]
    tally.wrong += [
        one["kind"]
        for one, other in zip(results, expected.results, strict=True)
        if _told(one) != other
    ]


def _created(service: Service, body: Mapping[str, Any]) -> Any:
    reply = httpx2.post(f"{service.url}/v1/analyses", json=body, timeout=60)
    assert reply.status_code == 202, reply.text
    return reply.json()


def _told(analysis: Mapping[str, Any]) -> Any:
    """What an analysis says of the text, whatever the document's id."""
    document = analysis["result"].get("documents", [{}])[0]
    evidence = {
        pointer: [(one["start_char_index"], one["end_char_index"]) for one in found]
        for pointer, found in analysis["evidence"].items()
    }
    value = document.get("value", analysis["result"])
    read = {name: analysis["coverage"][name] for name in ("chunks_read", "chunks_total", "failed")}
    return value, evidence, read
