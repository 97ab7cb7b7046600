"""Files inside files become documents of their own, before the one around them is visible."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ingest.intake import Incoming, identify, kept
from rag.catalog.attachments import Lineage
from rag.errors import DocumentError, NotFound, UnsupportedType
from rag.types import Attachment, Collection, Document, DocumentStatus, ParsedDocument

if TYPE_CHECKING:
    from ingest.pipeline import Pipeline

DEEPEST = 5
"""A file in a file, and so on: as deep as this."""

MOST_FILES = 5_000
MOST_BYTES = 2_000_000_000
"""What may come out of one uploaded file, at all depths together."""

_MOST_TOLD = 20


def adopt_attachments(
    pipeline: Pipeline,
    collection: Collection,
    document: Document,
    generation: int,
    parsed: ParsedDocument,
) -> ParsedDocument:
    """Add the files found inside a document; the result has warnings of those left out instead.

    They get the document's metadata and password, and are read by jobs of their own. As often
    as this is repeated, each is there once, so that a crash on the way loses none.

    Raises:
        NotFound: the document was deleted meanwhile.
        StorageFull: the disk is full.
    """
    if not parsed.attachments:
        return parsed
    adoption = _Adoption(pipeline, collection, document, generation)
    left_out = []
    for position, attachment in enumerate(parsed.attachments):
        try:
            adoption.add(attachment, position)
        except (_LeftOut, UnsupportedType, DocumentError) as reason:
            left_out.append(f"{attachment.name!r} inside it was left out: {reason}")
    if len(left_out) > _MOST_TOLD:
        more = len(left_out) - _MOST_TOLD
        left_out[_MOST_TOLD:] = [f"{more} more files inside it were left out"]
    return replace(parsed, attachments=(), warnings=(*parsed.warnings, *left_out))


class _LeftOut(Exception):
    """Why a file is not taken in."""


class _Adoption:
    """Adds the files of one document, within what may come out of one upload."""

    def __init__(
        self, pipeline: Pipeline, collection: Collection, document: Document, generation: int
    ) -> None:
        self._pipeline = pipeline
        self._collection = collection
        self._document = document
        self._generation = generation
        lineage = pipeline.catalog.attachments.lineage(document.id)
        self._lineage: Lineage = lineage
        self._files, self._size = len(lineage.within), lineage.size

    def add(self, attachment: Attachment, position: int) -> None:
        """Make a document of one file.

        Raises:
            _LeftOut: there is a limit in its way.
        """
        if self._lineage.depth >= DEEPEST:
            raise _LeftOut(f"files in files are read {DEEPEST} deep")
        catalog, originals = self._pipeline.catalog, self._pipeline.originals
        incoming = Incoming(
            name=attachment.name,
            declared_type=attachment.media_type,
            metadata=self._document.metadata,
        )
        content = attachment.content  # the sandbox bounds what comes out of a file
        with originals.receive([content], limit=len(content)) as upload:
            new = identify(self._collection, incoming, upload)
            if new.id in self._lineage.above:
                raise _LeftOut("it contains itself")
            if new.id not in self._lineage.within:
                self._take_room(upload.size)
            password = self._pipeline.passwords.of(self._document.id)
            if password is not None:
                self._pipeline.passwords.keep(new.id, password)
            try:
                with kept(catalog, originals, upload) as store:
                    child, is_new = catalog.attachments.adopt(
                        self._document,
                        self._generation,
                        new,
                        position=position,
                        store=store,
                        unlocked=password is not None,
                    )
            except NotFound:
                if catalog.documents.find(new.id) is None:
                    self._pipeline.passwords.forget(new.id)
                raise
            if is_new:
                self._pipeline.submit(child.job_id)
            elif child.status in (DocumentStatus.READY, DocumentStatus.FAILED):
                self._pipeline.passwords.forget(new.id)

    def _take_room(self, size: int) -> None:
        if self._files >= MOST_FILES:
            raise _LeftOut(f"more than {MOST_FILES:,} files came out of one upload")
        if self._size + size > MOST_BYTES:
            raise _LeftOut(f"more than {MOST_BYTES / 1e9:.0f} GB came out of one upload")
        self._files += 1
        self._size += size
