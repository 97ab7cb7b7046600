"""Reports: findings of all parts, put under a few topics, and each section written from its own.

The outline is a summary of everything that was found: its findings are the topics. What was found
goes to the topic that it has most words in common with, and a section is a summary of the sentences
that its findings rest on, with the topic to attend to. So every paragraph names its places.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rag.analysis.kinds.base import (
    Body,
    Finished,
    distinct,
    evidence_of,
    opposing,
    pairs_once,
    weighted,
)
from rag.analysis.kinds.summary import Summarizing, statements_of, summarized
from rag.analysis.reading import Reading, Said, places
from rag.analysis.requests import Request
from rag.models.offline.words import telling
from rag.models.tasks import SummarizeTask
from rag.types import Passage

SECTIONS = 6
"""Most sections, unless the request says how many findings there are to be."""

_PARAGRAPHS = 6
_LONGEST_HEADING = 90
_NUMBER = re.compile(r"^\(?\d+(?:\.\d+)*[.)]?\s+")
_SUMMARIES = Summarizing()


class Reporting:
    """A title, and sections of paragraphs that cite."""

    def task(self, request: Request, passages: tuple[Passage, ...]) -> SummarizeTask:
        """What a stretch adds: the same as for a summary."""
        return _SUMMARIES.task(request, passages)

    def read(self, request: Request, passages: tuple[Passage, ...], reading: Reading) -> Body:
        """The statements whose quotes stand in the passages."""
        body = _SUMMARIES.read(request, passages, reading)
        return {
            "statements": statements_of(body),
            "contradictions": [],
            "confidence": body["confidence"],
            "characters": body["characters"],
        }

    def merge(self, request: Request, bodies: Sequence[Body], reading: Reading) -> Body:
        """All statements; nothing is left out before the outline is known."""
        found = [one["statements"] for one in bodies]
        known = [pair for one in bodies for pair in one["contradictions"]]
        return {
            "statements": distinct([said for some in found for said in some]),
            "contradictions": pairs_once([*known, *opposing(found)]),
            "confidence": weighted(bodies),
            "characters": sum(one["characters"] for one in bodies),
        }

    def finish(self, request: Request, body: Body, reading: Reading) -> Finished:
        """The report."""
        found: list[Said] = body["statements"]
        if not found:
            value: dict[str, Any] = {"title": None, "sections": [], "contradictions": []}
            return Finished(value=value, evidence={}, confidence=body["confidence"])
        everything = [place for said in found for place in places(said)]
        most = request.findings or SECTIONS
        outline = summarized(request, everything, reading, findings=most)
        topics = distinct(outline["key_findings"]) or statements_of(outline)[:1]
        named: dict[str, Said] = {}
        sections: list[dict[str, Any]] = []
        for topic, own in zip(topics, _assigned(found, topics), strict=True):
            written = _section(request, topic, own, reading)
            at = f"/sections/{len(sections)}"
            named |= {f"{at}/paragraphs/{place}": said for place, said in enumerate(written)}
            texts = [said["text"] for said in written]
            sections.append({"heading": _heading(topic["text"]), "paragraphs": texts})
        title = outline["main_topic"]
        if title is not None:
            named["/title"] = title
        for number, pair in enumerate(body["contradictions"]):
            named |= {f"/contradictions/{number}/{side}": pair[side] for side in ("one", "other")}
        value = {
            "title": title["text"] if title else None,
            "sections": sections,
            "contradictions": [
                {"one": pair["one"]["text"], "other": pair["other"]["text"], "why": pair["why"]}
                for pair in body["contradictions"]
            ],
        }
        return Finished(value=value, evidence=evidence_of(named), confidence=body["confidence"])


def _assigned(found: Sequence[Said], topics: Sequence[Said]) -> list[list[Said]]:
    """The statements of each topic: of the one with most words in common, and of its place."""
    words = [set(telling(one["text"])) for one in topics]
    own: list[list[Said]] = [[one] for one in topics]
    for said in found:
        mine = set(telling(said["text"]))
        shared = [len(mine & these) / (len(mine | these) or 1) for these in words]
        best = max(range(len(topics)), key=shared.__getitem__)
        if shared[best]:
            own[best].append(said)
    return own


def _section(request: Request, topic: Said, own: Sequence[Said], reading: Reading) -> list[Said]:
    """The paragraphs of a section, its topic's own statement first."""
    found = [place for said in own for place in places(said)]
    written = summarized(request, found, reading, findings=_PARAGRAPHS, query=str(topic["text"]))
    return distinct([topic, *statements_of(written)])


def _heading(text: str) -> str:
    """The beginning of a sentence, without its number, as a heading."""
    words = _NUMBER.sub("", text.strip()).rstrip(".")
    if len(words) <= _LONGEST_HEADING:
        return words
    return words[:_LONGEST_HEADING].rsplit(" ", 1)[0] + "…"
