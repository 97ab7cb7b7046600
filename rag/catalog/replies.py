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
        d = t.documents.c
        present = sa.select(sa.func.count()).where(d.tenant == tenant, d.id.in_(documents))
        kept = sa.select(t.replies.c.key).where(
            t.replies.c.tenant == tenant, t.replies.c.key == key
        )
        row = {"tenant": tenant, "key": key, "body": asdict(reply), "created_at": time.time()}
        with self._db.write() as connection:
            if connection.execute(present).scalar() != len(documents):
                return
            if connection.execute(kept).first() is not None:  # another thread asked the same
                return
            connection.execute(sa.insert(t.replies), row)
            if documents:
                rows = [{"tenant": tenant, "key": key, "document_id": one} for one in documents]
                connection.execute(sa.insert(t.reply_documents), rows)


def forget_replies(connection: sa.Connection, document_id: str) -> None:
    """Remove every reply to a call with a document's text, within the caller's transaction."""
    c = t.reply_documents.c
    mine = sa.select(c.tenant, c.key).where(c.document_id == document_id)
    which = sa.tuple_(t.replies.c.tenant, t.replies.c.key).in_(mine)
    connection.execute(sa.delete(t.replies).where(which))
