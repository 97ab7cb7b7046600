"""From bytes at the door to an acknowledged document with a job."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ingest.originals import Originals, Upload
from ingest.parse import detect
from rag.catalog import Catalog
from rag.catalog.additions import NewDocument
from rag.catalog.filters import FIELD_TYPES, is_field_name, is_storable
from rag.errors import InvalidRequest, NotFound
from rag.types import Collection, Document

_LONGEST_NAME = 255
_METADATA_BYTES = 64_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """What a caller says of the bytes that follow."""

    name: str
    declared_type: str | None = None
    metadata: Mapping[str, Any]


def receive(
    catalog: Catalog,
    originals: Originals,
    collection: Collection,
    incoming: Incoming,
    parts: Iterable[bytes],
    *,
    limit: int,
) -> tuple[Document, bool]:
    """Store an upload; true when it is new work. When this returns, nothing of it can be lost.

    Raises:
        PayloadTooLarge: it is larger than ``limit`` bytes.
        EmptyDocument: it has no bytes.
        UnsupportedType: no parser reads this type.
        InvalidRequest: the metadata is malformed.
        StorageFull: the disk is full.
    """
    check_metadata(incoming.metadata, collection)
    with originals.receive(parts, limit=limit) as upload:
        return admit(catalog, originals, collection, incoming, upload)


def admit(
    catalog: Catalog,
    originals: Originals,
    collection: Collection,
    incoming: Incoming,
    upload: Upload,
    *,
    from_source: bool = False,
    unlocks: bool = False,
) -> tuple[Document, bool]:
    """Add a document whose bytes have been received; true when it is new work. See `receive`.

    ``from_source``: they are a file of a folder, which may remove them. ``unlocks``: a password
    for them is kept, so that locked parts are tried once more.
    """
    check_metadata(incoming.metadata, collection)
    new = identify(collection, incoming, upload)
    with kept(catalog, originals, upload) as store:
        return catalog.documents.add(new, store=store, from_source=from_source, unlocks=unlocks)


def identify(collection: Collection, incoming: Incoming, upload: Upload) -> NewDocument:
    """What received bytes are.

    Raises:
        UnsupportedType: no parser reads this type.
        DocumentError: it is empty or locked.
    """
    name = display_name(incoming.name)
    return NewDocument(
        collection=collection,
        sha256=upload.sha256,
        name=name,
        media_type=detect(upload.path, name, incoming.declared_type),
        size=upload.size,
        metadata=incoming.metadata,
    )


@contextmanager
def kept(catalog: Catalog, originals: Originals, upload: Upload) -> Iterator[Callable[[], None]]:
    """Keep received bytes while a document is added for them; not if that cannot be done.

    The transaction that adds it calls what is yielded, since a deletion may come in between.
    """
    originals.keep(upload)
    try:
        yield lambda: originals.keep(upload)
    except NotFound:
        catalog.garbage.discard_orphan(upload.sha256, originals.discard)
        raise


def display_name(name: str) -> str:
    """A file name fit to be shown: no folders, no control characters, at most 255 characters.

    Names are only ever shown; files are stored under the hash of their content.
    """
    base = name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    shown = "".join(c for c in base if unicodedata.category(c) not in ("Cc", "Cf", "Cs")).strip()
    if len(shown) > _LONGEST_NAME:
        stem, dot, extension = shown.rpartition(".")
        keep = dot + extension if dot and len(extension) <= 8 else ""
        shown = (stem if keep else shown)[: _LONGEST_NAME - len(keep)] + keep
    return shown if shown.strip(".") else "untitled"


def check_metadata(metadata: Mapping[str, Any], collection: Collection) -> None:
    """Accept a flat object of strings, numbers, booleans and nulls.

    Raises:
        InvalidRequest: it is not, is too large, or breaks the collection's metadata schema.
    """
    size = 0
    for key, value in metadata.items():
        place = f"metadata.{key}"
        if not is_field_name(key):
            raise InvalidRequest(f"{place}: not a name for a field.", param="metadata")
        if value is not None and not isinstance(value, (str, int, float)):
            raise InvalidRequest(
                f"{place}: expected a string, number, boolean or null.", param="metadata"
            )
        if isinstance(value, str) and not is_storable(value):
            raise InvalidRequest(
                f"{place}: contains a NUL or half a surrogate pair.", param="metadata"
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidRequest(f"{place}: not a finite number.", param="metadata")
        declared = collection.metadata_schema.get(key)
        fits = declared is None or value is None or isinstance(value, FIELD_TYPES[declared])
        if not fits or (isinstance(value, bool) and declared not in (None, "boolean")):
            raise InvalidRequest(
                f"{place}: the collection declares a {declared}.", param="metadata"
            )
        size += len(key) + len(str(value))
    if size > _METADATA_BYTES:
        raise InvalidRequest("The metadata is larger than 64 kB.", param="metadata")
