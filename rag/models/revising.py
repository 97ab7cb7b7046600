"""Critique and revise: a model finds fault with its own output, and gives it again without.

Madaan et al., "Self-Refine: Iterative Refinement with Self-Feedback", 2023; here one round.
"""

from __future__ import annotations

import json
from typing import Any

from rag.errors import ModelError
from rag.models import prompts
from rag.models.asking import Asked, Asking
from rag.models.tasks import Task
from rag.models.wording import Wording, inputs_of

FORM = "revise"
"""The form of prompt that is asked after another, with what that brought."""

FAULTS = ("unsupported", "missing", "wrong")
"""Of what kinds they are that a revision names before it mends them."""


def revised(
    draft: Asked, asking: Asking, wording: Wording[Any, Any], task: Task[Any]
) -> tuple[Asked, tuple[str, ...]]:
    """What the model makes of its output, and what is to be said of that.

    An output that cannot be revised is still the valid one that it was.
    """
    prompt = prompts.find(f"{wording.name}/{FORM}")
    kept = {name: one for name, one in draft.said.items() if name != "reasoning"}
    inputs = {**inputs_of(task), "draft": json.dumps(kept, ensure_ascii=False)}
    try:
        asked = asking.ask(prompt, wording.schema(prompt.schema, task), inputs)
    except ModelError as error:
        return draft, (f"The output could not be revised: {error.message}",)
    faults = {kind: len(asked.said[kind]) for kind in FAULTS}
    told = ", ".join(f"{number} {kind}" for kind, number in faults.items() if number)
    note = f"The model found fault with its first output, and revised it: {told}."
    return asked, (note,) if told else ()
