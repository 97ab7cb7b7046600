"""Markdown: stored as decoded, unchanged; its structure is spans of the source."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

from markdown_it import MarkdownIt

from ingest.parse.parts import Part
from ingest.parse.text import read_text
from rag.types import Block, BlockKind

_KINDS = {
    "heading_open": BlockKind.HEADING,
    "table_open": BlockKind.TABLE,
    "fence": BlockKind.CODE,
    "code_block": BlockKind.CODE,
    "bullet_list_open": BlockKind.LIST,
    "ordered_list_open": BlockKind.LIST,
}
# markdown-it-py counts lines by LF alone, after turning CRLF and CR into LF.
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
# YAML between two lines of dashes, before everything else: what is known of the document.
_FRONT = re.compile(
    r"---[ \t]*(?:\r\n|\r|\n)(?:(?!---|\.\.\.)[^\r\n]*(?:\r\n|\r|\n)){0,200}"
    r"(?:---|\.\.\.)[ \t]*(?=[\r\n]|\Z)"
)
_FRONT_TITLE = re.compile(r"(?i)[\r\n]title[ \t]*:[ \t]*(\S[^\r\n]*)")


def parse(path: Path) -> Iterator[Part]:
    """The whole file as one part.

    Raises:
        EmptyDocument: There is nothing but white space.
    """
    text, warnings = read_text(path)
    blocks, title = _structure(text)
    yield Part(text=text, blocks=blocks, title=title, warnings=warnings)


def _structure(text: str) -> tuple[tuple[Block, ...], str | None]:
    offsets = [0, *accumulate(len(line) for line in _LINE.findall(text))]
    parser = MarkdownIt("commonmark", {"maxNesting": 50}).enable("table")
    parser.disable(["inline"])  # only lines are needed
    blocks = []
    front = _FRONT.match(text)
    title = _front_title(front.group()) if front else None
    first = front.end() if front else 0
    for token in parser.parse(text):
        kind = _KINDS.get(token.type)
        if kind is None or token.map is None or (kind is BlockKind.LIST and token.level):
            continue
        start, end = offsets[token.map[0]], offsets[min(token.map[1], len(offsets) - 1)]
        if start < first:
            continue
        span = text[start:end]
        end = start + len(span.rstrip())
        level = int(token.tag[1]) if kind is BlockKind.HEADING else 0
        if start < end:
            blocks.append(Block(kind=kind, start=start, end=end, level=level))
        if title is None and level:
            title = _plain(span)
    return tuple(blocks), title


def _front_title(front: str) -> str | None:
    found = _FRONT_TITLE.search(front)
    if found is None:
        return None
    value = found.group(1).strip()
    quoted = re.fullmatch(r"\"((?:[^\"\\]|\\.)*)\"|'((?:[^']|'')*)'", value)
    if quoted and quoted.group(1) is not None:
        value = re.sub(r"\\(.)", r"\1", quoted.group(1))
    elif quoted:
        value = quoted.group(2).replace("''", "'")
    else:
        value = re.sub(r"\s+#.*", "", value)
    return value.strip()[:300] or None


def _plain(heading: str) -> str | None:
    line = heading.strip().splitlines()[0].strip("# \t")
    line = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", line)
    return re.sub(r"[*_`]", "", line).strip()[:300] or None
