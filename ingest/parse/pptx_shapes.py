"""Text of a slide's shapes: paragraphs, lists, tables, charts, diagrams, in groups or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from ingest.parse.chart import write_chart
from ingest.parse.flow import Flow
from ingest.parse.numerals import arabic, letters, roman
from ingest.parse.package import Package, attribute, each, first, local, own
from rag.types import BlockKind

_TITLES = {"ctrTitle": 1, "title": 2}
_FURNITURE = frozenset(("dt", "ftr", "sldNum", "hdr"))
_BULLETS = ("buNone", "buChar", "buAutoNum", "buBlip")
_DEEPEST_GROUP = 100


def placeholder(shape: Any) -> tuple[str, str]:
    """Type and index of the placeholder that a shape fills; ``("", "")`` for other shapes."""
    properties = next(own(shape, "nvSpPr", "nvGraphicFramePr", "nvPicPr"), None)
    node = first(properties, "ph")
    return ("", "") if node is None else (node.get("type", "obj"), node.get("idx", "0"))


def paragraphs(body: Any | None) -> Iterator[str]:
    """Text of each paragraph of a text body; slide numbers are left out."""
    for node in own(body, "p"):
        yield _text(node)


class Shapes:
    """Writes the shapes of one slide."""

    def __init__(self, package: Package, slide: str) -> None:
        self._package = package
        self._links = package.links(slide)
        self._bullets = _Bullets(package, slide)

    def write(self, tree: Any | None, flow: Flow) -> None:
        """All shapes, the title first."""
        shapes = list(_flat(tree, 0))
        shapes.sort(key=lambda shape: placeholder(shape)[0] not in _TITLES)
        for shape in shapes:
            kind = placeholder(shape)[0]
            body = next(own(shape, "txBody"), None)
            if kind in _TITLES:
                with flow.block(BlockKind.HEADING, _TITLES[kind]):
                    flow.write(" ".join(paragraphs(body)))
            elif kind not in _FURNITURE and body is not None:
                self._body(shape, body, flow)
            elif local(shape) == "graphicFrame":
                self._frame(shape, flow)

    def _body(self, shape: Any, body: Any, flow: Flow) -> None:
        numbers: Counter[int] = Counter()
        items: list[str] = []
        for node in own(body, "p"):
            text = _text(node).strip()
            level = _level(node)
            bullet = self._bullets.of(node, shape, level)
            if text and bullet is not None:
                items.append(f"{_marker(bullet, numbers, level)} {text}")
                continue
            _list(items, flow)
            if text:
                numbers.clear()
                flow.newline(2)
                flow.verbatim(text)
                flow.newline(2)
        _list(items, flow)

    def _frame(self, shape: Any, flow: Flow) -> None:
        table = first(shape, "tbl")
        if table is not None:
            flow.table(_row(row) for row in own(table, "tr"))
            return
        data = first(shape, "graphicData")
        for node in own(data, "chart", "relIds"):
            is_chart = local(node) == "chart"
            link = self._links.get(attribute(node, "id" if is_chart else "dm") or "")
            root = None if link is None else self._package.xml(link.target)
            if is_chart:
                write_chart(root, flow)
            else:
                _diagram(root, flow)


class _Bullets:
    """Which paragraphs are items of lists: what a slide does not say, its layout or master does."""

    def __init__(self, package: Package, slide: str) -> None:
        layout = next(iter(package.linked(slide, "slideLayout")), "")
        master = next(iter(package.linked(layout, "slideMaster")), "") if layout else ""
        self._layout = package.xml(layout) if layout else None
        self._master = package.xml(master) if master else None

    def of(self, paragraph: Any, shape: Any, level: int) -> Any | None:
        """The bullet or number of a paragraph, ``None`` where it has none."""
        for properties in self._chain(paragraph, shape, f"lvl{level + 1}pPr"):
            found = next(own(properties, *_BULLETS), None)
            if found is not None:
                return None if local(found) == "buNone" else found
        return None

    def _chain(self, paragraph: Any, shape: Any, level: str) -> Iterator[Any]:
        yield from own(paragraph, "pPr")
        kind, index = placeholder(shape)
        yield from own(first(shape, "lstStyle"), level)
        if not kind:
            return
        for root in (self._layout, self._master):
            for other in each(root, "sp"):
                other_kind, other_index = placeholder(other)
                same = index == other_index if root is self._layout else kind == other_kind
                if other_kind and same:
                    yield from own(first(other, "lstStyle"), level)
        if kind in ("obj", "body"):
            yield from own(first(self._master, "bodyStyle"), level)


def _flat(tree: Any | None, depth: int) -> Iterator[Any]:
    """Shapes in and out of groups; of alternatives, the first that has any."""
    if tree is None or depth > _DEEPEST_GROUP:
        return
    for node in tree:
        name = local(node)
        if name in ("sp", "graphicFrame"):
            yield node
        elif name == "grpSp":
            yield from _flat(node, depth + 1)
        elif name == "AlternateContent":
            found = (list(_flat(one, depth + 1)) for one in own(node, "Choice", "Fallback"))
            yield from next((shapes for shapes in found if shapes), ())


def _text(paragraph: Any) -> str:
    pieces = []
    for node in each(paragraph, "t", "br"):
        if local(node) == "br":
            pieces.append("\n")
        elif node.getparent().get("type") != "slidenum":
            pieces.append((node.text or "").replace("\v", "\n"))
    return "".join(pieces)


def _level(paragraph: Any) -> int:
    properties = next(own(paragraph, "pPr"), None)
    level = "" if properties is None else properties.get("lvl", "")
    return min(int(level), 8) if level.isdecimal() else 0


def _marker(bullet: Any, numbers: Counter[int], level: int) -> str:
    for deeper in [one for one in numbers if one > level]:
        del numbers[deeper]
    if local(bullet) != "buAutoNum":
        return "-"
    start = bullet.get("startAt", "1")
    numbers[level] = numbers.get(level, (int(start) if start.isdecimal() else 1) - 1) + 1
    style = bullet.get("type", "arabicPeriod")
    numeral = roman if style.startswith("roman") else letters
    text = arabic(numbers[level]) if style.startswith("arabic") else numeral(numbers[level])
    text = text.upper() if "Uc" in style else text
    if style.endswith("ParenBoth"):
        return f"({text})"
    return text + (")" if style.endswith("ParenR") else "" if style.endswith("Plain") else ".")


def _list(items: list[str], flow: Flow) -> None:
    if items:
        with flow.block(BlockKind.LIST):
            for item in items:
                flow.newline()
                flow.write(item)
        items.clear()


def _row(row: Any) -> list[str | None]:
    return [
        None
        if cell.get("hMerge") in ("1", "true")
        else " ".join(paragraphs(next(own(cell, "txBody"), None)))
        for cell in own(row, "tc")
    ]


def _diagram(root: Any | None, flow: Flow) -> None:
    items = []
    for point in each(root, "pt"):
        text = " ".join(" ".join(paragraphs(next(own(point, "t"), None))).split())
        if text:
            items.append(f"- {text}")
    _list(items, flow)
