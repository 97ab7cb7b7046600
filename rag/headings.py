"""Which headings stand above a place of a document: the path of sections that it is in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

LONGEST = 200
"""Code points of a heading that are kept; more is no heading but a paragraph set like one."""


class Heading(NamedTuple):
    """A heading: where it starts, its level from 1, and its words."""

    start: int
    level: int
    words: str


def heading_paths(headings: Iterable[Heading], starts: Iterable[int]) -> Iterator[tuple[str, ...]]:
    """The words of `headings_above` each place."""
    above = headings_above(headings, starts)
    return (tuple(one.words for one in headings) for headings in above)


def headings_above(
    headings: Iterable[Heading], starts: Iterable[int]
) -> Iterator[tuple[Heading, ...]]:
    """For each place the headings that hold there, outermost first; both in document order.

    A heading holds from where it starts to the next one of its level or a higher one.
    """
    following = list(headings)[::-1]
    above: list[Heading] = []
    for start in starts:
        while following and following[-1].start <= start:
            heading = following.pop()
            above = [*(one for one in above if one.level < heading.level), heading]
        yield tuple(above)


def section_at(headings: Sequence[tuple[int, int]], place: int) -> tuple[int, int | None]:
    """Where the innermost section begins that holds at a place, and where it ends.

    Args:
        headings: Start and level of each, in order.
        place: An offset into the text.

    Returns:
        Both offsets; ``None`` for the end of the text.
    """
    above = [(start, level) for start, level in headings if start <= place]
    first, deepest = above[-1] if above else (0, None)
    ends = (
        start
        for start, level in headings[len(above) :]
        if deepest is None or level <= deepest  # a text may begin before its first heading
    )
    return first, next(ends, None)
