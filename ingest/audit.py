"""The store held against its own promises; what can be mended is mended on request."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from ingest.originals import file_parts
from ingest.pipeline import Pipeline, missing_vectors
from rag.catalog.editions import as_edition
from rag.catalog.texts import ChunkText
from rag.errors import NotFound, StoreDamaged
from rag.indexes import Indexes
from rag.types import Collection, EditionStatus, Ids

_TRIES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it should be."""

    kind: str
    subject: str
    message: str
    repaired: bool = False


def run_audit(pipeline: Pipeline, indexes: Indexes, *, repair: bool) -> list[Finding]:
    """Check the whole store, also while it is in use.

    Every searchable document's chunks are in both indexes and nothing else is, no vector is
    missing or zero, every span resolves, every original is there and unchanged, every attachment
    has a document around it, and nothing is left of what was deleted. A look may fall between
    two steps of what others are doing, so only what is still wrong at a second look is told of.

    With ``repair``, orphans are removed, vectors embedded again, broken documents queued to be
    read again and indexes rebuilt; a lost original is beyond repair.
    """
    first = {(finding.kind, finding.subject) for finding in _look(pipeline, indexes, False)}
    if not first:
        return []
    again = _look(pipeline, indexes, repair)
    return [finding for finding in again if (finding.kind, finding.subject) in first]


def _look(pipeline: Pipeline, indexes: Indexes, repair: bool) -> list[Finding]:
    findings = [
        *_attachments(pipeline, repair),
        *_documents(pipeline, repair),
        *_vectors(pipeline, repair),
        *_originals(pipeline, repair),
        *_orphans(pipeline, repair),
    ]
    for collection in pipeline.catalog.collections.all(None):
        findings += _indexes(pipeline, indexes, collection, repair)
    return findings


def _documents(pipeline: Pipeline, repair: bool) -> Iterator[Finding]:
    inspection = pipeline.catalog.inspection
    for collection in pipeline.catalog.collections.all(None):
        gaps = inspection.log_gaps(collection.id)
        if gaps:
            yield Finding(
                kind="commit_log",
                subject=collection.id,
                message=f"The commit log of {collection.name!r} lacks {gaps} changes.",
            )
        for edition in _kept_editions(pipeline, collection):
            yield from _spans(pipeline, edition, repair)
    for kind, found, message in (  # each looked for after the ones before were mended
        (
            "placement",
            inspection.unplaced,
            "The document has a text, and is not among those that are searched.",
        ),
        (
            "stranded",
            inspection.stranded,
            "The document waits for a job that is not there, or has no text though ready.",
        ),
    ):
        for document_id in found():
            if repair:
                inspection.ingest_again(document_id)
            yield Finding(kind=kind, subject=document_id, message=message, repaired=repair)


def _kept_editions(pipeline: Pipeline, collection: Collection) -> Iterator[Collection]:
    """The collection as each of its editions, but for those that are being removed."""
    for edition in pipeline.catalog.editions.of(collection.id):
        if edition.status is not EditionStatus.DROPPED:
            yield as_edition(collection, edition)


def _spans(pipeline: Pipeline, edition: Collection, repair: bool) -> Iterator[Finding]:
    inspection = pipeline.catalog.inspection
    for document in inspection.visible(edition.id, edition.edition):
        broken = list(inspection.broken_spans(document))
        current = pipeline.catalog.documents.find(document.id) if broken else None
        if current is not None and current.generation == document.generation:
            if repair:
                inspection.ingest_again(document.id)
            yield Finding(
                kind="spans", subject=document.id, message="; ".join(broken), repaired=repair
            )


def _vectors(pipeline: Pipeline, repair: bool) -> Iterator[Finding]:
    catalog = pipeline.catalog
    for collection in catalog.collections.all(None):
        for edition in _kept_editions(pipeline, collection):
            yield from _missing_vectors(pipeline, edition, repair)
    unused = set(catalog.vectors.all_keys()) - catalog.inspection.used_vectors()
    if unused:
        if repair:
            catalog.garbage.discard_vectors(unused)
        yield Finding(
            kind="orphan_vectors",
            subject="vectors",
            message=f"{len(unused)} vectors belong to no chunk.",
            repaired=repair,
        )


def _missing_vectors(pipeline: Pipeline, edition: Collection, repair: bool) -> Iterator[Finding]:
    catalog = pipeline.catalog
    for document in catalog.inspection.visible(edition.id, edition.edition):
        bad = _bad_vectors(pipeline, edition, list(catalog.inspection.chunks(document)))
        if not bad:
            continue
        mend = repair and pipeline.embedders.find(edition.embedder) is not None
        if mend:
            hashes = [chunk.text_sha256 for chunk in bad]
            catalog.vectors.delete(edition.tenant, edition.embedder, hashes)
            missing_vectors(pipeline, edition, bad)()
        yield Finding(
            kind="vectors",
            subject=document.id,
            message=f"{len(bad)} of its {document.chunk_count} vectors are missing or zero.",
            repaired=mend,
        )


