"""Pages as language models are shown them: where their text was recognized, not written."""

from __future__ import annotations

from collections.abc import Iterator

from ingest.originals import Originals
from ingest.parse.formats import BY_MEDIA_TYPE
from ingest.parse.render import render_page
from rag.catalog import Catalog
from rag.errors import DocumentError, NotFound
from rag.types import PageSource, Passage, Span

_WIDTH_PX = 1_100
"""Small print can still be read, and no provider makes the image smaller."""


class PageRenderer:
    """Draws the pages of passages that text recognition has read."""

    def __init__(self, catalog: Catalog, originals: Originals) -> None:
        self._catalog = catalog
        self._originals = originals

    def __call__(self, tenant: str, passage: Passage) -> Iterator[tuple[int, bytes]]:
        """The pages by number; one that cannot be drawn is passed over."""
        span = Span(start=passage.start, end=passage.end)
        try:
            document = self._catalog.documents.get(tenant, passage.document_id)
            pages = self._catalog.texts.pages(passage.document_id, span)
        except NotFound:  # deleted meanwhile
            return
        format_ = BY_MEDIA_TYPE.get(document.media_type)
        if format_ is None or not format_.drawn:
            return
        for page in pages:
            if page.source is not PageSource.OCR:
                continue
            try:
                yield (
                    page.number,
                    render_page(
                        self._originals.path(document.sha256),
                        document.media_type,
                        page.number,
                        width_px=_WIDTH_PX,
                        folder=self._originals.folder,
                    ),
                )
            except (DocumentError, FileNotFoundError):
                continue
