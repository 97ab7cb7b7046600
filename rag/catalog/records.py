"""Small records that requests leave behind: answers given, and idempotency keys used."""

from __future__ import annotations

import time
from collections.abc import Mapping, Set
from typing import Any

import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.database import Database
from rag.errors import Conflict, NotFound

_IDEMPOTENCY_DAY_S = 86_400
_ANSWERS_KEPT_S = 30 * 86_400


_IN_MESSAGE = (
    sa.select(t.conversation_messages.c.id)
    .where(t.conversation_messages.c.answer_id == t.answers.c.id)
    .exists()
)


class Answers:
    """Answers as they were returned, to be read again for 30 days, or as long as a conversation.

    An answer repeats text of documents, and goes when one of them is deleted.
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def put(
        self, tenant: str, answer_id: str, body: Mapping[str, Any], *, documents: Set[str]
    ) -> None:
        """Keep an answer with text of these documents, unless one was deleted meanwhile."""
        now = time.time()
        row = {"id": answer_id, "tenant": tenant, "body": dict(body), "created_at": now}
        present = sa.select(sa.func.count()).where(t.documents.c.id.in_(documents))
        with self._db.write() as connection:
            _forget(connection, (t.answers.c.created_at < now - _ANSWERS_KEPT_S) & ~_IN_MESSAGE)
            if connection.execute(present).scalar() != len(documents):
                return
            connection.execute(sa.insert(t.answers).values(row))
            if documents:
                rows = [{"answer_id": answer_id, "document_id": one} for one in documents]
                connection.execute(sa.insert(t.answer_documents), rows)

    def get(self, tenant: str, answer_id: str) -> Mapping[str, Any]:
        """The answer with this id.

        Raises:
            NotFound: the tenant has none.
        """
        query = sa.select(t.answers.c.body).where(
            t.answers.c.tenant == tenant, t.answers.c.id == answer_id
        )
        with self._db.read() as connection:
            body: Mapping[str, Any] | None = connection.execute(query).scalar()
        if body is None:
            raise NotFound(f"No answer {answer_id!r}.", param="answer")
        return body


class Requests:
    """Idempotency keys: a POST repeated under one key is carried out once, for a day."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def claim(self, tenant: str, key: str, fingerprint: str) -> tuple[int, Any] | None:
        """Take the key for a new request, or return the reply of the one it already stands for.

        Raises:
            Conflict: the key stands for another request, or for one still being served.
        """
        c = t.requests.c
        mine = (c.tenant == tenant) & (c.key == key)
        with self._db.write() as connection:
            stale = c.created_at < time.time() - _IDEMPOTENCY_DAY_S
            connection.execute(sa.delete(t.requests).where(stale))
            row = connection.execute(sa.select(t.requests).where(mine)).mappings().first()
            if row is None:
                connection.execute(
                    sa.insert(t.requests).values(
                        tenant=tenant, key=key, fingerprint=fingerprint, created_at=time.time()
                    )
                )
                return None
        if row["fingerprint"] != fingerprint:
            raise Conflict(
                "This Idempotency-Key was used for another request; use a new key.",
                param="Idempotency-Key",
            )
        if row["status"] is None:
            raise Conflict(
                "A request with this Idempotency-Key is still being served; retry shortly.",
                param="Idempotency-Key",
            )
        return int(row["status"]), row["body"]

    def settle(
        self, tenant: str, key: str, status: int, body: Any, *, answer_id: str | None = None
    ) -> None:
        """Keep the reply for repetitions; one that holds an answer only as long as the answer."""
        c = t.requests.c
        mine = (c.tenant == tenant) & (c.key == key)
        kept = sa.select(t.answers.c.id).where(t.answers.c.id == answer_id)
        with self._db.write() as connection:
            if answer_id is not None and connection.execute(kept).first() is None:
                connection.execute(sa.delete(t.requests).where(mine))
                return
            values = {"status": status, "body": body, "answer_id": answer_id}
            connection.execute(sa.update(t.requests).where(mine).values(values))

    def release(self, tenant: str, key: str) -> None:
        """Give the key back: its request failed and may be sent again."""
        c = t.requests.c
        with self._db.write() as connection:
            connection.execute(sa.delete(t.requests).where(c.tenant == tenant, c.key == key))

    def release_unsettled(self) -> None:
        """Give back every key whose request died with an earlier process."""
        with self._db.write() as connection:
            connection.execute(sa.delete(t.requests).where(t.requests.c.status.is_(None)))


def forget_answers(connection: sa.Connection, document_id: str) -> None:
    """Remove every answer with text of a document, within the caller's transaction."""
    c = t.answer_documents.c
    _forget(
        connection, t.answers.c.id.in_(sa.select(c.answer_id).where(c.document_id == document_id))
    )


def forget_answers_of_conversation(connection: sa.Connection, conversation_id: str) -> None:
    """Remove every answer of a conversation, within the caller's transaction."""
    c = t.conversation_messages.c
    _forget(
        connection,
        t.answers.c.id.in_(sa.select(c.answer_id).where(c.conversation_id == conversation_id)),
    )


def _forget(connection: sa.Connection, which: sa.ColumnElement[bool]) -> None:
    """Remove answers, and the replies to repeated requests that hold them."""
    ids = sa.select(t.answers.c.id).where(which)
    connection.execute(sa.delete(t.requests).where(t.requests.c.answer_id.in_(ids)))
    connection.execute(sa.delete(t.answers).where(which))
