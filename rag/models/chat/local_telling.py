"""What a model in this process writes, told token by token."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rag.models.chat import Tell

# Stands for a character that is not whole yet: its other bytes are in the tokens to come.
_NOT_WHOLE = "\ufffd"


class Teller:
    """Tells the text of tokens as they come; what is told stays as it is."""

    def __init__(self, tell: Tell, decode: Callable[[Sequence[int]], str]) -> None:
        self._tell = tell
        self._decode = decode
        self._told = ""

    def hear(self, tokens: Sequence[int]) -> None:
        """Tell what is new in all the tokens so far."""
        text = self._decode(tokens)
        new = text.removeprefix(self._told)
        if new and not text.endswith(_NOT_WHOLE) and text.startswith(self._told):
            self._told = text
            self._tell(new)
