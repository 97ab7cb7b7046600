"""Classification: parts of a text vote, by how long they are."""

from __future__ import annotations

from collections.abc import Sequence

from rag.analysis.kinds.base import Body, Doubt, Finished, characters, distinct, evidence_of
from rag.analysis.reading import Reading
from rag.analysis.requests import Request
from rag.models.tasks import ClassifyTask
from rag.types import Passage

_MOST_FEATURES = 5
_AGREED = 0.75


class Classifying:
    """A primary and a secondary label."""

    def task(self, request: Request, passages: tuple[Passage, ...]) -> ClassifyTask:
        """The label that fits the passages best."""
        return ClassifyTask(
            passages=passages, instructions=request.instructions, labels=request.labels
        )

    def read(self, request: Request, passages: tuple[Passage, ...], reading: Reading) -> Body:
        """The scores, and the features whose quotes stand in the passages."""
        outcome = reading.run(self.task(request, passages))
        value, length = outcome.value, characters(passages)
        sure = value.scores.get(value.primary)
        return {
            "primary": value.primary,
            "secondary": value.secondary,
            "scores": dict(value.scores),
            "features": {value.primary: reading.all_said(value.features, passages)},
            "uncertainty": value.uncertainty,
            "votes": {value.primary: length},
            "confidence": outcome.confidence if outcome.confidence is not None else sure,
            "characters": length,
        }

    def merge(self, request: Request, bodies: Sequence[Body], reading: Reading) -> Body:
        """The mean of the scores, by how much text they are of."""
        whole = sum(one["characters"] for one in bodies) or 1
        names = [label.name for label in request.labels]
        scores = {
            name: sum(one["scores"].get(name, 0.0) * one["characters"] for one in bodies) / whole
            for name in names
        }
        order = sorted(names, key=lambda name: -scores[name])
        votes = {name: sum(one["votes"].get(name, 0) for one in bodies) for name in names}
        features = {
            name: distinct([said for one in bodies for said in one["features"].get(name, ())])
            for name in names
        }
        primary = order[0]
        doubts = [one["uncertainty"] for one in bodies if one["primary"] == primary]
        return {
            "primary": primary,
            "secondary": next((name for name in order[1:] if scores[name]), None),
            "scores": scores,
            "features": {name: said for name, said in features.items() if said},
            "uncertainty": next((one for one in doubts if one), None),
            "votes": {name: count for name, count in votes.items() if count},
            "confidence": round(scores[primary], 4),
            "characters": whole,
        }

    def finish(self, request: Request, body: Body, reading: Reading) -> Finished:
        """The labels, what led to the first, and whether a person should look at them."""
        primary = body["primary"]
        features = body["features"].get(primary, [])[:_MOST_FEATURES]
        agreed = body["votes"].get(primary, 0) / (body["characters"] or 1)
        uncertainty = body["uncertainty"]
        doubts = []
        if agreed < _AGREED:
            others = [name for name in body["votes"] if name != primary]
            told = f"{1 - agreed:.0%} of the text was put under {', '.join(map(repr, others))}."
            uncertainty = " ".join(filter(None, (uncertainty, told)))
            doubts.append(
                Doubt(
                    pointer="/primary",
                    reason="disagreement",
                    detail=told,
                    value=primary,
                    confidence=body["confidence"],
                    alternatives=tuple(others),
                )
            )
        value = {
            "primary": primary,
            "secondary": body["secondary"],
            "confidence": body["confidence"],
            "scores": {name: round(score, 4) for name, score in body["scores"].items()},
            "features": [one["text"] for one in features],
            "uncertainty": uncertainty,
        }
        named = {f"/features/{place}": one for place, one in enumerate(features)}
        sure = body["confidence"]
        return Finished(
            value=value,
            evidence=evidence_of(named),
            confidence=sure,
            confidences={} if sure is None else {"/primary": sure},
            doubts=doubts,
        )
