"""Where a request looks: the collections that it names."""

from __future__ import annotations

from collections.abc import Sequence

from api.services import DEFAULT_COLLECTION, Services
from rag.errors import InvalidRequest, NotFound
from rag.types import Collection


def existing(services: Services, tenant: str, name_or_id: str | None) -> Collection | None:
    """A collection to read from; ``None`` for the default one before anything is in it.

    Raises:
        NotFound: the tenant has no such collection.
    """
    name = name_or_id or DEFAULT_COLLECTION
    try:
        return services.catalog.collections.find(tenant, name)
    except NotFound:
        if name == DEFAULT_COLLECTION:
            return None
        raise


def named(
    services: Services, tenant: str, one: str | None, several: Sequence[str] | None
) -> tuple[Collection, ...]:
    """The collections that a body names by id or name, each once; else the default one.

    None when that would be the default one, and it is not there yet.

    Raises:
        InvalidRequest: it names them in both ways.
        NotFound: the tenant has no such collection.
    """
    if one is not None and several is not None:
        raise InvalidRequest("Give `collection` or `collections`, not both.", param="collection")
    names = several if several is not None else [one]
    found = (existing(services, tenant, name) for name in names)
    return tuple({collection.id: collection for collection in found if collection}.values())
