"""The nouns of Ibidem: frozen values that every layer passes on and none changes.

Offsets count Unicode code points and are half-open, ``[start, end)``, into the stored
text of one document. A chunk, a page, a heading and a citation are all spans of that text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatMatrix: TypeAlias = NDArray[np.float32]
    FloatVector: TypeAlias = NDArray[np.float32]
    Ids: TypeAlias = NDArray[np.int64]
else:  # the children that parse documents start without numpy
    FloatMatrix = FloatVector = Ids = Any


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Span:
    """A half-open interval of code points."""

    start: int
    end: int

    def __post_init__(self) -> None:
        """Refuse intervals that run backwards or start before the text."""
        if not 0 <= self.start <= self.end:
            raise ValueError(f"not a span: [{self.start}, {self.end})")

    def __len__(self) -> int:
        """Number of code points covered."""
        return self.end - self.start

    def overlaps(self, other: Span) -> bool:
        """Whether the two intervals share at least one code point."""
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle on a page, as fractions of its width and height, origin top left."""

    page: int
    x0: float
    y0: float
    x1: float
    y1: float


class PageSource(StrEnum):
    """Where the text of a page came from."""

    TEXT = "text"
    OCR = "ocr"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a document, and where each of its characters stands.

    ``boxes`` packs one rectangle per code point of the page's text as four little-endian
    uint16 (x0, y0, x1, y1 in 1/65535 of the page, origin top left); four zeros mean that
    the character has no place of its own (a space or a line break put in by the parser).
    Empty when the format has no geometry.
    """

    number: int
    start: int
    end: int
    width: float
    height: float
    source: PageSource = PageSource.TEXT
    boxes: bytes = b""


class BlockKind(StrEnum):
    """The structural role of a stretch of text."""

    HEADING = "heading"
    TABLE = "table"
    CODE = "code"
    LIST = "list"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableCell:
    """A cell of a table: its place in the grid, counted from 0, and the span of its text.

    An empty cell has ``start == end``. Its boxes are those of its characters.
    """

    row: int
    column: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A heading, table, code or list, as a span of the text. ``level`` is 1-6 for headings.

    ``cells`` are a table's, row by row; empty where the format does not tell them apart.
    """

    kind: BlockKind
    start: int
    end: int
    level: int = 0
    cells: tuple[TableCell, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file inside a file: of an e-mail, an archive or a PDF. It becomes its own document."""

    name: str
    content: bytes
    media_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedDocument:
    """What a parser makes of any format: one immutable text and spans of it.

    ``locked`` says that there is more in the file, which a password might open.
    """

    text: str
    media_type: str
    title: str | None = None
    pages: tuple[Page, ...] = ()
    blocks: tuple[Block, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    warnings: tuple[str, ...] = ()
    locked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A span of a document that is embedded and searched as one. ``tokens`` excludes specials."""

    position: int
    start: int
    end: int
    text: str
    tokens: int


class Around(StrEnum):
    """What is read around a passage: the chunks beside it, or the section that it is in."""

    NONE = "none"
    NEIGHBOURS = "neighbours"
    SECTION = "section"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The stretch of a document that a passage stands in."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A retrieved stretch of one document: a chunk, or overlapping neighbours merged.

    ``score`` and every value of ``scores`` (one per stage: ``dense``, ``lexical``,
    ``opening``, ``fused``, ``rerank``, ``mmr``) are higher for better passages.
    """

    document_id: str
    document_title: str
    start: int
    end: int
    text: str
    score: float
    scores: Mapping[str, float] = field(default_factory=dict)
    start_page: int | None = None
    end_page: int | None = None
    document_name: str = ""
    """The file name: often the only thing that tells one report of a series from the next."""
    surroundings: Surroundings | None = None
    """What it stands in, if that was asked for."""


class Located(StrEnum):
    """How a quote was found in its source."""

    EXACT = "exact"
    NORMALIZED = "normalized"
    FUZZY = "fuzzy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """A quote found at a place in a stored document.

    ``located`` says how code found it; ``support`` how well it supports the statement,
    from 0 to 1, or ``None`` when nobody judged that. ``answer`` is where the words of it stand
    that are the answer itself, a span of the document, when somebody marked them.
    """

    document_id: str
    document_title: str
    document_name: str = ""
    cited_text: str
    start: int
    end: int
    located: Located
    start_page: int | None = None
    end_page: int | None = None
    boxes: tuple[Box, ...] = ()
    support: float | None = None
    passage_score: float | None = None
    answer: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """One sentence of an answer with the places it rests on."""

    text: str
    citations: tuple[Citation, ...]
    support: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a call cost. Offline engines spend nothing; an unknown price is ``None``."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = 0.0

    def __add__(self, other: Usage) -> Usage:
        known = self.cost_usd is not None and other.cost_usd is not None
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost_usd=(self.cost_usd or 0) + (other.cost_usd or 0) if known else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptUsed:
    """The exact prompt that a language model was asked with."""

    name: str
    version: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Why an engine was asked, passed over, or not believed.

    ``taken`` of the one whose result it is. ``estimated_usd`` and ``confidence`` are ``None``
    when unknown, and of an engine that was not asked.
    """

    engine: str
    taken: bool
    reason: str
    estimated_usd: float | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A grounded answer. ``found`` is false when the documents do not say."""

    question: str
    text: str
    sentences: tuple[Sentence, ...]
    found: bool
    confidence: float | None
    engine: str
    usage: Usage = field(default_factory=Usage)
    dropped_citations: int = 0
    prompt: PromptUsed | None = None
    revision: str | None = None
    """The model that replied, by the exact name that its provider reports."""
    notes: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = ()
    passages: tuple[Passage, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    """Milliseconds by stage."""


class DocumentStatus(StrEnum):
    """Where a document stands. Only ``READY`` documents are searched."""

    QUEUED = "queued"
    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSoFar:
    """How far a long document is read, in pages and in code points, and how to go on.

    ``state`` is for the parser alone, which makes and reads it in its child process.
    """

    done: int
    total: int
    characters: int
    state: bytes


class JobStatus(StrEnum):
    """States of a job, as in OpenAI batches; and ``PAUSED``: it waits for somebody to resume it."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


class EditionStatus(StrEnum):
    """Where an edition of a collection stands. The one that is searched is ``READY``.

    Others that are ``READY`` were searched before, and can be again.
    """

    BUILDING = "building"
    READY = "ready"
    DROPPED = "dropped"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """A chunking and an embedding model of a collection; ``job_id`` is what builds it."""

    collection_id: str
    number: int
    embedder: str
    chunking: Mapping[str, Any]
    status: EditionStatus
    job_id: str | None
    replaced_at: float | None
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A named set of documents with one chunking and one embedding model: its edition.

    ``engine`` is what answers from it; ``None`` leaves that to whoever runs the service.
    """

    id: str
    tenant: str
    name: str
    edition: int
    embedder: str
    engine: str | None
    chunking: Mapping[str, Any]
    metadata_schema: Mapping[str, Any]
    seq: int
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A stored original and what is known of it. Times are Unix seconds.

    Its chunks are those of the edition that is searched.
    """

    id: str
    tenant: str
    collection_id: str
    sha256: str
    name: str
    title: str | None
    media_type: str
    size: int
    status: DocumentStatus
    error: Mapping[str, Any] | None
    metadata: Mapping[str, Any]
    job_id: str
    generation: int | None
    first_chunk_id: int | None
    chunk_count: int
    page_count: int
    text_length: int
    warnings: tuple[str, ...]
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Work that the catalog wants done. ``number`` is also the generation that it writes.

    ``done`` of ``total`` counts ``unit``: pages while a long document is read, then chunks;
    ``None`` while nothing is known of it yet.
    """

    id: str
    number: int
    tenant: str
    kind: str
    document_id: str | None
    collection_id: str | None
    status: JobStatus
    attempt: int
    done: int
    total: int | None
    unit: str | None
    error: Mapping[str, Any] | None
    created_at: float
    updated_at: float
