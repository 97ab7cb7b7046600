"""Collections as JSON."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.schemas.common import Strict, Text
from ingest.chunk import DEFAULT
from rag.duplicates import Group, Kind
from rag.types import Collection, DocumentStatus, Edition, EditionStatus


def _name(name: str) -> str:
    shown = name.strip()
    if not shown:
        raise ValueError("must not be blank")
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in shown):
        raise ValueError("must not contain control characters")
    if shown.startswith("col_"):
        raise ValueError("must not start with 'col_', as ids do")
    return shown


Name: TypeAlias = Annotated[
    str,
    AfterValidator(_name),
    Field(max_length=200, description="Unique name.", examples=["contracts"]),
]
FieldType: TypeAlias = Literal["string", "number", "integer", "boolean"]
MetadataSchema: TypeAlias = Annotated[
    dict[str, FieldType],
    Field(
        max_length=100,
        description="Types of metadata fields; fields not named here may hold any type.",
        examples=[{"year": "integer", "department": "string"}],
    ),
]


Pin: TypeAlias = Annotated[
    Text | None,
    Field(
        description="The engine that answers from this collection, of those that `GET /engines` "
        "lists; null leaves it to the service. A request may name another.",
        max_length=1_000,
        examples=["offline"],
    ),
]


class Chunking(Strict):
    """How documents are cut into the pieces that are embedded and searched."""

    strategy: str | None = Field(
        default=None,
        description=(
            "`recursive`: at paragraphs, else lines, sentences, words. `sentence`: whole "
            "sentences. `structure`: sections, tables, lists and code kept whole where they fit. "
            "`semantic`: where the subject changes, by the embedding model. `fixed`: windows. "
            "`llama_index:` and the dotted name of a node parser: that one's nodes. Default: "
            f"`{DEFAULT}`."
        ),
        max_length=200,
        examples=["recursive"],
    )
    size: int | None = Field(
        default=None,
        description=(
            "Most tokens in a chunk; 200, or the embedding model's window if smaller. In scripts "
            "that the model may spell letter by letter, six letters count as one."
        ),
        ge=8,
        le=8192,
        examples=[200],
    )
    overlap: int | None = Field(
        default=None,
        description=(
            "What neighbours share: tokens, of `sentence` sentences. The default is the "
            "strategy's; `semantic` has none."
        ),
        ge=0,
        le=4096,
        examples=[32],
    )
    group: int | None = Field(
        default=None,
        description="Only `semantic`: tokens in the groups of sentences that it compares; 48.",
        ge=1,
        le=4096,
        examples=[48],
    )
    options: dict[str, Text | int | float | bool] | None = Field(
        default=None,
        description="Only `llama_index:`: arguments of the node parser.",
        max_length=20,
        examples=[{"paragraph_separator": "\n\n"}],
    )


class CollectionCreate(Strict):
    """A new collection."""

    name: Name
    chunking: Chunking = Chunking()
    metadata_schema: MetadataSchema = Field({}, max_length=100)
    engine: Pin = None

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "contracts",
                    "chunking": {"strategy": "recursive", "size": 200, "overlap": 32},
                    "metadata_schema": {"year": "integer"},
                }
            ]
        },
    )


class CollectionUpdate(Strict):
    """What changes; fields left out stay as they are."""

    name: Name | None = None
    metadata_schema: MetadataSchema | None = None
    engine: Pin = None

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "contracts-2024"}]}
    )


class ReindexBody(Strict):
    """How a collection is to be cut and embedded from now on."""

    embedder: Text | None = Field(
        default=None,
        description="The embedding model: `onnx`, `onnx-fp32`, or one that the settings "
        "IBIDEM_EMBEDDER and IBIDEM_EMBEDDERS name. Default: the service's.",
        max_length=1_000,
        examples=["onnx-fp32"],
    )
    chunking: Chunking | None = Field(
        default=None,
        description="As in `POST /collections`. Default: as before, in chunks that the model "
        "reads whole.",
    )

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"embedder": "onnx-fp32", "chunking": {"strategy": "structure"}}]
        },
    )


class IndexOut(BaseModel):
    """An index of a collection that is not the one searched."""

    generation: int = Field(description="Its number.", examples=[2])
    embedder: str
    chunking: dict[str, Any]
    job_id: str | None = Field(description="What builds it; null when nothing does.")
    kept_until: int | None = Field(
        description="Unix seconds; until then `POST .../rollback` goes back to it."
    )

    @classmethod
    def of(cls, edition: Edition, kept_s: float) -> IndexOut:
        """An edition as the catalog has it."""
        until = None if edition.replaced_at is None else int(edition.replaced_at + kept_s)
        return cls(
            generation=edition.number,
            embedder=edition.embedder,
            chunking=dict(edition.chunking),
            job_id=edition.job_id,
            kept_until=until if edition.status is EditionStatus.READY else None,
        )


class DocumentCounts(BaseModel):
    """How many documents stand where."""

    queued: int = 0
    processing: int = 0
    ready: int = 0
    failed: int = 0


class CollectionOut(BaseModel):
    """A named set of documents with one chunking and one embedding model."""

    id: str = Field(examples=["col_5d2e8b6a4c1f49b0a7d3e2c1"])
    object: Literal["collection"] = "collection"
    name: str = Field(examples=["contracts"])
    generation: int = Field(description="Number of the index that is searched.", examples=[1])
    embedder: str = Field(description="The embedding model of its chunks.")
    engine: str | None = Field(
        description="What answers from it when a request names no engine; null for the default."
    )
    chunking: dict[str, Any]
    metadata_schema: dict[str, str]
    documents: DocumentCounts
    chunk_count: int = Field(description="Searchable chunks.")
    building: IndexOut | None = Field(description="The index that is to be searched next, if any.")
    previous: IndexOut | None = Field(description="The index that was searched before, if kept.")
    created_at: int = Field(description="Unix seconds.")

    @classmethod
    def of(
        cls,
        collection: Collection,
        counts: Mapping[str, int],
        *,
        building: IndexOut | None = None,
        previous: IndexOut | None = None,
    ) -> CollectionOut:
        """A collection and its counts, as the catalog gives them."""
        return cls(
            id=collection.id,
            name=collection.name,
            generation=collection.edition,
            building=building,
            previous=previous,
            embedder=collection.embedder,
            engine=collection.engine,
            chunking=dict(collection.chunking),
            metadata_schema=dict(collection.metadata_schema),
            documents=DocumentCounts(**{s.value: counts.get(s.value, 0) for s in DocumentStatus}),
            chunk_count=counts.get("chunks", 0),
            created_at=int(collection.created_at),
        )


class DuplicateOut(BaseModel):
    """A document of a group, and the one in it that it is most like."""

    document_id: str
    name: str = Field(examples=["lease-2024-signed.pdf"])
    similar_to: str = Field(description="The document of the group that it is most like.")
    similarity: float = Field(
        description="Shared word shingles (5 words each) by all shingles of the two.",
        examples=[0.942],
    )
    exact: bool = Field(description="False when the similarity is estimated from sketches.")
    kind: Kind = Field(
        description="`same_text`: the same words in the same order, as in another format."
    )


class DuplicatesOut(BaseModel):
    """Documents of a collection that say nearly the same."""

    id: str = Field(description="The id of its first document.")
    object: Literal["duplicates"] = "duplicates"
    documents: list[DuplicateOut]

    @classmethod
    def of(cls, group: Group) -> DuplicatesOut:
        """A group as it was found."""
        return cls(
            id=group.id,
            documents=[
                DuplicateOut(
                    document_id=member.document.id,
                    name=member.document.name,
                    similar_to=member.similar_to,
                    similarity=round(member.similarity, 4),
                    exact=member.exact,
                    kind=member.kind,
                )
                for member in group.members
            ],
        )
