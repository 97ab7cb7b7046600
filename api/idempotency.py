"""POSTs that create or answer, carried out once per ``Idempotency-Key``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import Header
from starlette.responses import Response

from rag.catalog.records import Requests
from rag.errors import InvalidRequest

_LONGEST_KEY = 255

IdempotencyKey: TypeAlias = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description=(
            "Makes a repetition safe: under the same key the same request is carried out once "
            "a day, and its reply is sent again. Another request under the key is a 409."
        ),
        examples=["7c1d8a52-upload-report"],
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A JSON reply, byte for byte; one that holds an answer is kept as long as the answer."""

    status: int
    body: str
    answer_id: str | None = None

    def response(self, *, replayed: bool = False) -> Response:
        """The reply, marked when it was given before."""
        headers = {"idempotent-replayed": "true"} if replayed else {}
        return Response(
            self.body, status_code=self.status, media_type="application/json", headers=headers
        )


def fingerprint(*parts: str | bytes | None) -> str:
    """What makes two requests the same, as one hash."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(b"-" if data is None else b"%d:%s" % (len(data), data))
    return digest.hexdigest()


def once(
    requests: Requests, tenant: str, key: str | None, mark: str, create: Callable[[], Reply]
) -> Response:
    """Carry a request out, or repeat the reply that it had; ``mark`` is its fingerprint.

    Raises:
        InvalidRequest: the key is empty or too long.
        Conflict: the key stands for another request, or for one still being served.
    """
    if key is None:
        return create().response()
    if not 1 <= len(key) <= _LONGEST_KEY:
        raise InvalidRequest(
            f"An Idempotency-Key has 1 to {_LONGEST_KEY} characters.", param="Idempotency-Key"
        )
    known = requests.claim(tenant, key, mark)
    if known is not None:
        status, body = known
        return Reply(status=status, body=body).response(replayed=True)
    try:
        reply = create()
        requests.settle(tenant, key, reply.status, reply.body, answer_id=reply.answer_id)
    except BaseException:
        requests.release(tenant, key)
        raise
    return reply.response()
