"""The OpenAPI description as one plain page: nothing to load, nothing that runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, TypeAlias

Json: TypeAlias = Mapping[str, Any]

HEADERS = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code, pre { font: 14px/1.4 ui-monospace, monospace; background: #8882; border-radius: 3px }
code { padding: 0 .2em } pre { padding: .6em; overflow-x: auto }
details { border: 1px solid #8886; border-radius: 6px; margin: .4rem 0; padding: .4rem .8rem }
summary { cursor: pointer } table { border-collapse: collapse; width: 100% }
td { border-top: 1px solid #8884; padding: .2rem .6rem .2rem 0; vertical-align: top }
:root { color-scheme: light dark }
"""


def render(schema: Json) -> str:
    """An HTML page of every route: what it takes, an example, what it answers."""
    body = "".join(_body(schema))
    title = escape(f"{schema['info']['title']} {schema['info']['version']}")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>{title}</h1>{body}</html>"
    )


def _body(schema: Json) -> Iterator[str]:
    yield _text(schema["info"].get("description", ""))
    yield '<p>For programs: <a href="/openapi.json">openapi.json</a>.</p>'
    for tag in schema.get("tags", ()):
        yield f"<h2>{escape(tag['name'])}</h2>{_text(tag['description'])}"
        for path, methods in schema["paths"].items():
            for method, route in methods.items():
                if tag["name"] in route["tags"]:
                    yield from _route(schema, method.upper(), path, route)


def _route(schema: Json, method: str, path: str, route: Json) -> Iterator[str]:
    yield f"<details><summary><code>{method} {escape(path)}</code> {escape(route['summary'])}"
    yield f"</summary>{_text(route['description'])}"
    if "parameters" in route:
        yield "<h4>Parameters</h4><table>"
        for one in route["parameters"]:
            yield _row(one["name"], one["in"], one.get("description", ""), one.get("schema", {}))
        yield "</table>"
    for media_type, content in route.get("requestBody", {}).get("content", {}).items():
        yield f"<h4>Body: {escape(media_type)}</h4><table>"
        described = _resolve(schema, content["schema"])
        for name, one in described.get("properties", {}).items():
            place = "required" if name in described.get("required", ()) else "optional"
            yield _row(name, place, one.get("description", ""), one)
        yield "</table>"
        example = content.get("example") or next(iter(described.get("examples", ())), None)
        if example is not None:
            yield _pre(json.dumps(example, indent=2, ensure_ascii=False))
    yield "<h4>Replies</h4><table>"
    for status, reply in route["responses"].items():
        yield f"<tr><td><code>{escape(status)}</code><td>{_inline(reply['description'])}</tr>"
    yield "</table></details>"


def _row(name: str, place: str, description: str, schema: Json) -> str:
    kinds = [one.get("type", "") for one in (schema, *schema.get("anyOf", ()))]
    kind = " or ".join(kind for kind in kinds if kind and kind != "null")
    values = schema.get("enum")
    shown = description + (f" One of {', '.join(map(str, values))}." if values else "")
    return (
        f"<tr><td><code>{escape(name)}</code><td>{escape(kind)}<td>{escape(place)}"
        f"<td>{_inline(shown)}</tr>"
    )


def _resolve(schema: Json, node: Json) -> Json:
    name = node.get("$ref", "").rpartition("/")[2]
    found: Json = schema["components"]["schemas"][name] if name else node
    return found


def _text(text: str) -> str:
    return "".join(f"<p>{_inline(part)}</p>" for part in text.strip().split("\n\n"))


def _inline(text: str) -> str:
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text))


def _pre(text: str) -> str:
    return f"<pre>{escape(text)}</pre>"
