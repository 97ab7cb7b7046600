"""How a text would be cut, without storing anything."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from api.bodies import body_parts
from api.door import Door, DoorDep
from api.middleware import JSON_LIMIT
from api.multipart import UploadForm
from api.schemas.chunks import ChunksPreview, ChunksPreviewIn
from api.schemas.collections import Chunking
from api.schemas.common import failures
from ingest.chunk.preview import preview
from ingest.intake import display_name
from ingest.parse import detect, parse
from rag.errors import InvalidRequest, PayloadTooLarge
from rag.types import ParsedDocument

_Model = TypeVar("_Model", bound=BaseModel)

router = APIRouter(tags=["Collections"])

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "additionalProperties": False,
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "One file, with its name.",
                        },
                        "chunking": {
                            "type": "string",
                            "description": "A JSON object, as `chunking` of a collection.",
                            "contentMediaType": "application/json",
                        },
                        "password": {
                            "type": "string",
                            "description": "What opens the file, should it be locked.",
                        },
                    },
                },
                "example": {
                    "file": "(bytes)",
                    "chunking": '{"strategy": "structure", "size": 200}',
                },
            },
            "application/json": {
                "schema": {
                    key: value
                    for key, value in ChunksPreviewIn.model_json_schema(
                        ref_template="#/components/schemas/{model}"
                    ).items()
                    if key != "$defs"  # FastAPI has these in its components
                }
            },
        },
    }
}


@router.post(
    "/chunks:preview",
    summary="Preview chunks",
    openapi_extra=_BODY,
    responses=failures(400, 413, 415, 503, 507),
)
def preview_chunks(
    request: Request,
    door: DoorDep,
    limit: Annotated[
        int, Query(ge=1, le=1000, description="How many chunks to show.", examples=[20])
    ] = 100,
) -> ChunksPreview:
    """Cut a file, or a text, as a collection with this chunking would; nothing is stored.

    Send a file as `multipart/form-data`, or a text as JSON. The settings are those of
    `POST /collections`, and are completed in the same way.
    """
    with door.previews.place():
        if request.headers.get("content-type", "").startswith("application/json"):
            body = _from_json(request)
            asked = body.chunking
            document = ParsedDocument(text=body.text, media_type="text/plain")
        else:
            asked, document = _from_form(request, door)
        chunking = door.services.chunking(asked.model_dump())
        found = preview(document, chunking, door.services.embedder)
    return ChunksPreview.of(found, chunking, limit)


def _from_form(request: Request, door: Door) -> tuple[Chunking, ParsedDocument]:
    """The settings of a form, and its file as the sandbox reads it."""
    services = door.services
    limit = services.settings.max_upload_bytes
    form = UploadForm(
        request.headers.get("content-type", ""),
        body_parts(request, file_limit=limit),
        file="file",
        fields=frozenset({"chunking", "password"}),
    )
    originals, languages = services.originals, services.pipeline.ocr_languages
    with ExitStack() as stack:
        [(file, upload)] = [
            (file, stack.enter_context(originals.receive(file.parts, limit=limit)))
            for file in form.files()
        ]
        chunking = _chunking(form.fields.get("chunking", ""))
        services.chunking(chunking.model_dump())  # what is wrong with it is said before reading
        media_type = detect(upload.path, display_name(file.name), file.declared_type)
        parsed = parse(
            upload.path,
            media_type,
            folder=originals.folder,
            ocr_languages=languages,
            password=form.fields.get("password"),
        )
    return chunking, parsed


def _from_json(request: Request) -> ChunksPreviewIn:
    raw = bytearray()
    for part in body_parts(request, file_limit=JSON_LIMIT):
        raw += part
        if len(raw) > JSON_LIMIT:
            raise PayloadTooLarge(f"The body is larger than {JSON_LIMIT // 1_000_000} MB.")
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        at = getattr(error, "pos", 0)
        raise RequestValidationError([{"type": "json_invalid", "loc": ("body", at)}]) from error
    return _validated(ChunksPreviewIn, value, ())


def _chunking(text: str) -> Chunking:
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InvalidRequest("chunking: expected a JSON object.", param="chunking")
    return _validated(Chunking, value, ("chunking",))


def _validated(kind: type[_Model], value: Any, place: tuple[str, ...]) -> _Model:
    """A body that FastAPI does not read itself, refused in the same words."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        told = [{**one, "loc": ("body", *place, *one["loc"])} for one in error.errors()]
        raise RequestValidationError(told) from error
