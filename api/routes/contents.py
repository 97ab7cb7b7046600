"""What is in a document: the original, its text, its chunks, its pages as images."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import FileResponse

from api.door import Door, DoorDep, TenantDep
from api.schemas.common import Limit, ListOf, failures, page
from api.schemas.documents import ChunkOut, PageOut, TextOut
from ingest.parse.formats import BY_MEDIA_TYPE
from ingest.parse.render import render_page
from rag.cite import boxes
from rag.errors import InvalidRequest, NotFound, StoreDamaged
from rag.types import Box, Document, Span

_FURTHEST = 2**31 - 1
_LONGEST_TEXT = 1_000_000
"""Code points of text in one reply."""
_HIGHLIGHT = re.compile(r"([0-9]{1,10})-([0-9]{1,10})")

router = APIRouter(prefix="/documents/{document_id}", tags=["Documents"])


@router.get(
    "/content",
    summary="Download the original",
    response_class=FileResponse,
    responses={
        200: {
            "description": "The bytes as they were uploaded.",
            "content": {"application/octet-stream": {}},
        },
        **failures(404),
    },
)
def get_content(document_id: str, door: DoorDep, tenant: TenantDep) -> FileResponse:
    """The bytes as they were uploaded, as a download."""
    document = door.document(tenant, document_id)
    path = door.services.originals.path(document.sha256)
    if not path.is_file():
        raise StoreDamaged(f"The original of {document.id} is missing; run `ibidem audit`.")
    return FileResponse(
        path,
        media_type=document.media_type,
        filename=document.name,
        content_disposition_type="attachment",
        # What strangers wrote must not run on this origin, even if a browser shows it.
        headers={
            "content-security-policy": "sandbox; default-src 'none'",
            "cache-control": "private, no-cache",
        },
    )


@router.get("/text", summary="Read the text", responses=failures(404, 409))
def get_text(
    document_id: str,
    door: DoorDep,
    tenant: TenantDep,
    start: Annotated[int, Query(ge=0, le=_FURTHEST, description="First code point.")] = 0,
    end: Annotated[
        int | None,
        Query(ge=0, le=_FURTHEST, description="Behind the last code point; the end by default."),
    ] = None,
) -> TextOut:
    """The stored text that all offsets count into, or a stretch of it.

    One reply holds at most 1,000,000 code points. While its `end` is less than you asked for
    (or, without `end`, than its `text_length`), go on with `start` at that `end`.
    """
    document = door.read_document(tenant, document_id)
    stop = document.text_length if end is None else min(end, document.text_length)
    begin = min(start, document.text_length)
    if begin > stop:
        raise InvalidRequest(f"start: {start} is behind the end, {stop}.", param="start")
    stop = min(stop, begin + _LONGEST_TEXT)
    return TextOut(
        document_id=document.id,
        start=begin,
        end=stop,
        text_length=document.text_length,
        text=door.services.catalog.texts.read(document.id, begin, stop),
    )


@router.get("/chunks", summary="List the chunks", responses=failures(404, 409))
def list_chunks(
    document_id: str,
    door: DoorDep,
    tenant: TenantDep,
    limit: Limit = 20,
    after: Annotated[
        int | None,
        Query(ge=0, le=_FURTHEST - 1, description="Start behind the chunk at this position."),
    ] = None,
) -> ListOf[ChunkOut]:
    """The spans that are embedded and searched, in order, page by page."""
    document = door.read_document(tenant, document_id)
    first = 0 if after is None else after + 1
    chunks = door.services.catalog.texts.chunks(document.id, first=first, limit=limit + 1)
    return page([ChunkOut.of(chunk) for chunk in chunks], limit, lambda chunk: chunk)


@router.get("/pages", summary="List the pages", responses=failures(404, 409))
def list_pages(
    document_id: str,
    door: DoorDep,
    tenant: TenantDep,
    limit: Limit = 20,
    after: Annotated[
        int | None,
        Query(ge=0, le=_FURTHEST - 1, description="Start behind the page of this number."),
    ] = None,
) -> ListOf[PageOut]:
    """The spans of the pages, and whether their text was written or recognized (OCR).

    Empty for formats without pages.
    """
    document = door.read_document(tenant, document_id)
    texts = door.services.catalog.texts
    pages = texts.page_list(document.id, first=(after or 0) + 1, limit=limit + 1)
    return page([PageOut.of(one) for one in pages], limit, lambda one: one)


@router.get(
    "/pages/{number}.png",
    summary="See a page",
    response_class=Response,
    responses={
        200: {"description": "The page as an image.", "content": {"image/png": {}}},
        **failures(404, 409, 503),
    },
)
def get_page_image(
    document_id: str,
    number: Annotated[int, Path(ge=1, le=_FURTHEST, description="Page number from 1.")],
    door: DoorDep,
    tenant: TenantDep,
    highlight: Annotated[
        str | None,
        Query(
            description="A span of the text to mark, `START-END`, as in a citation.",
            examples=["1200-1384"],
            max_length=32,
        ),
    ] = None,
    width: Annotated[int, Query(ge=16, le=4000, description="Pixels.")] = 1000,
) -> Response:
    """A page of the original as PNG, with a span of the text marked on it if wanted.

    Only formats with pages of fixed looks (PDF, images) have page images: slides and sheets
    are pages of text.
    """
    document = door.read_document(tenant, document_id)
    _check_page(document, number)
    span = None if highlight is None else _span(highlight, document.text_length)
    marked = () if span is None else _marked(door, document, number, span)
    with door.drawings.place():
        image = render_page(
            door.services.originals.path(document.sha256),
            document.media_type,
            number,
            width_px=width,
            highlights=marked,
            folder=door.services.originals.folder,
        )
    return Response(
        image, media_type="image/png", headers={"cache-control": "private, max-age=300"}
    )


def _check_page(document: Document, number: int) -> None:
    if document.page_count == 0:
        raise NotFound(
            f"Document {document.id} is {document.media_type}, which has no pages; "
            "read its text instead.",
            param="number",
        )
    format_ = BY_MEDIA_TYPE.get(document.media_type)
    if format_ is None or not format_.drawn:
        word = "page" if format_ is None else format_.page
        raise NotFound(
            f"The {word}s of document {document.id} are text and have no images; read its text "
            "instead.",
            param="number",
        )
    if number > document.page_count:
        raise NotFound(
            f"Document {document.id} has {document.page_count} pages, and no page {number}.",
            param="number",
        )


def _marked(door: Door, document: Document, number: int, span: Span) -> tuple[Box, ...]:
    pages = door.services.catalog.texts.pages(document.id, span)
    marked = boxes([page for page in pages if page.number == number], span)
    if not marked:
        elsewhere = [str(page.number) for page in pages if boxes([page], span)]
        where = f"it is on page {' and '.join(elsewhere)}" if elsewhere else "it is white space"
        raise InvalidRequest(
            f"highlight: {span.start}-{span.end} has no place on page {number}; {where}.",
            param="highlight",
        )
    return marked


def _span(highlight: str, length: int) -> Span:
    found = _HIGHLIGHT.fullmatch(highlight)
    if found is None:
        raise InvalidRequest(
            "highlight: expected START-END, two offsets into the text.", param="highlight"
        )
    start, end = int(found[1]), int(found[2])
    if not start < end <= length:
        raise InvalidRequest(
            f"highlight: expected START before END, and END at most {length}.", param="highlight"
        )
    return Span(start=start, end=end)
