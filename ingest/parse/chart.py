"""Charts of slides and workbooks as what they show: titles, and a table of their values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from ingest.parse.flow import Flow
from ingest.parse.number_format import format_number
from ingest.parse.package import each, first, own

_MOST_POINTS = 5_000


def write_chart(root: Any | None, flow: Flow) -> None:
    """The titles of a chart part, each a paragraph, then a row for each category."""
    for title in _titles(root):
        flow.newline(2)
        flow.write(title)
        flow.newline(2)
    flow.table(_rows(root))


def chart_title(root: Any | None) -> str | None:
    """The title that somebody gave to a chart part as a whole."""
    title = next(own(first(root, "chart"), "title"), None)
    return next(_titles(title), None)


def _titles(root: Any | None) -> Iterator[str]:
    """Titles of the chart and of its axes, as far as somebody wrote them."""
    for node in each(root, "title"):
        text = " ".join("".join(_texts(node)).split())
        if text:
            yield text


def _texts(title: Any) -> Iterator[str]:
    for node in each(title, "t", "v", "p", "br"):
        yield node.text or "" if node.tag.endswith(("}t", "}v")) else " "


def _rows(root: Any | None) -> Iterator[list[str]]:
    series = [_series(node) for node in each(root, "ser")]
    names = [name for name, _, _ in series]
    if not any(values for _, _, values in series):
        return
    categories = next((cats for _, cats, _ in series if cats), {})
    if any(names):
        yield ["", *names]
    places = sorted({i for _, cats, values in series for i in (*cats, *values)})
    for i in places[:_MOST_POINTS]:
        yield [categories.get(i, ""), *(values.get(i, "") for _, _, values in series)]


def _series(node: Any) -> tuple[str, Mapping[int, str], Mapping[int, str]]:
    """Name, categories and values of a series; the x of a scatter chart are its categories."""
    name = " ".join(v.text or "" for v in each(next(own(node, "tx"), None), "v"))
    categories = _points(next(own(node, "cat", "xVal"), None))
    return name, categories, _points(next(own(node, "val", "yVal"), None))


def _points(node: Any | None) -> dict[int, str]:
    code = next((n.text or "" for n in each(node, "formatCode")), "General")
    found: dict[int, str] = {}
    level = first(node, "lvl")  # of categories in levels, the first is the finest
    for point in islice(each(node if level is None else level, "pt"), _MOST_POINTS):
        index, value = point.get("idx", ""), first(point, "v")
        if index.isdecimal() and value is not None and value.text:
            found[int(index)] = _shown(value.text, point.get("formatCode", code))
    return found


def _shown(text: str, code: str) -> str:
    try:
        return format_number(float(text), code)
    except ValueError:
        return text
