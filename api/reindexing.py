"""Another index for a collection, built beside the one that is searched until it takes over."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from api.services import Services
from ingest.chunk import complete
from ingest.reindex import index_anew
from rag.catalog.edition_orders import begin_edition, complete_edition
from rag.catalog.editions import as_edition
from rag.catalog.work import Lane, NewWork
from rag.embedding import Embedder
from rag.errors import Conflict, InvalidRequest, NotFound
from rag.types import Collection, Edition, EditionStatus
from rag.work import Done, Failed, Item, NewItem, Produced, WorkSpec

KIND = "reindex"
_log = logging.getLogger(__name__)
_DAY_S = 86_400
_FEW = 20
_CLOSING_S = 10.0
"""Documents that were read wait at most so long at a time for the last few of others."""


class ReindexWork:
    """The `rag.work.Work` of building an edition: each item is a document. Thread-safe.

    Documents that come meanwhile are the items of further rounds. The last few, that come while
    nothing else is left to be done, are taken in by the step that has the edition searched.
    """

    def __init__(self, services: Services) -> None:
        """Build with the parts of a running Ibidem."""
        self._services = services

    def items(self, spec: WorkSpec, last: NewItem | None = None) -> Iterator[NewItem]:
        """The documents that the edition lacks."""
        first, after = (last.position + 1, last.payload["document"]) if last else (0, "")
        return self._items(spec, first, after=after, but=frozenset())

    def run(self, spec: WorkSpec, item: Item) -> Produced:
        """Add one document to the edition.

        Raises:
            IbidemError: it cannot be cut or embedded.
        """
        return Produced(value={"indexed": self._index(spec, item.payload["document"])})

    def after(self, spec: WorkSpec, round: int, results: Iterable[Done]) -> Iterator[NewItem]:
        """Documents that came since; those that failed are not tried again by themselves."""
        failed = self._services.catalog.work.failed(spec.job)
        return self._items(spec, 0, but=frozenset(one.payload["document"] for one in failed))

    def finish(
        self, spec: WorkSpec, results: Iterable[Done], failures: Iterable[Failed]
    ) -> Produced:
        """Have the edition searched.

        Raises:
            Conflict: documents could not be added to it.
            NotFound: the collection was deleted, or the edition was given up.
        """
        services, editions = self._services, self._services.catalog.editions
        collection, edition = self._edition(spec)
        if collection.edition == edition.number:  # done before a crash
            return Produced(value={"generation": edition.number})
        failed = {one.payload["document"] for one in failures}
        # Made before the first search needs it.
        services.indexes.of_edition(as_edition(collection, edition))
        while not editions.change_over(edition):
            lacking = editions.lacking(collection.id, edition.number)
            if broken := failed.intersection(lacking):
                raise Conflict(
                    f"{len(broken)} documents could not be indexed anew, so that the index before "
                    "stays. Resume the job with `retry_failed`, delete them, or cancel the job."
                )
            if len(lacking) <= _FEW:
                editions.close_for(edition, _CLOSING_S)
            for document_id in lacking:
                self._index(spec, document_id)
        services.indexes.forget(collection.id, edition=collection.edition)
        return Produced(value={"generation": edition.number})

    def _items(
        self, spec: WorkSpec, position: int, *, after: str = "", but: frozenset[str]
    ) -> Iterator[NewItem]:
        collection, edition = self._edition(spec)
        lacking = self._services.catalog.editions.lacking
        while found := lacking(collection.id, edition.number, after=after):
            for document_id in found:
                if document_id not in but:
                    yield NewItem(position=position, payload={"document": document_id})
                    position += 1
            after = found[-1]

    def _index(self, spec: WorkSpec, document_id: str) -> bool:
        """Whether the document was added: not when it has gone, or is another one by now."""
        collection, edition = self._edition(spec)
        with suppress(NotFound):
            index_anew(self._services.pipeline, collection, edition, document_id)
            return True
        return False

    def _edition(self, spec: WorkSpec) -> tuple[Collection, Edition]:
        catalog = self._services.catalog
        collection = catalog.collections.get(spec.tenant, spec.body["collection"])
        edition = catalog.editions.get(collection, spec.body["edition"])
        if edition.job_id != spec.job and collection.edition != edition.number:
            raise NotFound(
                f"Index {edition.number} of collection {collection.name!r} is not built by this "
                "job any more; order it anew."
            )
        return collection, edition


def order_reindex(
    services: Services,
    collection: Collection,
    key: str,
    *,
    embedder: str | None,
    chunking: Mapping[str, Any] | None,
) -> str:
    """Have a collection cut or embedded anew; returns the id of the job.

    Without an ``embedder`` it is the service's, without ``chunking`` as before, in chunks that
    the model can read.

    Raises:
        InvalidRequest: there is no such model or chunking, or it is as it is already.
        Conflict: it is being indexed anew already.
    """
    model = services.embedders.named(embedder) if embedder else services.embedder
    if chunking is None:
        given = dict(collection.chunking)
        chosen = complete({**given, **_fitting(given, model)}, model.window)
    else:
        chosen = complete(chunking, model.window)
    if (model.id, chosen) == (collection.embedder, dict(collection.chunking)):
        raise InvalidRequest(
            f"Collection {collection.name!r} is cut and embedded like this already.",
            param="embedder",
        )
    known = services.catalog.editions.last_number(collection.id)
    begin = partial(begin_edition, embedder=model.id, chunking=chosen)
    return _order(services, collection, key, known + 1, begin, model)


def order_rollback(services: Services, collection: Collection, key: str) -> str:
    """Have the index before searched again, with what came since; returns the id of the job.

    Raises:
        Conflict: none is kept, or the collection is being indexed anew.
    """
    kept = kept_edition(services.catalog.editions.of(collection.id), collection)
    if kept is None:
        raise Conflict(
            f"Collection {collection.name!r} has no earlier index to go back to.",
            param="collection",
        )
    model = services.embedders.of(as_edition(collection, kept))
    return _order(services, collection, key, kept.number, complete_edition, model)


def kept_edition(editions: Iterable[Edition], collection: Collection) -> Edition | None:
    """The edition that was searched before, while it is kept."""
    for edition in editions:
        if edition.status is EditionStatus.READY and edition.number != collection.edition:
            return edition
    return None


def remove_dropped(services: Services) -> None:
    """Remove what was given up, and indexes that were kept long enough for a way back."""
    catalog = services.catalog
    catalog.editions.settle(kept_s=services.settings.rollback_days * _DAY_S)
    dropped = catalog.editions.dropped()
    collections = {one.id: one for one in catalog.collections.all(None)} if dropped else {}
    for edition in dropped:
        while catalog.editions.remove_some(edition):
            pass
        catalog.garbage.collect(services.originals.discard)
        if edition.collection_id in collections:  # else it went with its indexes
            services.indexes.drop(as_edition(collections[edition.collection_id], edition))
        catalog.editions.removed(edition)
        _log.info("index %d of collection %s was removed", edition.number, edition.collection_id)


def _fitting(chunking: Mapping[str, Any], model: Embedder) -> Mapping[str, Any]:
    """What has to change in a chunking for chunks that the model reads whole."""
    if chunking["size"] <= model.window:
        return {}
    return {"size": model.window, "overlap": None, "group": None}


def _order(
    services: Services,
    collection: Collection,
    key: str,
    number: int,
    write: Any,
    model: Embedder,
) -> str:
    new = NewWork(
        kind=KIND,
        tenant=collection.tenant,
        key=key,
        spec={"collection": collection.id, "edition": number},
        lane=Lane.CALLS if model.id.startswith("openai") else Lane.LOCAL,
    )
    return services.catalog.work.create(
        new, together=lambda connection, job_id: write(connection, job_id, collection, number)
    )
