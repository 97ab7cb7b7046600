"""Parse, chunk, embed, publish: plain functions that a loop and the job store both call.

Each may be repeated after a crash: it replaces what an interrupted attempt left behind.
Nothing is visible before the last batch is embedded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from ingest.attachments import adopt_attachments
from ingest.chunk.apart import cut_apart
from ingest.originals import Originals
from ingest.parse import Limits
from ingest.parse.detect import mismatch
from ingest.parse.options import INSTALLED
from ingest.parse.reading import assembled, packed, read, unpacked
from ingest.passwords import Passwords
from rag.catalog import Catalog
from rag.catalog.texts import ChunkText, hashed
from rag.embedding.several import Embedders
from rag.embedding.whole import embed_whole
from rag.errors import (
    DocumentError,
    EmptyDocument,
    EncryptedDocument,
    NotFound,
    OriginalMissing,
    ParserLimit,
    Superseded,
)
from rag.types import Collection, Document, Job, ParsedDocument

EMBED_BATCH = 128
"""Chunks embedded and stored as one step; about two seconds of work on two cores."""

FIRST_BATCH = Limits(batch_s=3.0)
"""A document that takes longer to read goes on behind those that wait, so the first is short."""

_LOOK_S = 0.05

MOST_BEGINNINGS = 20
"""A document that is begun as often in vain is given up: it may be what ends the process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """What ingestion works with; ``submit`` is told of jobs that ingestion itself adds."""

    catalog: Catalog
    originals: Originals
    embedders: Embedders
    ocr_languages: str = INSTALLED
    submit: Callable[[str], None] = lambda _job_id: None
    passwords: Passwords = field(default_factory=Passwords)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A document that is parsed and chunked, and waits for its vectors.

    The job store keeps this for a while: there must be no word of the document in it.
    """

    chunks: int
    edition: int


def begin(
    pipeline: Pipeline, job: Job, *, between: Callable[[], None] = lambda: None
) -> Prepared | None:
    """Read the document and stage its text, pages and chunks.

    One whose texts make a single batch is also embedded and made visible, and nothing is returned:
    to leave a step between would cost more than to do it again after a crash. A long one is
    read in batches of pages, each kept, so that it goes on behind the last one after a crash;
    ``between`` them somebody may raise to leave the rest for later.

    Raises:
        DocumentError: the document cannot be read.
        NotFound: it was deleted meanwhile.
    """
    document, collection = _subject(pipeline.catalog, job)
    catalog = pipeline.catalog
    if catalog.versions.start(document.id, job.number) >= MOST_BEGINNINGS:
        raise ParserLimit(
            "Reading the document was begun again and again and never came to an end; the log "
            "says why. Upload it again to try once more."
        )
    if pipeline.originals.is_gone(document.sha256):
        raise OriginalMissing
    parsed, in_batches = _read(pipeline, document, job, between)
    parsed = adopt_attachments(pipeline, collection, document, job.number, parsed)
    while True:
        try:
            prepared = _stage(pipeline, collection, job, document.id, parsed, apart=in_batches)
        except Superseded:
            collection = catalog.collections.current(collection)
            continue
        if in_batches:
            catalog.staging.drop_batches(document.id, job.number)
        return prepared


def _stage(
    pipeline: Pipeline,
    collection: Collection,
    job: Job,
    document_id: str,
    parsed: ParsedDocument,
    *,
    apart: bool,
) -> Prepared | None:
    """Cut and stage a document that was read; as for the rest, see ``begin``.

    With ``apart`` it is embedded in a step of its own, however little there is of it.
    """
    found = cut_apart(parsed, collection.chunking, pipeline.embedders.of(collection))
    chunks = found.chunks
    if not chunks:
        raise EmptyDocument("No text was found in the document.")
    pipeline.catalog.staging.stage(
        document_id, job.number, parsed, chunks, found.likeness, edition=collection.edition
    )
    prepared = Prepared(chunks=len(chunks), edition=collection.edition)
    # Most of what is endless says the same again and again, and is embedded once.
    distinct = {chunk.text: chunk for chunk in chunks}
    if apart or len(distinct) > EMBED_BATCH:
        return prepared
    store = missing_vectors(pipeline, collection, [hashed(one) for one in distinct.values()])
    _publish(pipeline, job, document_id, prepared, store)
    return None


def embed(pipeline: Pipeline, job: Job, first: int, prepared: Prepared) -> None:
    """Embed the batch of staged chunks from ``first`` on; the last makes the document visible.

    Texts that have a vector are not embedded again.

    Raises:
        NotFound: the document was deleted meanwhile.
        Superseded: the collection has got another index since; it has to be read again.
        StoreDamaged: not everything that was prepared is there; it has to be read again.
    """
    document, collection = _subject(pipeline.catalog, job)
    if collection.edition != prepared.edition:
        raise Superseded
    version = (document.id, job.number, prepared.edition)
    batch = pipeline.catalog.staging.chunks(*version, first, EMBED_BATCH)
    store = missing_vectors(pipeline, collection, batch)
    done = first + EMBED_BATCH
    if done >= prepared.chunks:
        _publish(pipeline, job, document.id, prepared, store)
    else:
        versions = pipeline.catalog.versions
        versions.advance(document.id, job.number, done=done, total=prepared.chunks, store=store)


def missing_vectors(
    pipeline: Pipeline, collection: Collection, chunks: Sequence[ChunkText]
) -> Callable[[], None]:
    """Embed the texts that have no vector yet; the returned call keeps the new vectors.

    Raises:
        Conflict: the collection is embedded with another model than this process has.
        EmbeddingFailed: the model could not encode them.
    """
    embedder = pipeline.embedders.of(collection)
    texts = {chunk.text_sha256: chunk.text for chunk in chunks}
    space = (collection.tenant, collection.embedder)
    present = pipeline.catalog.vectors.present(*space, list(texts))
    missing = [key for key in texts if key not in present]
    if not missing:
        return lambda: None
    vectors = embed_whole(embedder, [texts[key] for key in missing])
    return lambda: pipeline.catalog.vectors.put(*space, missing, vectors)


def fail(pipeline: Pipeline, job: Job, error: Mapping[str, Any]) -> None:
    """Give the document up and keep the reason; a no-op when it was deleted meanwhile."""
    if job.document_id is None:
        return
    pipeline.passwords.forget(job.document_id)
    try:
        pipeline.catalog.versions.fail(job.document_id, job.number, error)
    except NotFound:
        return
    pipeline.catalog.garbage.collect(pipeline.originals.discard)


def finish_deletions(pipeline: Pipeline) -> None:
    """Go on with deletions that an error has ended, as when the disk was full."""
    pipeline.catalog.versions.finish_deletions()
    pipeline.catalog.garbage.collect(pipeline.originals.discard)


def ingest(pipeline: Pipeline, job: Job) -> None:
    """The whole line, without a job store."""
    try:
        if prepared := begin(pipeline, job):
            for first in range(0, prepared.chunks, EMBED_BATCH):
                embed(pipeline, job, first, prepared)
    except DocumentError as error:
        fail(pipeline, job, error.as_dict())


def _read(
    pipeline: Pipeline, document: Document, job: Job, between: Callable[[], None]
) -> tuple[ParsedDocument, bool]:
    """The parsed document, and whether some of it was kept in batches."""
    staging, originals = pipeline.catalog.staging, pipeline.originals
    path, media_type = originals.path(document.sha256), document.media_type
    so_far = staging.read_so_far(document.id, job.number) if job.unit else None
    while True:
        password = pipeline.passwords.of(document.id)
        try:
            batch = read(
                path,
                media_type,
                after=so_far,
                limits=None if so_far else FIRST_BATCH,
                folder=originals.folder,
                ocr_languages=pipeline.ocr_languages,
                password=password,
            )
        except EncryptedDocument:
            if pipeline.passwords.of(document.id) == password:
                raise
            continue  # another one was given meanwhile
        if batch.so_far is None:
            break
        so_far = batch.so_far
        staging.add_batch(document.id, job.number, so_far, packed(batch.parts))
        between()
    kept = staging.batches(document.id, job.number) if so_far else ()
    before = chain.from_iterable(map(unpacked, kept))
    parsed = assembled(chain(before, batch.parts), media_type)
    if said := mismatch(document.name, media_type):
        parsed = replace(parsed, warnings=(said, *parsed.warnings))
    return parsed, so_far is not None


def _publish(
    pipeline: Pipeline,
    job: Job,
    document_id: str,
    prepared: Prepared,
    store: Callable[[], None],
) -> None:
    catalog = pipeline.catalog
    while job.collection_id and catalog.editions.is_closing(job.collection_id):
        time.sleep(_LOOK_S)  # another index is about to be searched: it needs all documents
    staged = {"chunks": prepared.chunks, "edition": prepared.edition}
    catalog.versions.publish(document_id, job.number, **staged, store=store)
    pipeline.passwords.forget(document_id)
    pipeline.catalog.garbage.collect(pipeline.originals.discard)


def _subject(catalog: Catalog, job: Job) -> tuple[Document, Collection]:
    document = catalog.documents.find(job.document_id) if job.document_id else None
    if document is None:
        raise NotFound("The document was deleted while it was being read.")
    return document, catalog.collections.get(job.tenant, document.collection_id)
