"""Upload forms, as OpenAPI describes them: they are parsed as they arrive, not by a schema."""

from __future__ import annotations

from typing import Any

MOST_FILES = 1_000
"""Files in one batch."""


def _form(files: dict[str, Any], example: Any) -> dict[str, Any]:
    """OpenAPI's description of a form with files and what is said of them."""
    properties = {
        "file": files,
        "collection": {
            "type": "string",
            "description": "Id or name; `default` when left out.",
        },
        "metadata": {
            "type": "string",
            "description": "A flat JSON object, to filter by.",
            "contentMediaType": "application/json",
        },
        "password": {
            "type": "string",
            "format": "password",
            "description": "What opens locked PDF files and zip archives. It is held in memory "
            "until they have been read, and never stored.",
        },
    }
    schema = {
        "type": "object",
        "required": ["file"],
        "additionalProperties": False,
        "properties": properties,
    }
    content = {
        "multipart/form-data": {
            "schema": schema,
            "example": {"file": example, "metadata": '{"year": 2024}'},
        }
    }
    return {"requestBody": {"required": True, "content": content}}


_FILE = {"type": "string", "format": "binary"}
ONE_FILE = _form({**_FILE, "description": "One file, with its name."}, "(bytes)")
ONE_FILE["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]["source"] = {
    "type": "string",
    "description": "Which file of a folder this is, when a folder is kept in step: a JSON object "
    "with `name` (the folder), `path` (within it), `size` and `mtime_ns`. See "
    "`GET /collections/{id}/source`.",
    "contentMediaType": "application/json",
}
MANY_FILES = _form(
    {
        "type": "array",
        "items": _FILE,
        "description": f"Up to {MOST_FILES:,} files, each a part of this name with its file "
        "name. A zip archive stands for its members.",
    },
    ["(bytes)", "(bytes)"],
)