def _bad_vectors(
    pipeline: Pipeline, collection: Collection, chunks: list[ChunkText]
) -> list[ChunkText]:
    hashes = [chunk.text_sha256 for chunk in chunks]
    found = pipeline.catalog.vectors.get(collection.tenant, collection.embedder, hashes)

    def sound(key: bytes) -> bool:
        return key in found and abs(float(np.linalg.norm(found[key])) - 1) < 0.01

    return [chunk for chunk in chunks if not sound(chunk.text_sha256)]


def _originals(pipeline: Pipeline, repair: bool) -> Iterator[Finding]:
    wanted = pipeline.catalog.inspection.contents()
    kept = set(pipeline.originals.all())
    for sha256 in kept - wanted.keys():
        if repair:
            pipeline.catalog.garbage.discard_orphan(sha256, pipeline.originals.discard)
        yield Finding(
            kind="orphan_original",
            subject=sha256,
            message="The file belongs to no document.",
            repaired=repair,
        )
    for sha256, document_id in wanted.items():
        if sha256 not in kept:
            message = "The original is gone; upload the file again."
        elif _hash(pipeline, sha256) != sha256:
            message = "The original has changed on disk; delete the document and upload it again."
        else:
            continue
        yield Finding(kind="original", subject=document_id, message=message)


def _hash(pipeline: Pipeline, sha256: str) -> str:
    digest = hashlib.sha256()
    with suppress(FileNotFoundError):  # deleted meanwhile
        for part in file_parts(pipeline.originals.path(sha256)):
            digest.update(part)
    return digest.hexdigest()


def _orphans(pipeline: Pipeline, repair: bool) -> Iterator[Finding]:
    for document_id, generation in pipeline.catalog.inspection.orphans():
        if repair:
            pipeline.catalog.inspection.remove_orphan(document_id, generation)
        yield Finding(
            kind="orphan_rows",
            subject=document_id,
            message=f"Rows of version {generation} are neither visible nor being written.",
            repaired=repair,
        )
    for document_id, edition in pipeline.catalog.inspection.loose_chunks():
        if repair:
            pipeline.catalog.inspection.remove_loose_chunks(document_id, edition)
        yield Finding(
            kind="orphan_rows",
            subject=document_id,
            message=f"Chunks for index {edition} are neither in it nor being written.",
            repaired=repair,
        )


def _attachments(pipeline: Pipeline, repair: bool) -> Iterator[Finding]:
    for document_id in sorted(pipeline.catalog.inspection.unattached()):
        if repair:
            pipeline.catalog.versions.delete_orphans([document_id])
        yield Finding(
            kind="attachment",
            subject=document_id,
            message="The document was found inside another one, which is no longer there.",
            repaired=repair,
        )


def _indexes(
    pipeline: Pipeline, indexes: Indexes, collection: Collection, repair: bool
) -> list[Finding]:
    findings = list(_index_differences(pipeline, indexes, collection))
    if findings and repair:
        indexes.forget(collection.id)
        left = {(f.kind, f.message) for f in _index_differences(pipeline, indexes, collection)}
        return [replace(f, repaired=(f.kind, f.message) not in left) for f in findings]
    return findings


def _index_differences(
    pipeline: Pipeline, indexes: Indexes, collection: Collection
) -> Iterator[Finding]:
    if pipeline.embedders.find(collection.embedder) is None:
        return  # its vectors are judged above; this process cannot search it
    try:
        sets = _settled_ids(pipeline, indexes, collection)
    except StoreDamaged as error:
        yield Finding(kind="index", subject=collection.id, message=error.message)
        return
    if sets is None:
        yield Finding(
            kind="index",
            subject=collection.id,
            message=f"{collection.name!r} changes too fast to be compared; try again later.",
        )
        return
    expected, held_by = sets
    for name, held in held_by.items():
        difference = _difference(expected, held)
        if difference:
            yield Finding(
                kind="index",
                subject=collection.id,
                message=f"The {name} index of {collection.name!r}: {difference}.",
            )


def _settled_ids(
    pipeline: Pipeline, indexes: Indexes, collection: Collection
) -> tuple[Ids, dict[str, Ids]] | None:
    """Chunk ids as SQL and as each index has them, of one moment; ``None`` if there is none.

    Of a collection that is deleted meanwhile there are none.
    """
    catalog = pipeline.catalog
    for _ in range(_TRIES):
        collection = catalog.collections.current(collection)
        try:
            opened = indexes.of_edition(collection)
        except NotFound:
            return np.empty(0, np.int64), {}
        before = opened.seq
        held = {"vector": opened.vectors.ids(), "text": opened.lexical.ids()}
        runs = [
            np.arange(document.first_chunk_id, document.first_chunk_id + document.chunk_count)
            for document in catalog.inspection.visible(collection.id, collection.edition)
        ]
        if before == opened.seq == catalog.collections.seq(collection.id):
            return (np.concatenate(runs) if runs else np.empty(0, np.int64)), held
    return None


def _difference(expected: Ids, held: Ids) -> str:
    missing = len(np.setdiff1d(expected, held))
    surplus = len(np.setdiff1d(held, expected))
    parts = [f"{missing} chunks missing"] * bool(missing) + [f"{surplus} too many"] * bool(surplus)
    return ", ".join(parts)
