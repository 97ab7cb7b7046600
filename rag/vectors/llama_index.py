"""Vectors in any vector store of LlamaIndex.

Its stores agree on little: to add nodes, to delete them, and to return the nearest. So this uses
nothing else. The ids held are remembered here, and a hit that is not among them is none: a
deletion is effective at once whatever the store does. Hits are scored anew with the vectors that
SQL has, for each store calls something else a similarity. A filter is applied to more hits than
are wanted; where these do not suffice, and where few ids are allowed, every allowed vector is
compared. As a store does not tell what it holds, it is emptied and filled again by each process.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import BasePydanticVectorStore, VectorStoreQuery
from pydantic import ValidationError

from rag.errors import ConfigurationError, StorageError
from rag.locks import ReadWriteLock
from rag.redact import masked_text
from rag.types import FloatMatrix, FloatVector, Ids
from rag.vectors import Hits, Place, best, check_shapes, last_of_each, nothing

_FEW = 2_000
"""Ids that are compared one by one rather than hoped for among the nearest of all."""
_MOST_ASKED = 10_000
_BATCH = 2_000
_LONGEST_MESSAGE = 1_000


class LlamaIndexStore:
    """Makes one store of LlamaIndex for each place, as a setting says."""

    def __init__(self, setting: str) -> None:
        """Understand ``dotted.name?argument=value&...``, where ``{collection}`` is the place.

        Values are JSON, or else text; ``{dimension}`` stands for the length of vectors.

        Raises:
            ConfigurationError: there is no such name, or all places would be one.
        """
        name, _, arguments = setting.partition("?")
        self._make = _find(name)
        self._name = name
        self._opened: dict[str, BasePydanticVectorStore] = {}
        self._arguments = dict(parse_qsl(arguments, keep_blank_values=True))
        if not any("{collection}" in value for value in self._arguments.values()):
            raise ConfigurationError(
                f"IBIDEM_INDEX=llama_index:{name}: every collection needs a place of its own; "
                "write {collection} into the argument that names it, such as "
                "?collection_name={collection}."
            )

    def open(self, place: Place) -> LlamaIndexIndex:
        """The empty index at a place.

        Raises:
            ConfigurationError: the store refuses its arguments.
        """
        if place.name in self._opened:  # many can be opened once at a time
            _close(self._opened.pop(place.name))
        arguments = _filled_in(self._arguments, place)
        secrets = [*self._arguments.values(), *map(str, arguments.values())]
        try:
            store = self._make(**arguments)
        except Exception as error:
            raise ConfigurationError(
                f"IBIDEM_INDEX=llama_index:{self._name}: {_said(error, secrets)}"
            ) from None  # a traceback would show what is masked here
        if not isinstance(store, BasePydanticVectorStore):
            raise ConfigurationError(
                f"IBIDEM_INDEX=llama_index:{self._name} is no vector store of LlamaIndex."
            )
        self._opened[place.name] = store
        return LlamaIndexIndex(store, place, secrets)

    def close(self) -> None:
        """Close every store that was opened."""
        while self._opened:
            _close(self._opened.popitem()[1])


class LlamaIndexIndex:
    """One collection's vectors as nodes without text, whose ids are ours as UUIDs."""

    def __init__(
        self, store: BasePydanticVectorStore, place: Place, secrets: Sequence[str] = ()
    ) -> None:
        """Over a store, which is emptied; no error shows the ``secrets`` that made it."""
        self._secrets = secrets
        self._store = store
        self._place = place
        self._ids: Ids = np.empty(0, np.int64)
        self._lock = ReadWriteLock()
        self._clear()

    def add(self, ids: Ids, vectors: FloatMatrix) -> None:
        """Add or replace; shapes (n,) and (n, dimension). The last of repeated ids wins.

        Raises:
            ValueError: The shapes do not fit each other or the index.
            StorageError: The store failed.
        """
        ids, vectors = np.asarray(ids, np.int64), np.asarray(vectors, np.float32)
        check_shapes(ids, vectors, self._place.dimension)
        ids, vectors = last_of_each(ids, vectors)
        nodes = [
            TextNode(id_=name, text="", embedding=vector)
            for name, vector in zip(_names(ids), vectors.tolist(), strict=True)
        ]
        with self._lock.writing(), self._explained():
            self._delete(ids)
            self._store.add(nodes)
            self._ids = np.union1d(self._ids, ids)

    def remove(self, ids: Ids) -> None:
        """Forget these ids; unknown ones are ignored."""
        with self._lock.writing(), self._explained():
            self._delete(np.asarray(ids, np.int64))

    def search(self, vector: FloatVector, k: int, allowed: Ids | None = None) -> Hits:
        """The k most similar by inner product, among ``allowed`` when given."""
        query = np.asarray(vector, np.float32)
        with self._lock.reading(), self._explained():
            among = self._ids if allowed is None else np.intersect1d(self._ids, allowed)
            k = min(k, len(among))
            if k <= 0:
                return nothing()
            if len(among) > max(k, _FEW) or allowed is None:
                asked = k if allowed is None else 2 * k * len(self._ids) // len(among) + k
                while asked <= _MOST_ASKED:
                    found = np.intersect1d(self._nearest(query, asked), among)
                    if len(found) >= k:
                        return self._exact(query, k, found)
                    if asked >= len(self._ids):
                        break
                    asked *= 4
            return self._exact(query, k, among)

    def get(self, ids: Ids) -> tuple[Ids, FloatMatrix]:
        """Those of some sorted ids that are held, with their vectors as SQL has them."""
        with self._lock.reading():
            found, vectors = self._place.stored(np.intersect1d(self._ids, ids))
        order = np.argsort(found)
        return found[order], vectors[order]

    def ids(self) -> Ids:
        """All ids held, sorted."""
        with self._lock.reading():
            return self._ids

    def drop(self) -> None:
        """Empty the store."""
        with self._lock.writing():
            self._clear()

    def close(self) -> None:
        """Nothing to do: a store writes what it is given, and nothing later."""

    def _clear(self) -> None:
        with suppress(Exception):  # many have nothing to clear before something was added
            self._store.clear()
        self._ids = np.empty(0, np.int64)

    def _delete(self, ids: Ids) -> None:
        held = np.intersect1d(self._ids, ids)
        self._ids = np.setdiff1d(self._ids, held)
        if len(held):
            with suppress(NotImplementedError):  # then it keeps what is never returned again
                self._store.delete_nodes(_names(held))

    def _nearest(self, query: FloatVector, count: int) -> Ids:
        asked = VectorStoreQuery(query_embedding=query.tolist(), similarity_top_k=count)
        names = self._store.query(asked).ids or []
        return np.array([uuid.UUID(name).int for name in names], np.int64)

    def _exact(self, query: FloatVector, k: int, ids: Ids) -> Hits:
        hits = nothing()
        for first in range(0, len(ids), _BATCH):
            found, vectors = self._place.stored(ids[first : first + _BATCH])
            scores = np.concatenate([hits.scores, (vectors @ query).astype(np.float32)])
            hits = best(np.concatenate([hits.ids, found]), scores, k)
        return hits

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Whatever a store raises, as ours: there are too many to know their errors."""
        try:
            yield
        except Exception as error:
            name = type(self._store).__name__
            said = _said(error, self._secrets)
            raise StorageError(f"The vector store {name} failed: {said}") from None


def _said(error: Exception, secrets: Sequence[str]) -> str:
    """What an error says; pydantic and drivers quote what they were given, passwords too."""
    if isinstance(error, ValidationError):  # without the values that it quotes
        found = error.errors(include_input=False, include_url=False)
        text = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found)
    else:
        text = str(error)
    return f"{type(error).__name__}: {masked_text(text[:_LONGEST_MESSAGE], secrets)}"


def _find(name: str) -> Callable[..., Any]:
    """What a dotted name means: a class, or a function or method that makes a store."""
    parts = name.split(".")
    for count in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:count])
        try:
            found: Any = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name and not f"{module}.".startswith(f"{error.name}."):
                raise ConfigurationError(
                    f"IBIDEM_INDEX=llama_index:{name} needs the package {error.name}."
                ) from error
            continue
        for part in parts[count:]:
            found = getattr(found, part, None)
        if callable(found):
            return found  # type: ignore[no-any-return]
        break
    raise ConfigurationError(
        f"IBIDEM_INDEX=llama_index:{name}: there is no such class. Its package is probably not "
        "installed; LlamaIndex's are named like llama-index-vector-stores-qdrant."
    )


def _close(store: BasePydanticVectorStore) -> None:
    """Close a store, or else its client; few say how."""
    for thing in (store, getattr(store, "client", None)):
        close = getattr(thing, "close", None)
        if callable(close):
            with suppress(Exception):  # it is not used again
                result = close()
                if inspect.iscoroutine(result):
                    asyncio.run(result)
            return


def _filled_in(arguments: Mapping[str, str], place: Place) -> dict[str, Any]:
    filled: dict[str, Any] = {}
    for name, value in arguments.items():
        text = value.replace("{collection}", place.name)
        text = text.replace("{dimension}", str(place.dimension))
        try:
            filled[name] = json.loads(text)
        except ValueError:
            filled[name] = text
    return filled


def _names(ids: Ids) -> list[str]:
    return [str(uuid.UUID(int=one)) for one in ids.tolist()]
