"""Patterns that name files, with the meaning they have in a ``.gitignore``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    names: bool
    folders_only: bool


class Patterns:
    """Lines of patterns; the last that fits a path decides, and ``!`` takes a path back out."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._rules = [rule for rule in map(_rule, lines) if rule is not None]

    def __bool__(self) -> bool:
        """Whether there is any pattern."""
        return bool(self._rules)

    def match(self, path: str, *, folder: bool = False) -> bool:
        """Whether a path, relative and with forward slashes, is named. Folders are asked first."""
        named = False
        for rule in self._rules:
            if (folder or not rule.folders_only) and rule.pattern.fullmatch(path):
                named = rule.names
        return named


def _rule(line: str) -> _Rule | None:
    line = re.sub(r"(?<!\\)[ \t]+$", "", line.rstrip("\r\n"))
    if not line or line.startswith("#"):
        return None
    names = not line.startswith("!")
    body = line if names else line[1:]
    folders_only = body.endswith("/")
    body = body.removesuffix("/")
    if not body:
        return None
    anchored = "/" in body
    regex = _regex(body.removeprefix("/"), anchored=True) if anchored else f"(?:.*/)?{_regex(body)}"
    return _Rule(re.compile(regex, re.DOTALL), names, folders_only)


def _regex(body: str, *, anchored: bool = False) -> str:
    pieces: list[str] = []
    literal = re.match(r"[^*?[\\]*", body).end() if anchored else 0  # type: ignore[union-attr]
    at = 0
    while at < len(body):
        if body[at] == "*":
            end = at + len(body[at:]) - len(body[at:].lstrip("*"))
            # To git what stands before the first wildcard of a path is no part of the pattern.
            opens = at in (0, literal) or body[at - 1] == "/"
            if opens and end - at > 1 and body[end : end + 1] in ("", "/"):
                whole = at == 0 or body[at - 1] == "/"
                pieces.append("(?:.*/)?" if end < len(body) else ".+" if whole else ".*")
                end += 1
            else:
                pieces.append("[^/]*")
            at = end
        elif body[at] == "?":
            pieces.append("[^/]")
            at += 1
        else:
            piece, at = _literal(body, at)
            pieces.append(piece)
    return "".join(pieces)


def _literal(body: str, at: int) -> tuple[str, int]:
    """A set in brackets, an escaped character or one as it stands; and where it ends."""
    if body[at] == "[":
        found = re.compile(r"\[([!^]?)(\]?[^\]/]*)\]").match(body, at)
        if found and found[2]:
            chosen = re.sub(r"([\[\\\]&~|])", r"\\\1", found[2])
            try:
                re.compile(f"[{chosen}]")
            except re.error:  # a range that runs backwards names nothing
                return "(?!)", found.end()
            return f"(?!/)[{'^' if found[1] else ''}{chosen}]", found.end()
    if body[at] == "\\" and at + 1 < len(body):
        at += 1
    return re.escape(body[at]), at + 1
