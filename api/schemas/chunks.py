"""Chunks that are shown and not stored, as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.collections import Chunking
from api.schemas.common import Strict, Text
from api.schemas.documents import ChunkOut
from ingest.chunk.preview import Preview


class ChunksPreviewIn(Strict):
    """A text to cut, and how."""

    text: Text = Field(min_length=1, description="Taken as plain text.")
    chunking: Chunking = Chunking()

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "text": "The pump moves brine. Its casing is bronze. The rent is due in May.",
                    "chunking": {"strategy": "sentence", "size": 16, "overlap": 0},
                }
            ]
        },
    )


class PreviewedChunk(ChunkOut):
    """A chunk, and the section that it begins in."""

    heading_path: list[str] = Field(
        description="The headings above its start, outermost first.",
        examples=[["Maintenance", "Seals"]],
    )


class ChunkStatistics(BaseModel):
    """Of all chunks, also those that are not shown."""

    chunks: int
    tokens: int = Field(description="Of all chunks together, as the embedding model counts them.")
    fewest_tokens: int
    median_tokens: float
    most_tokens: int
    repeated: int = Field(description="Characters that are in a chunk and in the one before it.")


class ChunksPreview(BaseModel):
    """What a collection with this chunking would make of the text."""

    object: Literal["chunks.preview"] = "chunks.preview"
    media_type: str = Field(examples=["text/markdown"])
    title: str | None
    text_length: int = Field(description="Unicode code points of the text.")
    chunking: dict[str, Any] = Field(
        description="As given, and completed by what suits the embedding model.",
        examples=[{"strategy": "recursive", "size": 200, "overlap": 32}],
    )
    statistics: ChunkStatistics
    data: list[PreviewedChunk]
    has_more: bool

    @classmethod
    def of(cls, preview: Preview, chunking: dict[str, Any], limit: int) -> ChunksPreview:
        """The first ``limit`` chunks, and the figures of all."""
        shown = zip(preview.chunks[:limit], preview.heading_paths, strict=False)
        return cls(
            media_type=preview.document.media_type,
            title=preview.document.title,
            text_length=len(preview.document.text),
            chunking=chunking,
            statistics=ChunkStatistics(**asdict(preview.statistics)),
            data=[
                PreviewedChunk(**ChunkOut.of(chunk).model_dump(), heading_path=list(path))
                for chunk, path in shown
            ],
            has_more=len(preview.chunks) > limit,
        )
