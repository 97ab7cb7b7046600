"""Query parameters that a route does not know are refused: a misspelt one would be ignored."""

from __future__ import annotations

from fastapi import Request, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute

from rag.errors import InvalidRequest


async def known_parameters(request: Request) -> None:
    """A dependency of routes.

    Raises:
        InvalidRequest: the address holds a parameter that the route does not have.
    """
    route = request.scope.get("route")
    if not request.query_params or not isinstance(route, APIRoute):
        return
    known = [
        field.alias
        for field in get_flat_params(route.dependant)
        if isinstance(field.field_info, params.Query)
    ]
    for name in request.query_params:
        if name not in known:
            there_are = f"there are: {', '.join(known)}" if known else "there are none here"
            raise InvalidRequest(
                f"Unknown query parameter {name[:100]!r}; {there_are}.", param=name[:100]
            )
