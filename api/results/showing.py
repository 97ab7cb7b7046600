"""Where quotes of results stand, for reports that are handed to people without a key."""

from __future__ import annotations

from contextlib import suppress

from api.admission import Admission
from api.results.entries import Json
from api.services import Services
from ingest.parse.formats import BY_MEDIA_TYPE
from ingest.parse.render import render_page
from rag.errors import IbidemError, NotFound

_WIDTH_PX = 900
_AROUND = 240
"""Code points before and behind a quote."""


class StoredPlaces:
    """Shows places in a tenant's documents, and in those of nobody else."""

    def __init__(self, services: Services, tenant: str, drawings: Admission) -> None:
        self._services = services
        self._tenant = tenant
        self._drawings = drawings

    def around(self, citation: Json) -> tuple[str, str]:
        """The words around a quote, from word to word; none of a document that was deleted."""
        start, end = citation["start_char_index"], citation["end_char_index"]
        catalog = self._services.catalog
        with suppress(NotFound):
            document = catalog.documents.get(self._tenant, citation["document_id"])
            first, last = max(0, start - _AROUND), min(end + _AROUND, document.text_length)
            before = catalog.read(document.id, first, start)
            after = catalog.read(document.id, end, last)
            if first:
                before = before.partition(" ")[2]
            if last < document.text_length:
                after = after.rpartition(" ")[0]
            return before, after
        return "", ""

    def image(self, document_id: str, page: int) -> bytes | None:
        """A page as PNG; ``None`` where it cannot be drawn, or too many are being drawn."""
        originals = self._services.originals
        with suppress(IbidemError, FileNotFoundError):
            document = self._services.catalog.documents.get(self._tenant, document_id)
            format_ = BY_MEDIA_TYPE.get(document.media_type)
            if format_ is None or not format_.drawn:
                return None
            with self._drawings.place():
                return render_page(
                    originals.path(document.sha256),
                    document.media_type,
                    page,
                    width_px=_WIDTH_PX,
                    folder=originals.folder,
                )
        return None
