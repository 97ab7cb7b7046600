"""Models that take no temperature: some are known by name, others say so when they are sent one."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rag.models.chat import ChatRequest

# Models that reason before they answer, also those tuned from one; their chat models take it.
_WITHOUT = re.compile(r"(?:ft:)?(?:o\d|gpt-[5-9](?!\S*-chat))", re.ASCII)


class Temperature:
    """Whether a model takes a temperature, as far as is known."""

    def __init__(self, model: str) -> None:
        self.is_taken = _WITHOUT.match(model) is None

    def send(self, request: ChatRequest, timeout: float, sdk: Any, call: Callable[..., Any]) -> Any:
        """What a call brings; one that is refused for its temperature is made once without."""
        deadline = time.monotonic() + timeout
        try:
            return call(request, timeout)
        except sdk.BadRequestError as error:
            if request.temperature is None or not _is_about_temperature(error):
                raise
        self.is_taken = False
        return call(replace(request, temperature=None), max(0.0, deadline - time.monotonic()))


def _is_about_temperature(error: Any) -> bool:
    """Whether the parameter named is the temperature; some servers only say so in words."""
    if (named := getattr(error, "param", None)) is not None:
        return bool(named == "temperature")
    return "temperature" in str(error).lower()
