"""Replies of language models, kept under the content key of the call."""

from __future__ import annotations

import time
from collections.abc import Set
from dataclasses import asdict

import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.database import Database
from rag.models.chat import ChatReply, Finish, Tokens


class Replies:
    """The `rag.models.replies.ReplyStore` of the catalog.

    A call holds text of documents, and its reply repeats some; it goes when one is deleted.
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def get(self, tenant: str, key: str) -> ChatReply | None:
        """The reply to the very same call, if there was one."""
        c = t.replies.c
        query = sa.select(c.body).where(c.tenant == tenant, c.key == key)
        with self._db.read() as connection:
            body = connection.execute(query).scalar()
        if body is None:
            return None
        finish, tokens = Finish(body["finish"]), Tokens(**body["tokens"])
        return ChatReply(**{**body, "finish": finish, "tokens": tokens})

    def put(self, tenant: str, key: str, reply: ChatReply, *, documents: Set[str]) -> None:
        """Keep a reply, unless a document was deleted meanwhile; durable on return."""
        kept = sa.select(t.replies.c.key).where(
            t.replies.c.tenant == tenant, t.replies.c.key == key
        )
        row = {"tenant": tenant, "key": key, "body": asdict(reply), "created_at": time.time()}
        with self._db.write() as connection:
            if not _present(connection, tenant, documents):
                return
            if connection.execute(kept).first() is not None:  # another thread asked the same
                return
            connection.execute(sa.insert(t.replies), row)
            if documents:
                rows = [{"tenant": tenant, "key": key, "document_id": one} for one in documents]
                connection.execute(sa.insert(t.reply_documents), rows)

    def last_failed(self, tenant: str, task: str) -> int:
        """The last attempt at a task that ended in failure, counted from 1; 0 if none did."""
        c = t.failed_tasks.c
        query = sa.select(sa.func.max(c.attempt)).where(c.tenant == tenant, c.key == task)
        with self._db.read() as connection:
            return connection.execute(query).scalar() or 0

    def fail(self, tenant: str, task: str, attempt: int, *, documents: Set[str]) -> None:
        """Keep that an attempt failed, unless a document was deleted meanwhile."""
        c = t.failed_tasks.c
        row = {"tenant": tenant, "key": task, "attempt": attempt}
        known = sa.select(c.key).where(c.tenant == tenant, c.key == task, c.attempt == attempt)
        with self._db.write() as connection:
            if not _present(connection, tenant, documents):
                return
            if connection.execute(known).first() is not None:  # another thread tried it too
                return
            rows = [{**row, "document_id": one} for one in documents or {""}]
            connection.execute(sa.insert(t.failed_tasks), rows)


def forget_replies(connection: sa.Connection, document_id: str) -> None:
    """Remove all replies and failures with a document's text, within the caller's transaction."""
    for table, documents in ((t.replies, t.reply_documents), (t.failed_tasks, t.failed_tasks)):
        c = documents.c
        mine = sa.select(c.tenant, c.key).where(c.document_id == document_id)
        which = sa.tuple_(table.c.tenant, table.c.key).in_(mine)
        connection.execute(sa.delete(table).where(which))


def _present(connection: sa.Connection, tenant: str, documents: Set[str]) -> bool:
    """Whether none of the documents has been deleted."""
    d = t.documents.c
    query = sa.select(sa.func.count()).where(d.tenant == tenant, d.id.in_(documents))
    return connection.execute(query).scalar() == len(documents)
