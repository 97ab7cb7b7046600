"""What on a web page is not its content.

Menus, banners about cookies, and, where the page says where its content is, what stands around
that. A document service must not lose text: whatever is not surely furniture is content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lxml import etree

_FURNITURE_ROLES = frozenset(
    ("navigation", "search", "menu", "menubar", "toolbar", "tablist", "alertdialog")
)
_AROUND_TAGS = frozenset(("header", "footer", "aside"))
_AROUND_ROLES = frozenset(("banner", "contentinfo", "complementary"))
_COOKIES = re.compile(
    r"(?i)cookie[-_]?(?:consent|banner|notice|bar|law|popup|message|dialog|overlay)"
    r"|(?:consent|gdpr)[-_]?(?:banner|notice|bar|popup|modal|dialog)"
    r"|onetrust|cybotcookiebot|\bcc-window\b"
)
_HIDDEN = re.compile(r"(?i)display\s*:\s*none|visibility\s*:\s*hidden")
_LONGEST_BANNER = 2_000
_MOST_OF_PAGE = 0.5


def is_hidden(node: Any) -> bool:
    """Whether an element says of itself that no reader sees it."""
    if node.get("hidden") is not None or (node.tag == "dialog" and node.get("open") is None):
        return True
    style = node.get("style")
    return style is not None and bool(_HIDDEN.search(style))


def furniture(root: Any, dropped: frozenset[str]) -> set[Any]:
    """Elements of a page that are not its content; those of ``dropped`` tags count as no text.

    What stands around the content goes only if the page marks its content (``main``, or else
    ``article``), and that holds at least half of the text.
    """
    found: set[Any] = set()
    for node in root.iter(etree.Element):
        if _role(node) in _FURNITURE_ROLES or _is_cookie_banner(node, dropped):
            found.add(node)
    if found and _length(root, dropped, found) < _MOST_OF_PAGE * _length(root, dropped, set()):
        found.clear()  # a page that is a menu
    content = _content(root)
    if not content or not (around := set(_around(root, content))):
        return found
    inside = sum(_length(node, dropped, found) for node in content)
    if inside and inside >= _MOST_OF_PAGE * _length(root, dropped, found):
        found |= around
    return found


def _content(root: Any) -> list[Any]:
    main = {node for node in root.iter(etree.Element) if "main" in (node.tag, _role(node))}
    found = {node for node in main if not is_hidden(node)} or set(root.iter("article"))
    return [node for node in found if found.isdisjoint(node.iterancestors())]


def _around(root: Any, content: list[Any]) -> Iterator[Any]:
    """Elements beside the content that neither hold it nor the page's first heading."""
    kept = {up for node in content for up in (node, *node.iterancestors())}
    for heading in root.iter("h1"):
        kept.update(heading.iterancestors())
    inside = {below for node in content for below in node.iter(etree.Element)}
    for node in root.iter(etree.Element):
        if node in kept or node in inside:
            continue
        if node.tag in _AROUND_TAGS or _role(node) in _AROUND_ROLES:
            yield node


def _is_cookie_banner(node: Any, dropped: frozenset[str]) -> bool:
    named = f"{node.get('id') or ''} {node.get('class') or ''}"
    if node.tag in ("html", "body") or not _COOKIES.search(named):
        return False
    return _length(node, dropped, set()) <= _LONGEST_BANNER


def _length(node: Any, dropped: frozenset[str], without: set[Any]) -> int:
    """Characters that a reader sees, white space aside."""
    length = 0
    walk = etree.iterwalk(node, events=("start", "end"))
    for event, below in walk:
        if event == "end":
            length += len((below.tail or "").strip()) if below is not node else 0
        elif below.tag in dropped or below in without or is_hidden(below):
            walk.skip_subtree()
        else:
            length += len((below.text or "").strip())
    return length


def _role(node: Any) -> str:
    return (node.get("role") or "").strip().lower()
