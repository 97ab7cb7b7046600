"""What the strategies demand of the numbers that they are given."""

from __future__ import annotations

from dataclasses import dataclass

from rag.errors import InvalidRequest

SMALLEST = 16


def check_size(size: int) -> None:
    """Refuse chunks too small to hold anything.

    Raises:
        InvalidRequest: The size is below 16 tokens.
    """
    if size < SMALLEST:
        raise InvalidRequest(f"size must be at least {SMALLEST}", param="chunking.size")


@dataclass(frozen=True, slots=True, kw_only=True)
class Windowed:
    """The options of strategies that repeat the end of a chunk, counted in tokens."""

    size: int = 200
    overlap: int = 32

    def __post_init__(self) -> None:
        """Refuse sizes with which no progress could be made.

        Raises:
            InvalidRequest: The size is too small, or the overlap more than half of it.
        """
        check_size(self.size)
        if not 0 <= self.overlap <= self.size // 2:
            raise InvalidRequest("overlap must be from 0 to half of size", param="chunking.overlap")
