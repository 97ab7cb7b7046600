"""Reasoning: arguments are kept, all of them; contradictions are also looked for between parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from rag.analysis.kinds.base import (
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
from rag.models.tasks import Contradiction, Reasoning, ReasonTask
from rag.models.tokens import size
from rag.types import Passage

_WHOLE = ("flow", "evidence_quality", "assessment")
_FRAME = 300
# Places that are read again when parts are merged; those of the strongest arguments.
_MOST_PLACES = 200


class Arguing:
    """Claims, premises, gaps and contradictions."""

    def task(self, request: Request, passages: tuple[Passage, ...]) -> ReasonTask:
        """The argument of the passages."""
        return ReasonTask(passages=passages, instructions=request.instructions)

    def read(self, request: Request, passages: tuple[Passage, ...], reading: Reading) -> Body:
        """The statements whose quotes stand in the passages."""
        outcome = reading.run(self.task(request, passages))
        value = outcome.value
        return {
            "arguments": list(_arguments(value, passages, reading)),
            "gaps": reading.all_said(value.gaps, passages),
            "contradictions": list(_pairs(value.contradictions, passages, reading)),
            **{name: getattr(value, name) for name in _WHOLE},
            "confidence": outcome.confidence,
            "characters": characters(passages),
        }

    def merge(self, request: Request, bodies: Sequence[Body], reading: Reading) -> Body:
        """All arguments, gaps and contradictions, and what an engine sees between the parts.

        It is shown what the arguments rest on, the strongest first, as far as there is room.
        """
        arguments = _once(list(chain.from_iterable(one["arguments"] for one in bodies)))
        found = list(dict.fromkeys(chain.from_iterable(map(_rests_on, _strongest(arguments)))))
        passages = _fitting(reading.passages(found[:_MOST_PLACES]), self, request, reading)
        seen = reading.run(self.task(request, passages)).value if passages else None
        between = _pairs(seen.contradictions, passages, reading) if seen else ()
        claims = [[one["claim"] for one in body["arguments"]] for body in bodies]
        return {
            "arguments": arguments,
            "gaps": distinct(list(chain.from_iterable(one["gaps"] for one in bodies))),
            "contradictions": pairs_once(
                [
                    *chain.from_iterable(one["contradictions"] for one in bodies),
                    *between,
                    *opposing(claims),
                ]
            ),
            **{name: _of_whole(name, seen, bodies) for name in _WHOLE},
            "confidence": weighted(bodies),
            "characters": sum(one["characters"] for one in bodies),
        }

    def finish(self, request: Request, body: Body, reading: Reading) -> Finished:
        """The texts of the statements, and their places beside them."""
        named: dict[str, Said] = {}
        for at, one in enumerate(body["arguments"]):
            named[f"/arguments/{at}/claim"] = one["claim"]
            premises = enumerate(one["premises"])
            named |= {f"/arguments/{at}/premises/{place}": said for place, said in premises}
        named |= {f"/gaps/{at}": said for at, said in enumerate(body["gaps"])}
        for at, pair in enumerate(body["contradictions"]):
            named |= {f"/contradictions/{at}/{side}": pair[side] for side in ("one", "other")}
        value = {
            "arguments": [
                {
                    "claim": one["claim"]["text"],
                    "premises": [said["text"] for said in one["premises"]],
                    "strength": one["strength"],
                }
                for one in body["arguments"]
            ],
            "flow": body["flow"],
            "gaps": [one["text"] for one in body["gaps"]],
            "contradictions": [
                {"one": pair["one"]["text"], "other": pair["other"]["text"], "why": pair["why"]}
                for pair in body["contradictions"]
            ],
            "evidence_quality": body["evidence_quality"],
            "assessment": body["assessment"],
        }
        return Finished(value=value, evidence=evidence_of(named), confidence=body["confidence"])


def _arguments(
    value: Reasoning, passages: tuple[Passage, ...], reading: Reading
) -> Iterator[dict[str, Any]]:
    for one in value.arguments:
        claim = reading.said(one.claim, passages)
        if claim is not None:
            premises = reading.all_said(one.premises, passages)
            yield {"claim": claim, "premises": premises, "strength": one.strength}


def _pairs(
    found: Sequence[Contradiction], passages: tuple[Passage, ...], reading: Reading
) -> Iterator[dict[str, Any]]:
    """Contradictions of which both sides stand somewhere."""
    for one in found:
        sides = reading.said(one.one, passages), reading.said(one.other, passages)
        if sides[0] is not None and sides[1] is not None:
            yield {"one": sides[0], "other": sides[1], "why": one.why}


def _once(arguments: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Arguments for the same claim as one, with all premises and the greater strength."""
    by_claim: dict[Any, dict[str, Any]] = {}
    for one in arguments:
        key = tuple(sorted(tuple(at[:3]) for at in one["claim"]["at"]))
        known = by_claim.get(key)
        if known is None:
            by_claim[key] = one
            continue
        strengths = [each["strength"] for each in (known, one) if each["strength"] is not None]
        by_claim[key] = {
            "claim": known["claim"],
            "premises": distinct([*known["premises"], *one["premises"]]),
            "strength": max(strengths, default=None),
        }
    return list(by_claim.values())


def _strongest(arguments: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(arguments, key=lambda one: -(one["strength"] or 0))


def _rests_on(argument: dict[str, Any]) -> list[Place]:
    said = (argument["claim"], *argument["premises"])
    return [place for one in said for place in places(one)]


def _fitting(
    passages: tuple[Passage, ...], kind: Arguing, request: Request, reading: Reading
) -> tuple[Passage, ...]:
    """The first of the passages that there is room for."""
    room = reading.room(kind.task(request, passages))
    if room is None:
        return passages
    kept: list[Passage] = []
    for one in passages:
        room -= size(one.text) + _FRAME
        if room < 0:
            break
        kept.append(one)
    return tuple(kept)


def _of_whole(name: str, seen: Reasoning | None, bodies: Sequence[Body]) -> str | None:
    """What an engine says of the whole, or else what was said of the parts."""
    said = getattr(seen, name) if seen else None
    parts = dict.fromkeys(one[name] for one in bodies if one[name])
    return said or " ".join(parts) or None
