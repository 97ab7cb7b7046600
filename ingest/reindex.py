"""One document cut and embedded anew for another edition of its collection.

Its text is read from the catalog, not from the file: spans into it stay what they are. Each
step may be repeated after a crash, and texts that have their vector are not embedded again.
"""

from __future__ import annotations

from ingest.chunk.apart import cut_apart
from ingest.pipeline import EMBED_BATCH, Pipeline, missing_vectors
from rag.catalog.editions import as_edition
from rag.catalog.texts import hashed
from rag.types import Collection, Edition


def index_anew(
    pipeline: Pipeline, collection: Collection, edition: Edition, document_id: str
) -> None:
    """Add a document to an edition that is being built.

    Raises:
        NotFound: the document was deleted or read anew meanwhile, or nobody wants the edition.
        Conflict: this process has not the edition's embedding model.
        DocumentError: the document cannot be cut like this.
        EmbeddingFailed: the model could not encode it.
    """
    editions = pipeline.catalog.editions
    target = as_edition(collection, edition)
    generation, parsed = pipeline.catalog.texts.parsed(document_id)
    chunks = cut_apart(parsed, target.chunking, pipeline.embedders.of(target)).chunks
    editions.stage(edition, document_id, generation, chunks)
    last = max(0, len(chunks) - 1) // EMBED_BATCH * EMBED_BATCH
    for first in range(0, last + 1, EMBED_BATCH):
        batch = [hashed(one) for one in chunks[first : first + EMBED_BATCH]]
        store = missing_vectors(pipeline, target, batch)
        if first == last:
            count = len(chunks)
            editions.place(edition, document_id, generation, chunks=count, store=store)
        else:
            editions.keep(edition, document_id, generation, store)
