"""What a language model will be sent for a task, and what that will cost, before it is sent."""

from __future__ import annotations

from typing import Any

from rag.models.asking import output_limit, room_for
from rag.models.calls import Calls
from rag.models.chat import ChatRequest, Tokens
from rag.models.engine import Forecast
from rag.models.packing import fit
from rag.models.prompts import Prompt
from rag.models.tasks import Task
from rag.models.tokens import size
from rag.models.wording import Wording, inputs_of

_MARKER = "0" * 16


def forecast(
    calls: Calls, prompt: Prompt, wording: Wording[Any, Any], task: Task[Any], *, window: int
) -> Forecast:
    """One call for a task, rendered as it will be.

    Args:
        calls: Of the model, which know how it counts tokens and what they cost.
        prompt: What it will be asked with.
        wording: How such tasks are put.
        task: Of its passages only as many count as will be shown.
        window: How many tokens the model can read and write together.
    """
    schema, inputs = wording.schema(prompt.schema, task), dict(inputs_of(task))
    output = output_limit(wording.output_tokens, window)
    room = room_for(schema, window=window, output=output)
    fitted = fit(prompt, inputs, task.passages, room=room)
    given, _ = fitted if fitted is not None else ({**inputs, "passages": []}, None)
    rendered = prompt.render({**given, "marker": _MARKER})
    request = ChatRequest(
        system=rendered.system,
        turns=rendered.turns,
        schema=schema,
        max_output_tokens=output,
        temperature=None,
    )
    tokens = Tokens(input=calls.tokens.likely(request), output=output)
    bare = prompt.render({**inputs, "passages": [], "marker": _MARKER})
    framed = size(bare.system) + sum(size(turn.text) for turn in bare.turns)
    return Forecast(
        calls=1,
        input_tokens=tokens.input,
        most_output_tokens=tokens.output,
        most_usd=calls.price(tokens),
        room=max(0, room - framed),
    )
