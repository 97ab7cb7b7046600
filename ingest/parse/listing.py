"""Numbers of pages, slides and sheets in words, for warnings."""

from __future__ import annotations

from collections.abc import Sequence

_MOST_RANGES = 10


def numbered(numbers: Sequence[int], what: str = "page") -> str:
    """Numbers in order, neighbours as a range: ``page 4``, ``pages 3-7, 9 and 12``."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    shown = [f"{a}" if a == b else f"{a}-{b}" for a, b in ranges[:_MOST_RANGES]]
    if more := sum(b - a + 1 for a, b in ranges[_MOST_RANGES:]):
        shown.append(f"{more} more")
    return f"{what}{'s' if len(numbers) > 1 else ''} {listed(shown)}"


def listed(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return ", ".join(words[:-1]) + " and " * (len(words) > 1) + words[-1]
