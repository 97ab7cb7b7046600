"""The embedding models of one process: that of new collections, and those that others have."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence

from rag.embedding import Embedder
from rag.errors import Conflict, IbidemError, InvalidRequest
from rag.types import Collection

_log = logging.getLogger(__name__)


class Embedders:
    """Opens a model when a collection needs it for the first time. Thread-safe."""

    def __init__(
        self,
        first: Embedder,
        *,
        name: str = "",
        others: Mapping[str, Callable[[], Embedder]] | None = None,
    ) -> None:
        """Have one model open, under a name, and others that their names open."""
        self.first = first
        self._open = {name: first}
        self._others = dict(others or {})
        self._broken: dict[str, IbidemError] = {}
        self._opening = threading.Lock()

    @property
    def names(self) -> Sequence[str]:
        """What a request may name."""
        return [name for name in dict.fromkeys((*self._open, *self._others)) if name]

    def named(self, name: str) -> Embedder:
        """The model of this name.

        Raises:
            InvalidRequest: there is none.
            ConfigurationError: it cannot be opened.
            MissingExtra: it needs a package that is not installed.
        """
        if name not in self._open and name not in self._others:
            raise InvalidRequest(
                f"There is no embedding model {name!r} here. Choose one of: "
                f"{', '.join(self.names)}; IBIDEM_EMBEDDERS names further ones.",
                param="embedder",
            )
        return self._opened(name)

    def of(self, collection: Collection) -> Embedder:
        """The model that a collection is embedded with.

        Raises:
            Conflict: it is none of this process's.
        """
        found = self.find(collection.embedder)
        if found is None:
            raise Conflict(
                f"Collection {collection.name!r} was embedded with {collection.embedder}, and this "
                f"process uses {self.first.id}; set IBIDEM_EMBEDDER back, name that model in "
                "IBIDEM_EMBEDDERS, or reindex the collection.",
                param="collection",
            )
        return found

    def find(self, embedder_id: str) -> Embedder | None:
        """The model with this id, if it is one of this process's."""
        for one in list(self._open.values()):
            if one.id == embedder_id:
                return one
        for name in self._others.keys() - self._open.keys() - self._broken.keys():
            try:
                if (one := self._opened(name)).id == embedder_id:
                    return one
            except IbidemError as error:
                _log.warning("the embedding model %s of IBIDEM_EMBEDDERS: %s", name, error)
                self._broken[name] = error
        return None

    def _opened(self, name: str) -> Embedder:
        with self._opening:
            if name not in self._open:
                self._open[name] = self._others[name]()
            return self._open[name]
