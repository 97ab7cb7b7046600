"""Which engine answers: the one that a request names, or that its collections are pinned to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rag.errors import Conflict, InvalidRequest
from rag.models.engine import Engine
from rag.types import Collection


def by_id(engines: Iterable[Engine]) -> Mapping[str, Engine]:
    """The engines that may be named, each once; the first is the default."""
    found: dict[str, Engine] = {}
    for engine in engines:
        found.setdefault(engine.id, engine)
    return found


def check_engine(engines: Mapping[str, Engine], name: str) -> None:
    """Refuse what is not among the engines.

    Raises:
        InvalidRequest: There is no such engine; the message lists those that there are.
    """
    if name not in engines:
        known = ", ".join(engines)
        raise InvalidRequest(f"No engine {name[:64]!r}; there are: {known}.", param="engine")


def choose_engine(
    engines: Mapping[str, Engine], name: str | None, collections: Sequence[Collection]
) -> Engine:
    """The engine that a request names, else its collections', else the default.

    Raises:
        InvalidRequest: There is none of this name, or the collections do not agree on one.
        Conflict: This service lacks the engine that a collection is pinned to.
    """
    if name is not None:
        check_engine(engines, name)
        return engines[name]
    pinned = {one.engine: one for one in collections if one.engine is not None}
    if len(pinned) > 1:
        names = ", ".join(sorted(pinned))
        raise InvalidRequest(
            f"These collections are pinned to different engines ({names}); name the one to ask "
            "in `engine`.",
            param="engine",
        )
    for pin, collection in pinned.items():
        if pin not in engines:
            raise Conflict(
                f"Collection {collection.name!r} is pinned to {pin}, which this service does not "
                "offer; add it to IBIDEM_ENGINES, name another in `engine`, or change the "
                "collection.",
                param="engine",
            )
        return engines[pin]
    return next(iter(engines.values()))
