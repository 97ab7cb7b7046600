"""Summaries: of summaries, what engines make of the sentences that these rest on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rag.analysis.kinds.base import (
    FINDINGS,
    Body,
    Finished,
    characters,
    distinct,
    evidence_of,
    opposing,
    pairs_once,
    weighted,
)
from rag.analysis.reading import Place, Reading, Said, places
from rag.analysis.requests import Request
from rag.models.tasks import Outcome, SummarizeTask, Summary
from rag.models.tokens import size
from rag.types import Passage

# Of a corpus: a few more for each further document.
_MOST_FINDINGS, _PER_DOCUMENT = 20, 2
# Bytes around a passage in a prompt: its marks, and the title of its document.
_FRAME = 300


class Summarizing:
    """Main topic, key findings and conclusions."""

    def task(self, request: Request, passages: tuple[Passage, ...]) -> SummarizeTask:
        """A summary of the passages, of as many findings as the result is to have."""
        return _task(request, passages)

    def read(self, request: Request, passages: tuple[Passage, ...], reading: Reading) -> Body:
        """The statements whose quotes stand in the passages."""
        outcome = reading.run(self.task(request, passages))
        return _body(outcome, passages, reading)

    def merge(self, request: Request, bodies: Sequence[Body], reading: Reading) -> Body:
        """A summary of what the summaries rest on.

        What contradicts itself between them is kept with both sides, whether or not it is among
        the findings.
        """
        found = [place for body in bodies for said in statements_of(body) for place in places(said)]
        kept = {
            "characters": sum(one["characters"] for one in bodies),
            "contradictions": pairs_once(
                [
                    *(pair for one in bodies for pair in one["contradictions"]),
                    *opposing([one["key_findings"] for one in bodies]),
                ]
            ),
        }
        if not found:
            return {**bodies[0], **kept}
        made = summarized(request, found, reading)
        known = [one for one in (made["confidence"], weighted(bodies)) if one is not None]
        return {**made, **kept, "confidence": min(known, default=None)}

    def finish(self, request: Request, body: Body, reading: Reading) -> Finished:
        """The texts of the statements, and their places beside them."""
        named: dict[str, Said] = {}
        topic = body["main_topic"]
        if topic is not None:
            named["/main_topic"] = topic
        for name in ("key_findings", "conclusions"):
            named |= {f"/{name}/{place}": one for place, one in enumerate(body[name])}
        for place, pair in enumerate(body["contradictions"]):
            named |= {f"/contradictions/{place}/{side}": pair[side] for side in ("one", "other")}
        value = {
            "main_topic": topic["text"] if topic else None,
            "key_findings": [one["text"] for one in body["key_findings"]],
            "conclusions": [one["text"] for one in body["conclusions"]],
            "contradictions": [
                {"one": pair["one"]["text"], "other": pair["other"]["text"], "why": pair["why"]}
                for pair in body["contradictions"]
            ],
        }
        return Finished(value=value, evidence=evidence_of(named), confidence=body["confidence"])


def summarized(
    request: Request,
    found: Sequence[Place],
    reading: Reading,
    *,
    findings: int | None = None,
    query: str | None = None,
) -> Body:
    """A summary of the sentences at places; where they are too many at once, of summaries."""
    found = list(dict.fromkeys(found))  # several statements may rest on one sentence
    passages = reading.passages(found)
    task = replace(_task(request, passages), query=query)
    if findings is not None:
        task = replace(task, findings=findings)
    room = reading.room(task)
    taken = sum(size(one.text) + _FRAME for one in passages)
    if room is not None and taken > room and len(passages) > 2:
        parts = [
            summarized(request, some, reading, findings=findings, query=query)
            for some in _fitting(found, room, reading)
        ]
        chosen = _chosen(parts, fewer_than=len(found))
        if 0 < len(chosen) < len(found):
            return summarized(request, chosen, reading, findings=findings, query=query)
    return _body(reading.run(task), passages, reading)


def statements_of(body: Body) -> list[Said]:
    """All that a summary says, its topic first."""
    topic = [] if body["main_topic"] is None else [body["main_topic"]]
    return [*topic, *body["key_findings"], *body["conclusions"]]


def _task(request: Request, passages: tuple[Passage, ...]) -> SummarizeTask:
    several = len({one.document_id for one in passages}) - 1
    usual = min(FINDINGS + _PER_DOCUMENT * several, _MOST_FINDINGS)
    return SummarizeTask(
        passages=passages,
        instructions=request.instructions,
        findings=request.findings or usual,
    )


def _fitting(found: Sequence[Place], room: int, reading: Reading) -> Sequence[Sequence[Place]]:
    """The places in as few parts as there is room for, in their order."""
    parts: list[list[Place]] = [[]]
    left = room
    for place in found:
        taken = sum(size(one.text) + _FRAME for one in reading.passages([place]))
        if parts[-1] and taken > left:
            parts.append([])
            left = room
        parts[-1].append(place)
        left -= taken
    return parts


def _chosen(parts: Sequence[Body], *, fewer_than: int) -> list[Place]:
    """The places of what summaries say; where they leave out too little, of the first of it."""
    said = [statements_of(one) for one in parts]
    found = dict.fromkeys(place for some in said for one in some for place in places(one))
    if len(found) >= fewer_than:
        first = (one for some in said for one in some[: max(1, len(some) // 2)])
        found = dict.fromkeys(place for one in first for place in places(one))
    return list(found)


def _body(outcome: Outcome[Summary], passages: tuple[Passage, ...], reading: Reading) -> Body:
    value = outcome.value
    return {
        "main_topic": reading.said(value.main_topic, passages),
        "key_findings": distinct(reading.all_said(value.key_findings, passages)),
        "conclusions": distinct(reading.all_said(value.conclusions, passages)),
        "contradictions": [],
        "confidence": outcome.confidence,
        "characters": characters(passages),
    }
