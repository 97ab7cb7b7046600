"""Running headers, footers and page numbers: which lines they are, and out of whose way.

The text keeps them. But where a sentence goes on over the end of a page, the footer moves up
before the paragraph that is cut, and the header of the next page down behind it, so that the
sentence reads on; the boxes say where each line really stands.
"""

# Punctuation of many scripts is meant.
# ruff: noqa: RUF001
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from ingest.parse.pdf_lines import LINE_HYPHEN, Line

_MARGIN = 0.14  # of the page's height, at the top and at the bottom
_MOST = 4  # lines of one header or footer
_FEWEST = 3
_OFTEN = 0.6
_ALOOF = 0.9  # distance from the text, as a multiple of the size
_LONGEST = 120
_NUMBER = re.compile(r"\d+|\b[ivxlc]{1,6}\b")
_PAGE = re.compile(
    r"[-–—|\s]*(?:page|seite|página|стр\.?|p\.)?[-–—|\s]*#(?:\s*(?:/|of|von|de|sur|di|из)\s*#)?[-–—|\s]*"
)
_CLOSED = re.compile(r"[.!?:;…。！？：；؟۔।॥][\"'”’»)\]」』]*$")
_OPEN = re.compile(
    r"(?i)(?:[,–—\x02-]|\b(?:and|or|nor|but|of|the|a|an|to|in|for|from|by|with|on|at|as|that|which"
    r"|is|are|be|shall|und|oder|der|die|das|des|dem|den|von|mit|für|im|zu|et|ou|de|la|le|les))$"
)


def marked(pages: Sequence[tuple[Sequence[Line], float]]) -> list[list[Line]]:
    """Lines of consecutive pages, given with their heights, with the running ones marked."""
    places = [_outer(lines, height) for lines, height in pages]
    keys = Counter(key for page in places for key in {key for _, key in page})
    words = Counter(key[:2] for page in places for key in {key for _, key in page})
    found = []
    for (lines, height), outer in zip(pages, places, strict=True):
        running = set()
        for at, key in outer:
            often = _near(keys, key) >= min(_FEWEST, max(2, len(pages)))
            slot = _slot(places, key) >= max(4, _OFTEN * len(pages)) and _is_aloof(
                lines, at, key[0]
            )
            number = _PAGE.fullmatch(key[1]) is not None and words[key[:2]] > 1
            if often or slot or number:
                running.add(at)
        found.append(_placed(lines, running, height))
    return found


def goes_on(line: Line, after: Line) -> bool:
    """Whether a sentence goes on from a line to one that stands elsewhere."""
    if line.table or after.table or not (line.upright and after.upright):
        return False
    if abs(line.size - after.size) > 0.15 * line.size or line.bold != after.bold:
        return False
    text, first = line.text, after.text[:1]
    if _CLOSED.search(text) or sum(map(str.isalpha, text)) < 0.4 * len(text):
        return False
    if first.islower() or text.endswith(LINE_HYPHEN):
        return True
    return _OPEN.search(text) is not None and (first.isalnum() or first in "\"'“‘(«$€£")


def out_of_the_way(
    lines: Sequence[Line], breaks: Sequence[int], *, before: bool, after: bool
) -> list[Line]:
    """A page's lines, running ones out of the way of a sentence that goes on.

    ``breaks`` are the positions at which paragraphs begin; ``before`` and ``after`` say
    whether a sentence goes on from the page before and to the page after.
    """
    top = next((at for at, line in enumerate(lines) if not line.running), len(lines))
    end = next((len(lines) - at for at, line in enumerate(reversed(lines)) if not line.running), 0)
    if top >= end:
        return list(lines)
    header, body, footer = list(lines[:top]), list(lines[top:end]), list(lines[end:])
    inner = [at - top for at in breaks if top < at < end]
    down = (inner[0] if inner else len(body)) if before else 0
    up = (inner[-1] if inner else 0) if after else len(body)
    if up < down:  # one paragraph fills the page
        return [*body, *header, *footer] if not after else [*header, *footer, *body]
    return [*body[:down], *header, *body[down:up], *footer, *body[up:]]


Key = tuple[bool, str, int]


def _outer(lines: Sequence[Line], height: float) -> list[tuple[int, Key]]:
    """Positions and keys of the lines in the margins: at the top?, words, height."""
    found: list[tuple[int, Key]] = []
    ordered = sorted(
        (at for at, line in enumerate(lines) if line.upright and not line.table),
        key=lambda at: lines[at].y0,
    )
    for top, some in ((True, ordered[:_MOST]), (False, ordered[-_MOST:])):
        for at in some:
            line = lines[at]
            inside = line.y1 < _MARGIN * height if top else line.y0 > (1 - _MARGIN) * height
            if inside and len(line.text) <= _LONGEST:
                words = " ".join(_NUMBER.sub("#", line.text.casefold()).split())
                found.append((at, (top, words, round(line.y0))))
    return found


def _near(keys: Counter[Key], key: Key) -> int:
    top, words, y = key
    return sum(keys[top, words, y + step] for step in range(-4, 5))


def _slot(places: Sequence[list[tuple[int, Key]]], key: Key) -> int:
    """Pages with a line at the same height."""
    return sum(
        any(top == key[0] and abs(y - key[2]) <= 2 for _, (top, _, y) in page) for page in places
    )


def _is_aloof(lines: Sequence[Line], at: int, top: bool) -> bool:
    """Whether a line is the outermost, stands apart from the text, and is no larger."""
    line = lines[at]
    others = [other for place, other in enumerate(lines) if place != at]
    if line.size > 1.05 * median(other.size for other in lines):
        return False  # the title of a slide
    limit = _ALOOF * line.size
    return all(
        (other.y0 > line.y1 + limit if top else other.y1 < line.y0 - limit)
        or (other.y0 > line.y0 - 1 and other.y1 < line.y1 + 1)
        for other in others
    )


def _placed(lines: Sequence[Line], running: set[int], height: float) -> list[Line]:
    """The lines with running ones first or last, wherever they were written."""
    marked_ = [(at, replace(lines[at], running=True)) for at in sorted(running)]
    header = [line for _, line in marked_ if line.y1 < height / 2]
    footer = [line for _, line in marked_ if line.y1 >= height / 2]
    body = [line for at, line in enumerate(lines) if at not in running]
    return [*header, *body, *footer]
