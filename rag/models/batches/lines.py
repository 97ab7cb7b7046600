"""Result files of providers' batches: larger than any reply, and read line by line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from rag.models.chat.failures import in_our_words
from rag.models.chat.transport import replies_up_to

_MOST_BYTES = 1 << 30
"""Far more than the longest replies to all requests of a batch; one line is held at a time."""

Opening = Callable[[], AbstractContextManager[Any]]


def read_lines(opening: Opening, sdk: Any, model: str) -> Iterator[Mapping[str, Any]]:
    """The JSON objects of a file as it arrives; lines that hold none are passed over.

    Raises:
        ModelError: It cannot be read to its end.
    """
    with in_our_words(sdk, model), ExitStack() as stack:
        with replies_up_to(_MOST_BYTES):
            response = stack.enter_context(opening())
        for line in _lines(response.iter_bytes()):
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if isinstance(said, dict):
                yield said


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Parted at line feeds only: JSON strings may hold Unicode's other ends of lines."""
    begun: list[bytes] = []
    for piece in pieces:
        first, *others = piece.split(b"\n")
        begun.append(first)
        for other in others:
            yield b"".join(begun)
            begun = [other]
    yield b"".join(begun)
