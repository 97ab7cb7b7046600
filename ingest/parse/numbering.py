"""Automatic numbers of Word documents: "4.2", "(a)", "iv.", as they stand before paragraphs.

They are in no paragraph's text; each is counted from a definition of up to nine levels
(ECMA-376 part 1, 17.9). Counts belong to the abstract definition, so that a list that was
interrupted goes on; an instance may start some levels anew.
"""

from __future__ import annotations

import re
from typing import Any

from ingest.parse.numerals import arabic, letters, roman
from ingest.parse.package import attribute, first, own

BULLET = "-"
_LEVELS = 9
_PLACE = re.compile(r"%([1-9])")
_NUMERALS = {
    "lowerLetter": letters,
    "upperLetter": lambda number: letters(number).upper(),
    "lowerRoman": roman,
    "upperRoman": lambda number: roman(number).upper(),
    "decimalZero": lambda number: f"{number:02d}",
}
_HIGHEST = 1_000_000


class _Level:
    """How one level of a list is numbered."""

    def __init__(self, node: Any | None) -> None:
        self.format = _value(node, "numFmt") or "decimal"
        self.text = _value(node, "lvlText") or ""
        self.start = _whole(_value(node, "start"), 1)
        self.style = _value(node, "pStyle")
        legal = first(node, "isLgl")
        self.legal = legal is not None and attribute(legal, "val") not in ("0", "false")
        self.restarts_after = _whole(_value(node, "lvlRestart"), -1)


class Numbering:
    """The lists of one document, counted paragraph by paragraph in document order."""

    def __init__(self, root: Any | None) -> None:
        """``root`` is that of the numbering part, ``None`` where there is none."""
        self._abstract = {attribute(n, "abstractNumId"): n for n in own(root, "abstractNum")}
        self._instances = {attribute(n, "numId"): n for n in own(root, "num")}
        self._levels: dict[str, tuple[_Level, ...]] = {}
        self._counts: dict[str, list[int | None]] = {}
        self._begun: set[tuple[str, int]] = set()

    def level_of(self, instance: str, style: str | None) -> int:
        """The level that a paragraph style is linked to in a list, else the first."""
        levels = self._of(instance)
        return next((i for i, level in enumerate(levels) if style and level.style == style), 0)

    def next(self, instance: str, level: int) -> str | None:
        """The label of the next paragraph of a list: a number, a bullet, or nothing."""
        levels = self._of(instance)
        if not levels:
            return BULLET  # a list without a definition
        level = min(max(level, 0), _LEVELS - 1)
        counts = self._counts.setdefault(self._key(instance), [None] * _LEVELS)
        self._count(counts, levels, instance, level)
        if levels[level].format == "bullet":
            return BULLET
        if levels[level].format == "none" and not _PLACE.search(levels[level].text):
            return levels[level].text or None
        return _PLACE.sub(
            lambda found: _shown(counts, levels, int(found[1]) - 1, legal=levels[level].legal),
            levels[level].text,
        ).strip()

    def _count(
        self, counts: list[int | None], levels: tuple[_Level, ...], instance: str, level: int
    ) -> None:
        anew = self._starts(instance).get(level)
        current = counts[level]
        if anew is not None and (instance, level) not in self._begun:
            counts[level] = anew
        else:
            counts[level] = levels[level].start if current is None else current + 1
        self._begun.add((instance, level))
        for deeper in range(level + 1, _LEVELS):
            after = levels[deeper].restarts_after
            if after == -1 or level < after:
                counts[deeper] = None

    def _starts(self, instance: str) -> dict[int, int]:
        found = {}
        for override in own(self._instances.get(instance), "lvlOverride"):
            start = _value(override, "startOverride")
            if start is not None:
                found[_whole(attribute(override, "ilvl"), 0)] = _whole(start, 1)
        return found

    def _key(self, instance: str) -> str:
        return _value(self._instances.get(instance), "abstractNumId") or instance

    def _of(self, instance: str) -> tuple[_Level, ...]:
        """The levels of an instance, its own definitions before those that it builds on."""
        if instance not in self._levels:
            nodes: dict[int, Any] = {}
            definition = self._definition(self._key(instance))
            for node in own(definition, "lvl"):
                nodes[_whole(attribute(node, "ilvl"), 0)] = node
            for override in own(self._instances.get(instance), "lvlOverride"):
                for node in own(override, "lvl"):
                    nodes[_whole(attribute(override, "ilvl"), 0)] = node
            self._levels[instance] = (
                tuple(_Level(nodes.get(level)) for level in range(_LEVELS)) if nodes else ()
            )
        return self._levels[instance]

    def _definition(self, key: str) -> Any | None:
        """An abstract definition, or the one that it only names by a list style."""
        node = self._abstract.get(key)
        style = _value(node, "numStyleLink")
        if style is None:
            return node
        linked = (n for n in self._abstract.values() if _value(n, "styleLink") == style)
        return next(linked, node)


def _shown(counts: list[int | None], levels: tuple[_Level, ...], level: int, *, legal: bool) -> str:
    count = counts[level]
    number = levels[level].start if count is None else count
    numeral = arabic if legal else _NUMERALS.get(levels[level].format, arabic)
    return numeral(number)


def _value(node: Any | None, name: str) -> str | None:
    child = next(own(node, name), None)
    return attribute(child, "val") if child is not None else None


def _whole(text: str | None, default: int) -> int:
    return min(int(text), _HIGHEST) if text is not None and text.isdecimal() else default
