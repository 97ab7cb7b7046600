"""The texts that an analysis is over: documents of the catalog, or one that came with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from rag.analysis.requests import Scope
from rag.catalog import Catalog
from rag.cite import Source
from rag.errors import Conflict, NotFound
from rag.types import Block, Document, DocumentStatus, Page, Passage, Span

_AT_ONCE = 200
Since: TypeAlias = tuple[float, str]
"""When a document was uploaded, and its id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """What is known of a text beside its words. That of a request has no id.

    ``generation`` is the version that was found; offsets into another are of no use. ``unread``
    says why there is nothing to be read, and ``uploaded`` when it came, in Unix seconds.
    """

    id: str
    title: str
    name: str
    length: int
    generation: int = 0
    uploaded: float = 0.0
    unread: NotFound | Conflict | None = None

    def passage(self, start: int, text: str) -> Passage:
        """A stretch of it, as engines read it."""
        return Passage(
            document_id=self.id,
            document_title=self.title,
            document_name=self.name,
            start=start,
            end=start + len(text),
            text=text,
            score=1.0,
        )


class Library(Source, Protocol):
    """Finds and reads texts."""

    def texts(self, scope: Scope, *, since: Since | None = None) -> Iterator[Text]:
        """All that a scope names, in the order in which it names them, or of upload.

        What cannot be read is among them, and says why. ``since`` begins with that document, or
        with the next where it is no longer there.

        Raises:
            NotFound: There is no such collection.
        """
        ...

    def document(self, document_id: str) -> Text:
        """What is known of one.

        Raises:
            NotFound: It was deleted.
        """
        ...

    def blocks(self, document_id: str) -> Sequence[Block]:
        """The headings, tables, lists and code in it."""
        ...


class GivenText:
    """The library of one text that came with its request."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._known = Text(id="", title="", name="", length=len(text))

    def texts(self, scope: Scope, *, since: Since | None = None) -> Iterator[Text]:
        """The text."""
        yield self._known

    def document(self, document_id: str) -> Text:
        """The text."""
        return self._known

    def blocks(self, document_id: str) -> Sequence[Block]:
        """Nothing is known of its structure."""
        return ()

    def read(self, document_id: str, start: int, end: int) -> str:
        """The text in ``[start, end)``."""
        return self._text[start:end]

    def pages(self, document_id: str, span: Span) -> Sequence[Page]:
        """It has none."""
        return ()


class StoredTexts:
    """The library of a tenant's documents."""

    def __init__(self, catalog: Catalog, tenant: str) -> None:
        self._catalog = catalog
        self._tenant = tenant

    def texts(self, scope: Scope, *, since: Since | None = None) -> Iterator[Text]:
        """The documents that a scope names, those of a collection as they are by now."""
        if scope.collection is None:
            first = 0 if since is None else scope.documents.index(since[1])
            yield from map(self._named, scope.documents[first:])
            return
        collection = self._catalog.collections.find(self._tenant, scope.collection)
        behind = None
        if since is not None:
            with suppress(NotFound):
                yield _text(self._catalog.documents.get(self._tenant, since[1]))
            behind = since
        while True:
            page = self._catalog.documents.page(
                self._tenant,
                collection,
                filter=scope.filter,
                behind=behind,
                limit=_AT_ONCE,
                newest_first=False,
            )
            yield from map(_text, page)
            if len(page) < _AT_ONCE:
                return
            behind = page[-1].created_at, page[-1].id

    def _named(self, document_id: str) -> Text:
        try:
            return _text(self._catalog.documents.get(self._tenant, document_id))
        except NotFound as gone:
            return Text(id=document_id, title="", name="", length=0, unread=gone)

    def document(self, document_id: str) -> Text:
        """What is known of a document of the tenant, as it is now."""
        document = self._catalog.documents.get(self._tenant, document_id)
        if document.generation is None:
            raise NotFound(f"Document {document_id!r} has no text any more.", param="documents")
        return _text(document)

    def blocks(self, document_id: str) -> Sequence[Block]:
        """The headings, tables, lists and code of the visible version."""
        return self._catalog.texts.blocks(document_id)

    def read(self, document_id: str, start: int, end: int) -> str:
        """The visible text between two offsets."""
        return self._catalog.read(document_id, start, end)

    def pages(self, document_id: str, span: Span) -> Sequence[Page]:
        """The pages that share text with the span."""
        return self._catalog.pages(document_id, span)


def _why_unread(document: Document) -> Conflict | None:
    if document.generation is not None:
        return None
    if document.status is DocumentStatus.FAILED:
        why = (document.error or {}).get("message", "It could not be read.")
        return Conflict(f"Document {document.id!r} cannot be analyzed: {why}", param="documents")
    return Conflict(
        f"Document {document.id!r} is still being read; ask again when it is ready.",
        param="documents",
    )


def _text(document: Document) -> Text:
    return Text(
        id=document.id,
        title=document.title or document.name,
        name=document.name,
        length=document.text_length,
        generation=document.generation or 0,
        uploaded=document.created_at,
        unread=_why_unread(document),
    )
