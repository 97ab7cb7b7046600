"""Which headings stand above a place of a document: the path of sections that it is in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
