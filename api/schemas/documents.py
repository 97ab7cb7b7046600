"""Documents, what is in them, and the jobs that read them, as JSON."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.common import ErrorDetail, Metadata, StoredError, Strict
from api.schemas.jobs import JobOut
from rag.catalog.attachments import Links
from rag.types import Chunk, Document, DocumentStatus, Page, PageSource


class DocumentOut(BaseModel):
    """A stored original and what is known of it."""

    id: str = Field(examples=["doc_0f3c9a7be1d24c55a6b8e9f0"])
    object: Literal["document"] = "document"
    collection_id: str
    name: str = Field(examples=["report.pdf"])
    title: str | None
    media_type: str = Field(examples=["application/pdf"])
    size: int = Field(description="Bytes of the original.")
    sha256: str = Field(description="Hash of the original.")
    status: DocumentStatus = Field(
        description="A document is searched from when it is first `ready` on, also while it is "
        "`queued` or `processing` to be read once more: then as it was read before."
    )
    error: StoredError | None = Field(
        description="Why it could not be read; of a `ready` document, why not once more."
    )
    metadata: dict[str, Any]
    job_id: str = Field(description="The job that reads, or has read, this document.")
    parent_ids: list[str] = Field(
        description="Documents that this one was found inside, such as the e-mail it came with."
    )
    attachment_ids: list[str] = Field(
        description=(
            "Documents found inside this one: attachments, members of an archive. Those that "
            "came with nothing else are deleted with it."
        )
    )
    chunk_count: int
    page_count: int = Field(description="0 for formats without pages.")
    text_length: int = Field(description="Unicode code points of the text.")
    warnings: list[str]
    created_at: int = Field(description="Unix seconds.")
    updated_at: int = Field(description="Unix seconds.")

    @classmethod
    def of(cls, document: Document, links: Links) -> DocumentOut:
        """A document as the catalog gives it, and how it hangs together with others."""
        error = document.error
        return cls(
            id=document.id,
            collection_id=document.collection_id,
            name=document.name,
            title=document.title,
            media_type=document.media_type,
            size=document.size,
            sha256=document.sha256,
            status=document.status,
            error=None if error is None else StoredError(**error),
            metadata=dict(document.metadata),
            job_id=document.job_id,
            parent_ids=list(links.parents),
            attachment_ids=list(links.children),
            chunk_count=document.chunk_count,
            page_count=document.page_count,
            text_length=document.text_length,
            warnings=list(document.warnings),
            created_at=int(document.created_at),
            updated_at=int(document.updated_at),
        )


class DocumentUpdate(Strict):
    """What changes; fields left out stay as they are."""

    name: str | None = Field(None, min_length=1, max_length=1000, examples=["report-2024.pdf"])
    metadata: Metadata | None = None

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"metadata": {"year": 2024}}]}
    )


class Uploaded(BaseModel):
    """A stored document, and the job that reads it."""

    object: Literal["upload"] = "upload"
    document: DocumentOut
    job: JobOut


class UploadResult(BaseModel):
    """What became of one file: a document and its job, or an error."""

    name: str = Field(
        description="As it was sent; of a member of an archive, behind the archive's name.",
        examples=["reports.zip/2024/q1.pdf"],
    )
    document: DocumentOut | None
    job: JobOut | None
    error: ErrorDetail | None = Field(description="Why it was not stored.")


class UploadedBatch(BaseModel):
    """Every file with what became of it, in the order sent."""

    object: Literal["upload.batch"] = "upload.batch"
    data: list[UploadResult]
    accepted: int = Field(description="How many are stored.", examples=[12])
    failed: int = Field(description="How many are not.", examples=[1])
    warnings: list[str] = Field(
        description="What was left out of archives.",
        examples=[["reports.zip: hidden files in the archive were left out: 1"]],
    )


class TextOut(BaseModel):
    """A stretch of a document's text; offsets count Unicode code points."""

    object: Literal["document.text"] = "document.text"
    document_id: str
    start: int = Field(examples=[0])
    end: int = Field(description="Half-open.", examples=[1000])
    text_length: int = Field(description="Of the whole text.", examples=[48211])
    text: str


class ChunkOut(BaseModel):
    """A span of the text that is embedded and searched as one."""

    id: str = Field(description="Its position in the document.", examples=["0"])
    object: Literal["chunk"] = "chunk"
    start_char_index: int
    end_char_index: int
    tokens: int
    text: str

    @classmethod
    def of(cls, chunk: Chunk) -> ChunkOut:
        """A chunk as the catalog gives it."""
        return cls(
            id=str(chunk.position),
            start_char_index=chunk.start,
            end_char_index=chunk.end,
            tokens=chunk.tokens,
            text=chunk.text,
        )


class PageOut(BaseModel):
    """A page as a span of the text, and where its text came from."""

    id: str = Field(description="Its number.", examples=["1"])
    object: Literal["page"] = "page"
    number: int = Field(description="From 1.")
    start_char_index: int
    end_char_index: int
    width: float = Field(description="Points, as displayed; 0 where unknown.", examples=[595.3])
    height: float = Field(examples=[841.9])
    source: PageSource = Field(description="`ocr`: its text was recognized in a picture of it.")

    @classmethod
    def of(cls, page: Page) -> PageOut:
        """A page as the catalog gives it."""
        return cls(
            id=str(page.number),
            number=page.number,
            start_char_index=page.start,
            end_char_index=page.end,
            width=page.width,
            height=page.height,
            source=page.source,
        )
