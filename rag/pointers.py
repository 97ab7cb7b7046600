"""JSON pointers (RFC 6901): the place of a value in a JSON document, as text."""

from __future__ import annotations

from collections.abc import Iterable


def below(pointer: str, name: object) -> str:
    """The pointer to a property, or to the item at a place, of the value at a pointer."""
    return f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}"


def pointer_of(names: Iterable[object]) -> str:
    """The pointer that goes by these names and places; that of none is the whole document's."""
    pointer = ""
    for name in names:
        pointer = below(pointer, name)
    return pointer


def names_of(pointer: str) -> list[str]:
    """The names and places that a pointer goes by; what stands before its first slash is left."""
    return [one.replace("~1", "/").replace("~0", "~") for one in pointer.split("/")[1:]]
