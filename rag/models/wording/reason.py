"""How texts argue: claims, premises, gaps and contradictions."""

from __future__ import annotations

from rag.models.tasks import Argument, Contradiction, Reasoning, ReasonTask
from rag.models.wording.base import Read, Said, Wording, one_line_or_none, statement, statements


def _read(said: Said, task: ReasonTask) -> Read[Reasoning]:
    passages = task.passages
    return Read(
        value=Reasoning(
            arguments=tuple(
                Argument(
                    claim=statement(one["claim"], passages),
                    premises=statements(one["premises"], passages),
                    strength=one["strength"],
                )
                for one in said["arguments"]
            ),
            flow=one_line_or_none(said["flow"]),
            gaps=statements(said["gaps"], passages),
            contradictions=tuple(
                Contradiction(
                    one=statement(pair["one"], passages),
                    other=statement(pair["other"], passages),
                    why=one_line_or_none(pair["why"]),
                )
                for pair in said["contradictions"]
            ),
            evidence_quality=one_line_or_none(said["evidence_quality"]),
            assessment=one_line_or_none(said["assessment"]),
        ),
        confidence=float(said["confidence"]),
    )


REASON = Wording(name="reason", read=_read, output_tokens=4_096)
