"""Files of the folders that a collection is kept in step with, as JSON."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, Field, ValidationError

from api.complaints import complaint
from api.schemas.common import StoredError, Strict, Text
from rag.catalog.sources import KnownFile, SourceFile
from rag.errors import InvalidRequest
from rag.types import DocumentStatus

_LARGEST = 2**63 - 1
SourceName: TypeAlias = Annotated[
    Text,
    Field(
        min_length=1,
        max_length=4096,
        description="The folder's name for this collection, as its absolute path.",
        examples=["/srv/contracts"],
    ),
]
SourcePath: TypeAlias = Annotated[
    Text,
    Field(
        min_length=1,
        max_length=4096,
        description="Within the folder, with forward slashes.",
        examples=["2024/lease.pdf"],
    ),
]
Size: TypeAlias = Annotated[int, Field(ge=0, le=_LARGEST, description="Bytes.")]
Time: TypeAlias = Annotated[
    int, Field(ge=-_LARGEST, le=_LARGEST, description="Modification time, Unix nanoseconds.")
]


class SourceIn(Strict):
    """Which file of which folder an upload is."""

    name: SourceName
    path: SourcePath
    size: Size
    mtime_ns: Time

    def file(self) -> SourceFile:
        """As the catalog takes it."""
        return SourceFile(source=self.name, path=self.path, size=self.size, mtime_ns=self.mtime_ns)


def source_file(text: str) -> SourceFile:
    """What an upload says of the file that it is.

    Raises:
        InvalidRequest: it is malformed; the message names the place.
    """
    try:
        return SourceIn.model_validate_json(text).file()
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, ("source", *first["loc"])))
        raise InvalidRequest(f"{place}: {complaint(first)}.", param="source") from None


class SourceFileOut(BaseModel):
    """A file of a folder, and the document that it has become."""

    id: str = Field(description="Its path.", examples=["2024/lease.pdf"])
    object: Literal["source.file"] = "source.file"
    size: int
    mtime_ns: int
    document_id: str
    sha256: str | None
    status: DocumentStatus | None = Field(
        description="Of the document; null when it was deleted by other means."
    )
    error: StoredError | None
    locked: bool = Field(
        description="Whether a password may open more of it, or of a file inside it."
    )

    @classmethod
    def of(cls, known: KnownFile) -> SourceFileOut:
        """A file as the catalog gives it."""
        return cls(
            id=known.id,
            size=known.file.size,
            mtime_ns=known.file.mtime_ns,
            document_id=known.document_id,
            sha256=known.sha256,
            status=known.status,
            error=None if known.error is None else StoredError(**known.error),
            locked=known.locked,
        )


class Touched(Strict):
    """A file with another time and the same content."""

    path: SourcePath
    size: Size
    mtime_ns: Time


class SettleRequest(Strict):
    """What has become of files since they were uploaded."""

    name: SourceName
    removed: list[SourcePath] = Field(
        default_factory=list, max_length=500, description="Files that are no longer there."
    )
    touched: list[Touched] = Field(default_factory=list, max_length=500)


class Settled(BaseModel):
    """What settling removed."""

    object: Literal["source.settled"] = "source.settled"
    deleted: list[str] = Field(description="Ids of the documents that were deleted.")
