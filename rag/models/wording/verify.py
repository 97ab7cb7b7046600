"""Claims, and verdicts on them."""

from __future__ import annotations

from rag.models.tasks import Verdict, Verification, VerifyTask
from rag.models.wording.base import Read, Said, Wording, evidence

_GROUNDLESS = (
    "The model's verdict was {verdict!r}, without a quote for it; that counts as not found."
)


def _read(said: Said, task: VerifyTask) -> Read[Verification]:
    """The verdict and its grounds; without any, the passages do not say."""
    verdict = Verdict(said["verdict"])
    grounds = evidence(said["evidence"], task.passages)
    if verdict is not Verdict.NOT_FOUND and not grounds:
        return Read(
            value=Verification(verdict=Verdict.NOT_FOUND, evidence=()),
            confidence=None,
            notes=(_GROUNDLESS.format(verdict=verdict.value),),
        )
    return Read(
        value=Verification(
            verdict=verdict, evidence=grounds if verdict is not Verdict.NOT_FOUND else ()
        ),
        confidence=float(said["confidence"]),
    )


VERIFY = Wording(name="verify", read=_read, inputs=lambda task: {"claim": task.claim})
