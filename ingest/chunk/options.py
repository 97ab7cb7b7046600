"""What the strategies demand of the numbers that they are given."""

from __future__ import annotations

from rag.errors import InvalidRequest

SMALLEST = 16


def check_size(size: int) -> None:
    """Refuse chunks too small to hold anything.

    Raises:
        InvalidRequest: The size is below 16 tokens.
    """
    if size < SMALLEST:
        raise InvalidRequest(f"size must be at least {SMALLEST}", param="chunking.size")


def check_overlap(overlap: int, size: int) -> None:
    """Refuse an overlap, in tokens, that would leave little room for what is new.

    Raises:
        InvalidRequest: It is negative or more than half of the size.
    """
    if not 0 <= overlap <= size // 2:
        raise InvalidRequest("overlap must be from 0 to half of size", param="chunking.overlap")
